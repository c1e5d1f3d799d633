// Package world answers what a code hosting vendor's customers would look like: a few that show one thing each, and any
// number of synthetic ones with a realistic mix of plans, trials, add-ons and expiries.
//
// # Invariants
//   - The same seed, number and moment make the same customer on every machine.
//   - Every customer is one that the hub takes with the catalogue of this package.
//
// # Concurrency
//
// All functions are pure.
package world

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
)

//go:embed forge.yaml
var catalogue []byte

// Catalogue is the sample catalogue, YAML.
func Catalogue() []byte { return catalogue }

// Customer makes the i-th synthetic customer, c1 the first. On average one has 1.3 subscriptions.
func Customer(seed uint64, i int, now time.Time) catalog.Customer {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	c := catalog.Customer{ID: fmt.Sprintf("c%d", i), Name: fmt.Sprintf("Customer %d", i),
		Subscriptions: map[string]catalog.Subscription{"main": subscription(r, now)}}
	if chance(r, 30) {
		c.Subscriptions["base"] = catalog.Subscription{Plan: "free", StartsAt: c.Subscriptions["main"].StartsAt}
	}
	if chance(r, 1) {
		c.Status = "revoked"
	}
	return c
}

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func days(now time.Time, n int) time.Time { return now.AddDate(0, 0, n).UTC().Truncate(time.Second) }

func subscription(r *rand.Rand, now time.Time) catalog.Subscription {
	s := catalog.Subscription{Plan: "free", StartsAt: days(now, -1-r.IntN(900))}
	switch p := r.IntN(100); {
	case p < 10:
		s.Plan = "enterprise"
	case p < 45:
		s.Plan = "team"
	}
	switch p := r.IntN(100); {
	case p < 8:
		s.TrialEndsAt = days(now, r.IntN(30)-7)
		s.StartsAt = s.TrialEndsAt.AddDate(0, 0, -30)
	case p < 48:
		s.EndsAt, s.Grace = days(now, r.IntN(365)-20), catalog.Duration(72*time.Hour)
		s.StartsAt = s.EndsAt.AddDate(-1, 0, 0)
	case p < 51:
		s.Status = "past_due"
	case p < 53:
		s.Status = "suspended"
	case p < 55:
		s.Status = "cancelled"
	}
	extras(r, &s)
	return s
}

func extras(r *rand.Rand, s *catalog.Subscription) {
	if chance(r, 20) {
		addons := []string{"minutes-1000", "storage-10gb", "sso-addon", "runners-10"}
		s.Addons = []catalog.AddonUse{{Key: addons[r.IntN(len(addons))], Quantity: int64(1 + r.IntN(3))}}
	}
	if chance(r, 5) {
		s.Overrides = map[string]catalog.Allowance{"ci-minutes": {Limit: int64(1000 * (1 + r.IntN(90))), Per: "month",
			Anchor: "subscription"}}
	}
	if chance(r, 2) {
		s.Environments = []string{"production"}
	}
}

// A Sample is a customer that shows one thing, and a check that shows it.
type Sample struct {
	catalog.Customer
	Shows string // the reason of the check
	Query string // of /v1/check
}

// Samples are customers that show every reason of steps 1 to 6 of a decision, and the kinds of features.
func Samples(now time.Time) []Sample {
	sub := func(plan string, change func(*catalog.Subscription)) map[string]catalog.Subscription {
		s := catalog.Subscription{Plan: plan, StartsAt: days(now, -100)}
		if change != nil {
			change(&s)
		}
		return map[string]catalog.Subscription{"main": s}
	}
	sample := func(id, shows, query string, subs map[string]catalog.Subscription) Sample {
		return Sample{catalog.Customer{ID: id, Name: "Sample: " + shows, Subscriptions: subs}, shows,
			"customer=" + id + "&" + query}
	}
	revoked := sample("revoked", "revoked", "feature=private-repos", sub("team", nil))
	revoked.Status = "revoked"
	return []Sample{
		sample("acme", "granted", "feature=ci-minutes&quantity=10", sub("team", func(s *catalog.Subscription) {
			s.Addons = []catalog.AddonUse{{Key: "minutes-1000", Quantity: 2}}
		})),
		sample("bigco", "granted", "feature=sso", sub("enterprise", nil)),
		sample("hobby", "not_entitled", "feature=sso", sub("free", nil)),
		sample("staff", "value_not_covered", "feature=support&value=premium", sub("team", nil)),
		revoked,
		sample("trial", "trial", "feature=private-repos", sub("team", func(s *catalog.Subscription) {
			s.TrialEndsAt = days(now, 14)
		})),
		sample("trial-over", "trial_expired", "feature=private-repos", sub("team", func(s *catalog.Subscription) {
			s.TrialEndsAt = days(now, -3)
		})),
		sample("late", "grace", "feature=private-repos", sub("team", func(s *catalog.Subscription) {
			s.EndsAt, s.Grace = days(now, -1), catalog.Duration(7*24*time.Hour)
		})),
		sample("expired", "expired", "feature=private-repos", sub("team", func(s *catalog.Subscription) {
			s.EndsAt = days(now, -10)
		})),
		sample("soon", "not_started", "feature=private-repos", sub("team", func(s *catalog.Subscription) {
			s.StartsAt = days(now, 10)
		})),
		sample("suspended", "suspended", "feature=private-repos", sub("team", func(s *catalog.Subscription) {
			s.Status = "suspended"
		})),
		sample("cancelled", "cancelled", "feature=private-repos", sub("team", func(s *catalog.Subscription) {
			s.Status = "cancelled"
		})),
		sample("staging-only", "environment_not_allowed", "feature=private-repos&environment=production",
			sub("team", func(s *catalog.Subscription) { s.Environments = []string{"staging"} })),
		sample("version-2", "version_not_covered", "feature=private-repos&version=3.1.0",
			sub("team", func(s *catalog.Subscription) { s.Versions = ">=2.0 <3" })),
		sample("locked", "device_not_activated", "feature=private-repos&device=laptop-1",
			sub("team", func(s *catalog.Subscription) { s.Devices = &catalog.Devices{Limit: 2, Lock: true} })),
		{Shows: "unknown_customer", Query: "customer=nobody&feature=sso"},
		{Shows: "unknown_feature", Query: "customer=acme&feature=teleport"},
	}
}
