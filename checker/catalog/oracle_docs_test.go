package catalog_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// The documents as the oracle knows them: plain data that marshals to what the vendor would write. They share nothing
// with package catalog, so that a misreading there cannot hide here.

type docFeature struct {
	Type      string    `json:"type"`
	Values    []string  `json:"values,omitempty"`
	Ordered   *bool     `json:"ordered,omitempty"`
	Stack     string    `json:"stack,omitempty"`
	Kind      string    `json:"kind,omitempty"`
	TTL       string    `json:"ttl,omitempty"`
	Assign    string    `json:"assign,omitempty"`
	WhenStale *docStale `json:"when_stale,omitempty"`
	Enforce   string    `json:"enforce,omitempty"`
}

type docStale struct {
	After docDuration `json:"after"`
	Then  string      `json:"then,omitempty"`
}

// isSet tells whether a feature with values is unordered.
func (f docFeature) isSet() bool { return f.Values != nil && f.Ordered != nil && !*f.Ordered }

// isOrdered tells whether a later one of the feature's values covers the earlier ones.
func (f docFeature) isOrdered() bool { return f.Values != nil && !f.isSet() }

// A docAllowance holds a Value or the rest. Bare says that the value is written without its mapping.
type docAllowance struct {
	Value     any
	Bare      bool
	Limit     int64
	Unlimited bool
	Per       string
	Anchor    string
	Mode      string
	Overdraft int64
	Chunked   bool
	Rollover  bool
	Enforce   string
}

func (a docAllowance) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	put := func(key string, value any, there bool) {
		if there {
			out[key] = value
		}
	}
	put("enforce", a.Enforce, a.Enforce != "")
	if a.Value != nil {
		if a.Bare && a.Enforce == "" {
			return json.Marshal(a.Value)
		}
		out["value"] = a.Value
		return json.Marshal(out)
	}
	put("limit", a.Limit, !a.Unlimited)
	put("unlimited", true, a.Unlimited)
	put("per", a.Per, a.Per != "")
	put("anchor", a.Anchor, a.Anchor != "")
	put("mode", a.Mode, a.Mode != "")
	put("overdraft", a.Overdraft, a.Overdraft > 0)
	put("durability", "chunked", a.Chunked)
	put("rollover", map[string]any{"max": 5}, a.Rollover)
	return json.Marshal(out)
}

type docPlan struct {
	Base  bool                    `json:"base,omitempty"`
	Allow map[string]docAllowance `json:"allow"`
}

type docAddon struct {
	Allow map[string]docAllowance `json:"allow"`
}

// A docCatalogue is one document that is applied whole.
type docCatalogue struct {
	Features map[string]docFeature `json:"features"`
	Plans    map[string]docPlan    `json:"plans"`
	Addons   map[string]docAddon   `json:"addons"`
}

// A docWorld is a row of catalogues, applied one after another.
type docWorld struct {
	Applied []docCatalogue
	plans   map[string][]docPlan // every version of each plan, the first one first
}

// apply puts a catalogue into force. An unchanged plan gets no new version.
func (w *docWorld) apply(c docCatalogue) {
	if w.plans == nil {
		w.plans = map[string][]docPlan{}
	}
	for key, p := range c.Plans {
		all := w.plans[key]
		if len(all) == 0 || all[len(all)-1].meaning() != p.meaning() {
			w.plans[key] = append(all, p)
		}
	}
	w.Applied = append(w.Applied, c)
}

// meaning is equal for plans that say the same in other words.
func (p docPlan) meaning() string {
	p.Allow = maps.Clone(p.Allow)
	for key, a := range p.Allow {
		a.Bare = false
		p.Allow[key] = a
	}
	return asJSON(p)
}

// inForce is the catalogue that was applied last.
func (w *docWorld) inForce() docCatalogue { return w.Applied[len(w.Applied)-1] }

// plan is a version of a plan, version 0 the newest.
func (w *docWorld) plan(key string, version int) docPlan {
	all := w.plans[key]
	if version == 0 {
		version = len(all)
	}
	return all[version-1]
}

// A docDuration is written as a vendor would: whole days as 3d.
type docDuration time.Duration

