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

// A Fencing is that a holder is declared lost.
type Fencing struct {
	ID  ledger.HolderID
	How string // WrittenOff or Destroyed
	By  string // the token that asks for it
}

// Fence answers what to write first so that a holder is lost: its document, which every hub looks at. e is that of
// HolderKey. Part goes on in the books. One that is fenced stays as it is: how says in which way.
func (c *Counter) Fence(ctx context.Context, e replica.Entry, f Fencing) (puts []replica.Put, how string, err error) {
	h, err := decodeHolder(hex.EncodeToString(f.ID[:]), e.Value)
	if err != nil {
		return nil, "", err
	}
	if !h.gone() {
		h.Fence, h.Fenced, h.By = f.How, c.now(), f.By
		if h.In, err = c.within(ctx, f.ID); err != nil {
			return nil, "", err
		}
	}
	value, err := h.encode()
	return []replica.Put{{Key: HolderKey(f.ID), Expect: e.Rev, Value: value}}, h.Fence, err
}

// within is how many books know a holder, or wait for it.
func (c *Counter) within(ctx context.Context, id ledger.HolderID) (in int, err error) {
	if err := c.fresh(ctx); err != nil {
		return 0, err
	}
	err = c.eachWith(map[ledger.HolderID]string{id: ""}, func(_ string, b *ledger.Book) error {
		if knows(b, id) {
			in++
		}
		return nil
	})
	return in, err
}

// Part ends listening to a holder in all books, once its document says that it is fenced, and answers in how many it
// was then. It may be repeated, and what is left undone is done by Mend.
func (c *Counter) Part(ctx context.Context, id ledger.HolderID) (books int, err error) {
	if err := c.fresh(ctx); err != nil {
		return 0, err
	}
	h := c.fleet.find(id).doc
	if h == nil {
		return 0, replica.ErrNotFound
	}
	return h.In, c.part(ctx, map[ledger.HolderID]string{id: h.Fence})
}

// part ends listening to holders in all books that are known, each in its way.
func (c *Counter) part(ctx context.Context, lost map[ledger.HolderID]string) error {
	k := basket{c: c}
	err := c.eachWith(lost, func(key string, b *ledger.Book) error {
		if !listens(b, lost) {
			return nil
		}
		return k.add(ctx, errand{key: key, do: func(b *ledgerBook) {
			for id, how := range lost {
				b.part(id, how)
			}
		}})
	})
	if err != nil {
		return err
	}
	return k.run(ctx)
}

// eachWith calls do with every book that may know one of some holders, until do fails.
func (c *Counter) eachWith(some map[ledger.HolderID]string, do func(key string, b *ledger.Book) error) error {
	return c.shelf.each(replica.KindLedger+"/", func(t title) error {
		if !mentions(t.value, some) {
			return nil
		}
		b, err := ledger.DecodeBook([]byte(t.value))
		if err != nil {
			return err
		}
		return do(t.key, b)
	})
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

// knows tells whether a book knows a holder, or waits for it.
func knows(b *ledger.Book, id ledger.HolderID) bool {
	return b.Holder(id) != nil || slices.Contains(b.Learning.Known, id)
}

// listens tells whether a book still listens to, or waits for, one of some holders.
func listens(b *ledger.Book, lost map[ledger.HolderID]string) bool {
	for id := range lost {
		if h := b.Holder(id); h == nil && knows(b, id) || h != nil && h.Trust < ledger.WrittenOff {
			return true
		}
	}
	return false
}

// part ends listening to a holder that the book knows or waits for. One that was to be retired and turns out to hold
// something loses it.
func (b *ledgerBook) part(id ledger.HolderID, how string) {
	if !knows(b.Book, id) {
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
	if err := c.part(ctx, undone); err != nil {
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
	silent := map[ledger.HolderID]string{}
	for _, m := range c.fleet.all() {
		if !m.doc.gone() && max(m.heard, m.doc.Seen) < since {
			silent[m.doc.ID] = Retired
		}
	}
	if len(silent) == 0 {
		return nil, nil
	}
	err := c.eachWith(silent, func(_ string, b *ledger.Book) error {
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
