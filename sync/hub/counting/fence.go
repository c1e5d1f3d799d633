package counting

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

// Fence declares a holder lost: first in its document, which every hub looks at, then in all books. It may be repeated,
// and what is left undone is done by Mend. False: there is no such holder; or it was fenced in the other way, which
// how says.
func (c *Counter) Fence(ctx context.Context, id ledger.HolderID, destroyed bool) (books int, how string, err error) {
	if err := c.fresh(ctx); err != nil {
		return 0, "", err
	}
	fence := WrittenOff
	if destroyed {
		fence = Destroyed
	}
	err = c.fleet.change(ctx, id, func(old *Holder) *Holder {
		if old == nil || old.gone() {
			if old != nil {
				how = old.Fence
			}
			return nil
		}
		next := *old
		next.Fence, next.Fenced = fence, c.now()
		how = fence
		return &next
	})
	if err != nil || how != fence {
		return 0, how, err
	}
	if err := c.fresh(ctx); err != nil {
		return 0, how, err
	}
	books, err = c.part(ctx, map[ledger.HolderID]string{id: how})
	return books, how, err
}

// part ends listening to holders in all books that are known, each in its way, and answers in how many they are.
func (c *Counter) part(ctx context.Context, lost map[ledger.HolderID]string) (in int, err error) {
	k := basket{c: c}
	err = c.shelf.each(replica.KindLedger+"/", func(t title) error {
		if !mentions(t.value, lost) {
			return nil
		}
		b, err := ledger.DecodeBook([]byte(t.value))
		if err != nil {
			return err
		}
		n, late := parting(b, lost)
		if in += n; !late {
			return nil
		}
		return k.add(ctx, errand{key: t.key, do: func(b *ledgerBook) {
			for id, how := range lost {
				b.part(id, how)
			}
		}})
	})
	if err == nil {
		err = k.run(ctx)
	}
	return in, err
}

// few is up to how many holders are looked for in a book's bytes, which is quicker than to decode it.
const few = 8

// mentions tells whether an encoded book may know one of some holders.
func mentions(book string, some map[ledger.HolderID]string) bool {
	for id := range some {
		if len(some) > few || strings.Contains(book, string(id[:])) {
			return true
		}
	}
	return false
}

// parting answers how many of some holders a book knows, or waits for, and whether it still listens to one.
func parting(b *ledger.Book, lost map[ledger.HolderID]string) (in int, late bool) {
	for id := range lost {
		h := b.Holder(id)
		if h != nil || slices.Contains(b.Learning.Known, id) {
			in++
			late = late || h == nil || h.Trust < ledger.WrittenOff
		}
	}
	return in, late
}

// part ends listening to a holder that the book knows or waits for. One that was to be retired and turns out to hold
// something loses it.
func (b *ledgerBook) part(id ledger.HolderID, how string) {
	if b.Holder(id) == nil && !slices.Contains(b.Learning.Known, id) {
		return
	}
	if how != Retired || !b.Retire(id, b.now) {
		b.Fence(id, how == Destroyed)
	}
}

// fenceAgain is how long after a fence books are looked through for the holder, in milliseconds: a hub that had not
// heard of it may have answered the holder until then.
const fenceAgain = 60_000

// Mend goes on with what a hub left undone: fences that are not in all books yet.
func (c *Counter) Mend(ctx context.Context) error {
	undone, due := map[ledger.HolderID]string{}, c.now()-fenceAgain
	for _, m := range c.fleet.all() {
		if m.doc.gone() && !m.doc.Done {
			undone[m.doc.ID] = m.doc.Fence
		}
	}
	if len(undone) == 0 {
		return nil
	}
	if _, err := c.part(ctx, undone); err != nil {
		return err
	}
	for id := range undone {
		err := c.fleet.change(ctx, id, func(old *Holder) *Holder {
			if old == nil || old.Done || old.Fenced > due {
				return nil
			}
			next := *old
			next.Done = true
			return &next
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// retireAfter is how long a holder is silent, in milliseconds, before it is retired if it holds nothing any more that
// could be spent; and for how long periods must have ended before what it held of them is given up.
const retireAfter = 30 * day

// Retire ends listening to holders that have been silent for long, and were at an earlier look too: a hub whose clock
// jumps, or that was away, hears of those that live before it looks again. Without it every container that ever counted
// would stay in the books, and keep their periods from being folded away. It answers who is silent now.
func (c *Counter) Retire(ctx context.Context, before []ledger.HolderID) ([]ledger.HolderID, error) {
	since := c.now() - retireAfter
	silent, err := c.silent(since)
	if err != nil {
		return nil, err
	}
	for _, id := range silent {
		if !slices.Contains(before, id) {
			continue
		}
		if err := c.retire(ctx, id, since); err != nil {
			return nil, err
		}
	}
	return silent, nil // Mend does the rest
}

// silent are the holders that have been silent since a time, and hold nothing that could be spent.
func (c *Counter) silent(since int64) ([]ledger.HolderID, error) {
	silent := map[ledger.HolderID]bool{}
	for _, m := range c.fleet.all() {
		if !m.doc.gone() && max(m.heard, m.doc.Seen) < since {
			silent[m.doc.ID] = true
		}
	}
	if len(silent) == 0 {
		return nil, nil
	}
	err := c.shelf.each(replica.KindLedger+"/", func(t title) error {
		b, err := ledger.DecodeBook([]byte(t.value))
		if err != nil {
			return err
		}
		for id := range silent {
			if h := b.Holder(id); h != nil && !b.Retire(id, since) {
				delete(silent, id)
			}
		}
		return nil
	})
	return slices.Collect(maps.Keys(silent)), err
}

// retire writes down that a holder is not listened to any more, unless it was heard of meanwhile.
func (c *Counter) retire(ctx context.Context, id ledger.HolderID, since int64) error {
	return c.fleet.change(ctx, id, func(old *Holder) *Holder {
		if old == nil || old.gone() || old.Seen >= since {
			return nil
		}
		next := Holder{ID: id, Key: old.Key, Incarnation: old.Incarnation, Nonce: old.Nonce, Enrolled: old.Enrolled,
			Seen: old.Seen, Fence: Retired, Fenced: c.now()}
		c.log.Info("a holder was silent for long and is retired", "holder", hex.EncodeToString(id[:]), "since", old.Seen)
		return &next
	})
}
