package meter

import (
	"context"
	"crypto/ed25519"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

func TestWhatAPeriodSpentOfAGrantIsNotWorthAnythingInTheNext(t *testing.T) {
	for name, lasts := range map[string]time.Duration{"it has ended": time.Hour / 2, "it is used up": 99 * time.Hour} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { worthNothing(t, lasts) }) })
	}
}

func worthNothing(t *testing.T, lasts time.Duration) {
	s := newStand(t, checker.Allowance{Limit: 15, Per: checker.Hour})
	s.give("voucher", 20, time.Now().Add(lasts).UnixMilli())
	m, stop := s.open(newTin(1))
	s.consume(m, 1)
	settled()
	s.consume(m, 19)
	settled()
	other, stopOther := s.open(newTin(2))
	s.publish(other, s.folded())
	time.Sleep(3 * time.Hour)
	for name, m := range map[string]*Meter{"who counted": m, "who was told": other} {
		if d := s.check(m, 16); d.Reason != checker.LimitReached || d.Remaining != 15 {
			t.Errorf("%s: got %+v, want the plan's 15", name, d)
		}
		if d := s.check(m, 15); d.Reason != checker.Granted {
			t.Errorf("%s: got %+v", name, d)
		}
	}
	stopOther()
	stop()
}

func TestAGrantThatHasEndedPaysWhatTheHubHasNotHeardOf(t *testing.T) {
	for name, chunked := range map[string]bool{"exact": false, "chunked": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { paysUntold(t, chunked) }) })
	}
}

func paysUntold(t *testing.T, chunked bool) {
	s := newStand(t, checker.Allowance{Limit: 15, Per: checker.Month, Chunked: chunked})
	ends := time.Now().Add(time.Hour)
	s.give("voucher", 20, ends.UnixMilli())
	m, stop := s.open(newTin(1))
	s.consume(m, 1)
	for range 3 { // it gets all that there is
		m.wants(34)
		settled()
	}
	s.desk.beAway(true)
	for range 17 {
		if res := s.consume(m, 1); res.Consumed != 1 {
			t.Fatalf("got %+v", res)
		}
	}
	time.Sleep(time.Until(ends))
	if d := s.check(m, 1); d.Used != 18 || d.Remaining != 15 || d.Held != 15 {
		t.Errorf("got %+v, want the plan's 15, all of them held", d)
	}
	for n := range 15 {
		if res := s.consume(m, 1); res.Consumed != 1 {
			t.Fatalf("after %d of the plan's 15: got %+v", n, res)
		}
	}
	s.desk.beAway(false)
	settled()
	if res := s.consume(m, 1); res.Consumed != 0 || res.Decision.Used != 33 {
		t.Errorf("got %+v, want 33 used and no more", res)
	}
	stop()
	if got := s.folded(); got.Used != 33 {
		t.Errorf("the hub has %+v", got)
	}
}

func TestAGrantThatTheCallerKnowsOfIsFoundOutThoughNothingElseIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, checker.Allowance{Per: checker.Month})
		s.alone()
		m, stop := s.open(newTin(1))
		defer stop()
		settled()
		ask := s.request(1, 0)
		ask.Recent = true
		if res, err := m.Consume(t.Context(), ask); err != nil || res.Consumed != 1 {
			t.Errorf("got %+v, %v", res, err)
		}
	})
}

func TestTotalsOfAChangedBookAreNewerWhateverTheClockOfTheOthersShowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, hard(10))
		m, stop := s.open(newTin(1))
		defer stop()
		s.consume(m, 10)
		settled()
		ahead := s.folded()
		ahead.At += 200
		s.publish(m, ahead)
		s.give("more", 5, ledger.Forever)
		if m.Hear(t.Context(), "acme", "calls"); !s.check(m, 5).Allowed {
			t.Errorf("got %+v", s.check(m, 5))
		}
		ahead.At += 1000
		if s.publish(m, ahead); !s.check(m, 5).Allowed {
			t.Errorf("after older totals: got %+v", s.check(m, 5))
		}
		ahead.Epoch = 1
		if s.publish(m, ahead); s.check(m, 5).Allowed {
			t.Errorf("totals of another epoch were not taken in")
		}
	})
}

func TestWhoAsksAlongWithManyHearsAtTheNextAnswer(t *testing.T) { synctest.Test(t, manyHear) }

func manyHear(t *testing.T) {
	const takes = 100 * time.Millisecond
	s := newStand(t, hard(10))
	far := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		time.Sleep(takes)
		return s.desk.Exchange(ctx, l, k)
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: far, Clock: NewClock(time.Now)})
	s.consume(m, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	longest := make(chan time.Duration)
	for i := range 50 {
		go func() {
			var most time.Duration
			for time.Sleep(time.Duration(i) * time.Millisecond); ctx.Err() == nil; {
				begin := time.Now()
				m.Hear(ctx, "acme", "calls")
				most = max(most, time.Since(begin))
				time.Sleep(time.Millisecond)
			}
			longest <- most
		}()
	}
	for range 50 {
		if most := <-longest; most > 3*takes {
			t.Errorf("one waited for %v, want no more than what is under way and the next", most)
		}
	}
	cancel()
	stop()
}

func TestWhatAGrantPaidAndTotalsHaveIsNotAddedAgain(t *testing.T) { synctest.Test(t, paidOnce) }

func paidOnce(t *testing.T) {
	s, lose := newStand(t, hard(15)), &atomic.Bool{}
	ends := time.Now().Add(time.Hour)
	s.give("voucher", 20, ends.UnixMilli())
	hub := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		reply, err := s.desk.Exchange(ctx, l, k)
		if lose.Load() {
			return nil, errFull
		}
		return reply, err
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	s.consume(m, 1)
	m.wants(20)
	settled()
	lose.Store(true) // the hub hears, and is not heard
	for range 17 {
		s.consume(m, 1)
	}
	time.Sleep(time.Until(ends))
	s.publish(m, s.folded())
	if d := s.check(m, 16); d.Reason != checker.LimitReached || d.Used != 18 || d.Remaining != 15 {
		t.Errorf("got %+v, want the plan's 15", d)
	}
	lose.Store(false)
	stop()
}

func TestWhatIsSetAsideOfAGrantThatHasEndedIsNotThePlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, hard(15))
		ends := time.Now().Add(time.Hour)
		s.give("voucher", 10, ends.UnixMilli())
		m, stop := s.open(newTin(1))
		if _, r, err := m.Reserve(t.Context(), s.request(10, 0), 10*time.Hour); err != nil || r.ID == "" {
			t.Fatal(r, err)
		}
		settled()
		time.Sleep(time.Until(ends))
		if res := s.consume(m, 15); res.Consumed != 15 {
			t.Errorf("got %+v, want the plan's 15", res)
		}
		if d := s.check(m, 1); d.Reason != checker.LimitReached || d.Reserved != 10 {
			t.Errorf("got %+v", d)
		}
		stop()
	})
}

func TestAGrantThatIsMadeSmallerPaysForWhatWasSpentOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, hard(15))
		s.give("voucher", 20, ledger.Forever)
		m, stop := s.open(newTin(1))
		s.consume(m, 1)
		settled()
		s.consume(m, 19)
		settled()
		s.give("voucher", 5, ledger.Forever)
		if m.Hear(t.Context(), "acme", "calls"); s.check(m, 1).Remaining != 15 {
			t.Errorf("got %+v, want the plan's 15", s.check(m, 1))
		}
		if res := s.consume(m, 15); res.Consumed != 15 {
			t.Errorf("got %+v", res)
		}
		stop()
	})
}
