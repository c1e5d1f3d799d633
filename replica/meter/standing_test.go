package meter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
)

// A period begins while the hub is away: there is something to consume, however small the limit is, and however long
// nothing was consumed before.
func TestAPeriodThatBeginsWithoutAHubBeginsWithRights(t *testing.T) {
	for n, limit := range []int64{1, 10, 99, 1000, 1, 10, 99, 1000, 1, 1000} {
		idle := []time.Duration{0, 10 * time.Minute, 5 * time.Hour}[n/4]
		t.Run(fmt.Sprint(limit, " idle for ", idle), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { beginAlone(t, limit, idle) })
		})
	}
}

func beginAlone(t *testing.T, limit int64, idle time.Duration) {
	s, v := newStand(t, checker.Allowance{Limit: limit, Per: checker.Hour}), newTin(1)
	m, stop := s.open(v)
	defer func() { stop() }()
	if res := s.consume(m, 1); res.Consumed != 1 {
		t.Fatalf("got %+v", res)
	}
	time.Sleep(idle)
	settled()
	s.desk.beAway(true)
	time.Sleep(time.Hour)
	if res := s.consume(m, 1); res.Consumed != 1 {
		t.Errorf("in the next period: got %+v", res)
	}
	s.desk.beAway(false)
	settled()
	if got := s.folded(); got.Used != 1 {
		t.Errorf("the hub has %+v", got)
	}
}

// Who lies idle for days tells of every period, so that the hub's book does not grow, and has nothing in the end.
func TestWhoLiesIdleKeepsNoPeriodOpen(t *testing.T) {
	for per, most := range map[checker.Per]int{checker.Minute: 4, checker.Hour: 4} {
		t.Run(per.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lieIdleBesideAnother(t, per, most) })
		})
	}
}

func lieIdleBesideAnother(t *testing.T, per checker.Per, most int) {
	s, v := newStand(t, checker.Allowance{Limit: 1000, Per: per}), newTin(1)
	idle, stop := s.open(v)
	defer stop()
	busy, stopToo := s.open(newTin(2))
	defer stopToo()
	s.consume(idle, 1)
	for n := range 200 {
		if res := s.consume(busy, 5); res.Consumed != 5 {
			t.Fatalf("after %d: got %+v", n, res)
		}
		time.Sleep(10 * time.Minute)
		s.desk.mu.Lock()
		s.desk.book.FoldAway(time.Now().UnixMilli())
		got := len(s.desk.book.Periods)
		s.desk.mu.Unlock()
		if got > most {
			t.Fatalf("after %d: the book has %d periods", n, got)
		}
	}
	if commits := v.count(); commits > 150 {
		t.Errorf("who lies idle wrote %d times", commits)
	}
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	h := s.desk.book.Holder(idle.holder())
	if left := h.Standing.Granted - h.Standing.Released; left != 0 {
		t.Errorf("after 33 hours %d rights stand for who lies idle", left)
	}
}
