package hub

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub/outbox"
)

// A webhookDoc is a webhook as it is answered.
type webhookDoc struct {
	ID          string      `json:"id"`
	URL         string      `json:"url"`
	Events      []string    `json:"events"` // empty: all
	Description string      `json:"description"`
	Disabled    bool        `json:"disabled"`
	Gone        bool        `json:"gone"` // disabled because it answered 410
	CreatedAt   time.Time   `json:"created_at"`
	OldUntil    *time.Time  `json:"old_secret_until"` // how long the secret before is signed with too
	Pending     int         `json:"pending"`
	Delivered   uint64      `json:"delivered"`
	Failed      uint64      `json:"failed_attempts"`
	InARow      uint64      `json:"failing"` // attempts that failed since the last that did not
	GivenUp     uint64      `json:"given_up"`
	Dropped     uint64      `json:"dropped"`
	DeliveredAt *time.Time  `json:"last_delivered_at"`
	Last        *attemptDoc `json:"last_attempt"`
	Revision    uint64      `json:"revision"`
}

// An attemptDoc is what came of one request to a webhook.
type attemptDoc struct {
	At     *time.Time `json:"at"`
	Status int        `json:"status"` // 0: it did not answer
	Error  string     `json:"error,omitempty"`
}

func (h *Hub) webhookDoc(s *outbox.Standing) webhookDoc {
	out := webhookDoc{ID: s.ID, URL: s.URL, Events: s.Events, Description: s.Description, Disabled: s.Disabled,
		Gone: s.Gone, CreatedAt: s.CreatedAt, Pending: s.Pending, Delivered: s.Outcome.Delivered,
		Failed: s.Outcome.Failed, InARow: s.Outcome.InARow, GivenUp: s.Outcome.GivenUp, Dropped: s.Outcome.Dropped,
		DeliveredAt: moment(s.Outcome.Good), Revision: s.Revision}
	if out.Events == nil {
		out.Events = []string{}
	}
	for _, k := range s.Keys {
		if k.Until > h.now().UnixMilli() {
			out.OldUntil = moment(k.Until)
		}
	}
	if s.Outcome.At != 0 {
		out.Last = &attemptDoc{moment(s.Outcome.At), s.Outcome.Status, s.Outcome.Error}
	}
	return out
}

// A webhookAsk is the body of PUT /v1/webhooks/{id}.
type webhookAsk struct {
	outbox.Webhook
	secret *outbox.Key // nil: none was given
	rotate bool
}

// readWebhook reads the body. The error is catalog.Faults.
func readWebhook(n catalog.Node) (webhookAsk, error) {
	var w webhookAsk
	if err := readFields(n, `{"url": "https://example.com/hooks"}`, w.field); err != nil {
		return w, err
	}
	if w.URL == "" {
		return w, catalog.Faults{{Path: "url", Problem: "it is missing", Remedy: "such as https://example.com/hooks"}}
	}
	return w, nil
}

func (w *webhookAsk) field(key string, n catalog.Node) (err error) {
	switch key {
	case "url":
		w.URL = n.Text
		if n.Kind != catalog.Text {
			return fmt.Errorf("it must be a text, not %s", n.Kind)
		}
		return outbox.CheckURL(n.Text)
	case "description":
		w.Description, err = shortText(n)
		return err
	case "secret":
		if n.Kind != catalog.Text {
			return fmt.Errorf("it must be a text, not %s", n.Kind)
		}
		k, err := outbox.ParseKey(n.Text)
		w.secret = &k
		return err
	case "events":
		return w.events(n)
	case "disabled":
		w.Disabled, err = truth(n)
		return err
	case "rotate":
		w.rotate, err = truth(n)
		return err
	default:
		return fmt.Errorf("this field is not known; known here: url, events, description, secret, disabled, rotate")
	}
}

func (w *webhookAsk) events(n catalog.Node) error {
	if n.Kind != catalog.List {
		return notAList(n)
	}
	for _, item := range n.Items {
		if !contains(eventTypes(), item.Text) {
			return fmt.Errorf("%q is no type of events; there are %s", item.Text, strings.Join(eventTypes(), ", "))
		}
		if !contains(w.Events, item.Text) {
			w.Events = append(w.Events, item.Text)
		}
	}
	return nil
}

