package meter

import (
	"context"
	"crypto/ed25519"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A stubborn hub is in an epoch, and knows of no customer.
type stubborn struct{ told, asked atomic.Int64 }

func (h *stubborn) Exchange(_ context.Context, l *wire.Lease, _ ed25519.PrivateKey) (*wire.LeaseReply, error) {
	r := &wire.LeaseReply{Epoch: 1}
	for i := range l.Items {
		if l.Items[i].Customer == wire.AllTold {
			h.told.Add(1)
			r.Items = append(r.Items, wire.LeaseAnswer{})
			continue
		}
		h.asked.Add(1)
		r.Items = append(r.Items, wire.LeaseAnswer{Code: ledger.CodeUnknown})
	}
	return r, nil
}

func TestAQuestionKeepsNobodyFromHavingToldAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &stubborn{}
		m, stop := newStand(t, hard(1)).openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
		defer stop()
		m.Hear(t.Context(), "idle", "calls")
		time.Sleep(time.Minute)
		if told, asked := hub.told.Load(), hub.asked.Load(); told == 0 || asked != 1 {
			t.Errorf("said %d times that all was told, and asked %d times", told, asked)
		}
	})
}

func TestTotalsOfALogThatIsNoMoreGiveWay(t *testing.T) {
	for name, restart := range map[string]bool{"recalled": true, "followed": false} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { giveWay(t, restart) }) })
	}
}

func giveWay(t *testing.T, restart bool) {
	s := newStand(t, hard(10))
	s.desk.book.SetTerms(s.desk.book.Terms, s.desk.book.Calendar[0], time.Now().UnixMilli())
	counts, stopCounts := s.open(newTin(1))
	s.consume(counts, 10)
	stopCounts()
	old := s.folded()
	rule, terms := s.desk.book.Calendar[0], s.desk.book.Terms
	s.desk.book = ledger.Book{}
	s.desk.book.SetTerms(terms, rule, time.Now().UnixMilli())
	m, stop := s.open(newTin(2))
	defer stop()
	log, of := replica.NewMemory(), replica.Lineage{}
	s.follow(m, log, old, &of)
	if restart {
		kept := m.Totals()
		var stopNext func()
		m, stopNext = s.open(newTin(3))
		defer stopNext()
		if err := m.Recall(kept); err != nil {
			t.Fatal(err)
		}
	}
	if d := s.check(m, 1); d.Used != 10 {
		t.Fatalf("got %+v", d)
	}
	if restart {
		s.publish(m, s.folded())
	} else {
		log.Recreate()
		s.follow(m, log, s.folded(), &of)
	}
	if d := s.check(m, 10); !d.Allowed || d.Used != 0 {
		t.Errorf("got %+v, want what the new log says", d)
	}
}

// follow has a meter follow a log that is empty but for one document.
func (s *stand) follow(m *Meter, log *replica.Memory, t ledger.Totals, of *replica.Lineage) {
	_, err := log.Put(s.Context(), replica.CommandID{1}, replica.Put{Value: ledger.AppendTotals(nil, &t),
		Key: replica.CountKey(replica.KindTotals, replica.DefaultGroup, "acme", "calls")})
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	_ = m.follow(ctx, log, replica.Filter{}, of) // it ends with ctx
}

func TestWhoLackedRightsAtFirstHearsOfAGrantAllTheSame(t *testing.T) {
	synctest.Test(t, shortThenDenied)
}

func shortThenDenied(t *testing.T) {
	s, held, may := newStand(t, hard(10)), &atomic.Bool{}, make(chan struct{})
	hub := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		reply, err := s.desk.Exchange(ctx, l, k)
		if held.Load() {
			<-may
		}
		return reply, err
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	for range 2 {
		s.consume(m, 1)
		settled()
	}
	other, stopOther := s.open(newTin(2))
	s.consume(other, 8) // which m has not heard of
	time.Sleep(1500 * time.Millisecond)
	held.Store(true)
	m.wants(1)
	time.Sleep(50 * time.Millisecond)
	s.give("more", 5, ledger.Forever) // after that was answered
	go func() {
		time.Sleep(50 * time.Millisecond)
		held.Store(false)
		close(may)
	}()
	ask := s.request(1, 0)
	ask.Recent = true
	if res, err := m.Consume(t.Context(), ask); err != nil || res.Consumed != 1 {
		t.Errorf("got %+v, %v", res, err)
	}
	stopOther()
	stop()
}

func TestAQuestionWaitsUntilAnotherNameIsTaken(t *testing.T) { synctest.Test(t, askedWhileDoomed) }

func askedWhileDoomed(t *testing.T) {
	s, slow := newStand(t, hard(10)), &atomic.Bool{}
	hub := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		if slow.Load() {
			time.Sleep(500 * time.Millisecond)
		}
		return s.desk.Exchange(ctx, l, k)
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	s.consume(m, 1)
	settled()
	s.consume(m, 9)
	settled()
	slow.Store(true)
	go m.Hear(t.Context(), "acme", "other")
	time.Sleep(10 * time.Millisecond)
	slow.Store(false)
	m.distrust(m.holder(), ledger.CodeFenced)
	s.desk.mu.Lock()
	s.desk.book.Fence(m.holder(), false)
	s.desk.mu.Unlock()
	s.give("more", 5, ledger.Forever)
	if m.Hear(t.Context(), "acme", "calls"); !s.check(m, 5).Allowed {
		t.Errorf("got %+v", s.check(m, 5))
	}
	stop()
}

func TestPatienceIsForAllThatIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, checker.Allowance{Per: checker.Month})
		s.alone()
		far := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
			time.Sleep(200 * time.Millisecond)
			return s.desk.Exchange(ctx, l, k)
		})
		m, stop := s.openOn(Options{Vault: newTin(1), Hub: far, Clock: NewClock(time.Now)})
		settled()
		ask, begin := s.request(1, 0), time.Now()
		ask.Recent = true
		res, err := m.Consume(t.Context(), ask)
		if took := time.Since(begin); err != nil || took > 250*time.Millisecond {
			t.Errorf("got %+v, %v after %v", res, err, took)
		}
		if res.Decision.Reason != checker.RightsUnavailable {
			t.Errorf("got %+v, want that rights are on their way", res)
		}
		stop()
	})
}
