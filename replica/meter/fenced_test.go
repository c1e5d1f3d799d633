package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
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
	m.told(replica.Entry{Key: replica.CountKey(replica.KindTotals, replica.DefaultGroup, "acme", "calls"), Rev: 9,
		Value: ledger.AppendTotals(nil, &totals)})
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
