package hub

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/sidegate/sidegate/checker/catalog"
)

// maxSubscriptions is how many subscriptions a customer may have.
const maxSubscriptions = 1000

// A subscriptionDoc is a subscription as it is answered: its fields as written, and what it is right now.
type subscriptionDoc struct {
	id       string
	customer string
	rev      uint64
	written  catalog.Subscription
	current  catalog.Subscription // changes that took effect applied
}

// MarshalJSON adds what the document does not hold itself.
func (d subscriptionDoc) MarshalJSON() ([]byte, error) {
	written, err := fieldsOf(d.written)
	if err != nil {
		return nil, err
	}
	current, err := fieldsOf(d.current)
	if err != nil {
		return nil, err
	}
	for _, part := range []map[string]any{written, current} {
		for _, key := range []string{"ends_at", "trial_ends_at", "plan_version"} {
			if _, set := part[key]; !set {
				part[key] = nil
			}
		}
	}
	delete(current, "changes")
	written["id"], written["customer"], written["revision"], written["current"] = d.id, d.customer, d.rev, current
	return json.Marshal(written)
}

// fieldsOf takes a subscription's JSON apart, with its status said.
func fieldsOf(s catalog.Subscription) (map[string]any, error) {
	phases, err := s.Phases()
	if err != nil {
		return nil, err
	}
	s.Status = phases[0].Status
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(raw)+4)
	for key, value := range raw {
		out[key] = value
	}
	return out, nil
}

// readOnly are the fields of an answer that may stand in what is put.
func readOnly() []string { return []string{"id", "customer", "revision", "current", "changed_at"} }

func (h *Hub) subscriptionDoc(c held, id string) (subscriptionDoc, error) {
	s := c.doc.Subscriptions[id]
	current, err := s.Settled(h.now())
	return subscriptionDoc{id: id, customer: c.id, rev: c.rev, written: s, current: current}, err
}

func (h *Hub) putSubscription(c *call) error {
	n, err := c.json(readOnly()...)
	if err != nil {
		return err
	}
	next, err := catalog.ReadSubscription(n, h.now())
	if err != nil {
		return err
	}
	return h.changeSubscription(c, func(_ catalog.Subscription, _ bool) (*catalog.Subscription, bool, error) {
		return &next, true, nil
	})
}

// A subscriptionEdit decides what becomes of a subscription; nil: it is taken out. vetted asks for it to be held
// against the catalogue: not where nothing new is named, so that a suspension never fails for what is old.
type subscriptionEdit func(s catalog.Subscription, exists bool) (next *catalog.Subscription, vetted bool, err error)

// changeSubscription applies an edit to the subscription that the path names. The body must have been read.
func (h *Hub) changeSubscription(c *call, decide subscriptionEdit) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	sub, err := c.id("sub")
	if err != nil {
		return err
	}
	return h.change(c, id, func(v *view, cu held) (*catalog.Customer, error) {
		if !cu.exists {
			return nil, notFound(id)
		}
		old, exists := cu.doc.Subscriptions[sub]
		next, vetted, err := decide(old, exists)
		if err != nil {
			return nil, err
		}
		if !exists && next != nil && len(cu.doc.Subscriptions) >= maxSubscriptions {
			return nil, refuse(http.StatusConflict, "too_many_subscriptions",
				"customer %q has %d subscriptions; delete those that have ended", id, maxSubscriptions)
		}
		if vetted {
			alone := catalog.Customer{Subscriptions: map[string]catalog.Subscription{sub: *next}}
			if err := v.vet(cu.doc.Uses(), alone); err != nil {
				return nil, relative(err, catalog.Join("subscriptions", sub))
			}
		}
		return withSubscription(cu.doc, sub, next), nil
	})
}

// relative takes the path of the subscription itself off its faults: the caller knows which one was put.
func relative(err error, prefix string) error {
	faults, ok := err.(catalog.Faults)
	if !ok {
		return err
	}
	faults = slices.Clone(faults)
	for i, f := range faults {
		if len(f.Path) > len(prefix) && f.Path[:len(prefix)+1] == prefix+"." {
			faults[i].Path = f.Path[len(prefix)+1:]
		}
	}
	return faults
}

func (h *Hub) getSubscription(c *call) error {
	cu, err := h.existing(c)
	if err != nil {
		return err
	}
	sub, err := c.id("sub")
	if err != nil {
		return err
	}
	if _, ok := cu.doc.Subscriptions[sub]; !ok {
		return noSubscription(cu.id, sub)
	}
	doc, err := h.subscriptionDoc(cu, sub)
	if err != nil {
		return err
	}
	return c.document(cu.rev, doc)
}

func (h *Hub) listSubscriptions(c *call) error {
	doc, err := h.shown(c)
	if err != nil {
		return err
	}
	list := make([]subscriptionDoc, 0, len(doc.Subscriptions))
	for _, s := range doc.Subscriptions {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b subscriptionDoc) int { return compare(a.id, b.id) })
	return c.document(doc.Revision, struct {
		Subscriptions []subscriptionDoc `json:"subscriptions"`
		Revision      uint64            `json:"revision"`
	}{list, doc.Revision})
}

func (h *Hub) deleteSubscription(c *call) error {
	return h.changeSubscription(c, func(_ catalog.Subscription, exists bool) (*catalog.Subscription, bool, error) {
		if !exists {
			return nil, false, noSubscription(c.name("id"), c.name("sub"))
		}
		return nil, false, nil
	})
}
