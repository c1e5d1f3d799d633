package counting

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

// refresh puts in force what follows from newer documents than the book's, or from the same at a later time. What is
// offered while a catalogue is being lowered may raise nothing.
func (b *ledgerBook) refresh() {
	o, begun := &b.offer, len(b.Calendar) > 0
	switch {
	case !o.Known || begun && o.Terms.Basis < b.Terms.Basis:
		return
	case begun && !o.Counted:
		b.suspend(o.Terms.Basis)
	case begun && (b.sameTerms(o) || o.Frozen && Lowers(o.Terms, b.Terms)):
	default:
		b.SetTerms(o.Terms, o.Rule, b.now)
	}
	if turn := b.Turn; !o.Frozen {
		if b.setGrants(o.Grants); b.Turn != turn {
			b.Terms.Basis = max(b.Terms.Basis, o.Terms.Basis)
		}
	}
}

// suspend ends the terms: nothing is granted from now on. Limit and periods stay, for what is reported late, and bills.
func (b *ledgerBook) suspend(basis uint64) {
	if b.Terms.Until <= b.now {
		return
	}
	t := b.Terms
	t.Until, t.Basis = b.now, max(basis, t.Basis)
	b.SetTerms(t, b.rule(), b.now)
}

// rule is the one that the book's periods follow now, or will.
func (b *ledgerBook) rule() ledger.Rule { return b.Calendar[len(b.Calendar)-1] }

// sameTerms tells whether the terms and the rule of an offer are the book's.
func (b *ledgerBook) sameTerms(o *Offer) bool {
	x, y := o.Terms, b.Terms
	return b.rule().Same(o.Rule) && x.Limit == y.Limit && x.Overdraft == y.Overdraft && x.Rollover == y.Rollover &&
		x.Soft == y.Soft && x.Since == y.Since && x.Until == y.Until && slices.Equal(x.Warn, y.Warn)
}

// setGrants makes the book's grants those that are offered. Only here are others forgotten, by documents that have them
// no more: lower drops grants for a document that may never be written.
func (b *ledgerBook) setGrants(offered []ledger.Grant) {
	for _, g := range offered {
		if old := grantOf(b.Grants, g.ID); old == nil || old.Amount != g.Amount || old.Priority != g.Priority ||
			old.From != g.From || old.Until != g.Until {
			b.SetGrant(g)
		}
	}
	b.dropGrants(offered)
	b.ForgetGrants()
}

// dropGrants ends the grants of the book that are not among others.
func (b *ledgerBook) dropGrants(kept []ledger.Grant) {
	for i := range b.Grants {
		if g := &b.Grants[i]; grantOf(kept, g.ID) == nil && g.Amount > 0 {
			b.DropGrant(g.ID, b.now)
		}
	}
}

func grantOf(all []ledger.Grant, id string) *ledger.Grant {
	at, found := slices.BinarySearchFunc(all, id, func(g ledger.Grant, id string) int { return cmp.Compare(g.ID, id) })
	if !found {
		return nil
	}
	return &all[at]
}

// Lowers tells whether fewer rights may be given by the next terms than by the old ones, or not for as long.
func Lowers(old, next ledger.Terms) bool {
	return next.Limit+next.Overdraft < old.Limit+old.Overdraft || next.Rollover < old.Rollover || next.Until < old.Until
}

// Less tells whether an offer lets less be consumed than another one did, grants included.
func (o *Offer) Less(old *Offer) bool {
	if old.Known && old.Counted && (!o.Known || !o.Counted || Lowers(old.Terms, o.Terms)) {
		return true
	}
	return slices.ContainsFunc(old.Grants, func(g ledger.Grant) bool {
		next := grantOf(o.Grants, g.ID)
		return next == nil || next.Amount < g.Amount || next.Until < g.Until || next.From > g.From
	})
}

// lower takes from the book what an offer has not got, and gives nothing. Its basis is above that of any document that
// there is, so that nobody who has not seen the next one raises the book again.
func (b *ledgerBook) lower(o *Offer) {
	if len(b.Calendar) == 0 {
		return
	}
	t := b.Terms
	if next := o.Terms; !o.Known || !o.Counted {
		t.Until = min(t.Until, b.now)
	} else {
		if next.Limit+next.Overdraft < t.Limit+t.Overdraft {
			t.Limit, t.Overdraft = next.Limit, next.Overdraft
		}
		t.Rollover, t.Until = min(t.Rollover, next.Rollover), min(t.Until, next.Until)
	}
	t.Basis = max(t.Basis, o.Terms.Basis)
	b.SetTerms(t, b.rule(), b.now)
	b.dropGrants(o.Grants)
	for _, old := range slices.Clone(b.Grants) {
		if next := grantOf(o.Grants, old.ID); next != nil {
			old.Amount, old.Until, old.From = min(old.Amount, next.Amount), min(old.Until, next.Until), max(old.From, next.From)
			b.SetGrant(old)
		}
	}
}