func (d docDuration) MarshalText() ([]byte, error) {
	if day := docDuration(24 * time.Hour); d%day == 0 {
		return []byte(strconv.Itoa(int(d/day)) + "d"), nil
	}
	return []byte(time.Duration(d).String()), nil
}

type docAddonUse struct {
	Key      string `json:"key"`
	Quantity int64  `json:"quantity"`
}

type docDevices struct {
	Limit int64 `json:"limit,omitempty"`
	Lock  bool  `json:"lock,omitempty"`
}

type docSubscription struct {
	Plan         string                  `json:"plan"`
	PlanVersion  int                     `json:"plan_version,omitempty"`
	Status       string                  `json:"status,omitempty"`
	StartsAt     time.Time               `json:"starts_at,omitzero"`
	EndsAt       time.Time               `json:"ends_at,omitzero"`
	TrialEndsAt  time.Time               `json:"trial_ends_at,omitzero"`
	OnTrialEnd   string                  `json:"on_trial_end,omitempty"`
	Grace        docDuration             `json:"grace,omitzero"`
	Addons       []docAddonUse           `json:"addons,omitempty"`
	Overrides    map[string]docAllowance `json:"overrides,omitempty"`
	Environments []string                `json:"environments,omitempty"`
	Devices      *docDevices             `json:"devices,omitempty"`
	Versions     string                  `json:"versions,omitempty"`
	Changes      []docChange             `json:"changes,omitempty"`
}

// A docChange sets the fields named by Keys to what stands in Set, from At on. What is zero there is written as null.
type docChange struct {
	At   time.Time
	Keys []string
	Set  docSubscription
}

func (c docChange) MarshalJSON() ([]byte, error) {
	var set map[string]any
	if err := json.Unmarshal([]byte(asJSON(c.Set)), &set); err != nil {
		return nil, err
	}
	out := map[string]any{"at": c.At}
	for _, key := range c.Keys {
		out[key] = set[key]
	}
	return json.Marshal(out)
}

// apply is the subscription with the fields of a change. Another plan without a version follows the newest.
func (s docSubscription) apply(c docChange) docSubscription {
	for _, key := range c.Keys {
		switch key {
		case "plan":
			s.Plan = c.Set.Plan
			if !slices.Contains(c.Keys, "plan_version") {
				s.PlanVersion = 0
			}
		case "plan_version":
			s.PlanVersion = c.Set.PlanVersion
		case "status":
			s.Status = c.Set.Status
		case "ends_at":
			s.EndsAt = c.Set.EndsAt
		case "trial_ends_at":
			s.TrialEndsAt = c.Set.TrialEndsAt
		case "on_trial_end":
			s.OnTrialEnd = c.Set.OnTrialEnd
		case "grace":
			s.Grace = c.Set.Grace
		case "addons":
			s.Addons = c.Set.Addons
		case "overrides":
			s.Overrides = c.Set.Overrides
		case "environments":
			s.Environments = c.Set.Environments
		case "devices":
			s.Devices = c.Set.Devices
		case "versions":
			s.Versions = c.Set.Versions
		}
	}
	return s
}

// at is the subscription as it stands at a moment.
func (s docSubscription) at(now time.Time) docSubscription {
	changes := slices.Clone(s.Changes)
	slices.SortStableFunc(changes, func(a, b docChange) int { return a.At.Compare(b.At) })
	for _, c := range changes {
		if !now.Before(c.At) {
			s = s.apply(c)
		}
	}
	if s.Status == "" && s.TrialEndsAt.IsZero() {
		s.Status = "active"
	} else if s.Status == "" {
		s.Status = "trialing"
	}
	return s
}

type docCustomer struct {
	ID            string                     `json:"id"`
	Status        string                     `json:"status,omitempty"`
	Subscriptions map[string]docSubscription `json:"subscriptions"`
	since         int                        // the catalogue that was in force when the customer was written
}

// ids are the customer's subscriptions in order.
func (c *docCustomer) ids() []string { return slices.Sorted(maps.Keys(c.Subscriptions)) }

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data always marshals
	}
	return string(text)
}
