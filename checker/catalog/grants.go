package catalog

import (
	"fmt"
	"time"
)

// A Grant is a balance of a metered feature that a customer may spend once, across periods. Times are whole
// milliseconds in UTC.
type Grant struct {
	Feature   string    `json:"feature"`
	Amount    int64     `json:"amount"`   // units, at least 1
	Priority  int64     `json:"priority"` // lower is spent first; a period's own allowance has DefaultPriority
	StartsAt  time.Time `json:"starts_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: it does not expire
}

// DefaultPriority is the priority of a grant that names none, and of a period's own allowance.
const DefaultPriority = 100

const (
	maxGrants   = 1_000
	maxPriority = 1_000_000
)

// ReadGrant reads what is put under a grant's id. A missing start time is now. The error is Faults.
func ReadGrant(n Node, now time.Time) (Grant, error) {
	r := finder{now: now}
	g := Grant{Priority: DefaultPriority}
	r.mapping(n, "", fields{"feature": r.id(&g.Feature), "amount": r.atLeast(1, &g.Amount),
		"priority": r.atLeast(0, &g.Priority), "starts_at": r.time(&g.StartsAt), "expires_at": r.time(&g.ExpiresAt)})
	if n.Kind != Map {
		return g, r.found(n)
	}
	if g.StartsAt.IsZero() && !r.faultAt("starts_at") {
		g.StartsAt = now.UTC().Truncate(time.Millisecond)
	}
	if n.lacks("feature") {
		r.fail("feature", n.Line, "it is missing", "name a metered feature of the catalogue")
	}
	if n.lacks("amount") {
		r.fail("amount", n.Line, "it is missing", "say how many units are granted, 1 or more")
	}
	if g.Priority > maxPriority {
		r.fail("priority", n.Line, fmt.Sprintf("it is more than %d", maxPriority), "lower is spent first; 100 is the default")
	}
	if !g.ExpiresAt.IsZero() && !g.ExpiresAt.After(g.StartsAt) {
		r.fail("expires_at", n.Line, "it is not after starts_at, "+g.StartsAt.Format(time.RFC3339), "choose a later end")
	}
	return g, r.found(n)
}

// grantsFit tells which grants are of a feature that there is not, or that is not metered.
func (r *finder) grantsFit(c Catalogue, cu Customer) {
	if len(cu.Grants) > maxGrants {
		r.fail("grants", 0, fmt.Sprintf("there are %d", len(cu.Grants)),
			fmt.Sprintf("at most %d; delete those that are spent or have expired", maxGrants))
		return
	}
	for _, id := range keysOf(cu.Grants) {
		g := cu.Grants[id]
		at := Join(Join("grants", id), "feature")
		switch f, ok := c.Features[g.Feature]; {
		case !ok:
			r.noSuch("feature", g.Feature, place{path: at}, keysOf(c.Features))
		case f.Type != "metered":
			r.fail(at, 0, fmt.Sprintf("%q is a %s feature", g.Feature, f.describe()), "grants are of metered features")
		}
	}
}
