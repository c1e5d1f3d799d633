package hub_test

import (
	"context"
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/wire"
)

// tellAll tells everything that a holder has, and that it is all.
func (h *holder) tellAll() {
	h.t.Helper()
	for name := range h.accounts {
		h.send(h.item(name[0], name[1], -1))
	}
	h.send(wire.LeaseItem{Customer: wire.AllTold, Report: ledger.Report{Forgot: -1}})
}

// until asks again until it is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after 10 s: %s", what)
		}
	}
}

func TestBooksThatWereRolledBackLearnBeforeTheyGrant(t *testing.T) {
	bus, books := &wires{}, replica.NewMemory()
	b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: books, Bus: bus})
	b.stock()
	x, y, z := b.holder(bus), b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 40)
	y.ask("acme", "calls", 30)
	z.send() // it never counts acme's calls
	_, head, err := books.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x.ask("acme", "calls", 60)
	x.use("acme", "calls", 55)
	b.usage("acme", "") // the hub has seen it
	books.RollBack(head)
	until(t, "the epoch is raised", func() bool { return b.ok("GET /v1/fleet", "")["epoch"] == 1.0 })
	if y.ask("acme", "calls", 60); y.free("acme", "calls") != 30 {
		t.Fatalf("%d are held, want no more than before", y.free("acme", "calls"))
	}
	b.clock.Add(61_000)
	for _, h := range []*holder{y, z} {
		h.send() // hears of the epoch
		h.tellAll()
	}
	if a := y.ask("acme", "calls", 60); a.Denied != ledger.CodeLearning || y.free("acme", "calls") != 30 {
		t.Fatalf("got %+v, want nothing while a holder has not told", a)
	}
	x.send()
	x.tellAll()
	y.ask("acme", "calls", 60)
	if got := y.free("acme", "calls"); got != 40 {
		t.Errorf("%d are held, want the 40 beside the other's 60", got)
	}
	if u := b.usage("acme", "")[0]; u["used"] != 55.0 {
		t.Errorf("got %v, want what was used and lost", u)
	}
}

// withOneGone is a bench whose books can be rolled back: x has asked again since, and z counted nothing and is gone.
func withOneGone(t *testing.T) (b *bench, x, z *holder, rollBack func()) {
	bus, books := &wires{}, replica.NewMemory()
	b = newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: books, Bus: bus})
	b.stock()
	x, z = b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 40)
	z.send()
	_, head, err := books.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x.ask("acme", "calls", 41)
	b.usage("acme", "")
	return b, x, z, func() { books.RollBack(head) }
}

func TestAFenceEndsWaitingForAHolder(t *testing.T) {
	b, x, z, rollBack := withOneGone(t)
	rollBack()
	until(t, "the epoch is raised", func() bool { return b.ok("GET /v1/fleet", "")["epoch"] == 1.0 })
	b.clock.Add(61_000)
	x.send()
	x.tellAll()
	if a := x.ask("acme", "calls", 60); a.Denied != ledger.CodeLearning {
		t.Fatalf("got %+v, want nothing while a holder has not told", a)
	}
	b.ok("POST /v1/fleet/"+hex.EncodeToString(z.id[:])+"/fence", "")
	if x.ask("acme", "calls", 60); x.free("acme", "calls") != 60 {
		t.Errorf("%d are held, want the holder that is gone not to be waited for", x.free("acme", "calls"))
	}
}

func TestTheOperatorMayAcceptWhatHoldersHaveNotTold(t *testing.T) {
	b, x, z, rollBack := withOneGone(t)
	if fleet := b.ok("GET /v1/fleet", ""); fleet["learning"] != nil {
		t.Errorf("before the loss: got %v", fleet)
	}
	_, before, _ := b.books.Head(t.Context())
	b.refused("409 another_epoch", "POST /v1/fleet/accept", `{"epoch":0}`)
	if _, after, _ := b.books.Head(t.Context()); after != before {
		t.Error("what was refused was written")
	}
	rollBack()
	until(t, "the epoch is raised", func() bool { return b.ok("GET /v1/fleet", "")["epoch"] == 1.0 })
	b.clock.Add(61_000)
	x.send()
	x.tellAll()
	learning, _ := b.ok("GET /v1/fleet", "")["learning"].(map[string]any)
	awaited, _ := learning["awaited"].([]any)
	if len(awaited) != 1 || awaited[0] != hex.EncodeToString(z.id[:]) || learning["at_risk"] != 59.0 ||
		learning["books"] != 1.0 {
		t.Errorf("got %v, want one holder waited for and 59 units at risk", learning)
	}
	for path, want := range map[string]string{`{"epoch":2}`: "409 another_epoch", `{}`: "400 bad_request",
		`{"epoch":"1"}`: "400 bad_request", `{"era":1}`: "400 bad_request"} {
		b.refused(want, "POST /v1/fleet/accept", path)
	}
	for range 2 {
		b.ok("POST /v1/fleet/accept", `{"epoch":1}`)
	}
	if x.ask("acme", "calls", 100); x.free("acme", "calls") != 100 {
		t.Errorf("%d are held, want nobody to be waited for", x.free("acme", "calls"))
	}
	if fleet := b.ok("GET /v1/fleet", ""); fleet["learning"] != nil {
		t.Errorf("afterwards: got %v", fleet["learning"])
	}
}

