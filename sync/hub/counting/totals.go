package counting

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

const (
	// coalesce is how many ticks pass at least between two totals of one book: 200 ms.
	coalesce = 10
	// hasten is how many ticks pass at least between two of them that recall rights: 60 ms.
	hasten = 3
	// publishTick is how often what is to be published is looked at.
	publishTick = 20 * time.Millisecond
	publishers  = 16 // totals under way at the same time
	publishMany = 4096
)

// A publisher tells sidecars totals. What it owes them is in memory only, for totals can be made again.
type publisher struct {
	c *Counter

	mu   sync.Mutex
	due  map[string]int64 // books whose totals are to be published, and the tick from which on
	last map[string]int64 // when those of a book were last published, while it matters
	lack map[string]bool  // books of which rights are to be given back
	tick int64            // ticks so far

	lineage replica.Lineage // of the log of totals; the run's own
	reached uint64          // how far it was seen to go
}

func newPublisher(c *Counter) *publisher {
	return &publisher{c: c, due: map[string]int64{}, last: map[string]int64{}, lack: map[string]bool{}}
}

// mark says that a book has changed.
func (p *publisher) mark(key string) {
	if p.c.o.Totals == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.due[key]; !ok {
		p.due[key] = p.last[key] + coalesce
	}
}

// recall has rights given back that others hold and do not need, for somebody was refused them.
func (p *publisher) recall(key string) {
	if p.c.o.Totals == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lack[key] = true
	at := p.last[key] + hasten
	if due, ok := p.due[key]; !ok || at < due {
		p.due[key] = at
	}
}

// short tells whether rights are to be given back, once.
func (p *publisher) short(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	short := p.lack[key]
	delete(p.lack, key)
	return short
}

// take is what is to be published at the next tick.
func (p *publisher) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick++
	for key, at := range p.last {
		if at+coalesce < p.tick {
			delete(p.last, key)
		}
	}
	var out []string
	for key, at := range p.due {
		if at <= p.tick && len(out) < publishMany {
			out = append(out, key)
			delete(p.due, key)
			p.last[key] = p.tick
		}
	}
	return out
}

// run publishes until ctx ends.
func (p *publisher) run(ctx context.Context) error {
	tick := time.NewTicker(publishTick)
	defer tick.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	p.check(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			p.check(ctx)
		case <-tick.C:
			p.publishAll(ctx, p.take())
		}
	}
}

