package hub_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/wire"
)

// shows holds a holder's line of the fleet to some of its fields.
func (b *bench) shows(h *holder, want map[string]any) {
	b.t.Helper()
	got := b.standing(h)
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			b.t.Errorf("%s: got %v, want %v", name, got[name], value)
		}
	}
}

// lie reports use of rights that nobody granted.
func (h *holder) lie(customer, feature string) {
	h.t.Helper()
	h.ask(customer, feature, 0)
	line := ledger.Reported{Span: h.span(customer, feature), Vector: ledger.Vector{Used: 5}}
	r := h.send(wire.LeaseItem{Customer: customer, Feature: feature,
		Report: ledger.Report{Holder: h.id, Forgot: -1, Lines: []ledger.Reported{line}}})
	if r.Code != "" || r.Items[0].Code != ledger.CodeQuarantined {
		h.t.Fatalf("got %+v, want quarantined", r)
	}
}

// TestTheFleetSaysHowEachHolderStands follows holders through what can become of them; another hub says the same.
func TestTheFleetSaysHowEachHolderStands(t *testing.T) {
	b, bus, _ := countingBench(t)
	b.ok("POST /v1/import", lines(1, "team"))
	busy, quiet, liar := b.holder(bus), b.holder(bus), b.holder(bus)
	busy.ask("acme", "calls", 60)
	busy.use("acme", "calls", 10)
	busy.account("acme", "calls").Debit(busy.span("acme", "calls"), 4, b.clock.Load())
	busy.account("acme", "calls").Recover() // a crash
	busy.ask("acme", "calls", -1)
	busy.ask("c0", "calls", 5)
	quiet.send()
	liar.lie("acme", "calls")
	b.at("2026-11-23T12:00:30Z")
	quiet.send() // too soon after the first time to be written down
	b.at("2026-11-23T12:01:30Z")
	b.shows(busy, map[string]any{"trust": "trusted", "incarnation": 1.0, "enrolled_at": "2026-11-23T12:00:00Z",
		"last_seen": "2026-11-23T12:00:00Z", "age_ms": 90_000.0, "books": 2.0, "books_quarantined": 0.0,
		"rights_held": 51.0, "in_doubt": 4.0, "cloned_at": nil, "fenced_at": nil})
	b.shows(quiet, map[string]any{"trust": "trusted", "last_seen": "2026-11-23T12:00:30Z", "age_ms": 60_000.0,
		"books": 0.0, "rights_held": 0.0, "in_doubt": 0.0, "revision": 0.0, "lag": 0.0,
		"about": map[string]any{"name": "test"}})
	b.shows(liar, map[string]any{"trust": "quarantined", "books": 1.0, "books_quarantined": 1.0, "rights_held": 0.0})
	b.at("2026-12-02T00:00:00Z") // November is over: what is left of it may have been used
	b.shows(busy, map[string]any{"rights_held": 0.0, "in_doubt": 55.0, "last_seen": "2026-11-23T12:00:00Z"})
	busy.start, busy.nonce = 2, 8
	busy.ask("acme", "calls", 20)
	b.at("2026-12-02T00:01:10Z")
	busy.use("acme", "calls", 1)
	busy.ask("acme", "calls", -1)
	b.at("2026-12-02T00:01:20Z")
	b.shows(busy, map[string]any{"incarnation": 2.0, "enrolled_at": "2026-11-23T12:00:00Z", "rights_held": 19.0,
		"last_seen": "2026-12-02T00:01:10Z", "age_ms": 10_000.0, "in_doubt": 55.0, "books": 2.0})
	other := newBenchWith(t, hub.Options{Docs: b.docs, Books: b.books, Bus: &wires{}, Now: b.time})
	other.shows(quiet, map[string]any{"last_seen": "2026-11-23T12:00:00Z", "trust": "trusted"})
	for _, h := range []*holder{busy, liar} {
		if got, want := other.standing(h), b.standing(h); !reflect.DeepEqual(got, want) {
			t.Errorf("another hub says\n%v, and this one\n%v", got, want)
		}
	}
	b.ok(fencing(busy), "")
	b.shows(busy, map[string]any{"trust": "written_off", "fenced_at": "2026-12-02T00:01:20Z", "rights_held": 0.0})
}

func TestTheFleetSaysHowFarAHolderIsBehind(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	known := func() float64 { return b.ok("GET /v1/customers", "")["revision"].(float64) }
	for _, revision := range []float64{1, 3} {
		x.about = fmt.Sprintf(`{"name":"test","revision":%v}`, revision)
		x.send()
		before := known()
		got := b.standing(x)
		if lag := got["lag"].(float64); got["revision"] != revision || lag < before-revision || lag > known()-revision {
			t.Errorf("got revision %v and lag %v, want it behind %v", got["revision"], lag, before)
		}
	}
	x.about = `{"name":"test","revision":1000000}` // this hub has not heard of it yet
	x.send()
	b.shows(x, map[string]any{"revision": 1e6, "lag": 0.0})
	x.about = `{"name":"test","revision":"soon"}`
	x.send()
	b.shows(x, map[string]any{"revision": 0.0, "lag": 0.0})
}