// A Cut is a feature of a customer of which less may be consumed by a document that is about to be written.
type Cut struct {
	Customer, Feature string
	Offer             Offer // by that document; Terms.Basis above those of all that there are
}

// Lower takes from the books what is cut, before the document is written. It answers whether some are not there: they
// could be begun by the old documents until the new one is known everywhere, so that Settle has to follow it.
func (c *Counter) Lower(ctx context.Context, cuts []Cut) (missing bool, err error) {
	if err := c.fresh(ctx); err != nil {
		return false, err
	}
	var work []errand
	for i := range cuts {
		cut := &cuts[i]
		key := bookKey(cut.Customer, cut.Feature)
		if at, _ := c.shelf.find(key); at.rev == 0 {
			missing = true
			continue
		}
		work = append(work, errand{key: key, do: func(b *ledgerBook) { b.lower(&cut.Offer) }})
	}
	return missing, c.do(ctx, work)
}

// Settle returns once no book of those that are named can be begun by older documents than are known here, and all of
// them follow these.
func (c *Counter) Settle(ctx context.Context, cuts []Cut) error {
	if err := c.shut(ctx); err != nil {
		return err
	}
	keys := make([]string, len(cuts))
	for i, cut := range cuts {
		keys[i] = bookKey(cut.Customer, cut.Feature)
	}
	return c.refreshAll(ctx, keys)
}

// Refresh makes the books of a customer follow the documents that are known here.
func (c *Counter) Refresh(ctx context.Context, customer string) error {
	if !c.isReady() {
		return ErrNotYet
	}
	var keys []string
	for _, t := range c.shelf.of(customer) {
		keys = append(keys, t.key)
	}
	return c.refreshAll(ctx, keys)
}

// Begin begins books of a customer that there are not yet, so that sidecars are told of grants before anything is
// consumed.
func (c *Counter) Begin(ctx context.Context, customer string, features ...string) error {
	if len(features) > 0 && !c.isReady() {
		return ErrNotYet
	}
	var work []errand
	for _, feature := range features {
		key := bookKey(customer, feature)
		if at, _ := c.shelf.find(key); at.rev == 0 {
			work = append(work, errand{key: key, begins: true, do: func(*ledgerBook) {}})
		}
	}
	return c.do(ctx, work)
}

// refreshAll makes books follow the documents, where they do not.
func (c *Counter) refreshAll(ctx context.Context, keys []string) error {
	var work []errand
	for _, key := range keys {
		at, _ := c.shelf.find(key)
		if at.rev == 0 {
			continue
		}
		behind, err := c.behind(key, at)
		if err != nil {
			return err
		}
		if behind {
			work = append(work, errand{key: key, do: func(*ledgerBook) {}}) // refresh is done for every errand
		}
	}
	return c.do(ctx, work)
}

// behind tells whether a book does not follow the documents that are known here.
func (c *Counter) behind(key string, at slot) (bool, error) {
	b, err := c.open(key, page{slot: at})
	if err != nil {
		return false, err
	}
	turn := b.Turn
	b.refresh()
	return b.Turn != turn, nil
}

// shut changes the gate, and waits until every book is known that was begun before.
func (c *Counter) shut(ctx context.Context) error {
	for range attempts {
		e, err := get(ctx, c.o.Books, gateKey)
		if err != nil {
			return err
		}
		rev, err := c.o.Books.Put(ctx, NewCommand(), replica.Put{Key: gateKey, Expect: e.Rev,
			Value: []byte(strconv.FormatUint(e.Rev, 10))})
		if err == nil {
			return c.shelf.wait(ctx, rev)
		}
		if !errors.Is(err, replica.ErrConflict) {
			return err
		}
	}
	return replica.ErrConflict
}

// fresh returns once every book is known that was written before the call.
func (c *Counter) fresh(ctx context.Context) error {
	if !c.isReady() {
		return ErrNotYet
	}
	_, head, err := c.o.Books.Head(ctx)
	if err != nil {
		return err
	}
	return c.shelf.wait(ctx, head)
}

// do runs errands and waits for all of them.
func (c *Counter) do(ctx context.Context, work []errand) error {
	var mu sync.Mutex
	var failed error
	left, done := len(work), make(chan struct{})
	if left == 0 {
		return nil
	}
	for _, e := range work {
		e.done = func(_ uint64, err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			if left--; left == 0 {
				close(done)
			}
		}
		customer, _, _ := replica.ParseCount(replica.ParseKey(e.key).ID)
		c.lane(customer).send(e)
	}
	select {
	case <-done:
		return failed
	case <-ctx.Done():
		return ctx.Err()
	}
}