func TestBooksThatWereMadeAnewLearnFromTheirHolders(t *testing.T) {
	bus, docs := &wires{}, replica.NewMemory()
	b := newBenchWith(t, hub.Options{Docs: docs, Books: replica.NewMemory(), Bus: bus})
	b.stock()
	x := b.holder(bus)
	x.ask("acme", "calls", 80)
	other := &wires{}
	anew := newBenchWith(t, hub.Options{Docs: docs, Books: replica.NewMemory(), Bus: other})
	x.bus = other
	x.seen = 1 << 20
	y := anew.holder(other)
	x.send()
	if x.epoch != 1 {
		t.Fatalf("the epoch is %d, want the loss noticed", x.epoch)
	}
	y.ask("acme", "calls", 100)
	if got := y.free("acme", "calls"); got != 0 {
		t.Errorf("%d are held before anybody told", got)
	}
	anew.clock.Add(61_000)
	x.tellAll()
	y.tellAll()
	y.ask("acme", "calls", 100)
	if got := y.free("acme", "calls"); got != 20 {
		t.Errorf("%d are held, want the 20 beside the other's 80", got)
	}
}

// A replaced log is one whose leader was replaced and does not know it: it says what was, until somebody writes.
type replaced struct {
	*seam
	mu   sync.Mutex
	key  string // of the document that is old; empty: none is
	old  replica.Entry
	head uint64
}

// freeze makes the log say of a document, and of its end, what is there now.
func (r *replaced) freeze(t *testing.T, key string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.old, err = r.seam.Get(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, r.head, err = r.seam.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.key = key
}

func (r *replaced) Get(ctx context.Context, key string) (replica.Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key == r.key {
		return r.old, nil
	}
	return r.seam.Get(ctx, key)
}

func (r *replaced) Head(ctx context.Context) (replica.Lineage, uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, head, err := r.seam.Head(ctx)
	if r.key != "" {
		head = r.head
	}
	return l, head, err
}

func (r *replaced) Put(ctx context.Context, id replica.CommandID, puts ...replica.Put) (uint64, error) {
	r.mu.Lock()
	r.key = ""
	r.mu.Unlock()
	return r.seam.Put(ctx, id, puts...)
}

func TestALeaderThatWasReplacedIsNoLossOfTheLog(t *testing.T) {
	for name, seen := range map[string]bool{"the end of the log": true, "a book": false} {
		t.Run(name, func(t *testing.T) {
			docs, books, bus, other := replica.NewMemory(), replica.NewMemory(), &wires{}, &wires{}
			a := newBenchWith(t, hub.Options{Docs: docs, Books: books, Bus: bus})
			log := &replaced{seam: &seam{Log: books}}
			b := newBenchWith(t, hub.Options{Docs: docs, Books: log, Bus: other, Now: a.time})
			a.stock()
			x := a.holder(bus)
			x.ask("acme", "calls", 40)
			probe := b.holder(other)
			for probe.ask("acme", "calls", 1).Award == nil { // until the other hub has seen the documents
			}
			defer log.hold()()
			log.freeze(t, replica.CountKey(replica.KindLedger, "", "acme", "calls"))
			x.ask("acme", "calls", 60)
			if x.bus = other; !seen {
				x.seen = 0
			}
			ans := x.ask("acme", "calls", 70)
			if x.free("acme", "calls") != 70 || x.epoch != 0 {
				t.Errorf("%d are held in epoch %d, want 70 in the first: %+v", x.free("acme", "calls"), x.epoch, ans)
			}
		})
	}
}

func TestNoRightStandsLongerThanALossIsLearntFor(t *testing.T) {
	bus, books := &wires{}, replica.NewMemory()
	b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: books, Bus: bus})
	b.stock()
	b.warn(`{"limit":100,"per":"day"}`)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 1)
	y.ask("acme", "calls", 1)
	_, head, err := books.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	it := x.item("acme", "calls", 1)
	it.Ask.Standing, it.Ask.Until = 40, b.clock.Load()+10*24*time.Hour.Milliseconds() // its clock is wrong
	if no := x.account("acme", "calls").Take(*x.send(it).Items[0].Award); no != nil {
		t.Fatal(no)
	}
	b.usage("acme", "")
	books.RollBack(head)
	until(t, "the epoch is raised", func() bool { return b.ok("GET /v1/fleet", "")["epoch"] == 1.0 })
	b.later(5 * 24 * time.Hour) // x is cut off
	y.ask("acme", "calls", 100)
	y.ask("acme", "calls", 100)
	a := x.account("acme", "calls")
	a.Open(x.span("acme", "calls"))
	if sum := x.free("acme", "calls") + y.free("acme", "calls"); sum > 100 {
		t.Errorf("%d rights of 100 are held", sum)
	}
}
