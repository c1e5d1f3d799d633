package checker

import "testing"

func TestAnAllowanceForWhatAFeatureWasSaysNothing(t *testing.T) {
	value := func(text string) Value {
		v, err := JSONValue([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	advised := Allowance{Value: value("true"), Advisory: true}
	w := NewWorld(WorldSpec{
		Features: []Feature{
			{ID: 0, Key: "boxes", Type: Pool},
			{ID: 1, Key: "desks", Type: Pool},
			{ID: 2, Key: "lost", Type: Config, Values: []string{"eu"}},
			{ID: 3, Key: "part", Type: Config, Values: []string{"eu"}},
			{ID: 4, Key: "none", Type: Config, Values: []string{"eu"}},
		},
		Plans: []PlanSpec{{Newest: true, Plan: Plan{Key: "team", Version: 1, Allow: []Grantable{
			{0, advised}, {1, Allowance{Limit: 5}}, {2, Allowance{Value: value(`["us","ca"]`)}},
			{3, Allowance{Value: value(`["us","eu"]`)}}, {4, Allowance{Value: value(`[]`)}}}}}},
		Addons: []AddonSpec{{Addon: Addon{Key: "more", Allow: []Grantable{{0, Allowance{Limit: 2}}}}}},
	})
	rec := changing(t, Phase{Addons: []AddonUse{{0, 1}}, Overrides: []Grantable{{1, advised}}})
	for feature, want := range map[string]struct {
		reason Reason
		value  string
	}{
		"boxes": {LimitReached, ""},
		"desks": {NotEntitled, ""},
		"lost":  {NotEntitled, ""},
		"part":  {Granted, `["eu"]`},
		"none":  {Granted, `[]`},
	} {
		d := Decide(&Held{World: w, Feature: w.Feature([]byte(feature)), Record: rec}, &Ask{Quantity: 3}, noon)
		if d.Reason != want.reason || string(d.Value) != want.value {
			t.Errorf("%s: got %v %s, want %v %s", feature, d.Reason, d.Value, want.reason, want.value)
		}
	}
}
