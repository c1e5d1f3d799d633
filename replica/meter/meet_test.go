package meter

import (
	"context"
	"crypto/ed25519"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A vault that was put back from a copy counts on while the hub is away. All of it is told in the end, whether it is
// less or more than what was counted meanwhile by the one that the copy was made of.
func TestWhatARestoredVaultCountsBeforeTheHubHearsIsNotLost(t *testing.T) {
	chunked := soft
	chunked.Chunked = true
	for name, a := range map[string]checker.Allowance{"soft": soft, "hard": hard(1000), "soft and chunked": chunked} {
		t.Run(name, func(t *testing.T) { countOnCopies(t, a) })
	}
}

func countOnCopies(t *testing.T, a checker.Allowance) {
	for own := range int64(13) {
		synctest.Test(t, func(t *testing.T) { countOnACopy(t, a, own) })
	}
}

func countOnACopy(t *testing.T, a checker.Allowance, own int64) {
	s, v := newStand(t, a), newTin(1)
	m, stop := s.open(v)
	s.consume(m, 100)
	settled()
	s.consume(m, 5)
	time.Sleep(100 * time.Millisecond) // a chunk is written down lazily
	backup := v.copy()
	s.consume(m, 7)
	stop()
	s.desk.beAway(true)
	m, stop = s.open(backup)
	for range own {
		s.consume(m, 1)
	}
	time.Sleep(2 * time.Second)
	s.desk.beAway(false)
	time.Sleep(5 * time.Second)
	if m.Status().Holder == (ledger.HolderID{1}) {
		t.Error("it goes on under the old name")
	}
	stop()
	s.folded()
	if u := s.desk.book.Periods[0].Usage(time.Now().UnixMilli()); u.Used != 112+own || u.Doubt > 0 && !a.Chunked {
		t.Errorf("after %d: the hub has %d used and %d in doubt, want %d", own, u.Used, u.Doubt, 112+own)
	}
}

func TestARestoredVaultIsFoundOutWhereItHadCountedNothing(t *testing.T) {
	synctest.Test(t, restoredFromBefore)
}

func restoredFromBefore(t *testing.T) {
	s, v := newStand(t, soft), newTin(1)
	v.who.Incarnation = 3
	backup := v.copy()
	m, stop := s.open(v)
	s.consume(m, 7)
	stop()
	s.desk.beAway(true)
	m, stop = s.open(backup)
	s.consume(m, 9)
	s.desk.beAway(false)
	time.Sleep(5 * time.Second)
	stop()
	if got := s.folded(); got.Used != 16 || m.Status().Holder == (ledger.HolderID{1}) {
		t.Errorf("the hub has %d used of holder %v, want 16 and another name", got.Used, m.Status().Holder)
	}
}

// A tribunal is a desk that does not accept one name any more.
type tribunal struct {
	*desk
	mu      sync.Mutex
	refused ledger.HolderID
	code    string        // with which it refuses; empty: it refuses nobody
	under   []*wire.Lease // what was asked under the name that is refused
}

func (h *tribunal) Exchange(ctx context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	h.mu.Lock()
	refuse := h.code != "" && l.Holder == h.refused
	if refuse {
		h.under = append(h.under, l)
	}
	code := h.code
	h.mu.Unlock()
	if refuse {
		return &wire.LeaseReply{Code: code, Revision: 77}, nil
	}
	return h.desk.Exchange(ctx, l, key)
}

func (h *tribunal) refuse(id ledger.HolderID, code string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused, h.code = id, code
}

func (h *tribunal) heard() []*wire.Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.under
}

// A refusal is how the hub does not accept a name any more under which 10 units were consumed before the last start.
type refusal struct {
	name, code string
	away       bool          // the hub, when they were consumed
	wait       time.Duration // after the start
	testifies  bool
	want       int64 // that the hub has of the 10 and of 3 that are consumed later
}

func TestWhoIsRefusedTellsOnceWhatNobodyElseTells(t *testing.T) {
	for _, r := range []refusal{
		{"at the start", wire.CodeSuperseded, true, 0, true, 13},
		{"in use", wire.CodeSuperseded, false, 5 * time.Second, true, 13},
		{"copied, at the start", wire.CodeCopied, true, 0, false, 3}, // whoever has the original tells of 10
		{"copied, and met", wire.CodeCopied, true, 1200 * time.Millisecond, false, 3},
		{"copied, and all is told", wire.CodeCopied, true, 5 * time.Second, false, 13},
		{"copied, and all was told", wire.CodeCopied, false, 0, false, 13},
	} {
		t.Run(r.name, func(t *testing.T) { synctest.Test(t, r.test) })
	}
}

