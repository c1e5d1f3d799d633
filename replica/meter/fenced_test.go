package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
)

func TestWhoIsFencedWhileItIsIdleCountsNothingTwiceAndGoesOn(t *testing.T) {
	for name, destroyed := range map[string]bool{"written off": false, "destroyed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fencedWhileIdle(t, destroyed) })
		})
	}
}

// fencedWhileIdle has totals come down in which what a holder consumed is not told apart any more.
func fencedWhileIdle(t *testing.T, destroyed bool) {
	s := newStand(t, hard(1000))
	m, stop := s.open(newTin(1))
	defer stop()
	s.consume(m, 600)
	settled()
	old := m.holder()
	s.desk.mu.Lock()
	s.desk.book.Fence(old, destroyed)
	s.desk.book.FoldAway(time.Now().UnixMilli()) // as a hub does
	totals := s.desk.book.Totals(time.Now().UnixMilli())
	s.desk.mu.Unlock()
	s.publish(m, totals)
	var u checker.Use
	if m.Use([]byte("acme"), []byte("calls"), nil, &u); u.Used != totals.Used {
		t.Errorf("%d are used, want the %d that the hub has", u.Used, totals.Used)
	}
	time.Sleep(100 * time.Millisecond)
	if m.holder() == old {
		t.Error("it has its old name")
	}
	if res := s.consume(m, 1000-totals.Used); !res.Decision.Allowed || res.Decision.Used != 1000 {
		t.Errorf("got %+v, want the %d that are left", res.Decision, 1000-totals.Used)
	}
}

// TestWhoIsDeclaredDestroyedAndIsNotLosesNothing has a holder consume what the hub does not hear of before it gives it
// up: all of that is counted once, under the next name.
func TestWhoIsDeclaredDestroyedAndIsNotLosesNothing(t *testing.T) {
	for name, destroyed := range map[string]bool{"written off": false, "destroyed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fencedWhileAway(t, destroyed) })
		})
	}
}

func fencedWhileAway(t *testing.T, destroyed bool) {
	s := newStand(t, hard(1000))
	m, stop := s.open(newTin(1))
	s.consume(m, 100)
	settled()
	s.desk.beAway(true)
	old, told := m.holder(), int64(100)
	held := m.Status().Held
	for range held {
		told += s.consume(m, 1).Consumed
	}
	s.desk.mu.Lock()
	s.desk.book.Fence(old, destroyed)
	s.desk.mu.Unlock()
	s.desk.beAway(false)
	settled()
	if m.holder() == old || held == 0 {
		t.Errorf("it has its old name, or held nothing: %d", held)
	}
	stop()
	if got := s.folded(); got.Used != told {
		t.Errorf("the hub has %d, callers were told of %d", got.Used, told)
	}
}
