package catalog_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// A dice makes the random documents: small numbers and few words, so that limits are met, bounds are hit and ties
// happen. Chances are in percent.
type dice struct{ *rand.Rand }

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

// one picks one of several; what stands there more often is more likely.
func one[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// maybe picks one of several, or nothing.
func maybe[T any](d dice, percent int, of ...T) T {
	var none T
	if !d.chance(percent) {
		return none
	}
	return one(d, of...)
}

// some picks a few of several, each once, in random order.
func some[T any](d dice, of ...T) []T {
	all := slices.Clone(of)
	d.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+d.IntN(len(all))]
}

// sorted is a map's keys in order, so that a seed gives the same documents again.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// largest is what a document may hold.
const largest = 1<<53 - 1

func (d dice) ordered() *bool {
	yes := true
	return one(d, nil, &yes)
}

func unordered() *bool { return new(bool) }

// features are of every kind in every world. retired is in early catalogues only.
func (d dice) features() map[string]docFeature {
	all := map[string]docFeature{
		"bool":     {Type: "boolean"},
		"ordered":  {Type: "config", Values: []string{"low", "mid", "high", "top"}, Ordered: d.ordered()},
		"set":      {Type: "config", Values: []string{"us", "eu", "ap", "sa"}, Ordered: unordered()},
		"number":   {Type: "config"},
		"text":     {Type: "config"},
		"list":     {Type: "config"},
		"mixed":    {Type: "config"},
		"calls":    {Type: "metered"},
		"minutes":  {Type: "metered"},
		"boxes":    {Type: "pool"},
		"members":  {Type: "seat", Kind: one(d, "", "named"), Assign: maybe(d, 50, "manual", "first_use")},
		"sessions": {Type: "seat", Kind: "floating", TTL: "10m"},
		"retired":  {Type: "boolean"},
	}
	for _, key := range sorted(all) {
		all[key] = d.policies(all[key])
	}
	return all
}

// policies are what any feature may have beside its type.
func (d dice) policies(f docFeature) docFeature {
	f.Enforce = maybe(d, 8, "advisory")
	f.Stack, f.WhenStale = "", nil
	if d.chance(25) {
		after := one(d, docDuration(time.Minute), docDuration(24*time.Hour))
		f.WhenStale = &docStale{after, one(d, "", "allow", "deny", "deny")}
	}
	if f.Type != "boolean" && f.Type != "config" {
		f.Stack = maybe(d, 40, "sum", "max", "max")
	}
	return f
}

// revise makes a feature into what a later catalogue says of it; false: it stays. Old plan versions go on naming it.
func (d dice) revise(key string, f docFeature) (docFeature, bool) {
	switch {
	case d.chance(75):
		return f, false
	case key == "bool":
		f = one(d, docFeature{Type: "config"}, docFeature{Type: "pool"}, docFeature{Type: "metered"})
	case key == "text":
		f = one(d, docFeature{Type: "boolean"}, docFeature{Type: "metered"})
	case key == "boxes":
		f = one(d, docFeature{Type: "boolean"}, docFeature{Type: "seat"}, docFeature{Type: "config"})
	case f.Values != nil:
		f.Values = some(d, f.Values...)
		f.Ordered = one(d, f.Ordered, unordered(), d.ordered())
	}
	return d.policies(f), true
}

// world is a row of one to four catalogues.
func (d dice) world() *docWorld {
	w := &docWorld{}
	c := docCatalogue{Features: d.features()}
	for i := range 5 {
		c.plan(fmt.Sprintf("plan%d", i), docPlan{d.chance(25), d.allow(c.Features, false)})
	}
	for last := d.IntN(4); last >= 0; last-- {
		if c = c.clone(); last == 0 {
			delete(c.Features, "retired")
		}
		c.Addons = map[string]docAddon{}
		for i := range 5 {
			c.Addons[fmt.Sprintf("addon%d", i)] = docAddon{d.allow(c.Features, true)}
		}
		d.reviseAll(&c)
		w.apply(c)
	}
	return w
}

func (c *docCatalogue) plan(key string, p docPlan) {
	if c.Plans == nil {
		c.Plans = map[string]docPlan{}
	}
	c.Plans[key] = p
}

