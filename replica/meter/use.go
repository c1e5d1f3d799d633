package meter

import (
	"context"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

// Use fills in what a check has to know of a metered feature. room is memory for a key; it is cheap.
func (m *Meter) Use(customer, feature, room []byte, u *checker.Use) {
	a := m.find(customer, feature, room)
	if a == nil {
		return
	}
	id, now := m.holder(), m.clock.read()
	a.mu.Lock()
	defer a.mu.Unlock()
	*u = a.use(id, a.span(now), now)
}

// Hear asks the hub how a customer's feature stands, and returns when that is known here, or ctx ends.
func (m *Meter) Hear(ctx context.Context, customer, feature string) {
	a, next := m.account(keyOf(customer, feature)), uint64(0)
	for m.o.Hub != nil && !m.failing.Load() && ctx.Err() == nil {
		a.mu.Lock()
		if next == 0 {
			next = a.begun + 1 // what is under way may have been answered before what the caller knows of
		}
		answered, done := a.answered, a.heard >= next
		a.mu.Unlock()
		if done {
			return
		}
		m.beckon(a)
		select {
		case <-answered:
		case <-ctx.Done():
		}
		if m.isDoomed() { // nothing is asked until another name is taken
			pause(ctx, pauseBetween*time.Millisecond)
		}
	}
}

// A Status is how the meter stands.
type Status struct {
	Holder     ledger.HolderID
	Accounts   int
	Held       int64     // rights that can be spent here
	Unreported int       // accounts of which the hub does not know everything
	Linked     bool      // the last exchange with a hub succeeded
	Silent     bool      // the last one failed
	Reported   time.Time // the last one that succeeded; zero: none yet
}

// Status sums up.
func (m *Meter) Status() Status {
	s := Status{Holder: m.holder(), Linked: m.linked.Load(), Silent: m.failing.Load()}
	if ms := m.reported.Load(); ms != 0 {
		s.Reported = time.UnixMilli(ms).UTC()
	}
	now := m.clock.read()
	m.each(func(a *account) {
		a.mu.Lock()
		defer a.mu.Unlock()
		s.Accounts++
		s.Held += a.led.Free(a.span(now), now)
		if a.version > a.told {
			s.Unreported++
		}
	})
	return s
}

// Follow takes in the totals of a log until ctx ends.
func (m *Meter) Follow(ctx context.Context, log replica.Log, filter replica.Filter) {
	var of replica.Lineage
	for ctx.Err() == nil {
		if err := m.follow(ctx, log, filter, &of); err != nil && ctx.Err() == nil {
			m.log.Debug("totals are not followed right now", "error", err)
		}
		pause(ctx, time.Second)
	}
}

// follow takes in what a log has and gets. of is the lineage that it had the last time.
func (m *Meter) follow(ctx context.Context, log replica.Log, filter replica.Filter, of *replica.Lineage) error {
	lineage, rev, all := log.Snapshot(ctx, filter)
	if lineage != *of && lineage != (replica.Lineage{}) {
		m.each((*account).date)
		*of = lineage
	}
	for e, err := range all {
		if err != nil {
			return err
		}
		m.told(e)
	}
	for e, err := range log.Tail(ctx, lineage, rev, filter) {
		if err != nil {
			return err
		}
		m.told(e)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// told takes one document in. One that cannot be read is left: the totals known are older, and say so.
func (m *Meter) told(e replica.Entry) {
	key := replica.ParseKey(e.Key)
	customer, feature, ok := replica.ParseCount(key.ID)
	if key.Kind != replica.KindTotals || !ok || e.Deleted() {
		return
	}
	t, err := ledger.DecodeTotals(e.Value)
	if err != nil {
		m.log.Warn("totals that cannot be read", "key", e.Key, "error", err)
		return
	}
	a := m.account(keyOf(customer, feature))
	a.mu.Lock()
	a.tell(t, m.clock.read())
	if a.isGone(t, m.holder()) {
		m.beckon(a) // the hub will say why
	}
	yields := t.Short && a.version > 0
	a.mu.Unlock()
	if yields {
		m.yield(a, t.Span.Start)
	}
}
