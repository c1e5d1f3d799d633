package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

// A decisionDoc is a decision as it is answered: the fields that apply to the feature's type are always there.
type decisionDoc struct {
	Feature   string          `json:"feature"`
	Allowed   bool            `json:"allowed"`
	Reason    string          `json:"reason"`
	WouldDeny string          `json:"would_deny,omitempty"`
	Type      string          `json:"type"`
	Value     json.RawMessage `json:"value,omitempty"`
	Unlimited bool            `json:"unlimited,omitempty"`
	Limit     *int64          `json:"limit,omitempty"`
	Used      *int64          `json:"used,omitempty"`
	Remaining *int64          `json:"remaining,omitempty"`
	Overage   *int64          `json:"overage,omitempty"`
	OverLimit *bool           `json:"over_limit,omitempty"`
	ResetsAt  *time.Time      `json:"resets_at,omitempty"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
	Plan      string          `json:"plan,omitempty"`
}

// typeName is a feature's type as documents spell it.
func typeName(t checker.Type) string {
	switch t {
	case checker.Boolean:
		return "boolean"
	case checker.Config:
		return "config"
	case checker.Metered:
		return "metered"
	case checker.Pool:
		return "pool"
	case checker.Seat:
		return "seat"
	}
	return ""
}

// decide is what a customer holds of a feature, asked for one unit, with nothing used.
func decide(w *checker.World, rec checker.Record, feature string, now time.Time) decisionDoc {
	return decideWith(checker.Held{World: w, Record: rec}, feature, now)
}

// decideWith is decide with what is used.
func decideWith(h checker.Held, feature string, now time.Time) decisionDoc {
	ask := checker.Ask{Quantity: 1}
	h.Feature = h.World.Feature([]byte(feature))
	d := checker.Decide(&h, &ask, now.UnixMilli())
	return document(feature, &d)
}

func document(feature string, d *checker.Decision) decisionDoc {
	out := decisionDoc{Feature: feature, Allowed: d.Allowed, Reason: d.Reason.String(), Type: typeName(d.Type),
		Unlimited: d.Unlimited, Plan: d.Plan, ExpiresAt: moment(d.ExpiresAt)}
	if d.Reason == checker.Advisory {
		out.WouldDeny = d.WouldDeny.String()
	}
	switch d.Type {
	case checker.Boolean, checker.Config:
		out.Value = json.RawMessage("null")
		if d.Value != nil {
			out.Value = bytes.Clone(d.Value)
		}
	case checker.Metered:
		out.Used, out.Overage, out.ResetsAt = &d.Used, &d.Overage, moment(d.ResetsAt)
	case checker.Pool, checker.Seat:
		out.Used, out.OverLimit = &d.Used, &d.OverLimit
	}
	if (d.Type == checker.Metered || d.Type == checker.Pool || d.Type == checker.Seat) && !d.Unlimited {
		out.Limit, out.Remaining = &d.Limit, &d.Remaining
	}
	return out
}

// moment is a time in milliseconds as answers show it; 0: none.
func moment(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

func (h *Hub) getEntitlements(c *call) error {
	cu, err := h.existing(c)
	if err != nil {
		return err
	}
	v, err := h.wait(c.r.Context(), max(cu.rev, h.written.Load()))
	if err != nil {
		return err
	}
	used, err := h.used(c.r.Context(), cu.id)
	if err != nil {
		return err
	}
	now, rec := h.now(), v.index.Record([]byte(cu.id))
	all := []decisionDoc{}
	for _, f := range v.index.World().Features() {
		all = append(all, decideWith(checker.Held{World: v.index.World(), Record: rec, Use: used[f.Key]}, f.Key, now))
	}
	return c.answer(struct {
		Customer     string        `json:"customer"`
		Revision     uint64        `json:"revision"`
		Entitlements []decisionDoc `json:"entitlements"`
	}{cu.id, v.rev, all})
}

// used is what a customer has used of each feature, as far as it is counted here.
func (h *Hub) used(ctx context.Context, customer string) (map[string]checker.Use, error) {
	if h.counter == nil || h.counter.Books() == 0 {
		return nil, nil
	}
	all, err := h.counter.Totals(ctx, customer)
	if err != nil {
		return nil, unavailable(err)
	}
	out, now := map[string]checker.Use{}, h.now().UnixMilli()
	for feature, t := range all {
		u := checker.Use{Used: t.Used, Rolled: t.Rolled, UnseenMax: t.Out}
		if t.Span.End != ledger.Forever {
			u.ResetsAt = t.Span.End
		}
		u.Fund(t.Worth(t.Span, now))
		out[feature] = u
	}
	return out, nil
}
