package catalog_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// importedAt is when the customers are read: the start of a subscription that names none.
func importedAt() time.Time { return time.Date(2024, 2, 1, 9, 30, 0, 0, time.UTC) }

// moment is a time in some months from the beginning of 2024 on, often one where calendars are difficult.
func (d dice) moment(from, to int) time.Time {
	day := one(d, 1, 1, 15, 28, 29, 30, 31)
	hour := one(d, 0, 0, 0, 6, 23)
	t := time.Date(2024, time.Month(1+from+d.IntN(to-from)), day, hour, 0, 0, 0, time.UTC)
	return t.Add(time.Duration(maybe(d, 30, 1, 999, 61_500)) * time.Millisecond)
}

// customer has up to five subscriptions, some of which begin at the same moment.
// One written under an earlier catalogue has overrides that may not suit their features any more.
func (d dice) customer(w *docWorld, id string) *docCustomer {
	c := &docCustomer{ID: id, since: len(w.Applied) - 1, Status: one(d, "", "", "active")}
	if d.chance(1) {
		c.Status = "revoked"
	}
	if d.chance(30) {
		c.since = d.IntN(len(w.Applied))
	}
	then := &docWorld{w.Applied[:c.since+1], w.plans}
	c.Subscriptions = map[string]docSubscription{}
	start := d.moment(-3, 1)
	for i := range one(d, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5) {
		s := docSubscription{StartsAt: start}
		if d.chance(60) {
			s.StartsAt = one(d, d.moment(-4, 3), d.moment(-4, 3), d.moment(-4, 3), importedAt())
		}
		s = d.subscription(then, s)
		if d.chance(30) {
			s.Changes = d.changes(then, s)
		}
		c.Subscriptions[one(d, "s", "main", "x/", "ü")+fmt.Sprint(i)] = s
	}
	return c
}

// subscription fills in what a subscription may have beside its start.
func (d dice) subscription(w *docWorld, s docSubscription) docSubscription {
	catalogue := w.inForce()
	s.Plan = one(d, sorted(catalogue.Plans)...)
	if d.chance(35) {
		s.PlanVersion = 1 + d.IntN(len(w.plans[s.Plan]))
	}
	s.Status = maybe(d, 55, "active", "active", "active", "past_due", "suspended", "cancelled", "trialing", "trialing")
	if d.chance(45) {
		s.EndsAt = d.moment(2, 20)
	}
	if s.Status == "trialing" || d.chance(10) {
		s.TrialEndsAt = d.moment(1, 12)
	}
	s.OnTrialEnd = maybe(d, 50, "expire", "activate", "activate")
	s.Grace = docDuration(maybe(d, 50, time.Hour, 90*time.Minute, 24*time.Hour, 72*time.Hour, 45*24*time.Hour))
	if d.chance(40) {
		for _, key := range some(d, sorted(catalogue.Addons)...) {
			s.Addons = append(s.Addons, docAddonUse{key, one[int64](d, 1, 1, 2, 3, 7, largest)})
		}
	}
	if d.chance(30) {
		s.Overrides = map[string]docAllowance{}
		key := one(d, append(sorted(catalogue.Features), "bool", "text", "boxes")...)
		if key != "retired" { // what is still named is not dropped
			s.Overrides[key] = d.allowance(place{key, catalogue.Features[key], false})
		}
	}
	if d.chance(15) {
		s.Environments = some(d, "prod", "staging", "dev")
	}
	if d.chance(20) {
		s.Devices = &docDevices{Limit: int64(d.IntN(3)), Lock: d.chance(60)}
	}
	if d.chance(15) {
		s.Versions = d.constraint()
	}
	return s.valid()
}

// valid moves ends behind the start, where they have to be.
func (s docSubscription) valid() docSubscription {
	if !s.EndsAt.IsZero() && !s.EndsAt.After(s.StartsAt) {
		s.EndsAt = s.StartsAt.Add(time.Millisecond)
	}
	if !s.TrialEndsAt.IsZero() && !s.TrialEndsAt.After(s.StartsAt) {
		s.TrialEndsAt = s.StartsAt.Add(time.Millisecond)
	}
	return s
}

