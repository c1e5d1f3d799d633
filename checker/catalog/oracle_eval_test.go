package catalog_test

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A question is one check as the oracle sees it: the customer's document, the ask, what is used, and the time.
type question struct {
	Customer     *docCustomer `json:"-"` // nil: there is none
	Feature      string
	User         string
	Device       string
	Environment  string
	Version      string
	Quantity     int64
	Value        any
	Used         int64
	Reserved     int64
	GrantLeft    int64
	GrantActive  bool
	GrantEnds    int64 // the last of those that are active; the largest number: never
	Rolled       int64
	PeriodEnds   int64 // as those who count say, unix milliseconds; 0: they say nothing
	UserSeated   bool
	DeviceActive bool
	Age          time.Duration
	Now          time.Time
}

// A verdict is everything of an answer that the contract speaks of. Times are unix milliseconds, 0 for none.
type verdict struct {
	Allowed   bool
	Reason    string
	WouldDeny string
	Type      string
	Plan      string
	Value     any
	Limit     int64
	Used      int64
	Reserved  int64
	Remaining int64
	Overage   int64
	OverLimit bool
	Unlimited bool
	Stale     bool
	ResetsAt  int64
	ExpiresAt int64
}

// The oracle is a second evaluator of the contract's ten steps: naive, slow, and written without a look at the first.
type oracle struct {
	*question
	world   *docWorld
	feature docFeature
}

// A holding is a subscription that mentions the feature, as it stands at a moment.
type holding struct {
	id     string
	plan   string
	base   bool
	starts time.Time
	own    *docAllowance // override or plan; nil: none
	more   []stacked     // of add-ons
	state  string        // live, grace, trial, or why it is not live
}

type stacked struct {
	docAllowance
	quantity int64
}

func (h holding) live() bool { return slices.Contains([]string{"live", "grace", "trial"}, h.state) }

// decide walks the steps in the contract's order.
func (w *docWorld) decide(q *question) verdict {
	feature, known := w.inForce().Features[q.Feature]
	o := oracle{question: q, world: w, feature: feature}
	switch {
	case q.Customer == nil:
		return verdict{Reason: "unknown_customer"}
	case !known:
		return verdict{Reason: "unknown_feature"}
	case q.Customer.Status == "revoked":
		return o.refuse("revoked")
	}
	mentioning := o.mentioning()
	live := keep(mentioning, holding.live)
	switch {
	case len(mentioning) == 0 && !q.GrantActive:
		return o.refuse("not_entitled")
	case len(mentioning) == 0:
		return o.conclude(nil, "")
	case len(live) == 0 && feature.Enforce == "advisory":
		return o.conclude(mentioning, worst(mentioning).state)
	case len(live) == 0:
		v := o.refuse(worst(mentioning).state)
		v.Plan = worst(mentioning).plan
		return v
	}
	return o.conclude(live, "")
}

// refuse is a denial for which nothing counts.
func (o oracle) refuse(reason string) verdict {
	v := verdict{Reason: reason, Type: o.feature.Type}
	if v.Type != "boolean" && v.Type != "config" {
		o.number(&v, 0, 0)
	}
	return o.denied(v)
}

// denied is what remains of an answer when it is no: no end, and no value but the one that was not enough.
func (o oracle) denied(v verdict) verdict {
	v.Allowed, v.WouldDeny, v.ExpiresAt = false, "", 0
	if v.Type == "boolean" {
		v.Value = false
	} else if v.Reason != "value_not_covered" {
		v.Value = nil
	}
	return o.flag(v)
}

// tooOld tells whether the snapshot is older than its policy, and the policy is to deny.
func (o oracle) tooOld(then string) bool {
	policy := o.feature.WhenStale
	return policy != nil && o.Age > time.Duration(policy.After) && (policy.Then == "deny") == (then == "deny")
}

// flag marks an answer from a snapshot that is older than its policy and passes all the same.
func (o oracle) flag(v verdict) verdict {
	v.Stale = o.tooOld("allow")
	return v
}

// mentioning are steps 2 and 3: the subscriptions that mention the feature, each with its state, in the order of
// their start, then of their ids.
func (o oracle) mentioning() []holding {
	var all []holding
	for _, id := range o.Customer.ids() {
		if h, mentions := o.hold(id, o.Now); mentions {
			all = append(all, h)
		}
	}
	slices.SortStableFunc(all, func(a, b holding) int { return a.starts.Compare(b.starts) })
	return all
}

// hold is what one subscription holds of the feature at a moment, and whether it mentions it.
func (o oracle) hold(id string, now time.Time) (holding, bool) {
	s := o.Customer.Subscriptions[id].at(now)
	plan := o.world.plan(s.Plan, s.PlanVersion)
	h := holding{id: id, plan: s.Plan, base: plan.Base, starts: s.StartsAt, state: o.state(s, now)}
	own, there := s.Overrides[o.Feature]
	if !there {
		own, there = plan.Allow[o.Feature]
	}
	if there && o.feature.canHold(own) {
		h.own = &own
	}
	for _, use := range s.Addons {
		a, there := o.world.inForce().Addons[use.Key].Allow[o.Feature]
		if there && o.feature.canHold(a) {
			h.more = append(h.more, stacked{a, use.Quantity})
		}
	}
	return h, slices.ContainsFunc(h.all(), o.counts)
}

// all are the holding's allowances.
func (h holding) all() []docAllowance {
	var all []docAllowance
	if h.own != nil {
		all = append(all, *h.own)
	}
	for _, a := range h.more {
		all = append(all, a.docAllowance)
	}
	return all
}

