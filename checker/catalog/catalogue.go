package catalog

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits on what a catalogue may hold.
const (
	maxFeatures = 10_000
	maxPlans    = 10_000
	maxValues   = 1_000

	// defaultTTL is how long a floating seat lives without renewal, if its feature does not say.
	defaultTTL = Duration(10 * time.Minute)
)

// ReadCatalogue reads a catalogue document. The error is Faults and lists everything that is wrong.
func ReadCatalogue(n Node) (Catalogue, error) {
	var r finder
	c := Catalogue{Features: map[string]Feature{}}
	sections := map[string]Node{}
	section := func(name string) func(Node, string) {
		return func(n Node, _ string) { sections[name] = n }
	}
	r.mapping(n, "", fields{"features": section("features"), "plans": section("plans"), "addons": section("addons")})
	r.entries(sections["features"], "features", func(key string, n Node, path string) {
		c.Features[key] = r.feature(n, path)
	})
	if n.lacks("features") && len(r.faults) == 0 {
		// An empty file would otherwise drop everything. Who means it writes features: {}.
		r.fail("features", n.Line, "it is missing", "such as features: {sso: {type: boolean}}")
	}
	r.entries(sections["plans"], "plans", func(key string, n Node, path string) {
		if c.Plans == nil {
			c.Plans = map[string]Plan{}
		}
		c.Plans[key] = r.plan(n, path, c.Features)
	})
	r.entries(sections["addons"], "addons", func(key string, n Node, path string) {
		if c.Addons == nil {
			c.Addons = map[string]Addon{}
		}
		var a Addon
		r.mapping(n, path, fields{"name": r.text(&a.Name), "allow": r.allow(&a.Allow, c.Features, true)})
		r.needsAllow(n, path)
		c.Addons[key] = a
	})
	if len(c.Features) > maxFeatures || len(c.Plans) > maxPlans || len(c.Addons) > maxPlans {
		r.fail("", n.Line, fmt.Sprintf("it has %d features, %d plans and %d add-ons", len(c.Features), len(c.Plans),
			len(c.Addons)), fmt.Sprintf("at most %d of each", maxFeatures))
	}
	return c, r.found(n)
}

func (r *finder) feature(n Node, path string) Feature {
	var f Feature
	var ordered *bool
	r.mapping(n, path, fields{
		"type":   r.oneOf(&f.Type, typeWords[1:]...),
		"name":   r.text(&f.Name),
		"unit":   r.text(&f.Unit),
		"values": r.texts(&f.Values, maxValues),
		"ordered": func(n Node, path string) {
			if ordered = nil; n.Kind != Null {
				ordered = new(bool)
				r.bool(ordered)(n, path)
			}
		},
		"stack":      r.oneOf(&f.Stack, "sum", "max"),
		"kind":       r.oneOf(&f.Kind, "named", "floating"),
		"ttl":        r.duration(&f.TTL),
		"assign":     r.oneOf(&f.Assign, "manual", "first_use"),
		"when_stale": func(n Node, path string) { f.WhenStale = r.whenStale(n, path) },
		"enforce":    r.oneOf(&f.Enforce, "advisory"),
	})
	f.Ordered = ordered
	if n.Kind == Map {
		r.featureFits(f, n, path)
	}
	if f.Type == "seat" && f.Kind == "" {
		f.Kind = "named"
	}
	if f.Type == "seat" && f.Kind == "floating" && f.TTL == 0 {
		f.TTL = defaultTTL
	}
	if f.Type == "config" && f.Values != nil && f.Ordered == nil {
		yes := true
		f.Ordered = &yes
	}
	return f
}

func (r *finder) whenStale(n Node, path string) *WhenStale {
	if n.Kind == Null {
		return nil
	}
	var w WhenStale
	r.mapping(n, path, fields{"after": r.duration(&w.After), "then": r.oneOf(&w.Then, "allow", "deny")})
	if n.Kind == Map && w.After == 0 && !r.faultAt(Join(path, "after")) {
		r.fail(Join(path, "after"), n.Line, "it is missing or 0", `such as "24h"`)
	}
	return &w
}

