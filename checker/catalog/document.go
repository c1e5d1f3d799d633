package catalog

import (
	"encoding/json"
	"time"
)

// A Catalogue is everything a vendor sells, as one document.
type Catalogue struct {
	Features map[string]Feature `json:"features"`
	Plans    map[string]Plan    `json:"plans,omitempty"`
	Addons   map[string]Addon   `json:"addons,omitempty"`
	// Dropping is what a hub is about to take out, if nothing names it. It is the log's own and never read from a
	// vendor's document. Nothing may begin to name what stands here.
	Dropping *Uses `json:"dropping,omitempty"`
	// Lowering says that a hub is about to replace the catalogue by one that lowers limits. It is the log's own too.
	// Until it is gone, what is counted against no limit is raised.
	Lowering bool `json:"lowering,omitempty"`
}

// A Feature is something that can be granted.
type Feature struct {
	Type      string     `json:"type"` // boolean, config, metered, pool, seat
	Name      string     `json:"name,omitempty"`
	Unit      string     `json:"unit,omitempty"`
	Values    []string   `json:"values,omitempty"`     // config: what it may hold
	Ordered   *bool      `json:"ordered,omitempty"`    // config with values; nil: true
	Stack     string     `json:"stack,omitempty"`      // sum (default) or max
	Kind      string     `json:"kind,omitempty"`       // seat: named or floating
	TTL       Duration   `json:"ttl,omitzero"`         // floating seat
	Assign    string     `json:"assign,omitempty"`     // named seat: manual or first_use
	WhenStale *WhenStale `json:"when_stale,omitempty"` // nil: keep serving
	Enforce   string     `json:"enforce,omitempty"`    // empty or advisory
}

// WhenStale says what to answer from a snapshot that is older than After.
type WhenStale struct {
	After Duration `json:"after"`
	Then  string   `json:"then,omitempty"` // allow (default) or deny
}

// A Plan is a named set of allowances.
type Plan struct {
	Name  string               `json:"name,omitempty"`
	Base  bool                 `json:"base,omitempty"`
	Allow map[string]Allowance `json:"allow"`
}

// A PlanVersion is one immutable version of a plan, a document of its own under plan/<key>/<n>.
type PlanVersion struct {
	Key     string `json:"key"`
	Version uint32 `json:"version"` // from 1
	Plan
}

// An Addon is an allowance set that stacks on a plan, with a quantity.
type Addon struct {
	Name  string               `json:"name,omitempty"`
	Allow map[string]Allowance `json:"allow"`
}

// An Allowance is what a plan, an add-on or an override grants of one feature.
// In JSON one with nothing but a Value is written as that value.
type Allowance struct {
	Value      json.RawMessage // boolean, config: canonical JSON; nil otherwise
	Limit      int64           // metered, pool, seat: units; 0 when Unlimited
	Unlimited  bool
	Per        string   // metered: minute, hour, day, week, month, year, never
	Anchor     string   // calendar (default) or subscription
	Mode       string   // hard (default) or soft
	Overdraft  int64    // units
	Rollover   *int64   // rollover.max in units; nil: none
	Warn       []int    // percent of the limit
	Durability string   // exact (default) or chunked
	Borrow     Duration // seat
	Enforce    string   // empty or advisory
}

// A Customer is an organisation that bought something, with its subscriptions: one document.
type Customer struct {
	ID            string                  `json:"id"`
	Name          string                  `json:"name,omitempty"`
	Group         string                  `json:"group,omitempty"`  // empty: the default group
	Status        string                  `json:"status,omitempty"` // active (default) or revoked
	Metadata      map[string]string       `json:"metadata,omitempty"`
	Subscriptions map[string]Subscription `json:"subscriptions,omitempty"`
	Grants        map[string]Grant        `json:"grants,omitempty"`
}

// A Subscription is customer x plan. Times are whole milliseconds in UTC; the zero time means "none".
type Subscription struct {
	Plan         string               `json:"plan"`
	PlanVersion  uint32               `json:"plan_version,omitempty"` // 0: follow the newest
	Status       string               `json:"status,omitempty"`       // empty: trialing if a trial ends, else active
	StartsAt     time.Time            `json:"starts_at,omitzero"`     // always set in stored documents
	EndsAt       time.Time            `json:"ends_at,omitzero"`
	ChangedAt    time.Time            `json:"changed_at,omitzero"` // since when it gives what it gives; the hub sets it
	Term         *Term                `json:"term,omitempty"`
	TrialEndsAt  time.Time            `json:"trial_ends_at,omitzero"`
	OnTrialEnd   string               `json:"on_trial_end,omitempty"` // expire (default) or activate
	Grace        Duration             `json:"grace,omitzero"`
	Addons       []AddonUse           `json:"addons,omitempty"`
	Overrides    map[string]Allowance `json:"overrides,omitempty"`
	Environments []string             `json:"environments,omitempty"`
	Devices      *Devices             `json:"devices,omitempty"`
	Versions     string               `json:"versions,omitempty"` // semver constraint; empty: every version
	Changes      []Change             `json:"changes,omitempty"`  // in order of At
}

// A Term is the length of one paid period.
type Term struct {
	Every  string `json:"every"`            // day, week, month, year, or a duration
	Anchor string `json:"anchor,omitempty"` // empty: starts_at; else an RFC 3339 time
}

// An AddonUse is an add-on on a subscription.
type AddonUse struct {
	Key      string `json:"key"`
	Quantity int64  `json:"quantity"` // at least 1
}

// Devices says how many devices a subscription may run on.
type Devices struct {
	Limit int64 `json:"limit,omitempty"`
	Lock  bool  `json:"lock,omitempty"` // only activated devices are served
}

// A Change sets fields of its subscription from At on, by itself. Fields hold the names and values of a
// Subscription as canonical JSON; null takes a value away. A plan without a plan_version unpins the version.
// starts_at and changes cannot be changed.
type Change struct {
	At     time.Time
	Fields map[string]json.RawMessage // flattened beside "at" in JSON
}