// putWebhook makes a webhook, or changes one. A secret that was made is answered there, and never again.
func (h *Hub) putWebhook(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	n, err := c.json()
	if err != nil {
		return err
	}
	ask, err := readWebhook(n)
	if err != nil {
		return err
	}
	secret := ""
	w, err := h.changeBook(c, outbox.WebhookKey(id), func(e replica.Entry, exists bool) ([]replica.Put, error) {
		next := ask.Webhook
		next.CreatedAt = h.now().UTC().Truncate(time.Second)
		if exists {
			old, err := outbox.DecodeWebhook(id, e.Value)
			if err != nil {
				return nil, err
			}
			next.CreatedAt, next.Keys = old.CreatedAt, old.Keys
		} else if len(h.outbox.List()) >= outbox.MaxWebhooks {
			return nil, refuse(http.StatusConflict, "too_many_webhooks",
				"there can be %d webhooks; delete one, or let one serve several purposes", outbox.MaxWebhooks)
		}
		secret = ask.key(&next, h.now())
		value, err := next.Encode()
		return []replica.Put{{Key: outbox.WebhookKey(id), Expect: liveRev(e), Value: value}}, err
	})
	if err != nil {
		return err
	}
	if w.again {
		secret = ""
	}
	return c.wroteWebhook(id, w.rev, secret)
}

// key puts the key in force that is asked for, and answers the secret if one was made.
func (w *webhookAsk) key(next *outbox.Webhook, now time.Time) (made string) {
	switch {
	case w.secret != nil:
		if len(next.Keys) == 0 || !slices.Equal(next.Keys[0].Secret, w.secret.Secret) {
			next.Rotate(*w.secret, now)
		}
		return ""
	case len(next.Keys) > 0 && !w.rotate:
		return ""
	}
	k := outbox.NewKey()
	next.Rotate(k, now)
	return k.String()
}

func (c *call) wroteWebhook(id string, rev uint64, secret string) error {
	return c.wroteAs(rev, struct {
		Revision uint64 `json:"revision"`
		ID       string `json:"id"`
		Secret   string `json:"secret,omitempty"`
	}{rev, id, secret})
}

func (h *Hub) deleteWebhook(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	w, err := h.changeBook(c, outbox.WebhookKey(id), func(e replica.Entry, exists bool) ([]replica.Put, error) {
		if !exists {
			return nil, noWebhook(id)
		}
		return []replica.Put{{Key: outbox.WebhookKey(id), Expect: e.Rev, Delete: true}}, nil
	})
	if err != nil {
		return err
	}
	return c.wroteOne(id, w.rev)
}

func noWebhook(id string) *problem {
	return refuse(http.StatusNotFound, "webhook_not_found", "there is no webhook %q", id)
}

// webhook is the one that the path names, as the log has it.
func (h *Hub) webhook(c *call) (outbox.Standing, error) {
	id, err := c.id("id")
	if err != nil {
		return outbox.Standing{}, err
	}
	e, ok, err := get(c.r.Context(), h.books, outbox.WebhookKey(id))
	if err != nil {
		return outbox.Standing{}, err
	}
	if !ok {
		return outbox.Standing{}, noWebhook(id)
	}
	if err := h.keys.wait(c.r.Context(), e.Rev); err != nil {
		return outbox.Standing{}, logFault(err)
	}
	s, ok := h.outbox.Find(id)
	if !ok {
		return outbox.Standing{}, noWebhook(id) // it was deleted meanwhile
	}
	return s, nil
}

func (h *Hub) getWebhook(c *call) error {
	s, err := h.webhook(c)
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", etag(s.Revision)) // never a 304: pending and the rest change without a revision
	return c.answer(h.webhookDoc(&s))
}

func (h *Hub) listWebhooks(c *call) error {
	list := []webhookDoc{}
	for _, s := range h.outbox.List() {
		list = append(list, h.webhookDoc(&s))
	}
	return c.answer(struct {
		Webhooks []webhookDoc `json:"webhooks"`
	}{list})
}

// testWebhook sends a message and answers what came of it.
func (h *Hub) testWebhook(c *call) error {
	s, err := h.webhook(c)
	if err != nil {
		return err
	}
	began := h.now()
	a, err := h.outbox.Test(c.r.Context(), &s.Webhook, struct {
		Webhook string `json:"webhook"`
	}{s.ID})
	if err != nil {
		return err
	}
	return c.answer(struct {
		Delivered bool   `json:"delivered"`
		Status    int    `json:"status"` // 0: it did not answer
		Error     string `json:"error,omitempty"`
		TookMS    int64  `json:"took_ms"`
	}{a.Delivered(), a.Status, a.Error, h.now().Sub(began).Milliseconds()})
}
