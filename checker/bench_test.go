package checker

import (
	"math"
	"testing"
)

// benchWorld is a catalogue with one plan that holds a feature of each type.
func benchWorld() *World {
	sup, _ := JSONValue([]byte(`"standard"`))
	yes, _ := JSONValue([]byte(`true`))
	return NewWorld(WorldSpec{
		Features: []Feature{
			{ID: 0, Key: "sso", Type: Boolean},
			{ID: 1, Key: "support", Type: Config, Values: []string{"community", "standard", "premium"}, Ordered: true},
			{ID: 2, Key: "ci-minutes", Type: Metered},
			{ID: 3, Key: "runners", Type: Pool},
		},
		Plans: []PlanSpec{{ID: 0, Newest: true, Plan: Plan{Key: "team", Version: 1, Allow: []Grantable{
			{0, Allowance{Value: yes}},
			{1, Allowance{Value: sup}},
			{2, Allowance{Limit: 3000, Per: Month, Anchored: true}},
			{3, Allowance{Limit: 5}},
		}}}},
		Addons: []AddonSpec{{ID: 0, Addon: Addon{Key: "minutes", Allow: []Grantable{{2, Allowance{Limit: 1000}}}}}},
	})
}

func benchRecord(t testing.TB, subs int) Record {
	t.Helper()
	c := Customer{ID: "acme"}
	for i := range subs {
		c.Subs = append(c.Subs, Subscription{ID: string(rune('a' + i)), StartsAt: 1_700_000_000_000,
			Phases: []Phase{{From: math.MinInt64, Status: Active, EndsAt: 1_900_000_000_000,
				Addons: []AddonUse{{0, 2}}}}})
	}
	rec, err := AppendRecord(nil, &c)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func BenchmarkDecide(b *testing.B) {
	w := benchWorld()
	for _, subs := range []int{1, 2, 5} {
		rec := benchRecord(b, subs)
		for _, f := range w.Features() {
			b.Run(f.Key+"/"+string(rune('0'+subs)), func(b *testing.B) {
				benchDecide(b, &Held{World: w, Feature: f, Record: rec})
			})
		}
	}
}

func benchDecide(b *testing.B, held *Held) {
	ask, denied := Ask{Quantity: 1}, 0
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(held, &ask, 1_800_000_000_000); !d.Allowed {
			denied++
		}
	}
	if denied > 0 {
		b.Fatalf("%d were denied", denied)
	}
}
