package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/wire"
)

// errSilent says that a server that should send something, if only a sign of life, does not.
var errSilent = errors.New("the server went silent")

// Snapshot yields every followed document once, and stops at the revision that was the last when it began. A
// connection that is lost, or a log that changes its lineage meanwhile, ends it with an error.
func (s *Stream) Snapshot(ctx context.Context, f replica.Filter) (
	replica.Lineage, uint64, iter.Seq2[replica.Entry, error],
) {
	lineage, last, err := s.Head(ctx)
	if err != nil {
		return replica.Lineage{}, 0, failed(err)
	}
	return lineage, last, func(yield func(replica.Entry, error) bool) {
		c, err := s.consume(ctx, 1, f)
		if err != nil {
			yield(replica.Entry{}, err)
			return
		}
		defer c.close()
		err = c.until(ctx, last, yield)
		if err == nil {
			err = s.same(ctx, lineage)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(replica.Entry{}, fmt.Errorf("snapshot of log %s: %w", s.name, err))
		}
	}
}

// failed yields one error.
func failed(err error) iter.Seq2[replica.Entry, error] {
	return func(yield func(replica.Entry, error) bool) { yield(replica.Entry{}, err) }
}

// errStopped says that the one who asked has heard enough.
var errStopped = errors.New("stopped")

// same tells, by ErrLineage, whether the log is another one by now.
func (s *Stream) same(ctx context.Context, l replica.Lineage) error {
	now, _, err := s.Head(ctx)
	if err == nil && now != l {
		return replica.ErrLineage
	}
	return err
}

// until yields documents up to a sequence.
func (c *consumer) until(ctx context.Context, last uint64, yield func(replica.Entry, error) bool) error {
	if c.waiting == 0 {
		return nil
	}
	reconnect := c.s.reconnect()
	for at := uint64(0); at < last; {
		m, err := c.next(ctx, reconnect)
		if err != nil {
			return err
		}
		if sig, ok := c.signalled(m); ok {
			if sig.beat && sig.seen == c.seen {
				at = max(at, sig.upTo) // nothing is left to deliver
			}
			continue
		}
		if at, _, err = c.pushed(m); err != nil || at > last {
			return err
		}
		e, w, err := c.s.entry(m.Subject, at, m.Data)
		if err != nil {
			return err
		}
		if (w.Kind == wire.Document || w.Kind == wire.Tombstone) && !yield(e, nil) {
			return errStopped
		}
	}
	return nil
}

// next waits for the next message, but not for a server that sends not even heartbeats.
func (c *consumer) next(ctx context.Context, reconnect <-chan struct{}) (*nats.Msg, error) {
	select {
	case m := <-c.msgs: // the usual case needs no timer
		return m, nil
	default:
	}
	short, cancel := context.WithTimeout(ctx, c.s.opts.Timeout+3*c.s.opts.Beat)
	defer cancel()
	select {
	case m := <-c.msgs:
		return m, nil
	case <-reconnect:
		return nil, errMissed
	case <-short.Done():
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, errSilent
	}
}
