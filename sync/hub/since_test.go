package hub_test

import (
	"fmt"
	"testing"
)

// TestWhatRollsOverIsOfThePlanThatWasHeld changes subscriptions in mid-period: what was left of the period before is
// not counted by what they are now.
func TestWhatRollsOverIsOfThePlanThatWasHeld(t *testing.T) {
	const (
		small = `"overrides":{"calls":{"limit":100,"per":"month","rollover":{"max":30}}}`
		large = `"overrides":{"calls":{"limit":1000,"per":"month","rollover":{"max":500}}}`
		start = `"plan":"team","starts_at":"2026-06-01T00:00:00Z"`
		sub   = "/v1/customers/acme/subscriptions/main"
		in    = `{"id":"acme","subscriptions":{"main":{` + start + "," + large + "}}}"
	)
	for name, tc := range map[string]struct {
		change func(b *bench)
		rolled int64
		next   int64 // what rolls over into the month after
	}{
		"not at all": {func(*bench) {}, 30, 30},
		"put":        {func(b *bench) { b.ok("PUT "+sub, "{"+start+","+large+"}") }, 0, 500},
		"an action":  {func(b *bench) { b.ok("POST "+sub+"/change", "{"+large+"}") }, 0, 500},
		"an import":  {func(b *bench) { b.ok("POST /v1/import", in) }, 0, 500},
		"an import of all that is known and one thing more": {func(b *bench) {
			b.ok("POST /v1/import", in[:len(in)-1]+`,"name":"Acme"}`)
		}, 0, 500},
		"a change that was scheduled": {func(b *bench) {
			b.ok("POST "+sub+"/change", `{"at":"2026-11-16T00:00:00Z",`+large+"}")
			b.at("2026-11-17T00:00:00Z")
		}, 0, 500},
		"a scheduled one that another follows": {func(b *bench) {
			b.ok("POST "+sub+"/change", `{"at":"2026-11-16T00:00:00Z",`+large+"}")
			b.at("2026-11-17T00:00:00Z")
			b.ok("POST "+sub+"/suspend", "")
			b.ok("POST "+sub+"/resume", "")
		}, 0, 500},
		"nothing that counts": {func(b *bench) {
			b.ok("POST "+sub+"/suspend", "")
			b.ok("POST "+sub+"/resume", "")
			b.ok("POST /v1/import", `{"id":"acme","name":"A","subscriptions":{"main":{`+start+","+small+"}}}")
		}, 30, 30},
	} {
		t.Run(name, func(t *testing.T) {
			b, bus, _ := countingBench(t)
			b.ok("DELETE "+sub, "")
			b.ok("PUT "+sub, "{"+start+","+small+"}")
			tc.change(b)
			b.rolls(bus, "2026-11-20T00:00:00Z", tc.rolled)
			b.rolls(bus, "2026-12-20T00:00:00Z", tc.next)
		})
	}
}

// rolls looks how much rolled over into the month of a time.
func (b *bench) rolls(bus asker, at string, want int64) {
	b.t.Helper()
	b.at(at)
	if a := b.holder(bus).ask("acme", "calls", 1); a.Totals == nil || a.Totals.Rolled != want {
		b.t.Errorf("%s: got %+v, want %d that rolled over", at, a.Totals, want)
	}
}

// TestAChangeIsRememberedThroughOthers reads back since when a subscription is what it is.
func TestAChangeIsRememberedThroughOthers(t *testing.T) {
	b, _, _ := countingBench(t)
	const sub = "/v1/customers/acme/subscriptions/main"
	line := func(limit int) string {
		return `{"id":"acme","subscriptions":{"main":{"plan":"team","starts_at":"2026-06-01T00:00:00Z",` +
			fmt.Sprintf(`"overrides":{"calls":{"limit":%d,"per":"month"}}}}}`, limit)
	}
	changed := func() any { return b.ok("GET "+sub, "")["changed_at"] }
	b.ok("POST /v1/import", line(1))
	b.ok("POST /v1/import", line(2))
	first := changed()
	b.clock.Add(60_000)
	if b.ok("POST /v1/import", line(2)); first == nil || changed() != first {
		t.Errorf("an import without news made %v of %v", changed(), first)
	}
	if got := b.ok("POST /v1/import", line(2))["unchanged"]; got != float64(1) {
		t.Errorf("an import without news wrote: got %v unchanged", got)
	}
	if b.ok("POST "+sub+"/suspend", ""); changed() != first {
		t.Errorf("a suspension made %v of %v", changed(), first)
	}
	if b.ok("POST /v1/import", line(3)); changed() == first {
		t.Error("a change was not noted")
	}
}
