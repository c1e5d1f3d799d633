package counting

import (
	"context"
	"fmt"

	"github.com/sidegate/sidegate/replica"
)

// atOnce is how many books are changed together while all are gone through.
const atOnce = 4096

// A basket gathers errands and runs them in bulk.
type basket struct {
	c    *Counter
	work []errand
	n    int // so far
}

func (k *basket) add(ctx context.Context, e errand) error {
	k.n++
	if k.work = append(k.work, e); len(k.work) < atOnce {
		return nil
	}
	return k.run(ctx)
}

func (k *basket) run(ctx context.Context) error {
	work := k.work
	k.work = nil
	return k.c.do(ctx, work)
}

// An Ahead is a book whose terms are of later documents than there are.
type Ahead struct {
	Customer, Feature string
	Basis             uint64 // that the terms have
}

// Sweep makes all books follow the documents that are known here, and has totals made of periods into which something
// rolled over. It answers those that are ahead of them: somebody
// has lowered them and not written the document yet, or never will.
func (c *Counter) Sweep(ctx context.Context) (ahead []Ahead, err error) {
	if !c.isReady() {
		return nil, ErrNotYet
	}
	k := basket{c: c}
	err = c.shelf.each(replica.KindLedger+"/", func(t title) error {
		b, err := c.open(t.key, page{slot: t.slot})
		if err != nil {
			return err
		}
		if b.Terms.Rollover > 0 && t.from != b.Calendar.At(b.now).Start {
			c.totals.mark(t.key)
		}
		turn := b.Turn
		if b.refresh(); b.Turn != turn {
			return k.add(ctx, errand{key: t.key, do: func(*ledgerBook) {}}) // refresh is done for every errand
		}
		if b.offer.Known && b.Terms.Basis > b.offer.Terms.Basis {
			ahead = append(ahead, Ahead{b.customer, b.feature, b.Terms.Basis})
		}
		return nil
	})
	if err == nil {
		err = k.run(ctx)
	}
	return ahead, err
}

// LowerAll takes from all books of some features what the next documents have not got, before these are written. The
// documents that there are must keep books from being begun, and be known here: see Offer.Frozen.
func (c *Counter) LowerAll(ctx context.Context, features map[string]bool,
	next func(customer, feature string) Offer) error {
	if !c.isReady() {
		return ErrNotYet
	}
	if err := c.shut(ctx); err != nil {
		return err
	}
	k := basket{c: c}
	err := c.shelf.each(replica.KindLedger+"/", func(t title) error {
		customer, feature, _ := replica.ParseCount(replica.ParseKey(t.key).ID)
		if !features[feature] {
			return nil
		}
		b, err := c.open(t.key, page{slot: t.slot})
		if err != nil {
			return err
		}
		o := next(customer, feature)
		if before := (Offer{Terms: b.Terms, Grants: b.Grants, Known: true, Counted: true}); !o.Less(&before) &&
			!o.Less(&b.offer) {
			return nil
		}
		return k.add(ctx, errand{key: t.key, do: func(b *ledgerBook) { b.lower(&o) }})
	})
	if err != nil {
		return fmt.Errorf("lowering books: %w", err)
	}
	return k.run(ctx)
}
