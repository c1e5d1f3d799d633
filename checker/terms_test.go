package checker

import (
	"math"
	"reflect"
	"testing"
)

// meteredWorld has one metered feature, on a plan by the month and on one by the day.
func meteredWorld() *World {
	calls := func(a Allowance) []Grantable { return []Grantable{{0, a}} }
	return NewWorld(WorldSpec{
		Features: []Feature{{ID: 0, Key: "calls", Type: Metered}},
		Plans: []PlanSpec{
			{ID: 0, Newest: true, Plan: Plan{Key: "month", Version: 1, Allow: calls(Allowance{Limit: 100, Overdraft: 7,
				Per: Month, Anchored: true, Rollover: 30, Chunked: true})}},
			{ID: 1, Newest: true, Plan: Plan{Key: "day", Version: 1, Allow: calls(Allowance{Limit: 50, Per: Day,
				Rollover: 5})}},
			{ID: 2, Newest: true, Plan: Plan{Key: "soft", Version: 1, Allow: calls(Allowance{Limit: 9, Per: Month,
				Soft: true, Warn: PercentsOf([]int{100, 80, 80})})}},
			{ID: 3, Newest: true, Plan: Plan{Key: "open", Version: 1, Allow: calls(Allowance{Unlimited: true})}},
		},
		Addons: []AddonSpec{{ID: 0, Addon: Addon{Key: "more", Allow: calls(Allowance{Limit: 20})}}},
	})
}

func TestTermsAreWhatTheCountedSubscriptionsAddUpTo(t *testing.T) {
	always := func(p Phase) []Phase {
		p.From, p.Status = math.MinInt64, Active
		return []Phase{p}
	}
	for name, tc := range map[string]struct {
		subs []Subscription
		want Terms
		none bool
	}{
		"one by the month": {[]Subscription{{ID: "a", StartsAt: 500, Phases: always(Phase{EndsAt: 9000, Grace: 10})}},
			Terms{Limit: 100, Overdraft: 7, Rollover: 30, Chunked: true, Per: Month, Anchored: true, Anchor: 500, Since: 500,
				Until: 9000}, false},
		"the end of grace is a change too": {[]Subscription{{ID: "a", StartsAt: 500, Phases: always(Phase{EndsAt: 900,
			Grace: 4000})}}, Terms{Limit: 100, Overdraft: 7, Rollover: 30, Chunked: true, Per: Month, Anchored: true,
			Anchor: 500, Since: 500, Until: 4900}, false},
		"a shorter period is left out": {[]Subscription{{ID: "a", StartsAt: 500, Phases: always(Phase{})},
			{ID: "b", StartsAt: 400, Phases: always(Phase{Plan: 1})}},
			Terms{Limit: 100, Overdraft: 7, Rollover: 30, Chunked: true, Per: Month, Anchored: true, Anchor: 500, Since: 400},
			false},
		"exact beats chunked": {[]Subscription{{ID: "a", StartsAt: 500, Phases: always(Phase{})},
			{ID: "b", StartsAt: 600, Phases: always(Phase{Plan: 2})}},
			Terms{Limit: 109, Overdraft: 7, Rollover: 30, Soft: true, Per: Month, Anchored: true, Anchor: 500, Since: 500,
				Warn: []int64{80, 100}}, false},
		"warnings of all that counts are told": {[]Subscription{{ID: "a", StartsAt: 500, Phases: always(Phase{Plan: 2})},
			{ID: "b", StartsAt: 500, Phases: always(Phase{Overrides: []Grantable{{0, Allowance{Limit: 1, Per: Month,
				Warn: PercentsOf([]int{120, 80, 50})}}}})}},
			Terms{Limit: 10, Soft: true, Per: Month, Since: 500, Warn: []int64{50, 80, 100, 120}}, false},
		"what add-ons alone grant is counted unit by unit": {[]Subscription{{ID: "a", StartsAt: 500,
			Phases: always(Phase{Plan: 9, Addons: []AddonUse{{0, 2}}})}}, Terms{Limit: 40, Per: Never, Since: 500}, false},
		"unlimited has no period": {[]Subscription{{ID: "a", StartsAt: 500, Phases: always(Phase{Plan: 3})}},
			Terms{Soft: true, Unlimited: true, Per: Never, Since: 500}, false},
		"a subscription to come is a change": {[]Subscription{{ID: "a", StartsAt: 500, Phases: always(Phase{Plan: 3})},
			{ID: "b", StartsAt: 7000, Phases: always(Phase{})}},
			Terms{Soft: true, Unlimited: true, Per: Never, Since: 500, Until: 7000}, false},
		"what is limited to an environment counts": {[]Subscription{{ID: "a", StartsAt: 500,
			Phases: always(Phase{Plan: 1, Environments: []string{"prod"}, DeviceLock: true})}},
			Terms{Limit: 50, Rollover: 5, Per: Day, Since: 500}, false},
		"one that ended counts nothing": {[]Subscription{{ID: "a", StartsAt: 500, Phases: always(Phase{EndsAt: 600})}},
			Terms{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			rec, err := AppendRecord(nil, &Customer{ID: "acme", Subs: tc.subs})
			if err != nil {
				t.Fatal(err)
			}
			w := meteredWorld()
			held := Held{World: w, Feature: w.Feature([]byte("calls")), Record: rec}
			got, ok := Counted(&held, &Ask{Quantity: 1000, Anywhere: true}, 1000)
			if !reflect.DeepEqual(got, tc.want) || ok == tc.none {
				t.Errorf("got %+v %v, want %+v", got, ok, tc.want)
			}
		})
	}
}
