package hub

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// A grantDoc is a grant as it is answered.
type grantDoc struct {
	ID        string     `json:"id"`
	Feature   string     `json:"feature"`
	Amount    int64      `json:"amount"`
	Priority  int64      `json:"priority"`
	StartsAt  time.Time  `json:"starts_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	Remaining int64      `json:"remaining"` // of the amount, what is neither spent nor held by anybody
}

func (h *Hub) putGrant(c *call) error {
	id, err := c.id("grant")
	if err != nil {
		return err
	}
	n, err := c.json("id", "remaining")
	if err != nil {
		return err
	}
	next, err := catalog.ReadGrant(n, h.now())
	if err != nil {
		return err
	}
	return h.changeGrant(c, func(v *view, cu held) (*catalog.Grant, error) {
		if old, had := cu.doc.Grants[id]; had && old.Feature != next.Feature {
			return nil, refuse(http.StatusConflict, "grant_of_another_feature", "grant %q is of %q, and stays so: what was "+
				"spent of it is; choose another id", id, old.Feature)
		}
		cu.doc = *withGrant(cu.doc, id, &next)
		alone := catalog.Customer{Grants: cu.doc.Grants}
		return &next, v.vet(cu.doc.Uses(), alone)
	})
}

func (h *Hub) deleteGrant(c *call) error {
	return h.changeGrant(c, func(_ *view, cu held) (*catalog.Grant, error) {
		if _, had := cu.doc.Grants[c.name("grant")]; !had {
			return nil, refuse(http.StatusNotFound, "grant_not_found", "customer %q has no grant %q", cu.id, c.name("grant"))
		}
		return nil, nil
	})
}

// changeGrant writes what becomes of the grant that the path names; nil: it is taken out. The body must have been read.
func (h *Hub) changeGrant(c *call, decide func(*view, held) (*catalog.Grant, error)) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	grant, err := c.id("grant")
	if err != nil {
		return err
	}
	return h.change(c, id, func(v *view, cu held) (*catalog.Customer, error) {
		if !cu.exists {
			return nil, notFound(id)
		}
		next, err := decide(v, cu)
		if err != nil {
			return nil, relative(err, catalog.Join("grants", grant))
		}
		return withGrant(cu.doc, grant, next), nil
	})
}

// withGrant is a customer with one grant replaced, or taken out.
func withGrant(c catalog.Customer, id string, g *catalog.Grant) *catalog.Customer {
	c.Grants = maps.Clone(c.Grants)
	if g == nil {
		delete(c.Grants, id)
		return &c
	}
	if c.Grants == nil {
		c.Grants = map[string]catalog.Grant{}
	}
	c.Grants[id] = *g
	return &c
}

func (h *Hub) listGrants(c *call) error {
	cu, err := h.existing(c)
	if err != nil {
		return err
	}
	spent := map[counting.GrantOf]int64{}
	if h.counter != nil {
		if spent, err = h.counter.Spent(c.r.Context(), cu.id); err != nil {
			return unavailable(err)
		}
	}
	list := []grantDoc{}
	for _, id := range slices.Sorted(maps.Keys(cu.doc.Grants)) {
		g := cu.doc.Grants[id]
		doc := grantDoc{ID: id, Feature: g.Feature, Amount: g.Amount, Priority: g.Priority, StartsAt: g.StartsAt,
			Remaining: max(0, g.Amount-spent[counting.GrantOf{Feature: g.Feature, ID: id}])}
		if !g.ExpiresAt.IsZero() {
			doc.ExpiresAt = &g.ExpiresAt
		}
		list = append(list, doc)
	}
	return c.document(cu.rev, struct {
		Grants   []grantDoc `json:"grants"`
		Revision uint64     `json:"revision"`
	}{list, cu.rev})
}
