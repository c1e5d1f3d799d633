package hub

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
)

// An action is what a caller may ask to become of a subscription, as the caller spelt it.
type action struct {
	name string
	at   string // change and cancel: now (default), term_end or a time
	by   catalog.Duration
	set  map[string]json.RawMessage // convert and change: fields
	end  time.Time                  // extend and renew: the end itself
	of   string                     // extend: the field that end was said for
	n    int64                      // renew: terms
}

// An actor is an action on one subscription at one moment.
type actor struct {
	action
	s   catalog.Subscription // as it stands now: changes that took effect are its own
	now time.Time
}

// act carries an action out.
func (h *Hub) act(c *call) error {
	n, err := c.optionalJSON()
	if err != nil {
		return err
	}
	a, err := readAction(c.r.PathValue("action"), n)
	if err != nil {
		return err
	}
	return h.changeSubscription(c, func(s catalog.Subscription, exists bool) (*catalog.Subscription, bool, error) {
		if !exists {
			return nil, false, noSubscription(c.name("id"), c.name("sub"))
		}
		now := h.now().UTC().Truncate(time.Millisecond)
		settled, err := s.Settled(now)
		if err != nil {
			return nil, false, err
		}
		next, err := (&actor{a, settled, now}).run()
		if err == nil {
			err = next.Check()
		}
		return &next, a.set != nil, err
	})
}

// run answers what becomes of the subscription.
func (a *actor) run() (catalog.Subscription, error) {
	switch a.name {
	case "suspend":
		return a.suspend()
	case "resume":
		return a.resume()
	case "cancel":
		return a.cancel()
	case "renew":
		return a.renew()
	case "convert":
		return a.convert()
	case "extend":
		return a.extend()
	}
	return a.change()
}

// impossible says that an action does not suit the subscription as it is.
func (a *actor) impossible(format string, args ...any) error {
	return refuse(http.StatusConflict, "action_not_possible", format, args...)
}

// status is the subscription's status, said.
func (a *actor) status() string {
	switch {
	case a.s.Status != "":
		return a.s.Status
	case !a.s.TrialEndsAt.IsZero():
		return "trialing"
	}
	return "active"
}

func (a *actor) suspend() (catalog.Subscription, error) {
	if a.status() == "cancelled" {
		return a.s, a.impossible("the subscription is cancelled, so there is nothing to suspend; renew it first")
	}
	a.s.Status = "suspended"
	return a.s, nil
}

// resume makes a suspended or overdue subscription what it was: a trial that has not ended yet, else active.
func (a *actor) resume() (catalog.Subscription, error) {
	if a.status() == "cancelled" {
		return a.s, a.impossible("the subscription is cancelled; renew it")
	}
	a.revive()
	return a.s, nil
}

func (a *actor) revive() {
	a.s.Status = "active"
	if a.s.TrialEndsAt.After(a.now) {
		a.s.Status = "trialing"
	}
}

// cancel ends the subscription now or at a later moment, and drops the changes from then on. It is a scheduled status
// rather than an end alone, so that no grace follows and the reason is right.
func (a *actor) cancel() (catalog.Subscription, error) {
	at, err := a.moment()
	if err != nil {
		return a.s, err
	}
	a.s.Changes = before(a.s.Changes, at)
	if at.After(a.s.StartsAt) && (a.s.EndsAt.IsZero() || at.Before(a.s.EndsAt)) {
		a.s.EndsAt = at
	}
	if !at.After(a.now) {
		a.s.Status = "cancelled"
		return a.s, nil
	}
	return a.schedule(catalog.Change{At: at, Fields: map[string]json.RawMessage{"status": []byte(`"cancelled"`)}})
}

// before are the changes before a moment, which no longer set an end: the cancellation does.
func before(changes []catalog.Change, at time.Time) []catalog.Change {
	var out []catalog.Change
	for _, c := range changes {
		if !c.At.Before(at) {
			continue
		}
		kept := map[string]json.RawMessage{}
		for key, value := range c.Fields {
			if key != "ends_at" {
				kept[key] = value
			}
		}
		if len(kept) > 0 {
			out = append(out, catalog.Change{At: c.At, Fields: kept})
		}
	}
	return out
}

// cancelledFrom is the moment from which scheduled changes leave a subscription cancelled; zero: they do not.
func cancelledFrom(changes []catalog.Change) (from time.Time) {
	for _, c := range changes {
		switch status := string(c.Fields["status"]); {
		case status == `"cancelled"` && from.IsZero():
			from = c.At
		case status != "" && status != `"cancelled"`:
			from = time.Time{}
		}
	}
	return from
}

func (a *actor) schedule(c catalog.Change) (catalog.Subscription, error) {
	s, err := a.s.Schedule(c)
	if err != nil {
		return s, refuse(http.StatusConflict, "too_many_changes", "%s", err.Error())
	}
	return s, nil
}

