package checker

import (
	"math"
	"testing"
)

func TestExpiryFollowsScheduledChanges(t *testing.T) {
	w := benchWorld()
	const later, end = noon + 1000, noon + 5000
	none := []Grantable{{2, Allowance{Per: Month}}}
	for name, tc := range map[string]struct {
		first, second Phase
		want          int64
	}{
		"no change, no end":                       {Phase{}, Phase{From: noon - 1}, 0},
		"the end of grace":                        {Phase{}, Phase{From: noon - 1, EndsAt: end, Grace: 7}, end + 7},
		"a change that suspends":                  {Phase{}, Phase{From: later, Status: SuspendedStatus}, later},
		"a change that takes the feature away":    {Phase{}, Phase{From: later, Overrides: none}, later},
		"a change to an environment not asked":    {Phase{}, Phase{From: later, Environments: []string{"dev"}}, later},
		"a change to the one that is asked":       {Phase{}, Phase{From: later, Environments: []string{"prod"}}, 0},
		"a change that puts the end off":          {Phase{EndsAt: end}, Phase{From: later, EndsAt: end + 9}, end + 9},
		"a renewal at the very end":               {Phase{EndsAt: end}, Phase{From: end}, 0},
		"a renewal after the end comes too late":  {Phase{EndsAt: end}, Phase{From: end + 1}, end},
		"a change whose end has passed by itself": {Phase{}, Phase{From: later, EndsAt: noon}, later},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decide(&Held{World: w, Feature: w.Feature([]byte("ci-minutes")), Record: changing(t, tc.first, tc.second)},
				&Ask{Quantity: 1, Environment: []byte("prod")}, noon)
			if !d.Allowed || d.ExpiresAt != tc.want {
				t.Errorf("got %v, expires at %d, want %d", d.Reason, d.ExpiresAt, tc.want)
			}
		})
	}
}

func TestAChangeThatIsOvertakenAtOnceEndsNothing(t *testing.T) {
	w := benchWorld()
	rec := changing(t, Phase{}, Phase{From: noon + 1, Status: CancelledStatus}, Phase{From: noon + 1})
	d := Decide(&Held{World: w, Feature: w.Feature([]byte("sso")), Record: rec}, &Ask{}, noon)
	if d.Reason != Granted || d.ExpiresAt != 0 {
		t.Errorf("got %v, expires at %d", d.Reason, d.ExpiresAt)
	}
}

// changing is a customer whose one subscription goes through phases.
func changing(t *testing.T, phases ...Phase) Record {
	t.Helper()
	phases[0].From = math.MinInt64
	for i := range phases {
		phases[i].Status = max(Active, phases[i].Status)
	}
	rec, err := AppendRecord(nil, &Customer{ID: "acme", Subs: []Subscription{{ID: "s", StartsAt: 1, Phases: phases}}})
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestALimitBeyondAllNumbersIsStillALimit(t *testing.T) {
	w := benchWorld()
	huge := []Grantable{{2, Allowance{Limit: math.MaxInt64, Per: Month}}, {3, Allowance{Limit: math.MaxInt64}}}
	rec := changing(t, Phase{Overrides: huge})
	for _, feature := range []string{"ci-minutes", "runners"} {
		held := Held{World: w, Feature: w.Feature([]byte(feature)), Record: rec, Use: Use{Used: math.MaxInt64}}
		if d := Decide(&held, &Ask{Quantity: 1}, noon); d.Reason != LimitReached {
			t.Errorf("%s: got %v", feature, d.Reason)
		}
	}
}
