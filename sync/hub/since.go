package hub

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
)

// stamp notes in next, which may be nil, what it takes over of a customer as it was read.
func (h *Hub) stamp(v *view, cu held, next *catalog.Customer) error {
	if !cu.exists || next == nil {
		return nil
	}
	names := v.names.Clone()
	old, err := catalog.Pack(names, cu.doc)
	if err != nil {
		return err
	}
	return stamp(names, old, next, h.now())
}

// stamp notes in what a customer becomes since when each subscription gives what it gives: of a time before, nothing is
// left over that could roll over. old is the customer as it was.
func stamp(names *checker.Names, old checker.Record, next *catalog.Customer, now time.Time) error {
	if len(next.Subscriptions) == 0 {
		return nil
	}
	was, err := old.Unpack()
	if err != nil {
		return err
	}
	rec, err := catalog.Pack(names, *next)
	if err != nil {
		return err
	}
	is, err := rec.Unpack()
	if err != nil {
		return err
	}
	next.Subscriptions = maps.Clone(next.Subscriptions)
	for i := range is.Subs {
		sub := &is.Subs[i]
		doc := next.Subscriptions[sub.ID]
		doc.ChangedAt = time.Time{}
		if j := slices.IndexFunc(was.Subs, func(s checker.Subscription) bool { return s.ID == sub.ID }); j >= 0 {
			doc.ChangedAt = changedAt(&was.Subs[j], sub, now)
		}
		next.Subscriptions[sub.ID] = doc
	}
	return nil
}

// changedAt is since when a subscription gives what it gives in its first phase; zero: since it starts.
func changedAt(was, is *checker.Subscription, now time.Time) time.Time {
	at := now.UnixMilli()
	if len(is.Phases) > 1 {
		at = min(at, is.Phases[1].From-1) // the first one is over
	}
	before := &was.Phases[0]
	for i := range was.Phases[1:] {
		if p := &was.Phases[i+1]; p.From <= at {
			before = p
		}
	}
	switch {
	case !givesTheSame(before, &is.Phases[0]):
		return time.UnixMilli(at).UTC()
	case before.From < 0: // from the start
		return time.Time{}
	}
	return time.UnixMilli(before.From).UTC()
}

func givesTheSame(a, b *checker.Phase) bool {
	return a.Plan == b.Plan && a.Version == b.Version && slices.Equal(a.Addons, b.Addons) &&
		reflect.DeepEqual(a.Overrides, b.Overrides)
}