// change sets fields now, or schedules them.
func (a *actor) change() (catalog.Subscription, error) {
	at, err := a.moment()
	if err != nil {
		return a.s, err
	}
	if a.at == "" || a.at == "now" {
		return a.s.With(a.set)
	}
	if end := cancelledFrom(a.s.Changes); a.set["status"] == nil && !end.IsZero() && !at.Before(end) {
		return a.s, a.impossible("the subscription is cancelled from %s on, so the change would never be seen; "+
			"renew it first, or choose an earlier time", end.Format(time.RFC3339))
	}
	return a.schedule(catalog.Change{At: at, Fields: a.set})
}

// convert makes a trial a paid subscription, with other fields if some are given.
func (a *actor) convert() (catalog.Subscription, error) {
	if a.status() != "trialing" && a.s.TrialEndsAt.IsZero() {
		return a.s, a.impossible("the subscription is %s and never was a trial", a.status())
	}
	a.s.Status, a.s.TrialEndsAt, a.s.OnTrialEnd = "active", time.Time{}, ""
	return a.s.With(a.set)
}

// renew moves the end on by whole terms, past now, and makes a cancelled or overdue subscription active again.
func (a *actor) renew() (catalog.Subscription, error) {
	a.s.Changes = slices.DeleteFunc(slices.Clone(a.s.Changes), func(c catalog.Change) bool {
		return len(c.Fields) == 1 && string(c.Fields["status"]) == `"cancelled"`
	})
	if len(a.s.Changes) == 0 {
		a.s.Changes = nil
	}
	if s := a.status(); s == "cancelled" || s == "past_due" {
		a.s.Status = "active"
	}
	switch {
	case !a.end.IsZero():
		a.s.EndsAt = a.end
	case a.s.EndsAt.IsZero():
		return a.s, nil // it has no end that could be moved
	case a.s.Term == nil:
		return a.s, refuse(http.StatusBadRequest, "no_term",
			"the subscription has no term to renew for; say until when: {\"ends_at\": \"2027-01-31T00:00:00Z\"}")
	default:
		a.s.EndsAt = a.terms()
	}
	return a.s, nil
}

// terms is the end after as many more terms as were asked for, and more until it lies in the future. Where an anchor
// is written terms end on it, and what is off it is renewed up to it. Where none is, nobody expects less than a whole
// term: if the end is not that of a term, terms begin there from now on.
func (a *actor) terms() time.Time {
	end := a.s.EndsAt
	if a.s.Term.Anchor == "" && !termEnd(a.s, end.Add(-time.Millisecond)).Equal(end) {
		anchored := *a.s.Term
		anchored.Anchor = end.Format(time.RFC3339Nano)
		a.s.Term = &anchored
	}
	for n := int64(0); n < max(a.n, 1) || !end.After(a.now); n++ {
		next := termEnd(a.s, end)
		if n >= maxTerms || !next.After(end) {
			break
		}
		end = next
	}
	return end
}

const maxTerms = 100_000

// extend moves the end, or a trial's end while it is one, by a length of time, or the end that is named to a moment.
func (a *actor) extend() (catalog.Subscription, error) {
	if a.status() == "cancelled" {
		return a.s, a.impossible("the subscription is cancelled; renew it")
	}
	end := &a.s.EndsAt
	if a.of == "trial_ends_at" || a.of == "" && a.status() == "trialing" {
		end = &a.s.TrialEndsAt
	}
	if end.IsZero() {
		return a.s, a.impossible("the subscription has no such end to extend")
	}
	to := a.end
	if to.IsZero() {
		from := *end
		if from.Before(a.now) {
			from = a.now
		}
		to = from.Add(time.Duration(a.by))
	}
	if to.Before(*end) {
		return a.s, a.impossible("it ends at %s already; a change of ends_at can shorten it", end.Format(time.RFC3339))
	}
	*end = to
	return a.s, nil
}

// moment is when a change or a cancellation is to take effect.
func (a *actor) moment() (time.Time, error) {
	switch a.at {
	case "", "now":
		return a.now, nil
	case "term_end":
		return a.termEnd()
	}
	return catalog.ParseTime(a.at)
}

// termEnd is the end of the term that runs now, at most the subscription's own end.
func (a *actor) termEnd() (time.Time, error) {
	end := a.s.EndsAt
	if a.s.Term != nil {
		from := a.now
		if from.Before(a.s.StartsAt) {
			from = a.s.StartsAt
		}
		term := termEnd(a.s, from)
		if end.IsZero() || term.Before(end) {
			end = term
		}
	}
	if end.IsZero() {
		return end, refuse(http.StatusBadRequest, "no_term",
			"the subscription has neither a term nor an end; say a time, or set term first")
	}
	return end, nil
}
