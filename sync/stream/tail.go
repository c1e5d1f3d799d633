package stream

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/wire"
)

// Tail yields what was written after from. It outlives lost connections and servers, and ends only with ctx, with
// ErrLineage, or with a message that it must not pass over (wire.ErrNewer, wire.ErrDamaged).
func (s *Stream) Tail(
	ctx context.Context, l replica.Lineage, from uint64, f replica.Filter,
) iter.Seq2[replica.Entry, error] {
	return func(yield func(replica.Entry, error) bool) {
		t := &tail{s: s, lineage: l, filter: f, yield: yield, seq: from, rev: from, ended: true, gap: true}
		for attempt := 0; ctx.Err() == nil; attempt++ {
			err := t.follow(ctx)
			if errors.Is(err, errStopped) || ctx.Err() != nil {
				return
			}
			if final(err) {
				yield(replica.Entry{}, err)
				return
			}
			s.log.Debug("following anew", "from", t.seq, "why", err)
			if pause(ctx, backoff(t.failed)) != nil {
				return
			}
		}
	}
}

// final tells whether an error ends a tail. Everything else is tried again for ever.
func final(err error) bool {
	return errors.Is(err, replica.ErrLineage) || errors.Is(err, wire.ErrNewer) || errors.Is(err, wire.ErrDamaged)
}

// A tail is the place of one follower.
//
// A view may be published when nothing of what the log held at that point is missing. Nothing is missing if the
// sequence has no gap since the last time this was so. After a gap something was superseded before it came here,
// and what superseded it may lie anywhere up to the last sequence that the stream has by now: that is asked for, and
// once the consumer has come that far the state is whole again. A tail begins as after a gap, because a snapshot
// passes over what is superseded while it is taken.
type tail struct {
	s       *Stream
	lineage replica.Lineage
	filter  replica.Filter
	yield   func(replica.Entry, error) bool

	seq    uint64 // everything that concerns us up to it has come; the next consumer begins after it
	rev    uint64 // of the last message's entry
	ended  bool   // no later message of that entry concerns us
	failed int    // attempts without a message
	last   seen   // the last message that came

	c      *consumer
	gap    bool   // something was superseded before it came, since the last view
	asked  bool   // the last sequence was asked for
	again  bool   // there was another gap since
	target uint64 // the answer; 0: not yet
}

// follow makes a consumer where the last one stood and yields until something goes wrong.
func (t *tail) follow(ctx context.Context) error {
	t.failed++
	reconnect := t.s.reconnect()
	last, err := t.check(ctx)
	if err != nil {
		return err
	}
	if t.c, err = t.s.consume(ctx, t.seq+1, t.filter); err != nil {
		return err
	}
	defer t.c.close()
	if err := t.begin(last); err != nil {
		return err
	}
	tick := time.NewTicker(t.s.opts.Check)
	defer tick.Stop()
	for heard := true; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reconnect:
			return errMissed
		case <-tick.C:
			if !heard {
				return errSilent
			}
			heard = false
			_, err = t.check(ctx)
		case m := <-t.c.msgs:
			heard = true
			err = t.take(m)
		}
		if err != nil {
			return err
		}
	}
}

// check makes sure that the log is the one that was followed, and still has all of it. It answers the last revision.
func (t *tail) check(ctx context.Context) (uint64, error) {
	p, err := t.s.position(ctx, t.last)
	if err != nil {
		return 0, err
	}
	if p.lineage != t.lineage || p.last < t.seq || !p.known {
		return 0, replica.ErrLineage
	}
	return p.end, nil
}

// begin takes over with a new consumer, made after the log had the given last revision. What is missing has been
// superseded before that.
func (t *tail) begin(last uint64) error {
	if t.c.waiting == 0 {
		return t.passed(last)
	}
	t.asked, t.again, t.target = t.gap, false, 0
	if t.gap {
		t.target = last
	}
	return nil
}

// take takes in whatever arrived.
func (t *tail) take(m *nats.Msg) error {
	if m.Subject == t.c.inbox && len(m.Data) > 0 {
		return t.answered(m)
	}
	sig, ok := t.c.signalled(m)
	if !ok {
		return t.pushed(m)
	}
	if !sig.beat || sig.seen != t.c.seen {
		return nil
	}
	if t.gap && !t.asked {
		return t.probe()
	}
	if t.gap && (t.target == 0 || sig.upTo < t.target) {
		return nil
	}
	return t.passed(sig.upTo)
}

// pushed takes in a document, or a message that only takes up a place.
func (t *tail) pushed(m *nats.Msg) error {
	seq, pending, err := t.c.pushed(m)
	if err != nil {
		return err
	}
	e, w, err := t.s.entry(m.Subject, seq, m.Data)
	if err != nil {
		return err
	}
	if seq != t.seq+1 && (!t.ended || seq != t.rev+1) {
		t.again = t.asked
		t.gap = true
	}
	t.seq, t.rev, t.ended = seq, seq+w.Remaining(), !slices.ContainsFunc(w.Later, t.filter.Follows)
	t.last, t.failed = seen{seq: seq, entry: w.Entry}, 0
	e.Rev, e.Whole = t.rev, t.complete()
	if (e.Key != "" || e.Whole) && !t.yield(e, nil) {
		return errStopped
	}
	switch {
	case !t.gap:
		return nil
	case !t.asked:
		return t.probe()
	case pending == 0 && t.target > t.rev:
		return t.whereabouts()
	}
	return nil
}

// complete tells whether the state is whole with the last message, and makes a note of it.
func (t *tail) complete() bool {
	if !t.ended || t.gap && (t.target == 0 || t.rev < t.target) {
		return false
	}
	if t.gap && t.again {
		t.asked, t.again, t.target = false, false, 0
		return false
	}
	t.gap, t.asked, t.again, t.target = false, false, false, 0
	return true
}

// passed says that everything up to a sequence has come, and that what it superseded has, too.
func (t *tail) passed(upTo uint64) error {
	if upTo < t.rev && upTo < t.seq || upTo < t.rev && !t.ended {
		return nil // half of an entry is here
	}
	t.seq, t.rev, t.ended = max(t.seq, upTo), max(t.rev, upTo), true
	t.gap, t.asked, t.again, t.target, t.failed = false, false, false, 0, 0
	if !t.yield(replica.Entry{Rev: t.rev, Whole: true}, nil) {
		return errStopped
	}
	return nil
}