// clone is a catalogue that can be changed without changing the one before.
func (c docCatalogue) clone() docCatalogue {
	c.Features, c.Plans = maps.Clone(c.Features), maps.Clone(c.Plans)
	for key, p := range c.Plans {
		p.Allow = maps.Clone(p.Allow)
		c.Plans[key] = p
	}
	return c
}

// reviseAll changes some features, rewrites what plans and add-ons say of them, and changes some plans besides.
func (d dice) reviseAll(c *docCatalogue) {
	for _, key := range sorted(c.Plans) {
		if d.chance(25) {
			c.Plans[key] = docPlan{d.chance(25), d.allow(c.Features, false)}
		}
		if _, there := c.Features["retired"]; !there {
			delete(c.Plans[key].Allow, "retired")
		}
	}
	for _, key := range sorted(c.Features) {
		f, changed := d.revise(key, c.Features[key])
		if !changed {
			continue
		}
		c.Features[key] = f
		for _, plan := range sorted(c.Plans) {
			d.rewrite(c.Plans[plan].Allow, place{key, f, false})
		}
		for _, addon := range sorted(c.Addons) {
			d.rewrite(c.Addons[addon].Allow, place{key, f, true})
		}
	}
}

// A place is where an allowance is to stand.
type place struct {
	key   string
	f     docFeature
	addon bool
}

func (d dice) rewrite(allow map[string]docAllowance, at place) {
	if _, there := allow[at.key]; there {
		allow[at.key] = d.allowance(at)
	}
}

// allow is what a plan or an add-on grants.
func (d dice) allow(features map[string]docFeature, addon bool) map[string]docAllowance {
	allow := map[string]docAllowance{}
	share := 65
	if addon {
		share = 40
	}
	for _, key := range sorted(features) {
		if d.chance(share) {
			allow[key] = d.allowance(place{key, features[key], addon})
		}
	}
	return allow
}

func (d dice) allowance(at place) docAllowance {
	a := docAllowance{Enforce: maybe(d, 7, "advisory")}
	switch at.f.Type {
	case "boolean":
		a.Value, a.Bare = d.chance(75), d.chance(80)
		return a
	case "config":
		a.Value = d.value(at.key, at.f)
		_, mapping := a.Value.(map[string]any) // some would be read as limits
		a.Bare = !mapping && d.chance(80)
		return a
	}
	a.Unlimited = d.chance(8)
	if !a.Unlimited {
		a.Limit = one[int64](d, 0, 0, 1, 2, 3, 4, 5, 8)
		if d.chance(1) {
			a.Limit = largest
		}
	}
	if at.f.Type == "metered" {
		d.metered(&a, at.addon)
	}
	return a
}

// metered adds what only metered features have. In an add-on a period may be left out.
func (d dice) metered(a *docAllowance, addon bool) {
	a.Per = one(d, "month", "month", "month", "month", "day", "day", "year", "week", "hour", "minute", "never")
	if (addon || a.Unlimited) && d.chance(60) {
		a.Per = ""
	}
	a.Anchor = maybe(d, 50, "subscription", "subscription", "calendar")
	a.Mode = maybe(d, 20, "soft", "hard")
	a.Overdraft = maybe[int64](d, 25, 1, 2, 5)
	a.Chunked, a.Rollover = d.chance(20), d.chance(15)
}

// value is a config value that a feature may hold, or be asked for.
func (d dice) value(key string, f docFeature) any {
	switch {
	case (f.isSet() || key == "list") && d.chance(3):
		return []any{}
	case f.isSet() && d.chance(60):
		return listOf(some(d, f.Values...))
	case f.Values != nil:
		return one(d, f.Values...)
	case key == "number":
		return one[any](d, 0.0, 1.0, 2.0, 2.5, 5.0, 10.0, -1.0, 1e6)
	case key == "text":
		return one[any](d, "red", "green", "blue", "")
	case key == "list":
		return some[any](d, 1.0, 2.0, "x", "y", true, map[string]any{"k": 1.0})
	}
	return one[any](d, true, false, 1.0, 2.0, "red", "1", listOf([]string{"x", "y"}), listOf([]string{"x"}),
		map[string]any{"k": 1.0}, map[string]any{"k": 1.0, "limit": 2.0}, map[string]any{"value": []any{}})
}

func listOf(words []string) []any {
	items := []any{}
	for _, word := range words {
		items = append(items, word)
	}
	return items
}
