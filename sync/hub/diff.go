package hub

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
)

// maxDiffs is how many customers a difference names; the rest is counted.
const maxDiffs = 100

// A diffDoc says what a catalogue would change.
type diffDoc struct {
	DryRun   bool           `json:"dry_run"`
	Revision uint64         `json:"revision"` // that it was compared at
	Plans    []planDiff     `json:"plans"`    // that get a new version or come back
	Features []featureDef   `json:"features"` // that are new or defined differently
	Addons   []addonDef     `json:"addons"`   // likewise
	Dropped  *catalog.Uses  `json:"dropped,omitempty"`
	Customer []customerDiff `json:"customers"` // some of those whose entitlements would change
	Count    int            `json:"customers_changed"`
}

type planDiff struct {
	Plan string `json:"plan"`
	From uint32 `json:"from"` // 0: it is new
	To   uint32 `json:"to"`   // as From: it was dropped, and comes back as it was
}

// A featureDef is how a feature is defined, by the catalogue in force and by the next one.
type featureDef struct {
	Feature string           `json:"feature"`
	Before  *catalog.Feature `json:"before"` // nil: it is new
	After   catalog.Feature  `json:"after"`
}

// An addonDef is what an add-on grants, by the catalogue in force and by the next one.
type addonDef struct {
	Addon  string         `json:"addon"`
	Before *catalog.Addon `json:"before"` // nil: it is new
	After  catalog.Addon  `json:"after"`
}

type customerDiff struct {
	Customer string        `json:"customer"`
	Changes  []featureDiff `json:"changes"`
}

type featureDiff struct {
	Feature string      `json:"feature"`
	Before  decisionDoc `json:"before"`
	After   decisionDoc `json:"after"`
}

// diffCatalogue answers what a catalogue would change, or why it would be refused. Nothing is written.
func (h *Hub) diffCatalogue(c *call, next catalog.Catalogue) error {
	v, err := h.fresh(c.r.Context())
	if err != nil {
		return err
	}
	if err := c.precondition(v.catRev); err != nil {
		return err
	}
	out := diffDoc{DryRun: true, Revision: v.rev, Customer: []customerDiff{},
		Features: featureDefs(v.catalogue, next), Addons: addonDefs(v.catalogue, next)}
	if drop := dropped(v.catalogue, next); drop != nil {
		if users, count := v.users(drop); count > 0 {
			return inUse(drop, users, count)
		}
		out.Dropped = drop
	}
	versions := next.NewVersions(v.newest)
	out.Plans = planDiffs(v, next, versions)
	all := versions
	for _, p := range v.plans {
		all = append(all, p.PlanVersion)
	}
	d := differ{old: v.index.World(), next: catalog.Compile(v.names.Clone(), next, all), now: h.now(),
		features: touched(v, next, versions)}
	for rec := range v.index.All() {
		if c.r.Context().Err() != nil {
			return c.r.Context().Err()
		}
		changes := d.customer(rec)
		if len(changes) == 0 {
			continue
		}
		if out.Count++; len(out.Customer) < maxDiffs {
			out.Customer = append(out.Customer, customerDiff{string(rec.ID()), changes})
		}
	}
	slices.SortFunc(out.Customer, func(a, b customerDiff) int { return strings.Compare(a.Customer, b.Customer) })
	return c.answer(out)
}

// planDiffs lists the plans of the next catalogue that get a version or come back, by key.
func planDiffs(v *view, next catalog.Catalogue, versions []catalog.PlanVersion) []planDiff {
	out := []planDiff{}
	for _, p := range versions {
		out = append(out, planDiff{p.Key, v.newest[p.Key].Version, p.Version})
	}
	for key := range missing(next.Plans, v.catalogue.Plans) {
		if !slices.ContainsFunc(out, func(d planDiff) bool { return d.Plan == key }) {
			out = append(out, planDiff{key, v.newest[key].Version, v.newest[key].Version})
		}
	}
	slices.SortFunc(out, func(a, b planDiff) int { return strings.Compare(a.Plan, b.Plan) })
	return out
}

// featureDefs lists the features of the next catalogue that are not what they were, by key.
func featureDefs(old, next catalog.Catalogue) []featureDef {
	out := []featureDef{}
	for _, key := range redefined(old.Features, next.Features) {
		def := featureDef{Feature: key, After: next.Features[key]}
		if before, had := old.Features[key]; had {
			def.Before = &before
		}
		out = append(out, def)
	}
	return out
}

