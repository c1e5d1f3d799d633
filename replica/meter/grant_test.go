package meter

import (
	"context"
	"crypto/ed25519"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

func TestWhoHasNothingButAGrantSpendsIt(t *testing.T) { synctest.Test(t, nothingButAGrant) }

func nothingButAGrant(t *testing.T) {
	s := newStand(t, checker.Allowance{Per: checker.Month})
	s.alone()
	m, stop := s.open(newTin(1))
	defer stop()
	if res := s.consume(m, 1); res.Decision.Reason != checker.NotEntitled {
		t.Errorf("before it heard of the grant: got %+v", res)
	}
	s.publish(m, s.folded())
	if _, err := m.Record(t.Context(), []Fact{s.fact(3, 1)}); err != nil {
		t.Fatal(err)
	}
	if got := m.account(keyOf("acme", "calls")).led.Entries[0].Span; got.Start != 0 {
		t.Errorf("a fact is of the period %v, want that of the grant", got)
	}
	if res := s.consume(m, 7); res.Consumed != 7 {
		t.Errorf("got %+v", res)
	}
	if res := s.consume(m, 1); res.Decision.Reason != checker.LimitReached {
		t.Errorf("beyond the grant: got %+v", res)
	}
}

func TestWhatRolledOverIsFoundOutBeforeAnythingIsDenied(t *testing.T) {
	synctest.Test(t, whatRolledOverIsFoundOutBeforeAnythingIsDenied)
}

func whatRolledOverIsFoundOutBeforeAnythingIsDenied(t *testing.T) {
	s := newStand(t, checker.Allowance{Limit: 300, Rollover: 100, Per: checker.Month})
	s.desk.beAway(true)
	m, stop := s.open(newTin(1))
	defer stop()
	if res := s.consume(m, 350); res.Consumed != 0 || res.Decision.Reason != checker.LimitReached || res.RetryAfter != 0 {
		t.Errorf("without a hub: got %+v", res)
	}
	s.desk.beAway(false)
	settled() // the hub is known to be back
	if res := s.consume(m, 401); res.Consumed != 0 || res.Decision.Reason != checker.LimitReached {
		t.Errorf("got %+v, want no more than 300 and 100 of the month before", res)
	}
	begin := time.Now()
	if res := s.consume(m, 350); res.Consumed != 350 || res.Decision.Remaining != 50 {
		t.Errorf("got %+v, want 350 of 300 and 100 of the month before", res)
	}
	if res := s.consume(m, 51); res.Consumed != 0 || res.Decision.Reason != checker.LimitReached {
		t.Errorf("got %+v, want none", res)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAGrantThatTheCallerKnowsOfIsFoundOut(t *testing.T) {
	synctest.Test(t, aGrantThatTheCallerKnowsOf)
}

func aGrantThatTheCallerKnowsOf(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	defer stop()
	s.consume(m, 10)
	settled()
	s.desk.mu.Lock()
	s.desk.book.SetGrant(ledger.Grant{ID: "more", Amount: 5, Until: ledger.Forever})
	s.desk.mu.Unlock()
	if res := s.consume(m, 5); res.Decision.Reason != checker.LimitReached {
		t.Errorf("who knows of nothing: got %+v", res)
	}
	for _, want := range []int64{5, 0} {
		r := s.request(5, 0)
		r.Recent = true
		if res, err := m.Consume(t.Context(), r); err != nil || res.Consumed != want || want == 0 && res.RetryAfter != 0 {
			t.Errorf("got %+v, %v, want %d consumed", res, err, want)
		}
	}
}

// TestALimitWithoutEndAndAGrantAreNotTooMuch has a sum that no number holds.
func TestALimitWithoutEndAndAGrantAreNotTooMuch(t *testing.T) {
	synctest.Test(t, aLimitWithoutEndAndAGrant)
}

func aLimitWithoutEndAndAGrant(t *testing.T) {
	s := newStand(t, checker.Allowance{Limit: math.MaxInt64, Per: checker.Month, Soft: true})
	s.desk.book.SetGrant(ledger.Grant{ID: "more", Amount: 5, Until: ledger.Forever})
	m, stop := s.open(newTin(1))
	defer stop()
	s.consume(m, 1)
	settled() // the grant is known
	if d := s.consume(m, 1).Decision; d.Grants != 5 || d.Remaining != math.MaxInt64-2 || d.Overage != 0 {
		t.Errorf("got %+v", d)
	}
}

func TestWhatAGrantPaidIsNotChargedToThePlanOnceItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, hard(15))
		ends := time.Now().Add(time.Hour).UnixMilli()
		s.give("voucher", 20, ends)
		m, stop := s.open(newTin(1))
		defer stop()
		s.consume(m, 1)
		settled() // it has heard of the grant
		s.consume(m, 19)
		settled()
		if d := s.check(m, 1); d.Remaining != 15 || d.Used != 20 {
			t.Fatalf("while it lasts: got %+v", d)
		}
		time.Sleep(2 * time.Hour)
		if res := s.consume(m, 15); res.Consumed != 15 || res.Decision.Overage != 0 {
			t.Errorf("after it: got %+v, want the plan's 15", res)
		}
		if res := s.consume(m, 1); res.Decision.Reason != checker.LimitReached {
			t.Errorf("got %+v", res)
		}
	})
}

func TestWhatTheHubSaysIsHeardThoughAnExchangeIsUnderWay(t *testing.T) {
	for name, ask := range map[string]func(*stand, *Meter) bool{
		"check": func(s *stand, m *Meter) bool {
			m.Hear(s.Context(), "acme", "calls")
			return s.check(m, 20).Remaining == 29
		},
		"consumption": func(s *stand, m *Meter) bool {
			r := s.request(20, 0)
			r.Recent = true
			res, err := m.Consume(s.Context(), r)
			return err == nil && res.Consumed == 20 && res.Decision.Remaining == 9
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { heardMeanwhile(t, ask) }) })
	}
}

func heardMeanwhile(t *testing.T, ask func(*stand, *Meter) bool) {
	s, slow := newStand(t, hard(10)), make(chan struct{}, 9)
	hub := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		reply, err := s.desk.Exchange(ctx, l, k)
		<-slow // what it answers is as old as this takes
		return reply, err
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	slow <- struct{}{}
	s.consume(m, 1)
	time.Sleep(1100 * time.Millisecond) // it is being told
	s.give("voucher", 20, ledger.Forever)
	go func() {
		time.Sleep(10 * time.Millisecond)
		close(slow)
	}()
	if !ask(s, m) {
		t.Errorf("the 20 of the grant are not known: %+v", s.check(m, 1))
	}
	s.desk.beAway(true)
	settled()
	begin := time.Now()
	if m.Hear(t.Context(), "acme", "calls"); time.Since(begin) != 0 {
		t.Errorf("a hub that does not answer is waited for %v", time.Since(begin))
	}
	stop()
}
