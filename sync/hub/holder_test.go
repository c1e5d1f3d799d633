package hub_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/wire"
)

// A wires is a bus within the process. Each request goes to the next of those that listen.
type wires struct {
	mu   sync.Mutex
	hubs []func([]byte, func([]byte))
	next int
}

func (w *wires) Answer(ctx context.Context, _ string, handle func([]byte, func([]byte))) error {
	w.mu.Lock()
	w.hubs = append(w.hubs, handle)
	w.mu.Unlock()
	<-ctx.Done()
	return nil
}

// Ask sends a request to one hub and waits.
func (w *wires) Ask(ctx context.Context, _ string, data []byte) ([]byte, error) {
	for {
		w.mu.Lock()
		if n := len(w.hubs); n > 0 {
			w.next++
			handle := w.hubs[w.next%n]
			w.mu.Unlock()
			answered := make(chan []byte, 1)
			handle(data, func(b []byte) { answered <- b })
			select {
			case b := <-answered:
				return b, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		w.mu.Unlock()
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// An asker brings requests to a hub.
type asker interface {
	Ask(ctx context.Context, subject string, data []byte) ([]byte, error)
}

// A holder is a sidecar's part of counting, as short as it can be.
type holder struct {
	t        *testing.T
	bus      asker
	id       ledger.HolderID
	key      ed25519.PrivateKey
	start    uint64 // incarnation
	nonce    uint64
	epoch    uint64
	seen     uint64
	about    string
	accounts map[[2]string]*ledger.Account
	now      func() int64
}

func newHolder(t *testing.T, bus asker, now func() int64) *holder {
	h := &holder{t: t, bus: bus, start: 1, nonce: 7, about: `{"name":"test"}`,
		accounts: map[[2]string]*ledger.Account{}, now: now}
	_, _ = rand.Read(h.id[:])
	_, h.key, _ = ed25519.GenerateKey(nil)
	return h
}

// holder is one that asks the bench's hub.
func (b *bench) holder(bus asker) *holder { return newHolder(b.t, bus, b.clock.Load) }

func (h *holder) account(customer, feature string) *ledger.Account {
	k := [2]string{customer, feature}
	if h.accounts[k] == nil {
		a := ledger.NewAccount()
		a.Epoch = h.epoch
		h.accounts[k] = &a
	}
	return h.accounts[k]
}

// lease is what the holder would send for some items.
func (h *holder) lease(items ...wire.LeaseItem) []byte {
	l := &wire.Lease{Holder: h.id, Key: h.key.Public().(ed25519.PublicKey), Incarnation: h.start, Nonce: h.nonce,
		Epoch: h.epoch, Seen: h.seen, Sent: h.now(), About: []byte(h.about), Items: items}
	return wire.AppendLease(nil, l, h.key)
}

// send asks, and adopts a later epoch.
func (h *holder) send(items ...wire.LeaseItem) *wire.LeaseReply {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	data, err := h.bus.Ask(ctx, wire.LeaseSubject, h.lease(items...))
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := wire.DecodeLeaseReply(data)
	if err != nil {
		h.t.Fatal(err)
	}
	if r.Epoch > h.epoch {
		h.epoch, h.seen = r.Epoch, 0
		for _, a := range h.accounts {
			a.Adopt(r.Epoch)
		}
	}
	h.seen = max(h.seen, r.Revision)
	return r
}

// item is a report, with an ask for so many rights of the open period unless that is negative.
func (h *holder) item(customer, feature string, target int64) wire.LeaseItem {
	a := h.account(customer, feature)
	it := wire.LeaseItem{Customer: customer, Feature: feature, Report: a.Report(h.id)}
	if target >= 0 {
		s := a.Span(ledger.Rule{}, h.now())
		it.Ask = &ledger.Ask{Holder: h.id, Epoch: a.Epoch, Period: s.Start, Target: target}
	}
	return it
}

// ask asks for rights of one feature until the hub's calendar is known, and answers what was said last.
func (h *holder) ask(customer, feature string, target int64) wire.LeaseAnswer {
	h.t.Helper()
	for range 5 {
		r := h.send(h.item(customer, feature, target))
		if r.Code != "" || len(r.Items) != 1 {
			return wire.LeaseAnswer{Code: r.Code}
		}
		a, acc := r.Items[0], h.account(customer, feature)
		if a.Award != nil {
			if no := acc.Take(*a.Award); no != nil {
				h.t.Fatalf("the award was refused: %v", no)
			}
			return a
		}
		if a.Totals == nil || len(acc.Calendar) > 0 {
			return a
		}
		acc.Calendar = a.Totals.Calendar // the ask named a period that is not one
	}
	h.t.Fatal("the hub does not say which period it is")
	return wire.LeaseAnswer{}
}

// use consumes rights that the holder has.
func (h *holder) use(customer, feature string, units int64) {
	h.t.Helper()
	a := h.account(customer, feature)
	s := a.Span(ledger.Rule{}, h.now())
	if no := a.Consume(s, units, h.now()); no != nil {
		h.t.Fatalf("consuming %d: %v", units, no)
	}
}

// free is what the holder can spend.
func (h *holder) free(customer, feature string) int64 {
	a := h.account(customer, feature)
	return a.Free(a.Span(ledger.Rule{}, h.now()), h.now())
}

// counting is a stocked bench that counts, with its bus and its log of totals.
func countingBench(t *testing.T) (*bench, *wires, replica.Log) {
	t.Helper()
	bus, totals := &wires{}, replica.NewMemory()
	b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: replica.NewMemory(), Totals: totals, Bus: bus})
	b.stock()
	return b, bus, totals
}

// stock makes a catalogue, a customer and a subscription to team: 100 calls a month.
func (b *bench) stock() {
	b.t.Helper()
	b.ok("PUT /v1/catalog", shop)
	b.ok("PUT /v1/customers/acme", `{"name":"Acme"}`)
	b.ok("PUT /v1/customers/acme/subscriptions/main", `{"plan":"team","starts_at":"2026-11-01T00:00:00Z"}`)
}

// totals waits until the totals of a feature satisfy a condition.
func waitTotals(t *testing.T, log replica.Log, key string, ok func(*ledger.Totals) bool) *ledger.Totals {
	t.Helper()
	var last *ledger.Totals
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if e, err := log.Get(t.Context(), key); err == nil && !e.Deleted() {
			if last, err = ledger.DecodeTotals(e.Value); err != nil {
				t.Fatal(err)
			}
			if ok(last) {
				return last
			}
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatalf("totals %s: %+v, not what was waited for", key, last)
	return nil
}