// addonDefs lists the add-ons of the next catalogue that are not what they were, by key.
func addonDefs(old, next catalog.Catalogue) []addonDef {
	out := []addonDef{}
	for _, key := range redefined(old.Addons, next.Addons) {
		def := addonDef{Addon: key, After: next.Addons[key]}
		if before, had := old.Addons[key]; had {
			def.Before = &before
		}
		out = append(out, def)
	}
	return out
}

// redefined are the keys of next under which old has something else, or nothing.
func redefined[V any](old, next map[string]V) []string {
	set := map[string]bool{}
	unequal(set, old, next)
	return slices.DeleteFunc(sorted(set), func(key string) bool {
		_, kept := next[key]
		return !kept
	})
}

// touched lists the features of which somebody may hold something else: those that are defined differently, and those
// of plans and add-ons that are.
func touched(v *view, next catalog.Catalogue, versions []catalog.PlanVersion) []string {
	set := map[string]bool{}
	old := v.catalogue
	unequal(set, old.Features, next.Features)
	for key := range set {
		if _, had := old.Features[key]; !had {
			delete(set, key) // a feature that is new is held through a plan or an add-on, or by nobody
		}
	}
	for _, p := range versions {
		before := v.newest[p.Key]
		if before.Base != p.Base {
			maps.Copy(set, all(next.Features)) // what else counts beside a base plan changes with it
		}
		unequal(set, before.Allow, p.Allow)
	}
	for key := range next.Addons {
		unequal(set, old.Addons[key].Allow, next.Addons[key].Allow)
	}
	return sorted(set)
}

func all[V any](m map[string]V) map[string]bool {
	out := make(map[string]bool, len(m))
	for key := range m {
		out[key] = true
	}
	return out
}

// unequal adds the keys under which two maps differ.
func unequal[V any](set map[string]bool, a, b map[string]V) {
	for _, keys := range []map[string]V{a, b} {
		for key := range keys {
			x, inA := a[key]
			y, inB := b[key]
			if inA != inB || !sameJSON(x, y) {
				set[key] = true
			}
		}
	}
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// A differ compares what customers hold in two worlds.
type differ struct {
	old, next *checker.World
	features  []string
	now       time.Time
}

// customer lists the features of which a customer would hold something else. Limits to environments and versions are
// left out of account: whoever asks from there sees the change.
func (d *differ) customer(rec checker.Record) []featureDiff {
	rec = relax(rec)
	var out []featureDiff
	for _, key := range d.features {
		if d.same(rec, key) {
			continue
		}
		out = append(out, featureDiff{key, decide(d.old, rec, key, d.now), decide(d.next, rec, key, d.now)})
	}
	return out
}

// plenty is a quantity that shows what becomes of a use beyond the limit.
const plenty = catalog.MaxQuantity

// same tells whether a customer holds the same of a feature in both worlds.
func (d *differ) same(rec checker.Record, feature string) bool {
	for _, quantity := range []int64{1, plenty} {
		ask := checker.Ask{Quantity: quantity}
		a := checker.Held{World: d.old, Feature: d.old.Feature([]byte(feature)), Record: rec}
		b := checker.Held{World: d.next, Feature: d.next.Feature([]byte(feature)), Record: rec}
		x := checker.Decide(&a, &ask, d.now.UnixMilli())
		y := checker.Decide(&b, &ask, d.now.UnixMilli())
		if !sameDecision(&x, &y) {
			return false
		}
	}
	return true
}

func sameDecision(x, y *checker.Decision) bool {
	return x.Allowed == y.Allowed && x.Reason == y.Reason && x.WouldDeny == y.WouldDeny && x.Type == y.Type &&
		x.Unlimited == y.Unlimited && x.Limit == y.Limit && x.ResetsAt == y.ResetsAt && x.ExpiresAt == y.ExpiresAt &&
		bytes.Equal(x.Value, y.Value)
}

// relax is a record without limits to environments, versions and devices, which a check may or may not meet.
func relax(rec checker.Record) checker.Record {
	c, err := rec.Unpack()
	if err != nil {
		return rec
	}
	limited := false
	for i := range c.Subs {
		for j := range c.Subs[i].Phases {
			p := &c.Subs[i].Phases[j]
			limited = limited || p.Environments != nil || p.Versions != "" || p.DeviceLock
			p.Environments, p.Versions, p.DeviceLock = nil, "", false
		}
	}
	if !limited {
		return rec
	}
	out, err := checker.AppendRecord(nil, &c)
	if err != nil {
		return rec
	}
	return out
}
