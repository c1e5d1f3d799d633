package meter

import (
	"context"
	"crypto/ed25519"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// lose makes the desk's book what it is after its log lost everything: it waits for a holder.
func (s *stand) lose(id ledger.HolderID, terms ledger.Terms, r ledger.Rule) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	now := time.Now().UnixMilli()
	epoch := s.desk.book.Epoch + 1
	s.desk.book = ledger.Book{}
	s.desk.book.SetTerms(terms, r, now)
	s.desk.book.Learn(epoch, []ledger.HolderID{id}, now+48*3600*1000)
}

func TestWhoIsQuietAfterAStartHasNotToldAll(t *testing.T) { synctest.Test(t, quietAfterALoss) }

func quietAfterALoss(t *testing.T) {
	s, v := newStand(t, hard(100)), newTin(1)
	m, stop := s.open(v)
	if _, err := m.Record(t.Context(), []Fact{s.fact(60, 1)}); err != nil {
		t.Fatal(err)
	}
	settled()
	left := v.copy() // it was killed
	stop()
	s.lose(v.who.Holder, s.desk.book.Terms, ledger.Rule{Per: s.desk.book.Calendar[0].Per})
	_, stop = s.open(left)
	other, end := s.open(newTin(2))
	for range 50 {
		s.consume(other, 10)
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	end()
	if got := s.folded(); got.Used > 100 {
		t.Errorf("the hub has %d used, want at most 100", got.Used)
	}
}

// What a copy has of its original is told once, by the original, even if that shows itself right before the copy would
// have told it.
func TestWhatWasNotTakenInIsStillNobodysOwn(t *testing.T) {
	for wait := 1200 * time.Millisecond; wait < 3*time.Second; wait += 200 * time.Millisecond {
		r := refusal{"", wire.CodeCopied, true, wait, false, 3}
		t.Run(wait.String(), func(t *testing.T) { synctest.Test(t, r.test) })
	}
}

// The original is answered by a hub that has not heard of the copy yet.
func TestWhatAnotherTellsWhileOneIsQuietIsNotTakenForOnesOwn(t *testing.T) {
	synctest.Test(t, anotherTellsMeanwhile)
}

func anotherTellsMeanwhile(t *testing.T) {
	s, v := newStand(t, soft), newTin(1)
	s.desk.beAway(true)
	m, stop := s.open(v)
	s.consume(m, 5)
	stop()
	s.desk.beAway(false)
	m, stop = s.open(v)
	s.consume(m, 9)
	time.Sleep(1500 * time.Millisecond)
	s.desk.mu.Lock()
	a := m.account(keyOf("acme", "calls"))
	a.mu.Lock()
	span := a.span(time.Now().UnixMilli())
	a.mu.Unlock()
	no := s.desk.book.Fold(ledger.Report{Holder: ledger.HolderID{1}, Forgot: -1, Lines: []ledger.Reported{{Span: span,
		Source: ledger.Source{Kind: ledger.Unbacked}, Vector: ledger.Vector{Used: 7}}}}, time.Now().UnixMilli())
	s.desk.mu.Unlock()
	if no != nil {
		t.Fatal(no)
	}
	settled()
	stop()
	if got := s.folded(); got.Used != 16 {
		t.Errorf("the hub has %d used, want 7 and 9", got.Used)
	}
}

// A hubFunc is a hub.
type hubFunc func(context.Context, *wire.Lease, ed25519.PrivateKey) (*wire.LeaseReply, error)

func (f hubFunc) Exchange(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
	return f(ctx, l, k)
}

func TestWhatALostLogHadIsNotKnownToTheNextOne(t *testing.T) { synctest.Test(t, lateAnswerOfALostLog) }

// lateAnswerOfALostLog has an answer come from before a loss once the loss is known.
func lateAnswerOfALostLog(t *testing.T) {
	s, late := newStand(t, soft), make(chan struct{})
	hub := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		reply, err := s.desk.Exchange(ctx, l, k)
		if l.Items[0].Customer == "acme" && l.Epoch == 0 {
			<-late
		}
		return reply, err
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	s.consume(m, 5)
	time.Sleep(1500 * time.Millisecond)
	s.lose(m.holder(), s.desk.book.Terms, ledger.Rule{Per: s.desk.book.Calendar[0].Per})
	m.note(&wire.LeaseReply{Epoch: 1}) // as another answer says
	close(late)
	synctest.Wait()
	m.distrust(m.holder(), ledger.CodeQuarantined)
	settled()
	stop()
	if got := s.folded(); got.Used != 5 {
		t.Errorf("the hub has %d used, want 5", got.Used)
	}
}

func TestNothingIsSaidToBeAllThatWasToldInAnotherEpoch(t *testing.T) {
	synctest.Test(t, allInAnotherEpoch)
}

func ofAcme(it wire.LeaseItem) bool { return it.Customer == "acme" }

// allInAnotherEpoch lets a holder hear of a loss while it is about to say that it has told all.
func allInAnotherEpoch(t *testing.T) {
	s, late := newStand(t, hard(100)), make(chan struct{})
	var mu sync.Mutex
	epoch, heard := uint64(0), false
	hub := hubFunc(func(_ context.Context, l *wire.Lease, _ ed25519.PrivateKey) (*wire.LeaseReply, error) {
		if l.Items[0].Ask != nil {
			<-late
		}
		mu.Lock()
		defer mu.Unlock()
		heard = heard || l.Epoch == 1 && slices.ContainsFunc(l.Items, ofAcme)
		if l.Items[0].Customer == wire.AllTold && l.Epoch == 1 && !heard {
			t.Error("it says that it has told all before it has")
		}
		return &wire.LeaseReply{Epoch: epoch, Items: make([]wire.LeaseAnswer, len(l.Items))}, nil
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	if _, err := m.Record(t.Context(), []Fact{s.fact(60, 1)}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(16 * time.Second)
	for i := range atOnce {
		r := s.request(1, 0)
		r.Customer = string(rune('a' + i))
		if res, err := m.Consume(t.Context(), r); err != nil || res.Consumed != 0 {
			t.Fatalf("got %+v, %v", res, err)
		}
	}
	time.Sleep(2 * time.Second)
	mu.Lock()
	epoch = 1
	mu.Unlock()
	close(late)
	settled()
	stop()
	if !heard {
		t.Error("nothing was told again")
	}
}

// A holder hears that its name is not accepted any more while the hub has taken a report in and not answered yet.
func TestWhatIsOnItsWayIsNotTakenAlong(t *testing.T) { synctest.Test(t, onItsWay) }

func onItsWay(t *testing.T) {
	s, late := newStand(t, soft), make(chan struct{})
	hub := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		reply, err := s.desk.Exchange(ctx, l, k)
		<-late
		return reply, err
	})
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	s.consume(m, 5)
	time.Sleep(1500 * time.Millisecond)
	m.distrust(m.holder(), ledger.CodeQuarantined)
	time.Sleep(time.Second)
	s.consume(m, 2)
	close(late)
	settled()
	stop()
	if got := s.folded(); got.Used != 7 || m.holder() == (ledger.HolderID{1}) {
		t.Errorf("the hub has %d used of %x, want 7 and another name", got.Used, m.holder())
	}
}

// A hub says of one customer that the vault was restored before it was asked of the other.
func TestARestoredVaultTellsOfNoCustomerTwice(t *testing.T) { synctest.Test(t, restoredWithTwo) }

func restoredWithTwo(t *testing.T) {
	s, other, v := newStand(t, soft), newStand(t, soft), newTin(1)
	hub := hubFunc(func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
		reply := &wire.LeaseReply{}
		for _, it := range l.Items {
			to, one := s.desk, *l
			if it.Customer == "other" {
				to = other.desk
			}
			one.Items = []wire.LeaseItem{it}
			part, err := to.Exchange(ctx, &one, k)
			if err != nil {
				return nil, err
			}
			reply.Items = append(reply.Items, part.Items...)
		}
		return reply, nil
	})
	m, stop := s.openOn(Options{Vault: v, Hub: hub, Clock: NewClock(time.Now)})
	s.consumeBoth(m, 100)
	settled()
	s.consumeBoth(m, 5)
	backup := v.copy()
	settled()
	s.consumeBoth(m, 7)
	stop()
	m, stop = s.openOn(Options{Vault: backup, Hub: hub, Clock: NewClock(time.Now)})
	a := m.account(keyOf("acme", "calls"))
	a.mu.Lock()
	m.beckon(a)
	a.mu.Unlock()
	synctest.Wait()
	settled()
	stop()
	if s.folded().Used != 112 || other.folded().Used != 112 {
		t.Errorf("the hub has %d and %d used, want 112 of both", s.folded().Used, other.folded().Used)
	}
}

func (s *stand) consumeBoth(m *Meter, q int64) {
	s.Helper()
	s.consume(m, q)
	r := s.request(q, 0)
	r.Customer = "other"
	if _, err := m.Consume(s.Context(), r); err != nil {
		s.Fatal(err)
	}
}

// A holder hears in its last report that its name is not accepted any more. The next start would be of the number of
// the other one's, and leave all that is not told to that.
func TestWhoIsRefusedAtTheEndTakesAnotherNameBeforeIt(t *testing.T) {
	for range 20 { // what ends and what is to be written are ready at the same time
		synctest.Test(t, refusedAtTheEnd)
	}
}

func refusedAtTheEnd(t *testing.T) {
	s, v := newStand(t, soft), newTin(1)
	hub := &tribunal{desk: s.desk}
	m, stop := s.openOn(Options{Vault: v, Hub: hub, Clock: NewClock(time.Now)})
	s.consume(m, 10)
	settled()
	time.Sleep(300 * time.Millisecond) // between two reports
	s.consume(m, 3)
	hub.refuse(v.who.Holder, wire.CodeSuperseded)
	stop()
	if v.who.Holder == (ledger.HolderID{1}) {
		t.Error("the vault has its old name")
	}
	if all := hub.heard(); len(all) < 2 || len(all[len(all)-1].Items) != 0 {
		t.Errorf("it asked %d times under its old name, and did not say that it lives", len(all))
	}
}

// A hub that has not heard of the copy yet accepts the name that was given up.
func TestWhoIsAcceptedByAHubThatIsBehindSaysAgainThatItLives(t *testing.T) {
	synctest.Test(t, acceptedByAHubThatIsBehind)
}

func acceptedByAHubThatIsBehind(t *testing.T) {
	s, v := newStand(t, soft), newTin(1)
	hub, behind := &tribunal{desk: s.desk}, 2
	m, stop := s.openOn(Options{Vault: v, Clock: NewClock(time.Now), Hub: hubFunc(
		func(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
			if len(l.Items) == 0 && behind > 0 {
				behind--
				return &wire.LeaseReply{}, nil
			}
			return hub.Exchange(ctx, l, k)
		})})
	s.consume(m, 10)
	settled()
	hub.refuse(v.who.Holder, wire.CodeSuperseded)
	s.consume(m, 3)
	settled()
	stop()
	hub.hasTestimony(t, len(hub.heard()), true)
}
