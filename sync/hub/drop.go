package hub

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// maxUsers is how many customers are named in an answer; the rest is counted.
const maxUsers = 20

// A user is a customer that names something.
type user struct {
	Customer     string   `json:"customer"`
	Subscription string   `json:"subscription,omitempty"`
	Grant        string   `json:"grant,omitempty"`
	Plans        []string `json:"plans,omitempty"`
	Addons       []string `json:"addons,omitempty"`
	Features     []string `json:"features,omitempty"`
}

// dropped is what a catalogue has and the next one has not; nil: nothing.
func dropped(old, next catalog.Catalogue) *catalog.Uses {
	u := catalog.Uses{Plans: missing(old.Plans, next.Plans), Addons: missing(old.Addons, next.Addons),
		Features: missing(old.Features, next.Features)}
	if len(u.Plans)+len(u.Addons)+len(u.Features) == 0 {
		return nil
	}
	return &u
}

func missing[V any](old, next map[string]V) map[string]bool {
	out := map[string]bool{}
	for key := range old {
		if _, ok := next[key]; !ok {
			out[key] = true
		}
	}
	return out
}

// clear makes sure that nothing names what the next catalogue drops, and answers the revision that the catalogue is to
// be replaced at. While it looks, a mark in the catalogue keeps every hub from letting anything begin to name it: a
// writer who decided before the mark fails its comparison, one who decides after it sees the mark.
func (h *Hub) clear(ctx context.Context, v *view, next catalog.Catalogue) (uint64, error) {
	drop := dropped(v.catalogue, next)
	if drop == nil {
		return v.catRev, nil
	}
	if users, count := v.users(drop); count > 0 {
		return 0, inUse(drop, users, count)
	}
	marked := v.catalogue
	marked.Dropping = drop
	rev, err := h.put(ctx, counting.NewCommand(), replica.Put{Key: replica.KindCatalog, Expect: v.catRev,
		Value: catalog.EncodeCatalogue(marked)})
	if err != nil {
		return 0, err
	}
	after, err := h.wait(ctx, rev)
	if err != nil {
		return 0, err // the mark is taken back by whoever finds it later
	}
	users, count := after.users(drop)
	if count == 0 {
		return rev, nil
	}
	if err := h.unmark(ctx, v.catalogue, rev); err != nil {
		h.log.Warn("the mark in the catalogue could not be taken back yet", "error", err)
	}
	return 0, inUse(drop, users, count)
}

// unmark writes the catalogue without a mark.
func (h *Hub) unmark(ctx context.Context, c catalog.Catalogue, rev uint64) error {
	c.Dropping, c.Lowering = nil, false
	_, err := h.put(ctx, counting.NewCommand(), replica.Put{Key: replica.KindCatalog, Expect: rev,
		Value: catalog.EncodeCatalogue(c)})
	return err
}

func inUse(drop *catalog.Uses, users []user, count int) *problem {
	kinds := "subscriptions"
	if slices.ContainsFunc(users, func(u user) bool { return u.Grant != "" }) {
		kinds = "subscriptions or grants"
	}
	p := refuse(http.StatusConflict, "in_use", "%d %s still name what this catalogue drops, such as %s of customer %q; "+
		"change them first, or keep it", count, kinds, users[0].what(), users[0].Customer)
	if count == 1 {
		p.Detail = fmt.Sprintf("%s of customer %q still names what this catalogue drops; change it first, or keep it",
			users[0].what(), users[0].Customer)
	}
	p.UsedBy, p.UsedByCount = users, count
	for _, kind := range []struct {
		section, name string
		keys          map[string]bool
		of            func(user) []string
	}{{"plans", "plan", drop.Plans, func(u user) []string { return u.Plans }},
		{"addons", "add-on", drop.Addons, func(u user) []string { return u.Addons }},
		{"features", "feature", drop.Features, func(u user) []string { return u.Features }}} {
		for _, key := range sorted(kind.keys) {
			if by := naming(users, key, kind.of); by != "" {
				p.Faults = append(p.Faults, catalog.Fault{Path: catalog.Join(kind.section, key),
					Problem: fmt.Sprintf("%s %q is still named by %s", kind.name, key, by), Remedy: "keep it until nothing names it"})
			}
		}
	}
	return p
}

// naming says who of the users names a key.
func naming(users []user, key string, of func(user) []string) string {
	var by []string
	for _, u := range users {
		if contains(of(u), key) {
			by = append(by, u.Customer+" ("+u.Subscription+u.Grant+")")
		}
	}
	return strings.Join(by, ", ")
}

// users finds the subscriptions and grants that name what is in drop: some of them, and how many there are.
func (v *view) users(drop *catalog.Uses) (some []user, count int) {
	names := v.names.Clone()
	s := seeker{plans: map[checker.PlanID]string{}, addons: map[checker.AddonID]string{},
		features: map[checker.FeatureID]string{}}
	for key := range drop.Plans {
		s.plans[names.Plan(key)] = key
	}
	for key := range drop.Addons {
		s.addons[names.Addon(key)] = key
	}
	for key := range drop.Features {
		s.features[names.Feature(key)] = key
	}
	for rec := range v.index.All() {
		c, err := rec.Unpack()
		if err != nil {
			continue // the index holds what was packed here
		}
		for _, sub := range c.Subs {
			u, ok := s.look(sub)
			if !ok {
				continue
			}
			if count++; len(some) < maxUsers {
				u.Customer = c.ID
				some = append(some, u)
			}
		}
	}
	v.grants.Scan(func(id string, grants map[string]catalog.Grant) bool {
		for _, grant := range slices.Sorted(maps.Keys(grants)) {
			feature := grants[grant].Feature
			if !drop.Features[feature] {
				continue
			}
			if count++; len(some) < maxUsers {
				some = append(some, user{Customer: id, Grant: grant, Features: []string{feature}})
			}
		}
		return true
	})
	return some, count
}

// what names what of a customer it is.
func (u user) what() string {
	if u.Grant != "" {
		return fmt.Sprintf("grant %q", u.Grant)
	}
	return fmt.Sprintf("subscription %q", u.Subscription)
}

// A seeker looks for ids in packed subscriptions.
type seeker struct {
	plans    map[checker.PlanID]string
	addons   map[checker.AddonID]string
	features map[checker.FeatureID]string
}

// look finds what a subscription names, in any of its phases.
func (s *seeker) look(sub checker.Subscription) (user, bool) {
	plans, addons, features := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, ph := range sub.Phases {
		note(plans, s.plans, ph.Plan)
		for _, a := range ph.Addons {
			note(addons, s.addons, a.Addon)
		}
		for _, o := range ph.Overrides {
			note(features, s.features, o.Feature)
		}
	}
	u := user{Subscription: sub.ID, Plans: sorted(plans), Addons: sorted(addons), Features: sorted(features)}
	return u, len(plans)+len(addons)+len(features) > 0
}

func note[K comparable](found map[string]bool, sought map[K]string, id K) {
	if key, ok := sought[id]; ok {
		found[key] = true
	}
}
