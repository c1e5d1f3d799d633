package hub

import (
	"context"
	"errors"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// Times of what a hub does by itself.
const (
	tendEvery = 2 * time.Second
	// markAge is how long a mark in the catalogue may stand before it is taken for one that a hub left behind.
	markAge = 30 * time.Second
)

// tend publishes digests and takes back marks that a hub left behind, until ctx ends.
func (h *Hub) tend(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-h.ready:
	}
	tick := time.NewTicker(h.tendEvery)
	defer tick.Stop()
	var t tending
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := h.tendOnce(ctx, &t); err != nil && ctx.Err() == nil {
			h.log.Warn("a digest could not be published, or a mark not taken back", "error", err)
		}
	}
}

// tending is what is remembered between two looks.
type tending struct {
	marked uint64    // revision of a catalogue with a mark
	since  time.Time // when it was first seen
}

func (h *Hub) tendOnce(ctx context.Context, t *tending) error {
	v, _ := h.shelf.load()
	err := h.publish(ctx, v)
	switch {
	case v.catalogue.Dropping == nil:
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

// publish writes the digest of a view if something changed since the last one. A follower compares it only if nothing
// came in between, so a digest that is overtaken does no harm and is soon followed by another, and two hubs need not
// agree.
func (h *Hub) publish(ctx context.Context, v *view) error {
	if v.rev == 0 || v.digestRev == v.rev && v.digested {
		return nil
	}
	_, err := h.docs.Put(ctx, newCommand(),
		replica.Put{Key: replica.DigestKey, Expect: v.digestRev, Value: v.digest.Encode()})
	if errors.Is(err, replica.ErrConflict) {
		return nil
	}
	return err
}
