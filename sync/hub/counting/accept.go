package counting

import (
	"context"
	"maps"
	"slices"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

// A Lesson is what books wait for that may have lost something.
type Lesson struct {
	Since   int64             // when the loss was noticed
	Books   int               // that grant nothing in running periods; 0: none waits
	Awaited []ledger.HolderID // who has not told yet what it holds
	AtRisk  int64             // units of hard limits that may be consumed twice if they are not waited for
}

// Lesson is what the books wait for now.
func (c *Counter) Lesson(ctx context.Context) (l Lesson, err error) {
	if err := c.fresh(ctx); err != nil {
		return l, err
	}
	d, now := c.era.load(), c.now()
	if d.Epoch == 0 || d.Accepted != 0 || now >= d.Until {
		return l, nil
	}
	l.Since = d.Since
	awaited := map[ledger.HolderID]bool{}
	err = c.shelf.each(replica.KindLedger+"/", func(t title) error {
		b, err := ledger.DecodeBook([]byte(t.value))
		if err != nil {
			return err
		}
		c.era.prepare(b, now)
		if b.Learning.Until <= now {
			return nil
		}
		l.Books++
		for _, id := range b.Awaits() {
			awaited[id] = true
		}
		if !b.Terms.Soft {
			l.AtRisk += b.Unaccounted(now)
		}
		return nil
	})
	delete(awaited, nobody)
	l.Awaited = slices.SortedFunc(maps.Keys(awaited), ledger.HolderID.Compare)
	return l, err
}

// Accept ends waiting for holders under an epoch: the operator answers for what those hold that have not told. It is
// false if the books are in another epoch, or have lost nothing yet. A holder that turns up later with rights that are
// not known makes the books learn once more.
func (c *Counter) Accept(ctx context.Context, epoch uint64) (ok bool, err error) {
	for range attempts {
		d, rev, err := c.era.read(ctx)
		if err != nil || d.Epoch != epoch || epoch == 0 {
			return false, err
		}
		if d.Accepted != 0 {
			return true, nil
		}
		d.Accepted = c.now()
		if err = c.era.write(ctx, d, rev); err == nil {
			c.log.Warn("the operator does not wait for holders any more that may hold rights", "epoch", epoch)
			return true, nil
		}
		if !replica.Contested(err) {
			return false, err
		}
	}
	return false, replica.ErrConflict
}
