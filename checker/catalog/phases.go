package catalog

import (
	"encoding/json"
	"fmt"
	"time"
)

// A SubPhase is what a subscription is from a moment on: the whole set of its fields, changes applied. The first has
// the zero time: it is there from the beginning.
type SubPhase struct {
	From time.Time
	Subscription
}

// Phases are the subscription as written and after each scheduled change. Status is always set.
func (s Subscription) Phases() ([]SubPhase, error) {
	now := s
	now.Changes = nil
	out := make([]SubPhase, 1, 1+len(s.Changes))
	out[0] = SubPhase{Subscription: now.effective()}
	for _, c := range s.Changes {
		if err := now.apply(c.Fields); err != nil {
			return nil, err
		}
		out = append(out, SubPhase{c.At, now.effective()})
	}
	return out, nil
}

// effective is s with its status said.
func (s Subscription) effective() Subscription {
	switch {
	case s.Status != "":
	case !s.TrialEndsAt.IsZero():
		s.Status = "trialing"
	default:
		s.Status = "active"
	}
	return s
}

// apply sets fields as a change does: null takes a value away, and another plan follows its newest version unless one
// is pinned beside it.
func (s *Subscription) apply(set map[string]json.RawMessage) error {
	var r finder
	known := r.subscriptionFields(s)
	if _, pinned := set["plan_version"]; !pinned && set["plan"] != nil {
		s.PlanVersion = 0
	}
	for key, raw := range set {
		n, err := ParseJSON(raw)
		if err != nil {
			return err
		}
		read, ok := known[key]
		if !ok {
			return fmt.Errorf("a change sets %q, which this program does not know", key)
		}
		read(n, key)
	}
	return r.result()
}

// check looks for what is wrong between a subscription's fields, in each of its phases.
func (r *finder) check(s Subscription, path string) {
	if r.faultAt(Join(path, "changes")) {
		s.Changes = nil
	}
	r.eachPhase(s, path, (*finder).checkPhase)
}

// eachPhase looks at a subscription as written and after each change. What a change leaves as wrong as it was, or what
// was found wrong by itself, is not told again.
func (r *finder) eachPhase(s Subscription, path string, look func(r *finder, s Subscription)) {
	phases, err := s.Phases()
	if err != nil {
		r.fail(path, 0, err.Error(), "")
		return
	}
	told := map[Fault]bool{}
	for i, p := range phases {
		at := path
		if i > 0 {
			at = r.changePath(path, i-1)
		}
		var here finder
		look(&here, p.Subscription)
		for _, f := range here.faults {
			if !told[f] && !r.faultAt(under(at, f.Path)) {
				r.fail(under(at, f.Path), 0, f.Problem, f.Remedy)
			}
			told[f] = true
		}
	}
}

// changePath is where a change stands in the source.
func (r *finder) changePath(path string, i int) string {
	path = Join(path, "changes")
	if from := r.order[path]; i < len(from) {
		i = from[i]
	}
	return fmt.Sprintf("%s[%d]", path, i)
}

func (r *finder) checkPhase(s Subscription) {
	start := s.StartsAt.Format(time.RFC3339)
	if s.Plan == "" {
		r.fail("plan", 0, "it is missing", "name a plan of the catalogue")
	}
	if s.Status == "trialing" && s.TrialEndsAt.IsZero() {
		r.fail("trial_ends_at", 0, "a trialing subscription needs it", "say when the trial ends")
	}
	if !s.EndsAt.IsZero() && !s.EndsAt.After(s.StartsAt) {
		r.fail("ends_at", 0, "it is not after starts_at, "+start, "choose a later end")
	}
	if !s.TrialEndsAt.IsZero() && !s.TrialEndsAt.After(s.StartsAt) {
		r.fail("trial_ends_at", 0, "it is not after starts_at, "+start, "choose a later end")
	}
}

// Check tells what is wrong between the fields of a subscription that was put together from parts, such as by an
// action. The error is Faults.
func (s Subscription) Check() error {
	var r finder
	r.check(s, "")
	return r.result()
}

