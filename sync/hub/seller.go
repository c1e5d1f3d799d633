package hub

import (
	"context"
	"slices"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// A seller tells those who count what customers bought.
type seller struct{ h *Hub }

// Fresh returns once every document that was written before the call is known.
func (s seller) Fresh(ctx context.Context) error {
	_, err := s.h.fresh(ctx)
	return err
}

// Offer is what consumption is counted against by the newest view.
func (s seller) Offer(customer, feature string, now int64) counting.Offer {
	v, _ := s.h.shelf.load()
	if v == nil {
		return counting.Offer{}
	}
	return v.offer(customer, feature, now)
}

func (v *view) offer(customer, feature string, now int64) counting.Offer {
	c, exists := v.cards.Get(card{id: customer})
	held := v.index.Held([]byte(customer), []byte(feature))
	grants, _ := v.grants.Get(customer)
	o := offerOf(&held, grantsOf(grants, feature), max(c.rev, v.catRev), now)
	o.Group, o.Known, o.Frozen = c.group, o.Known && exists, v.catalogue.Lowering
	return o
}

// grantsOf are a customer's grants of one feature as a book has them, by id.
func grantsOf(all map[string]catalog.Grant, feature string) []ledger.Grant {
	var out []ledger.Grant
	for id, g := range all {
		if g.Feature != feature {
			continue
		}
		next := ledger.Grant{ID: id, Amount: min(g.Amount, ledger.MaxUnits), Priority: g.Priority,
			From: g.StartsAt.UnixMilli(), Until: ledger.Forever}
		if !g.ExpiresAt.IsZero() {
			next.Until = g.ExpiresAt.UnixMilli()
		}
		out = append(out, next)
	}
	slices.SortFunc(out, func(a, b ledger.Grant) int { return compare(a.ID, b.ID) })
	return out
}

// granted are the features of which a customer has grants.
func (v *view) granted(customer string) []string {
	grants, _ := v.grants.Get(customer)
	var out []string
	for _, g := range grants {
		out = append(out, g.Feature)
	}
	return out
}

// offerOf is what a customer may consume by a record and grants, under documents of a revision.
func offerOf(held *checker.Held, grants []ledger.Grant, basis uint64, now int64) counting.Offer {
	o := counting.Offer{Terms: ledger.Terms{Basis: basis}, Rule: ledger.Rule{Per: checker.Never}, Grants: grants}
	held.Use.GrantActive = slices.ContainsFunc(grants, func(g ledger.Grant) bool { return g.Active(now) })
	o.Known = held.Record != nil && held.Feature != nil && held.Feature.Type == checker.Metered
	t, counted := checker.Counted(held, &checker.Ask{Quantity: 1, Anywhere: true}, now)
	if !o.Known || !counted {
		return o
	}
	o.Counted = true
	o.Rule = ledger.RuleOf(&t)
	o.Terms = ledger.Terms{Limit: min(t.Limit, ledger.MaxUnits), Overdraft: min(t.Overdraft, ledger.MaxUnits),
		Rollover: t.Rollover, Soft: t.Soft, Since: t.Since, Until: t.Until, Warn: t.Warn, Basis: basis}
	if t.Unlimited {
		o.Terms.Limit, o.Terms.Overdraft = ledger.MaxUnits, 0
	}
	if o.Terms.Until == 0 {
		o.Terms.Until = ledger.Forever
	}
	return o
}
