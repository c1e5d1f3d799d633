package hub

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
)

// A customerDoc is a customer as it is answered.
type customerDoc struct {
	ID            string                     `json:"id"`
	Name          string                     `json:"name"`
	Group         string                     `json:"group"`
	Status        string                     `json:"status"`
	Metadata      map[string]string          `json:"metadata"`
	Subscriptions map[string]subscriptionDoc `json:"subscriptions"`
	Revision      uint64                     `json:"revision"`
}

func (h *Hub) customerDoc(c held) (customerDoc, error) {
	out := customerDoc{ID: c.id, Name: c.doc.Name, Group: c.doc.Group, Status: c.doc.Status, Metadata: c.doc.Metadata,
		Subscriptions: map[string]subscriptionDoc{}, Revision: c.rev}
	if out.Group == "" {
		out.Group = replica.DefaultGroup
	}
	if out.Status == "" {
		out.Status = "active"
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	for id := range c.doc.Subscriptions {
		s, err := h.subscriptionDoc(c, id)
		if err != nil {
			return out, err
		}
		out.Subscriptions[id] = s
	}
	return out, nil
}

func (h *Hub) putCustomer(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	n, err := c.json()
	if err != nil {
		return err
	}
	next, err := catalog.ReadCustomer(n)
	if err != nil {
		return err
	}
	next.ID, next.Group = id, groupOf(next.Group)
	return h.change(c, id, func(_ *view, old held) (*catalog.Customer, error) {
		next.Subscriptions, next.Grants = old.doc.Subscriptions, old.doc.Grants
		return &next, nil
	})
}

// shown is the customer of the path as it is answered.
func (h *Hub) shown(c *call) (customerDoc, error) {
	cu, err := h.existing(c)
	if err != nil {
		return customerDoc{}, err
	}
	return h.customerDoc(cu)
}

func (h *Hub) getCustomer(c *call) error {
	doc, err := h.shown(c)
	if err != nil {
		return err
	}
	return c.document(doc.Revision, doc)
}

// existing reads the customer that the path names.
func (h *Hub) existing(c *call) (held, error) {
	id, err := c.id("id")
	if err != nil {
		return held{}, err
	}
	cu, err := h.customer(c.r.Context(), id)
	if err == nil && !cu.exists {
		err = notFound(id)
	}
	return cu, err
}

func (h *Hub) deleteCustomer(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	return h.change(c, id, func(_ *view, old held) (*catalog.Customer, error) {
		if !old.exists {
			return nil, notFound(id)
		}
		return nil, nil
	})
}

// Sizes of a list's page.
const (
	defaultPage = 100
	maxPage     = 1000
	readers     = 8 // documents of a page that are read at the same time
)

func (h *Hub) listCustomers(c *call) error {
	q := c.r.URL.Query()
	limit, err := pageSize(q.Get("limit"))
	if err != nil {
		return err
	}
	after, ok := readCursor(q.Get("cursor"))
	if !ok {
		return catalog.Faults{{Path: "cursor", Problem: "it is not one that a list answered",
			Remedy: "send next_cursor as it was answered, or leave it out to begin anew"}}
	}
	v, err := h.recent(c.r.Context())
	if err != nil {
		return err
	}
	found, more := v.search(strings.ToLower(q.Get("query")), after, limit)
	docs, err := h.page(c, found)
	if err != nil {
		return err
	}
	out := struct {
		Customers []customerDoc `json:"customers"`
		Cursor    string        `json:"next_cursor,omitempty"`
		Total     int           `json:"total"` // customers there are, found or not
		Revision  uint64        `json:"revision"`
	}{docs, "", v.cards.Len(), v.rev}
	if more {
		out.Cursor = cursor(found[len(found)-1].id)
	}
	return c.answer(out)
}

// cursor names the last customer of a page: its id with a checksum, so that what no list answered is noticed.
func cursor(id string) string {
	sum := binary.BigEndian.AppendUint32([]byte(id), crc32.ChecksumIEEE([]byte(id)))
	return base64.RawURLEncoding.EncodeToString(sum)
}

// readCursor is the id in a cursor; empty for none.
func readCursor(text string) (id string, ok bool) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if text == "" || err != nil || len(data) <= crc32.Size {
		return "", text == ""
	}
	id = string(data[:len(data)-crc32.Size])
	return id, cursor(id) == text
}

func pageSize(text string) (int, error) {
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, catalog.Faults{{Path: "limit", Problem: fmt.Sprintf("it must be a whole number from 1 to %d", maxPage)}}
	}
	return n, nil
}

// search finds customers, by id, whose id or name has a text (in lower case) in it, after an id.
func (v *view) search(query, after string, limit int) (found []card, more bool) {
	v.cards.Ascend(card{id: after}, func(c card) bool {
		if c.id == after && after != "" || !c.has(query) {
			return true
		}
		if len(found) == limit {
			more = true
			return false
		}
		found = append(found, c)
		return true
	})
	return found, more
}

func (c *card) has(query string) bool {
	return query == "" || strings.Contains(strings.ToLower(c.id), query) ||
		strings.Contains(strings.ToLower(c.name), query)
}

// page reads the documents of a list. Customers that have been deleted meanwhile are left out.
func (h *Hub) page(c *call, found []card) ([]customerDoc, error) {
	docs := make([]customerDoc, len(found))
	group, ctx := errgroup.WithContext(c.r.Context())
	group.SetLimit(readers)
	for i := range found {
		group.Go(func() error {
			cu, err := h.customer(ctx, found[i].id)
			if err != nil || !cu.exists {
				return err
			}
			docs[i], err = h.customerDoc(cu)
			return err
		})
	}
	err := group.Wait()
	return slices.DeleteFunc(docs, func(d customerDoc) bool { return d.ID == "" }), err
}

// withSubscription is a customer with one subscription replaced, or taken out.
func withSubscription(c catalog.Customer, id string, s *catalog.Subscription) *catalog.Customer {
	c.Subscriptions = maps.Clone(c.Subscriptions)
	if s == nil {
		delete(c.Subscriptions, id)
		return &c
	}
	if c.Subscriptions == nil {
		c.Subscriptions = map[string]catalog.Subscription{}
	}
	c.Subscriptions[id] = *s
	return &c
}

func noSubscription(customer, id string) *problem {
	return refuse(http.StatusNotFound, "subscription_not_found", "customer %q has no subscription %q", customer, id)
}