// CheckCustomer tells which plans, versions, add-ons and features the customer's subscriptions name that there are not,
// and which overrides do not suit their feature, scheduled changes included. The error is Faults.
func (c Catalogue) CheckCustomer(cu Customer, hasVersion func(plan string, version uint32) bool) error {
	var r finder
	if r.size(cu); len(r.faults) > 0 {
		return r.result()
	}
	for _, id := range keysOf(cu.Subscriptions) {
		r.eachPhase(cu.Subscriptions[id], Join("subscriptions", id), func(r *finder, s Subscription) {
			r.namesExist(c, s, hasVersion)
		})
	}
	r.grantsFit(c, cu)
	return r.result()
}

func (r *finder) namesExist(c Catalogue, s Subscription, hasVersion func(string, uint32) bool) {
	if _, ok := c.Plans[s.Plan]; !ok {
		r.noSuch("plan", s.Plan, place{path: "plan"}, keysOf(c.Plans))
	} else if s.PlanVersion != 0 && !hasVersion(s.Plan, s.PlanVersion) {
		r.fail("plan_version", 0, fmt.Sprintf("plan %q has no version %d", s.Plan, s.PlanVersion),
			"leave it out to follow the newest")
	}
	for i, a := range s.Addons {
		if _, ok := c.Addons[a.Key]; !ok {
			r.noSuch("add-on", a.Key, place{path: fmt.Sprintf("addons[%d]", i)}, keysOf(c.Addons))
		}
	}
	for _, key := range keysOf(s.Overrides) {
		at := Join("overrides", key)
		f, ok := c.Features[key]
		if !ok {
			r.noSuch("feature", key, place{path: at}, keysOf(c.Features))
			continue
		}
		r.fits(s.Overrides[key], f, place{path: at})
	}
}

// Limits on a customer as a whole: its document must fit a message of the log, and the record that it becomes holds
// the lists of each phase in full.
const (
	maxCustomerBytes = 512 << 10
	maxCustomerParts = 20_000 // add-ons, overrides and environments, counted in each phase
)

func (r *finder) size(c Customer) {
	parts, plain := 0, len(c.Metadata)+len(c.Grants) // plain: a rough measure of what the document holds
	for _, s := range c.Subscriptions {
		plain += 1 + len(s.Addons) + len(s.Overrides) + len(s.Environments) + len(s.Changes)
		for _, change := range s.Changes {
			for _, raw := range change.Fields {
				plain += len(raw) >> 10
			}
		}
		phases, err := s.Phases()
		if err != nil {
			continue
		}
		for _, p := range phases {
			parts += len(p.Addons) + len(p.Overrides) + len(p.Environments)
		}
	}
	if parts > maxCustomerParts {
		r.fail("subscriptions", 0,
			fmt.Sprintf("they hold %d add-ons, overrides and environments, each change counted anew", parts),
			fmt.Sprintf("at most %d", maxCustomerParts))
	}
	if plain < 10 {
		return // it cannot be large; imports come by here a hundred thousand times
	}
	if size := len(EncodeCustomer(c)); size > maxCustomerBytes {
		r.fail("", 0, fmt.Sprintf("the customer with its subscriptions has %d bytes", size),
			fmt.Sprintf("at most %d; use fewer overrides, changes or metadata", maxCustomerBytes))
	}
}

// Uses are the names that a customer's subscriptions, scheduled changes included, and grants mention.
type Uses struct {
	Plans    map[string]bool `json:"plans,omitempty"`
	Addons   map[string]bool `json:"addons,omitempty"`
	Features map[string]bool `json:"features,omitempty"`
}

// Uses lists what the customer's subscriptions and grants name.
func (c Customer) Uses() Uses {
	u := Uses{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, g := range c.Grants {
		u.Features[g.Feature] = true
	}
	for _, s := range c.Subscriptions {
		phases, err := s.Phases()
		if err != nil {
			phases = []SubPhase{{Subscription: s}}
		}
		for _, p := range phases {
			u.Plans[p.Plan] = true
			for _, a := range p.Addons {
				u.Addons[a.Key] = true
			}
			for key := range p.Overrides {
				u.Features[key] = true
			}
		}
	}
	return u
}