// counts tells whether an allowance grants something.
func (o oracle) counts(a docAllowance) bool {
	switch o.feature.Type {
	case "boolean":
		return a.Value == true
	case "config":
		return a.Value != nil
	}
	return a.Limit > 0 || a.Mode == "soft" || a.Overdraft > 0 || a.Unlimited
}

// canHold tells whether an allowance, perhaps of an old plan version, suits the feature as it is today. Of a list it
// is enough that one item does.
func (f docFeature) canHold(a docAllowance) bool {
	switch f.Type {
	case "boolean":
		return a.Value == true || a.Value == false
	case "config":
		items, isList := a.Value.([]any)
		if !isList || !f.isSet() {
			items = []any{a.Value}
		}
		known := func(item any) bool {
			text, isText := item.(string)
			return f.Values == nil || isText && slices.Contains(f.Values, text)
		}
		return a.Value != nil && (len(items) == 0 || slices.ContainsFunc(items, known))
	}
	return a.Value == nil
}

// state is step 3: the first that applies.
func (o oracle) state(s docSubscription, now time.Time) string {
	ends := !s.EndsAt.IsZero()
	onTrial := s.Status == "trialing"
	switch {
	case s.Status == "suspended" || s.Status == "cancelled":
		return s.Status
	case now.Before(s.StartsAt):
		return "not_started"
	case onTrial && !now.Before(s.TrialEndsAt) && s.OnTrialEnd != "activate":
		return "trial_expired"
	case ends && !now.Before(s.EndsAt.Add(time.Duration(s.Grace))):
		return "expired"
	case len(s.Environments) > 0 && !slices.Contains(s.Environments, o.Environment):
		return "environment_not_allowed"
	case s.Versions != "" && (o.Version == "" || !covers(s.Versions, o.Version)):
		return "version_not_covered"
	case s.Devices != nil && s.Devices.Lock && !o.DeviceActive:
		return "device_not_activated"
	case ends && !now.Before(s.EndsAt) || s.Status == "past_due":
		return "grace"
	case onTrial && now.Before(s.TrialEndsAt):
		return "trial"
	}
	return "live"
}

// worst is step 4: the holding whose state is the reason, the first of those that show it.
func worst(mentioning []holding) holding {
	order := []string{"suspended", "environment_not_allowed", "version_not_covered", "device_not_activated",
		"trial_expired", "expired", "cancelled", "not_started"}
	return slices.MinFunc(mentioning, func(a, b holding) int {
		return cmp.Compare(slices.Index(order, a.state), slices.Index(order, b.state))
	})
}

// conclude is steps 5 to 10 for the holdings that count. state is set if none of them is live and the feature is only
// advisory.
func (o oracle) conclude(holdings []holding, state string) verdict {
	if paid := keep(holdings, func(h holding) bool { return !h.base }); len(paid) > 0 {
		holdings = paid
	}
	v := verdict{Type: o.feature.Type, Allowed: true}
	if len(holdings) > 0 {
		v.Plan = holdings[0].plan
	}
	var denial string
	var lenient bool
	if o.feature.Type == "boolean" || o.feature.Type == "config" {
		denial, lenient = o.weighValue(&v, holdings)
	} else {
		denial, lenient = o.weighLimit(&v, holdings)
	}
	lenient = lenient || o.feature.Enforce == "advisory"
	switch {
	case denial != "" && !lenient:
		v.Reason = denial
		return o.denied(v)
	case o.tooOld("deny"):
		v.Reason = "stale"
		return o.denied(v)
	case state != "":
		v.Reason, v.WouldDeny = "advisory", state
		return o.flag(v)
	case denial != "":
		v.Reason, v.WouldDeny = "advisory", denial
	case v.Reason == "":
		v.Reason = allowedAs(holdings, v.Unlimited)
	}
	v.ExpiresAt = o.expires(holdings)
	return o.flag(v)
}

// allowedAs is the end of step 10: what remains to be said of an answer that nothing else marks.
func allowedAs(holdings []holding, unlimited bool) string {
	shows := func(state string) bool {
		return slices.ContainsFunc(holdings, func(h holding) bool { return h.state == state })
	}
	switch {
	case shows("grace") && !shows("live"):
		return "grace"
	case shows("trial") && !shows("live"):
		return "trial"
	case unlimited:
		return "unlimited"
	}
	return "granted"
}

// expires is when the last of the holdings stops being live, or where there are only grants the last of them; 0: one of
// them never does.
func (o oracle) expires(holdings []holding) int64 {
	var last int64
	if len(holdings) == 0 && o.GrantEnds < math.MaxInt64 {
		return o.GrantEnds
	}
	for _, h := range holdings {
		end := o.stops(h.id)
		if end == 0 {
			return 0
		}
		last = max(last, end)
	}
	return last
}

// stops is when a subscription stops being live. What it is can change only at the times that its document names.
func (o oracle) stops(id string) int64 {
	s := o.Customer.Subscriptions[id]
	moments := ends(s)
	for _, c := range s.Changes {
		moments = append(append(moments, c.At), ends(s.at(c.At))...)
	}
	slices.SortFunc(moments, time.Time.Compare)
	for _, moment := range moments {
		if h, mentions := o.hold(id, moment); moment.After(o.Now) && !(mentions && h.live()) {
			return moment.UnixMilli()
		}
	}
	return 0
}

func ends(s docSubscription) []time.Time {
	return []time.Time{s.StartsAt, s.TrialEndsAt, s.EndsAt.Add(time.Duration(s.Grace))}
}

func keep(holdings []holding, wanted func(holding) bool) []holding {
	return slices.DeleteFunc(slices.Clone(holdings), func(h holding) bool { return !wanted(h) })
}