// publishAll publishes totals, and takes those up again that could not be.
func (p *publisher) publishAll(ctx context.Context, keys []string) {
	group := errgroup.Group{}
	group.SetLimit(publishers)
	for _, key := range keys {
		group.Go(func() error {
			err := p.publish(ctx, key)
			if err != nil {
				p.mark(key)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		p.c.log.Warn("totals could not be published; trying again", "error", err)
		pause(ctx, time.Second)
	}
}

// publish writes the totals of one book. Where another hub has written them meanwhile, the book is read from the log,
// so that the last totals are those of the newest book.
func (p *publisher) publish(ctx context.Context, key string) error {
	at, _ := p.c.shelf.find(key)
	if at.rev == 0 {
		return nil
	}
	short := p.short(key) // if it is lost, it is asked for again
	for range attempts {
		b, err := p.c.open(key, page{slot: at})
		if err != nil || !b.offer.Known { // nobody asks for what a customer used that is gone
			return err
		}
		totals := b.Totals(b.now)
		totals.Short = short
		to := replica.CountKey(replica.KindTotals, groupOf(b.offer.Group), b.customer, b.feature)
		rev, err := p.c.o.Totals.Put(ctx, NewCommand(), replica.Put{Key: to, Expect: at.totals,
			Value: ledger.AppendTotals(nil, &totals)})
		if err == nil {
			p.c.Stats.Totals.Add(1)
			p.c.shelf.setTotals(key, rev, totals.Span.Start)
			return nil
		}
		if !replica.Contested(err) {
			return err
		}
		there, err := get(ctx, p.c.o.Totals, to)
		if err != nil {
			return err
		}
		e, err := get(ctx, p.c.o.Books, key)
		if err != nil || e.Rev == 0 {
			return err
		}
		at = slot{rev: e.Rev, totals: there.Rev, value: string(e.Value)}
	}
	return nil // others publish the same
}

func groupOf(group string) string {
	if group == "" {
		return replica.DefaultGroup
	}
	return group
}

// Move publishes the totals of a customer in the group that it has moved to, and takes those of the other back.
func (c *Counter) Move(ctx context.Context, customer, from string) error {
	if c.o.Totals == nil || !c.isReady() {
		return nil
	}
	for _, t := range c.shelf.of(customer) {
		_, feature, _ := replica.ParseCount(replica.ParseKey(t.key).ID)
		e, err := get(ctx, c.o.Totals, replica.CountKey(replica.KindTotals, groupOf(from), customer, feature))
		if err != nil {
			return err
		}
		if e.Rev != 0 {
			if err := c.totals.drop(ctx, e); err != nil {
				return err
			}
		}
		c.shelf.setTotals(t.key, 0, 0)
		c.totals.mark(t.key)
	}
	return nil
}

// check publishes everything that is missing if the log of totals is not the one that was written to, or has lost
// something.
func (p *publisher) check(ctx context.Context) {
	lineage, head, err := p.c.o.Totals.Head(ctx)
	if err == nil && (lineage != p.lineage || head < p.reached) {
		err = p.compare(ctx)
	}
	switch {
	case err == nil:
		p.lineage, p.reached = lineage, head
	case ctx.Err() == nil:
		p.c.log.Warn("totals could not be held against the books; trying again", "error", err)
	}
}

// compare reads all totals, and marks the books whose totals are others or not there. Totals without a book, or in a
// group that the customer has left, are dropped: so the documents have to be known, which say what group that is.
func (p *publisher) compare(ctx context.Context) error {
	if err := p.c.o.Seller.Fresh(ctx); err != nil {
		return err
	}
	_, _, all := p.c.o.Totals.Snapshot(ctx, replica.Filter{})
	right := map[string]bool{}
	for e, err := range all {
		if err != nil {
			return err
		}
		k := replica.ParseKey(e.Key)
		if e.Deleted() || k.Kind != replica.KindTotals {
			continue
		}
		key, same, err := p.holdAgainst(ctx, k, e)
		if err != nil {
			return err
		}
		if same {
			right[key] = true
		}
	}
	return p.c.shelf.each(replica.KindLedger+"/", func(t title) error {
		if !right[t.key] {
			p.mark(t.key)
		}
		return nil
	})
}

// holdAgainst compares totals with their book.
func (p *publisher) holdAgainst(ctx context.Context, k replica.Key, e replica.Entry,
) (key string, same bool, err error) {
	customer, feature, _ := replica.ParseCount(k.ID)
	key = bookKey(customer, feature)
	at, _ := p.c.shelf.find(key)
	old, failed := ledger.DecodeTotals(e.Value)
	if at.rev == 0 {
		return key, false, p.drop(ctx, e)
	}
	b, err := p.c.open(key, page{slot: at})
	if err != nil {
		return key, false, err
	}
	if groupOf(b.offer.Group) != k.Group {
		return key, false, p.drop(ctx, e)
	}
	if failed != nil {
		p.c.shelf.setTotals(key, e.Rev, 0)
		return key, false, nil
	}
	p.c.shelf.setTotals(key, e.Rev, old.Span.Start)
	totals := b.Totals(b.now)
	totals.At, totals.Short = old.At, old.Short
	return key, bytes.Equal(ledger.AppendTotals(nil, &totals), e.Value), nil
}

// drop takes totals back that are nobody's.
func (p *publisher) drop(ctx context.Context, e replica.Entry) error {
	_, err := p.c.o.Totals.Put(ctx, NewCommand(), replica.Put{Key: e.Key, Expect: e.Rev, Delete: true})
	if errors.Is(err, replica.ErrConflict) {
		return nil
	}
	return err
}
