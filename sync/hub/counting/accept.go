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

// An Acceptance is that holders are not waited for any more under an epoch.
type Acceptance struct {
	At int64  // unix milliseconds; 0: they are waited for, if a Lesson says so
	By string // the token that asked for it
}

// Acceptance is what the operator said under the epoch that the books are in.
func (c *Counter) Acceptance() Acceptance {
	d := c.era.load()
	return Acceptance{At: d.Accepted, By: d.By}
}

// Accept answers what to write so that holders are not waited for under an epoch: the operator, whose token is named,
// answers for what those hold that have not told. e is the document of EpochKey; who accepted first stays in it. None:
// the books are in another epoch, or have lost nothing yet. A holder that turns up later with rights that are not known
// makes the books learn once more.
func (c *Counter) Accept(e replica.Entry, epoch uint64, by string) ([]replica.Put, error) {
	d, err := decodeEpoch(e.Value)
	if err != nil || d.Epoch != epoch || epoch == 0 {
		return nil, err
	}
	if d.Accepted == 0 {
		d.Accepted, d.By = c.now(), by
	}
	value, err := d.encode()
	return []replica.Put{{Key: EpochKey, Expect: e.Rev, Value: value}}, err
}
