package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// ReadChange reads the fields that a subscription is to take from a moment on, without that moment. The error is
// Faults.
func ReadChange(n Node) (map[string]json.RawMessage, error) {
	var r finder
	known, set := r.settable()
	r.mapping(n, "", known)
	return set, r.found(n)
}

// With is the subscription with fields set as a change sets them. The error is Faults, or says what a change cannot
// set.
func (s Subscription) With(set map[string]json.RawMessage) (Subscription, error) {
	err := s.apply(set)
	return s, err
}

// Settled is the subscription as it stands at a moment: the changes that took effect by then are its own fields, the
// later ones are still to come.
func (s Subscription) Settled(now time.Time) (Subscription, error) {
	later := slices.IndexFunc(s.Changes, func(c Change) bool { return c.At.After(now) })
	if later < 0 {
		later = len(s.Changes)
	}
	out, rest := s, slices.Clone(s.Changes[later:])
	out.Changes = nil
	for _, c := range s.Changes[:later] {
		if err := out.apply(c.Fields); err != nil {
			return s, err
		}
	}
	if len(rest) > 0 {
		out.Changes = rest
	}
	return out, nil
}

// Schedule adds a change in its place. The error says that there are too many.
func (s Subscription) Schedule(c Change) (Subscription, error) {
	if len(s.Changes) >= maxChanges {
		return s, fmt.Errorf("it has %d scheduled changes already, at most %d are kept", len(s.Changes), maxChanges)
	}
	s.Changes = append(slices.Clone(s.Changes), c)
	slices.SortStableFunc(s.Changes, func(a, b Change) int { return a.At.Compare(b.At) })
	return s, nil
}

// settable are the fields that a change may set, read as canonical JSON into a map.
func (r *finder) settable() (fields, map[string]json.RawMessage) {
	set := map[string]json.RawMessage{}
	var s Subscription
	known := r.subscriptionFields(&s)
	for key, read := range known {
		known[key] = func(n Node, path string) {
			read(n, path)
			set[key] = canonical(n)
		}
	}
	for _, key := range []string{"starts_at", "changes"} {
		known[key] = func(n Node, path string) { r.fail(path, n.Line, "a change cannot set it", "leave it out") }
	}
	return known, set
}