func (r refusal) test(t *testing.T) {
	s, v := newStand(t, soft), newTin(1)
	hub := &tribunal{desk: s.desk}
	s.desk.beAway(r.away)
	m, stop := s.open(v)
	s.consume(m, 10)
	stop()
	s.desk.beAway(false)
	m, stop = s.openOn(Options{Vault: v, Hub: hub, Clock: NewClock(time.Now)})
	time.Sleep(r.wait)
	hub.refuse(v.who.Holder, r.code)
	s.consume(m, 3)
	time.Sleep(5 * time.Second)
	n := len(hub.heard())
	time.Sleep(time.Minute)
	stop()
	if got := s.folded(); got.Used != r.want {
		t.Errorf("the hub has %d used, want %d", got.Used, r.want)
	}
	hub.hasTestimony(t, n, r.testifies)
}

// hasTestimony fails the test unless the refused name was given up, with or without a last word.
func (h *tribunal) hasTestimony(t *testing.T, n int, want bool) {
	t.Helper()
	all := h.heard()
	last := all[len(all)-1]
	if has := len(all) > 1 && last.Seen == 77 && len(last.Items) == 0; len(all) != n || has != want {
		t.Errorf("asked %d times, then %d under the old name, at last %+v; testimony: %v", n, len(all)-n, last, want)
	}
}

func TestWhatAnotherCountsUnderOnesNameIsNotTakenForOnesOwn(t *testing.T) {
	synctest.Test(t, anotherUnderOnesName)
}

func anotherUnderOnesName(t *testing.T) {
	s := newStand(t, soft)
	m, stop := s.open(newTin(1))
	s.consume(m, 5)
	settled()
	s.desk.mu.Lock()
	r := ledger.Report{Holder: m.Status().Holder, Forgot: -1, Lines: []ledger.Reported{{Span: s.desk.book.Periods[0].Span,
		Source: ledger.Source{Kind: ledger.Unbacked}, Vector: ledger.Vector{Used: 17}}}}
	no := s.desk.book.Fold(r, time.Now().UnixMilli())
	s.desk.mu.Unlock()
	if no != nil {
		t.Fatal(no)
	}
	s.consume(m, 2)
	settled()
	stop()
	if got := s.folded(); got.Used != 19 {
		t.Errorf("the hub has %d used, want 17 and 2", got.Used)
	}
}

// A slow hub decides about asks at once, and lets its answer be known later.
type slow struct {
	*tribunal
	answer chan struct{}
}

func (h slow) Exchange(ctx context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	reply, err := h.tribunal.Exchange(ctx, l, key)
	if len(l.Items) > 0 && l.Items[0].Ask != nil {
		<-h.answer
	}
	return reply, err
}

func TestRightsThatWereGivenToAFormerNameAreNotTaken(t *testing.T) {
	synctest.Test(t, givenToAFormerName)
}

func givenToAFormerName(t *testing.T) {
	s, v := newStand(t, hard(1000)), newTin(1)
	hub := slow{&tribunal{desk: s.desk}, make(chan struct{})}
	m, stop := s.openOn(Options{Vault: v, Hub: hub, Clock: NewClock(time.Now)})
	if res := s.consume(m, 1); res.Consumed != 0 {
		t.Fatalf("got %+v", res)
	}
	old := m.Status().Holder
	hub.refuse(old, wire.CodeSuperseded)
	time.Sleep(20 * time.Second)
	if m.Status().Holder == old || s.folded().Out == 0 {
		t.Fatal("it has its old name, or nothing was granted to it; the test shows nothing")
	}
	close(hub.answer)
	synctest.Wait()
	if held := m.Status().Held; held != 0 {
		t.Errorf("%d rights were taken", held)
	}
	stop()
}

func TestWhatWasComposedUnderAFormerNameIsNotSentUnderTheNext(t *testing.T) {
	synctest.Test(t, composedUnderAFormerName)
}

func composedUnderAFormerName(t *testing.T) {
	s := newStand(t, hard(1000))
	m, stop := s.open(newTin(1))
	s.consume(m, 5)
	settled()
	s.consume(m, 2)
	items, _ := m.compose([]*account{m.account(keyOf("acme", "calls"))})
	m.distrust(m.holder(), ledger.CodeFenced)
	settled()
	if len(items) != 1 || items[0].Report.Holder == m.holder() {
		t.Fatalf("got %+v; the test shows nothing", items)
	}
	_ = m.talk(t.Context(), items, time.Second)
	stop()
	for _, l := range s.desk.book.Periods[0].Lines {
		if l.Holder != items[0].Report.Holder && l.Granted > 0 {
			t.Errorf("the next name has %+v", l)
		}
	}
	if len(s.desk.faults) > 0 || s.desk.ahead {
		t.Errorf("the hub heard of rights that it had not given: %v", s.desk.faults)
	}
}
