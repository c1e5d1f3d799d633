package hub_test

import (
	"encoding/hex"
	"testing"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// copied is another process with what a holder's vault has, so many starts later.
func (h *holder) copied(starts uint64) *holder {
	c := newHolder(h.t, h.bus, h.now)
	c.id, c.key, c.start, c.nonce = h.id, h.key, h.start+starts, h.nonce+1
	for k, a := range h.accounts {
		same, err := ledger.DecodeAccount(ledger.AppendAccount(nil, a))
		if err != nil {
			h.t.Fatal(err)
		}
		c.accounts[k] = same
	}
	return c
}

// answered fails the test unless a holder is answered with a code.
func (h *holder) answered(want string) {
	h.t.Helper()
	if r := h.send(); r.Code != want {
		h.t.Errorf("start %d is answered %q, want %q", h.start, r.Code, want)
	}
}

// trust is what the fleet's list says of the only holder.
func (b *bench) trust() map[string]any {
	b.t.Helper()
	all := b.ok("GET /v1/fleet", "")["holders"].([]any)
	if len(all) != 1 {
		b.t.Fatalf("got %v, want one holder", all)
	}
	return all[0].(map[string]any)
}

func (b *bench) trusted(want string) {
	b.t.Helper()
	if h := b.trust(); h["trust"] != want || (h["cloned_at"] != nil) != (want == "quarantined") {
		b.t.Errorf("got %v, want it %s", h, want)
	}
}

func TestTwoOfTheSameStartAreBothQuarantined(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	twin := x.copied(0)
	twin.answered(wire.CodeCopied)
	b.trusted("quarantined")
	x.answered(wire.CodeSuperseded)
	twin.answered(wire.CodeCopied)
	x.start++
	x.answered(wire.CodeSuperseded)
}

func TestACopyThatRunsBesideItsOriginalQuarantinesBoth(t *testing.T) {
	b, bus, _ := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 60)
	copied := x.copied(1)
	copied.answered("")
	x.answered(wire.CodeSuperseded)
	b.trusted("trusted") // it may have been late
	x.answered(wire.CodeSuperseded)
	b.trusted("quarantined")
	copied.answered(wire.CodeCopied)
	x.answered(wire.CodeSuperseded)
	if held := b.trust()["rights_held"]; held != 60.0 {
		t.Errorf("%v rights are held, want all that were", held)
	}
	if y.ask("acme", "calls", 100); y.free("acme", "calls") != 40 {
		t.Errorf("another got %d rights, want the 40 that are left", y.free("acme", "calls"))
	}
	b.ok("POST /v1/fleet/"+hex.EncodeToString(x.id[:])+"/fence", `{"destroyed":true}`)
	copied.answered(ledger.CodeDestroyed)
	if y.ask("acme", "calls", 100); y.free("acme", "calls") != 100 {
		t.Errorf("another has %d rights, want all", y.free("acme", "calls"))
	}
}

func TestWhatWasLateOnItsWayQuarantinesNobody(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	late, seen := *x, x.seen
	for range 3 {
		x.start, x.nonce = x.start+1, x.nonce+1
		x.answered("")
		b.ok("PUT /v1/customers/acme", `{"name":"Acme"}`)
		for range 3 {
			late.answered(wire.CodeSuperseded)
			late.seen = seen // it is the same message
		}
		late, seen = *x, x.seen
	}
	x.ask("acme", "calls", 20)
	x.answered("")
	b.trusted("trusted")
}

func TestWhatAnOlderDoubtNamedIsNoEvidenceAgainstALaterStart(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	first := *x
	x.start++
	x.answered("")
	first.answered(wire.CodeSuperseded)
	second := *x // has seen what came after the doubt
	second.seen = first.seen
	x.start++
	x.answered("")
	second.answered(wire.CodeSuperseded)
	b.trusted("trusted")
}

func TestWhoIsQuarantinedIsWaitedForByBooksThatLearn(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	x.copied(0).answered(wire.CodeCopied)
	b.trusted("quarantined")
	y := b.holder(bus)
	y.epoch = 1 // it knows of an epoch that the hub does not: the log lost something
	y.answered("")
	if r := y.send(y.item("acme", "calls", 20)); r.Items[0].Award != nil {
		t.Errorf("rights were given: %+v", r.Items[0].Award)
	}
	b.at("2026-11-24T18:00:00Z")
	y.send(y.item("acme", "calls", 20))
	l := b.ok("GET /v1/fleet", "")["learning"].(map[string]any)
	if got := l["awaited"].([]any); len(got) != 1 || got[0] != hex.EncodeToString(x.id[:]) {
		t.Errorf("awaited are %v, want who is quarantined", got)
	}
}

func TestARevisionOfALogThatWasLostIsNoEvidence(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	x.start, x.epoch = x.start+1, 1 // the log was lost meanwhile
	x.answered("")
	for range 3 {
		late := x.copied(0)
		late.start, late.epoch, late.seen = x.start-1, 0, 1000
		late.answered(wire.CodeSuperseded)
	}
	b.trusted("trusted")
}
