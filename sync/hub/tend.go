package hub

import (
	"context"
	"errors"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// Times of what a hub does by itself.
const (
	tendEvery = 2 * time.Second
	// markAge is how long a mark in the catalogue may stand before it is taken for one that a hub left behind.
	markAge = 30 * time.Second
	// sweepEvery is how often all books are held against the documents, by the hub's clock.
	sweepEvery = time.Minute
	// retireEvery is how often holders are looked for that have been silent for long, by the hub's clock.
	retireEvery = time.Hour
)

// tend publishes digests and takes back marks that a hub left behind, until ctx ends.
func (h *Hub) tend(ctx context.Context) error {
	if !await(ctx, h.ready) {
		return nil
	}
	tick := time.NewTicker(h.tendEvery)
	defer tick.Stop()
	var t tending
	told := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := h.tendOnce(ctx, &t)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			told = ""
		case err.Error() != told: // not the same every two seconds
			told = err.Error()
			h.log.Warn("a digest could not be published, or a mark not taken back; trying again", "error", err)
		}
	}
}

// tending is what is remembered between two looks.
type tending struct {
	marked uint64                       // revision of a catalogue with a mark
	since  time.Time                    // when it was first seen
	swept  time.Time                    // when all books were last held against the documents
	looked time.Time                    // when silent holders were last looked for
	silent []ledger.HolderID            // who was silent then
	under  uint64                       // revision of the catalogue then
	ahead  map[counting.Ahead]time.Time // books that were ahead of the documents then, and since when
}

func (h *Hub) tendOnce(ctx context.Context, t *tending) error {
	v, _ := h.shelf.load()
	err := errors.Join(h.publish(ctx, v), h.tendBooks(ctx, t))
	switch {
	case !v.marked():
		t.marked = 0
	case t.marked != v.catRev:
		t.marked, t.since = v.catRev, h.now()
	case h.now().Sub(t.since) > markAge:
		h.log.Warn("taking back a mark that was left in the catalogue", "revision", v.catRev)
		if failed := h.unmark(ctx, v.catalogue, v.catRev); !errors.Is(failed, replica.ErrConflict) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// tendBooks goes on with what was left undone in books: fences, documents that they do not follow, and books that were
// lowered for a document that was never written.
func (h *Hub) tendBooks(ctx context.Context, t *tending) error {
	if h.counter == nil {
		return nil
	}
	err := h.counter.Mend(ctx)
	if now := h.now(); now.Sub(t.looked) >= retireEvery {
		silent, failed := h.counter.Retire(ctx, t.silent)
		if failed != nil {
			return errors.Join(err, failed)
		}
		t.looked, t.silent = now, silent
	}
	v, _ := h.shelf.load()
	if now := h.now(); now.Sub(t.swept) < sweepEvery && now.After(t.swept) && t.under == v.catRev {
		return err
	}
	v, failed := h.fresh(ctx)
	if failed != nil {
		return errors.Join(err, failed)
	}
	ahead, failed := h.counter.Sweep(ctx)
	if failed != nil {
		return errors.Join(err, failed)
	}
	t.swept, t.under = h.now(), v.catRev
	since := map[counting.Ahead]time.Time{}
	for _, a := range ahead {
		seen, known := t.ahead[a]
		if !known {
			seen = t.swept
		}
		since[a] = seen
		if t.swept.Sub(seen) >= markAge {
			err = errors.Join(err, h.touch(ctx, v, a))
		}
	}
	t.ahead = since
	return err
}

// touch writes a customer's document as it is. A hub that lowered the customer's books and still is to write the
// document fails then and does both anew; if there is no such hub any more, the books follow the document again.
func (h *Hub) touch(ctx context.Context, v *view, a counting.Ahead) error {
	cu, err := h.customer(ctx, a.Customer)
	if err != nil || !cu.exists || max(cu.rev, v.catRev) >= a.Basis {
		return err
	}
	h.log.Warn("a book was lowered for a document that was not written; raising it again", "customer", a.Customer,
		"feature", a.Feature)
	rev, err := h.put(ctx, counting.NewCommand(), cu.puts(&cu.doc)...)
	if err == nil {
		h.follow(ctx, rev, a.Customer)
	}
	if errors.Is(err, replica.ErrConflict) {
		return nil
	}
	return err
}

// publish writes the digest of a view if something changed since the last one. A follower compares it only if nothing
// came in between, so a digest that is overtaken does no harm and is soon followed by another, and two hubs need not
// agree.
func (h *Hub) publish(ctx context.Context, v *view) error {
	if v.rev == 0 || v.digestRev == v.rev && v.digested {
		return nil
	}
	_, err := h.docs.Put(ctx, counting.NewCommand(),
		replica.Put{Key: replica.DigestKey, Expect: v.digestRev, Value: v.digest.Encode()})
	if errors.Is(err, replica.ErrConflict) {
		return nil
	}
	return err
}