// changes are one to three scheduled changes of a subscription, in any order.
func (d dice) changes(w *docWorld, s docSubscription) []docChange {
	ats := []time.Time{d.moment(-2, 12), d.moment(0, 12), d.moment(0, 12)}[:1+d.IntN(3)]
	if d.chance(15) {
		ats[0] = ats[len(ats)-1]
	}
	if end := s.EndsAt.Add(time.Duration(s.Grace)); !s.EndsAt.IsZero() && d.chance(30) {
		ats[0] = end // such as a renewal
	}
	slices.SortFunc(ats, time.Time.Compare)
	var all []docChange
	for _, at := range ats {
		set := d.subscription(w, docSubscription{StartsAt: s.StartsAt})
		keys := some(d, "plan", "plan", "status", "status", "ends_at", "trial_ends_at", "on_trial_end", "grace", "addons",
			"overrides", "environments", "devices", "versions", "plan_version")
		slices.Sort(keys)
		c := docChange{at, slices.Compact(keys[:min(len(keys), 1+d.IntN(4))]), set}
		c = d.possible(w, s, c)
		s = s.apply(c)
		all = append(all, c)
	}
	if len(all) > 1 && !all[0].At.Equal(all[1].At) && d.chance(30) {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

// possible makes a change one that the subscription can take.
func (d dice) possible(w *docWorld, s docSubscription, c docChange) docChange {
	after := s.apply(c)
	if after.Status == "trialing" && after.TrialEndsAt.IsZero() {
		c.Set.TrialEndsAt = c.Set.StartsAt.Add(100 * 24 * time.Hour)
		if !slices.Contains(c.Keys, "trial_ends_at") {
			c.Keys = append(slices.Clone(c.Keys), "trial_ends_at")
		}
	}
	if after.PlanVersion > len(w.plans[after.Plan]) {
		c.Set.PlanVersion = 1
	}
	return c
}

// boundaries are the moments at which something may change for a customer.
func (c *docCustomer) boundaries() []time.Time {
	var all []time.Time
	for _, id := range sorted(c.Subscriptions) {
		s := c.Subscriptions[id]
		all = append(all, ends(s)...)
		all = append(all, s.EndsAt, monthsOn(s.StartsAt, 2), monthsOn(s.StartsAt, 13))
		for _, change := range s.Changes {
			all = append(append(all, change.At, change.Set.EndsAt), ends(s.at(change.At))...)
		}
	}
	all = slices.DeleteFunc(all, func(t time.Time) bool { return t.Year() < 2000 })
	return append(all, time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 12, 30, 0, 0, 0, 0, time.UTC))
}

// ask is a question about a customer; nil stands for none.
func (d dice) ask(w *docWorld, c *docCustomer) *question {
	q := &question{Customer: c, Feature: one(d, sorted(w.inForce().Features)...),
		User: maybe(d, 50, "ann"), Device: maybe(d, 50, "laptop"),
		Environment: maybe(d, 75, "prod", "staging", "dev"), Version: d.version(),
		Quantity: one[int64](d, 0, 1, 1, 1, 1, 2, 3, 5), Used: one[int64](d, 0, 0, 1, 2, 3, 4, 5, 6, 7, 9, 12),
		Age: one(d, 0, 0, time.Minute, time.Minute+time.Millisecond, 24*time.Hour, 24*time.Hour+time.Millisecond)}
	feature := w.inForce().Features[q.Feature]
	switch {
	case d.chance(1):
		q.Quantity = one[int64](d, largest, 1<<62)
		q.Used = one[int64](d, 0, largest, 1<<63-1)
	case d.chance(1):
		q.Feature = one(d, "retired", "nothing")
	case feature.Type == "config" && d.chance(70):
		q.Value = d.value(q.Feature, feature)
	case feature.Type == "metered" && d.chance(15):
		q.GrantActive, q.GrantLeft = true, int64(d.IntN(7))
		q.GrantEnds = one[int64](d, math.MaxInt64, d.moment(0, 16).UnixMilli())
	case feature.Type == "metered" && d.chance(5):
		q.GrantLeft = int64(d.IntN(7)) // of grants that have ended
	}
	if feature.Type == "metered" && d.chance(10) {
		q.Reserved = int64(d.IntN(9))
	}
	if feature.Type == "metered" && d.chance(15) {
		q.Rolled = int64(d.IntN(5))
	}
	q.UserSeated, q.DeviceActive = q.User != "" && d.chance(50), q.Device != "" && d.chance(60)
	q.Now = d.moment(0, 16)
	if bounds := c.boundaries(); d.chance(60) {
		q.Now = one(d, bounds...).Add(time.Duration(d.IntN(3)-1) * time.Millisecond)
	}
	if d.chance(5) {
		q.PeriodEnds = q.Now.Add(time.Duration(1+d.IntN(1000)) * time.Hour).UnixMilli()
	}
	if d.chance(1) {
		q.Customer = nil
	}
	return q
}

// unstamped is the customer as it is written: a start that is the time of the import can be left out.
func (c *docCustomer) unstamped() *docCustomer {
	out := *c
	out.Subscriptions = maps.Clone(c.Subscriptions)
	for id, s := range out.Subscriptions {
		if s.StartsAt.Equal(importedAt()) {
			s.StartsAt = time.Time{}
			out.Subscriptions[id] = s
		}
	}
	return &out
}
