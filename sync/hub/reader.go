package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/follow"
)

// A reader follows the books. They have no digest and no customers, so it keeps nothing itself: a million books are
// kept once, by whoever watches.
type reader struct {
	books replica.Log
	watch []follow.Watcher
	log   *slog.Logger

	lineage replica.Lineage
	rev     uint64
}

// run follows until ctx ends.
func (r *reader) run(ctx context.Context) error {
	told := ""
	for ctx.Err() == nil {
		err := r.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, replica.ErrLineage):
			r.log.Warn("the log of books is another one than was followed; reading it anew")
			r.lineage = replica.Lineage{}
			continue
		case err != nil && err.Error() != told: // not the same second after second
			told = err.Error()
			r.log.Warn("following the books was interrupted; trying again", "error", err)
		}
		pause(ctx, time.Second)
	}
	return nil
}

// session follows until something goes wrong.
func (r *reader) session(ctx context.Context) error {
	if r.lineage == (replica.Lineage{}) {
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	for e, err := range r.books.Tail(ctx, r.lineage, r.rev, replica.Filter{}) {
		if err != nil {
			return err
		}
		if e.Key != "" {
			r.apply(e)
		}
		if !e.Whole {
			continue
		}
		moved := e.Rev > r.rev || e.Key != ""
		r.rev = max(r.rev, e.Rev)
		if moved {
			r.publish()
		}
	}
	return ctx.Err()
}

// begin reads everything there is.
func (r *reader) begin(ctx context.Context) error {
	lineage, rev, all := r.books.Snapshot(ctx, replica.Filter{})
	for _, w := range r.watch {
		w.Reset()
	}
	for e, err := range all {
		if err != nil {
			return fmt.Errorf("snapshot of the books: %w", err)
		}
		r.apply(e)
	}
	r.lineage, r.rev = lineage, rev
	r.publish()
	return nil
}

func (r *reader) apply(e replica.Entry) {
	for _, w := range r.watch {
		w.Apply(e)
	}
}

func (r *reader) publish() {
	for _, w := range r.watch {
		w.Published(r.rev)
	}
}
