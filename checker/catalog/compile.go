package catalog

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sidegate/sidegate/checker"
)

// The words of documents, each at the place of the number that package checker has for it.
var (
	typeWords = [...]string{checker.Boolean: "boolean", checker.Config: "config", checker.Metered: "metered",
		checker.Pool: "pool", checker.Seat: "seat"}
	perWords = [...]string{checker.Minute: "minute", checker.Hour: "hour", checker.Day: "day", checker.Week: "week",
		checker.Month: "month", checker.Year: "year", checker.Never: "never"}
	statusWords = [...]string{checker.Active: "active", checker.Trialing: "trialing", checker.PastDue: "past_due",
		checker.SuspendedStatus: "suspended", checker.CancelledStatus: "cancelled"}
)

// number is a word's number; 0 for none.
func number(word string, words []string) int { return max(0, slices.Index(words, word)) }

// Compile makes the world that decisions are made in. plans are all versions there are, of dropped plans too.
func Compile(names *checker.Names, c Catalogue, plans []PlanVersion) *checker.World {
	var spec checker.WorldSpec
	for _, key := range keysOf(c.Features) {
		spec.Features = append(spec.Features, compileFeature(names, key, c.Features[key]))
	}
	newest := map[string]uint32{}
	for _, p := range plans {
		if _, there := c.Plans[p.Key]; there {
			newest[p.Key] = max(newest[p.Key], p.Version)
		}
	}
	for _, p := range plans {
		spec.Plans = append(spec.Plans, checker.PlanSpec{
			ID: names.Plan(p.Key), Newest: newest[p.Key] == p.Version,
			Plan: checker.Plan{Key: p.Key, Version: p.Version, Base: p.Base, Allow: compileAllow(names, p.Allow)}})
	}
	for _, key := range keysOf(c.Addons) {
		spec.Addons = append(spec.Addons, checker.AddonSpec{ID: names.Addon(key),
			Addon: checker.Addon{Key: key, Allow: compileAllow(names, c.Addons[key].Allow)}})
	}
	return checker.NewWorld(spec)
}

func compileFeature(names *checker.Names, key string, f Feature) checker.Feature {
	out := checker.Feature{
		ID: names.Feature(key), Key: key, Type: checker.Type(number(f.Type, typeWords[:])), Values: f.Values,
		Ordered: f.Ordered != nil && *f.Ordered, StackMax: f.Stack == "max", Floating: f.Kind == "floating",
		TTL: f.TTL.milliseconds(), Advisory: f.Enforce == "advisory", Unit: f.Unit,
	}
	if f.WhenStale != nil {
		out.StaleAfter, out.StaleDeny = f.WhenStale.After.milliseconds(), f.WhenStale.Then == "deny"
	}
	return out
}

func compileAllow(names *checker.Names, allow map[string]Allowance) []checker.Grantable {
	out := make([]checker.Grantable, 0, len(allow))
	for _, key := range keysOf(allow) {
		out = append(out, checker.Grantable{Feature: names.Feature(key), Allowance: compileAllowance(allow[key])})
	}
	slices.SortFunc(out, func(a, b checker.Grantable) int { return int(a.Feature) - int(b.Feature) })
	return out
}

func compileAllowance(a Allowance) checker.Allowance {
	out := checker.Allowance{
		Limit: a.Limit, Overdraft: a.Overdraft,
		Per: checker.Per(number(a.Per, perWords[:])), Anchored: a.Anchor == "subscription",
		Soft: a.Mode == "soft", Unlimited: a.Unlimited, Advisory: a.Enforce == "advisory",
		Chunked: a.Durability == "chunked", Borrow: a.Borrow.milliseconds(), Warn: checker.PercentsOf(a.Warn),
	}
	if a.Rollover != nil {
		out.Rollover = *a.Rollover
	}
	if v, err := checker.JSONValue(a.Value); a.Value != nil && err == nil {
		out.Value = v
	}
	return out
}

// Pack makes the record that decisions on a customer are made from.
func Pack(names *checker.Names, c Customer) (checker.Record, error) {
	out := checker.Customer{ID: c.ID, Group: c.Group, Revoked: c.Status == "revoked"}
	for _, id := range keysOf(c.Subscriptions) {
		s := c.Subscriptions[id]
		phases, err := s.Phases()
		if err != nil {
			return nil, fmt.Errorf("subscription %q: %w", id, err)
		}
		sub := checker.Subscription{ID: id, StartsAt: millis(s.StartsAt)}
		for i, p := range phases {
			sub.Phases = append(sub.Phases, packPhase(names, p.Subscription))
			if i > 0 {
				sub.Phases[i].From = p.From.UnixMilli()
			}
		}
		sub.Phases[0].From = since(s.ChangedAt, sub.Phases[1:])
		out.Subs = append(out.Subs, sub)
	}
	rec, err := checker.AppendRecord(nil, &out)
	return rec, err
}

// since is from when on the first of the phases gives what it gives.
func since(changed time.Time, later []checker.Phase) int64 {
	switch {
	case changed.IsZero():
		return math.MinInt64
	case len(later) > 0:
		return min(changed.UnixMilli(), later[0].From)
	}
	return changed.UnixMilli()
}

// millis is a time as records hold it; 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func packPhase(names *checker.Names, p Subscription) checker.Phase {
	out := checker.Phase{
		From: math.MinInt64, Plan: names.Plan(p.Plan), Version: p.PlanVersion,
		Status: checker.Status(number(p.Status, statusWords[:])),
		EndsAt: millis(p.EndsAt), TrialEndsAt: millis(p.TrialEndsAt), Grace: p.Grace.milliseconds(),
		ActivateOnTrialEnd: p.OnTrialEnd == "activate", Environments: p.Environments, Versions: p.Versions,
		Overrides: compileAllow(names, p.Overrides),
	}
	for _, a := range p.Addons {
		out.Addons = append(out.Addons, checker.AddonUse{Addon: names.Addon(a.Key), Quantity: a.Quantity})
	}
	if p.Devices != nil {
		out.DeviceLimit, out.DeviceLock = p.Devices.Limit, p.Devices.Lock
	}
	return out
}
