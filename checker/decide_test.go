package checker

import (
	"math"
	"testing"
)

const noon = 1_800_000_000_000

func TestDecideDoesNotAllocate(t *testing.T) {
	w := benchWorld()
	for _, subs := range []int{1, 2, 5} {
		rec := benchRecord(t, subs)
		for _, f := range w.Features() {
			held, ask := Held{World: w, Feature: f, Record: rec}, Ask{Quantity: 1}
			var d Decision
			allocs := testing.AllocsPerRun(100, func() { d = Decide(&held, &ask, noon) })
			if allocs != 0 || d.Reason != Granted {
				t.Errorf("%s with %d subscriptions: %v allocations, %v", f.Key, subs, allocs, d.Reason)
			}
		}
	}
}

func TestSubscriptionsBeyondTheCacheCountToo(t *testing.T) {
	w := benchWorld()
	minutes := w.Feature([]byte("ci-minutes"))
	for subs := 1; subs <= 6; subs++ {
		d := Decide(&Held{World: w, Feature: minutes, Record: benchRecord(t, subs)}, &Ask{Quantity: 1}, noon)
		if want := int64(subs) * 5000; d.Limit != want {
			t.Errorf("%d subscriptions: limit %d, want %d", subs, d.Limit, want)
		}
	}
}

func TestNoUsageClaimOpensAHardLimit(t *testing.T) {
	w := benchWorld()
	minutes, rec := w.Feature([]byte("ci-minutes")), benchRecord(t, 1)
	for _, used := range []int64{math.MinInt64, -1, 0, 4999, 5000, math.MaxInt64} {
		for _, quantity := range []int64{math.MinInt64, -1, 0, 1, 5001, math.MaxInt64} {
			d := Decide(&Held{World: w, Feature: minutes, Record: rec, Use: Use{Used: used}}, &Ask{Quantity: quantity}, noon)
			if q := max(0, quantity); d.Allowed && (q > 5000 || max(0, used) > 5000-q) {
				t.Errorf("used %d quantity %d: allowed beyond 5000", used, quantity)
			}
			if d.Remaining < 0 || d.Used < 0 || d.Overage < 0 {
				t.Errorf("used %d quantity %d: negative numbers in %+v", used, quantity, d)
			}
		}
	}
}

func TestReasonsHaveStableNames(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if name := r.String(); name == "undecided" || name == "" || seen[name] {
			t.Errorf("reason %d is called %q", r, name)
		}
		seen[r.String()] = true
	}
	if Reason(200).String() != "undecided" || Granted.String() != "granted" || Revoked.String() != "revoked" {
		t.Error("names are out of step with the constants")
	}
}

func TestConfigValuesAreParsedByWhatTheFeatureTakes(t *testing.T) {
	number, _ := JSONValue([]byte("100"))
	text, _ := JSONValue([]byte(`"a"`))
	w := NewWorld(WorldSpec{
		Features: []Feature{
			{ID: 0, Key: "size", Type: Config},
			{ID: 1, Key: "tier", Type: Config, Values: []string{"a", "1"}, Ordered: true},
			{ID: 2, Key: "where", Type: Config, Values: []string{"eu", "us"}},
			{ID: 3, Key: "mixed", Type: Config},
		},
		Plans: []PlanSpec{
			{Newest: true, Plan: Plan{Key: "p",
				Allow: []Grantable{{0, Allowance{Value: number}}, {3, Allowance{Value: number}}}}},
			{ID: 1, Newest: true, Plan: Plan{Key: "q", Allow: []Grantable{{3, Allowance{Value: text}}}}},
		},
	})
	for name, tc := range map[string]struct {
		feature, text string
		want          string // JSON; empty: an error
	}{
		"a number":                 {"size", "1e2", "100"},
		"not a number":             {"size", "large", ""},
		"infinity is no number":    {"size", "Inf", ""},
		"too large a number":       {"size", "1e999", ""},
		"one of the values":        {"tier", "a", `"a"`},
		"a value like a number":    {"tier", "1", `"1"`},
		"none of the values":       {"tier", "b", ""},
		"a list for ordered ones":  {"tier", `["a"]`, ""},
		"a member of a set":        {"where", "eu", `"eu"`},
		"several members of a set": {"where", `["us","eu"]`, `["us","eu"]`},
		"not a member":             {"where", `["us","au"]`, ""},
		"invalid UTF-8":            {"where", "\xff", ""},
		"a number for mixed ones":  {"mixed", "1", "1"},
		"a text for mixed ones":    {"mixed", "a", `"a"`},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := w.Feature([]byte(tc.feature)).ParseText([]byte(tc.text))
			got := string(v.JSON())
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}
