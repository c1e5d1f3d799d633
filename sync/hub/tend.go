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
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var marked uint64 // revision of a catalogue with a mark
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		v, _ := h.shelf.load()
		if err := h.publish(ctx, v); err != nil && ctx.Err() == nil {
			h.log.Warn("the digest could not be published", "error", err)
		}
		switch {
		case v.catalogue.Dropping == nil:
			marked = 0
		case marked != v.catRev:
			marked, since = v.catRev, h.now()
		case h.now().Sub(since) > markAge:
			h.log.Warn("taking back a mark that was left in the catalogue", "revision", v.catRev)
			if err := h.unmark(ctx, v.catalogue, v.catRev); err != nil && ctx.Err() == nil {
				h.log.Warn("the mark could not be taken back", "error", err)
			}
		}
	}
}

// publish writes the digest of a view if something changed since the last one. A follower compares it only if nothing
// came in between, so a digest that is overtaken does no harm, and two hubs need not agree.
func (h *Hub) publish(ctx context.Context, v *view) error {
	if v.rev == 0 || v.digestRev == v.rev {
		return nil
	}
	_, head, err := h.docs.Head(ctx)
	if err != nil || head != v.rev {
		return err // more has come; the next tick has a newer view
	}
	_, err = h.docs.Put(ctx, newCommand(),
		replica.Put{Key: replica.DigestKey, Expect: v.digestRev, Value: v.digest.Encode()})
	if errors.Is(err, replica.ErrConflict) {
		return nil
	}
	return err
}
