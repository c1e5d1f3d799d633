package checker

import (
	"encoding/json"
	"slices"
	"strings"
)

// A WorldSpec is what a World is made of. NewWorld takes it over: the caller keeps no part of it.
type WorldSpec struct {
	Features []Feature
	Plans    []PlanSpec
	Addons   []AddonSpec
}

// A PlanSpec is one version of a plan. Newest is set on the version that subscriptions without one follow.
type PlanSpec struct {
	ID     PlanID
	Newest bool
	Plan
}

// An AddonSpec is one add-on.
type AddonSpec struct {
	ID AddonID
	Addon
}

// A World is a compiled catalogue, immutable. The nil World knows nothing.
type World struct {
	byKey    map[string]*Feature
	features []*Feature // by id; nil: not in the catalogue in force
	sorted   []*Feature // by key
	plans    []planSlot // by id
	addons   []*Addon   // by id
}

type planSlot struct {
	newest   *Plan
	versions []*Plan // by version - first
	first    uint32
}

// slots says where in Allow the allowance of a feature stands: 1 + place by feature id; 0: there is none.
type slots []uint16

// maxGap bounds the table of versions of one plan, so that a damaged number cannot fill the memory.
const maxGap = 1 << 20

// NewWorld compiles a catalogue. It is total: what does not fit (an allowance of a feature that is gone, a value
// that a feature cannot hold any more) grants nothing.
func NewWorld(spec WorldSpec) *World {
	w := &World{byKey: make(map[string]*Feature, len(spec.Features))}
	for i := range spec.Features {
		w.addFeature(&spec.Features[i])
	}
	slices.SortFunc(w.sorted, func(a, b *Feature) int { return strings.Compare(a.Key, b.Key) })
	for i := range spec.Plans {
		w.inferKinds(spec.Plans[i].Allow)
	}
	for i := range spec.Addons {
		w.inferKinds(spec.Addons[i].Allow)
	}
	for i := range spec.Plans {
		w.addPlan(&spec.Plans[i])
	}
	for i := range spec.Addons {
		a := &spec.Addons[i]
		w.addons = grow(w.addons, int(a.ID))
		a.Allow, a.at = w.compile(a.Allow)
		w.addons[a.ID] = &a.Addon
	}
	return w
}

func grow[T any](s []T, at int) []T {
	if at < len(s) {
		return s
	}
	return append(s, make([]T, at+1-len(s))...)
}

func (w *World) addFeature(f *Feature) {
	f.kind, f.valuesJSON = noValue, nil
	for _, v := range f.Values {
		quoted, err := json.Marshal(v)
		if err != nil {
			continue // a string always marshals
		}
		if canonical, err := JSONValue(quoted); err == nil {
			quoted = canonical.json
		}
		f.valuesJSON = append(f.valuesJSON, quoted)
	}
	w.features = grow(w.features, int(f.ID))
	w.features[f.ID] = f
	w.byKey[f.Key] = f
	w.sorted = append(w.sorted, f)
}

const mixedValues = kind(255)

func (w *World) inferKinds(allow []Grantable) {
	for i := range allow {
		f, k := w.FeatureByID(allow[i].Feature), allow[i].Value.kind
		switch {
		case f == nil || k == noValue || f.kind == k:
		case f.kind == noValue:
			f.kind = k
		default:
			f.kind = mixedValues
		}
	}
}

func (w *World) addPlan(p *PlanSpec) {
	w.plans = grow(w.plans, int(p.ID))
	slot := &w.plans[p.ID]
	p.Allow, p.at = w.compile(p.Allow)
	if p.Newest {
		slot.newest = &p.Plan
	}
	if len(slot.versions) == 0 {
		slot.first = p.Version
	}
	if p.Version < slot.first {
		gap := min(slot.first-p.Version, maxGap)
		slot.versions = append(make([]*Plan, gap), slot.versions...)
		slot.first -= gap
	}
	if at := p.Version - slot.first; at < maxGap {
		slot.versions = grow(slot.versions, int(at))
		slot.versions[at] = &p.Plan
	}
}

// compile sorts allowances, drops what fits no feature and shapes values as answers show them.
func (w *World) compile(allow []Grantable) ([]Grantable, slots) {
	kept := allow[:0:0]
	for i := range allow {
		f := w.FeatureByID(allow[i].Feature)
		if f == nil || len(kept) == 1<<16-1 {
			continue
		}
		g := allow[i]
		if !g.suit(f) {
			continue
		}
		g.Value = f.normal(g.Value)
		kept = append(kept, g)
	}
	slices.SortFunc(kept, func(a, b Grantable) int { return int(a.Feature) - int(b.Feature) })
	var at slots
	for i := range kept {
		at = grow(at, int(kept[i].Feature))
		at[kept[i].Feature] = uint16(i + 1)
	}
	return kept, at
}

// Feature finds a feature of the catalogue in force; nil if there is none.
func (w *World) Feature(key []byte) *Feature {
	if w == nil {
		return nil
	}
	return w.byKey[string(key)]
}

// FeatureByID finds a feature of the catalogue in force; nil if there is none.
func (w *World) FeatureByID(id FeatureID) *Feature {
	if w == nil || int(id) >= len(w.features) {
		return nil
	}
	return w.features[id]
}

// Features lists the features of the catalogue in force by key. The caller must not change the list.
func (w *World) Features() []*Feature {
	if w == nil {
		return nil
	}
	return w.sorted
}

// Plan finds a version of a plan, version 0 the newest; nil if there is none.
func (w *World) Plan(id PlanID, version uint32) *Plan {
	if w == nil || int(id) >= len(w.plans) {
		return nil
	}
	slot := &w.plans[id]
	if version == 0 {
		return slot.newest
	}
	if at := version - slot.first; version >= slot.first && int(at) < len(slot.versions) {
		return slot.versions[at]
	}
	return nil
}

// Addon finds an add-on of the catalogue in force; nil if there is none.
func (w *World) Addon(id AddonID) *Addon {
	if w == nil || int(id) >= len(w.addons) {
		return nil
	}
	return w.addons[id]
}

// Of is the plan's allowance of a feature; nil if it has none.
func (p *Plan) Of(f FeatureID) *Allowance { return of(p.Allow, p.at, f) }

// Of is the add-on's allowance of a feature; nil if it has none.
func (a *Addon) Of(f FeatureID) *Allowance { return of(a.Allow, a.at, f) }

func of(allow []Grantable, at slots, f FeatureID) *Allowance {
	if int(f) >= len(at) || at[f] == 0 {
		return nil
	}
	return &allow[at[f]-1].Allowance
}