// featureFits tells whether a feature's fields suit its type.
func (r *finder) featureFits(f Feature, n Node, path string) {
	if f.Type == "" {
		if n.lacks("type") {
			r.fail(Join(path, "type"), n.Line, "it is missing", "one of boolean, config, metered, pool, seat")
		}
		return
	}
	floating := f.Type == "seat" && f.Kind == "floating"
	for _, field := range []struct {
		name string
		set  bool
		fits bool
		only string
	}{
		{"values", f.Values != nil, f.Type == "config", "a config feature"},
		{"ordered", f.Ordered != nil, f.Type == "config" && len(f.Values) > 0, "a config feature with values"},
		{"stack", f.Stack != "", f.Type != "boolean" && f.Type != "config", "a metered, pool or seat feature"},
		{"kind", f.Kind != "", f.Type == "seat", "a seat feature"},
		{"ttl", f.TTL != 0, floating, "a floating seat"},
		{"assign", f.Assign != "", f.Type == "seat" && !floating, "a named seat"},
	} {
		if field.set && !field.fits {
			r.fail(Join(path, field.name), n.Line, "only "+field.only+" has it", "leave it out")
		}
	}
	if f.Type == "config" && !n.lacks("values") && len(f.Values) == 0 && !r.faultAt(Join(path, "values")) {
		r.fail(Join(path, "values"), n.Line, "it is empty", "list the values, or leave it out")
	}
}

// faultAt tells whether something was found wrong at or below a path.
func (r *finder) faultAt(path string) bool {
	return slices.ContainsFunc(r.faults, func(f Fault) bool {
		rest, below := strings.CutPrefix(f.Path, path)
		return below && (rest == "" || path == "" || rest[0] == '.' || rest[0] == '[')
	})
}

func (r *finder) plan(n Node, path string, features map[string]Feature) Plan {
	var p Plan
	r.mapping(n, path, fields{"name": r.text(&p.Name), "base": r.bool(&p.Base),
		"allow": r.allow(&p.Allow, features, false)})
	r.needsAllow(n, path)
	return p
}

func (r *finder) needsAllow(n Node, path string) {
	if n.Kind == Map && n.lacks("allow") {
		r.fail(Join(path, "allow"), n.Line, "it is missing",
			"say what is granted, such as allow: {sso: true}; {} for nothing")
	}
}

// allow reads the allowances of a plan or an add-on.
func (r *finder) allow(into *map[string]Allowance, features map[string]Feature, addon bool) func(Node, string) {
	return func(n Node, path string) {
		*into = map[string]Allowance{}
		known := keysOf(features)
		r.entries(n, path, func(key string, n Node, at string) {
			before := len(r.faults)
			a := r.allowance(n, at)
			(*into)[key] = a
			f, ok := features[key]
			switch {
			case !ok:
				r.noSuch("feature", key, place{path: at, line: n.Line}, known)
			case f.Type != "" && len(r.faults) == before:
				r.fits(a, f, place{at, n.Line, addon})
			}
		})
	}
}

// noSuch reports a name that the catalogue does not have.
func (r *finder) noSuch(kind, key string, at place, known []string) {
	remedy := "add it to the catalogue first"
	if near := r.nearest(key, known); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	}
	r.fail(at.path, at.line, fmt.Sprintf("there is no %s %q in the catalogue", kind, key), remedy)
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// NewVersions lists the plans of c that differ from their newest version or have none, each as its next version, by
// key.
func (c Catalogue) NewVersions(newest map[string]PlanVersion) []PlanVersion {
	var out []PlanVersion
	for _, key := range keysOf(c.Plans) {
		old, ok := newest[key]
		if ok && same(old.Plan, c.Plans[key]) {
			continue
		}
		out = append(out, PlanVersion{Key: key, Version: old.Version + 1, Plan: c.Plans[key]})
	}
	return out
}
