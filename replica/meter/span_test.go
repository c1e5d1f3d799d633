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

// changed makes the period that is open at the hub one of a rule that the documents had before.
func (s *stand) changed(per checker.Per) {
	time.Sleep(90 * time.Minute) // so that no two rules have a period in common
	terms, rule, now := s.desk.book.Terms, s.desk.book.Calendar[0], time.Now().UnixMilli()
	s.desk.book = ledger.Book{}
	s.desk.book.SetTerms(terms, ledger.Rule{Per: per}, now)
	s.desk.book.SetTerms(terms, rule, now)
}

func TestWhoBeginsLateCountsInThePeriodThatIsOpenAtTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, hard(100))
		s.changed(checker.Hour)
		hour := s.folded().Span
		m, stop := s.open(newTin(1))
		res := s.consume(m, 1)
		if d := res.Decision; !d.Allowed || d.ResetsAt != hour.End {
			t.Fatalf("got %+v, want 1 of the hour until %d", d, hour.End)
		}
		time.Sleep(2 * time.Second)
		late, stopLate := s.open(newTin(2))
		if d := s.consume(late, 99).Decision; !d.Allowed || d.Used != 100 || d.ResetsAt != hour.End {
			t.Errorf("got %+v, want the rest of the hour's 100", d)
		}
		if d := s.check(late, 1); d.Reason != checker.LimitReached || d.Used != 100 {
			t.Errorf("got %+v", d)
		}
		stopLate()
		stop()
		if b := &s.desk.book; len(b.Periods) != 1 || b.Periods[0].Span != hour {
			t.Errorf("the book has %+v", b.Periods)
		}
	})
}

func TestWhatNeedsNoRightsCountsInThePeriodThatIsOpenAtTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, soft)
		s.changed(checker.Hour)
		hour := s.folded()
		v := newTin(1)
		m, stop := s.open(v)
		a := m.account(keyOf("acme", "calls"))
		a.mu.Lock()
		a.tell(&hour, time.Now().UnixMilli())
		a.mu.Unlock()
		s.consume(m, 2)
		if _, err := m.Record(t.Context(), []Fact{s.fact(3, 1)}); err != nil {
			t.Fatal(err)
		}
		stop()
		s.desk.beAway(true)
		m, stop = s.open(v)
		if d := s.consume(m, 4).Decision; d.Used != 9 || d.ResetsAt != hour.Span.End {
			t.Errorf("after a restart without a hub: got %+v", d)
		}
		s.desk.beAway(false)
		time.Sleep(2 * time.Second)
		stop()
		if b := &s.desk.book; len(b.Periods) != 1 || s.folded().Used != 9 {
			t.Errorf("the book has %+v", b.Periods)
		}
	})
}

func TestAnAwardThatIsLateBringsNoCalendarBack(t *testing.T) { synctest.Test(t, lateAward) }

func lateAward(t *testing.T) {
	s, may := newStand(t, hard(100)), make(chan struct{})
	var held atomic.Bool
	hub := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		reply, err := s.desk.Exchange(ctx, l, k)
		if held.Load() {
			<-may
		}
		return reply, err
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	s.consume(m, 99)
	settled()
	held.Store(true)
	m.wants(1)
	time.Sleep(100 * time.Millisecond)
	s.desk.mu.Lock()
	s.desk.book.Reset(time.Now().UnixMilli())
	s.desk.mu.Unlock()
	s.publish(m, s.folded())
	held.Store(false)
	close(may)
	synctest.Wait()
	if d := s.check(m, 100); !d.Allowed || d.Used != 0 {
		t.Errorf("got %+v, want the period after the reset", d)
	}
	if res := s.consume(m, 100); res.Consumed != 100 {
		t.Errorf("got %+v", res)
	}
	stop()
}

// slowRenewal is a vault that takes its time to take another name.
type slowRenewal struct{ *tin }

func (v slowRenewal) Renew(why string, accounts map[string][]byte) error {
	time.Sleep(time.Second)
	return v.tin.Renew(why, accounts)
}

func TestACalendarThatIsToldWhileAnotherNameIsTakenCounts(t *testing.T) {
	synctest.Test(t, toldMeanwhile)
}

func toldMeanwhile(t *testing.T) {
	s := newStand(t, soft)
	s.changed(checker.Hour)
	hour := s.folded()
	s.desk.beAway(true)
	m, stop := s.openOn(Options{Vault: slowRenewal{newTin(1)}, Hub: s.desk, Clock: NewClock(time.Now)})
	m.account(keyOf("acme", "calls"))
	m.distrust(m.holder(), ledger.CodeFenced)
	time.Sleep(500 * time.Millisecond)
	s.publish(m, hour)
	time.Sleep(time.Second)
	if d := s.consume(m, 5).Decision; d.ResetsAt != hour.Span.End {
		t.Errorf("got %+v, want it to be counted in the hub's hour", d)
	}
	stop()
}
