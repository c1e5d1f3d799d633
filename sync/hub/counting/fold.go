package counting

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A page is a book as it stands, and the gate by which it may be begun.
type page struct {
	slot
	gate uint64
	sure bool // from a log that was written to just before
}

// errBehind says that a holder has more than what is known of a book. The log, or its leader, may have what it lacks.
var errBehind = errors.New("the book that is known may be behind")

// A ledgerBook is a book that is being changed.
type ledgerBook struct {
	*ledger.Book
	customer, feature string
	begins            bool // there was none
	sure              bool // as page.sure
	rev               uint64
	now               int64
	offer             Offer
}

// A result is what becomes of a book.
type result struct {
	task   *task
	puts   []replica.Put // the book's first, then what it folds away, then what is told; none: nothing changes
	size   int
	begins bool
	folds  string // customer into whose history periods are folded away; empty: none are
	before uint64 // revision that the book was at
}

// work does a task with a book. An error is one of the log; what the rules refuse is in the answers.
func (c *Counter) work(ctx context.Context, t *task, at page) (*result, error) {
	b, err := c.open(t.key, at)
	if err != nil {
		return nil, err
	}
	r := &result{task: t, begins: b.begins, before: at.rev}
	if b.begins && (!t.begins(&b.offer) || !b.offer.Known || b.offer.Frozen) {
		t.turnDown(b)
		return r, nil
	}
	c.era.prepare(b.Book, b.now)
	turn := b.Turn
	b.refresh()
	for _, e := range t.errands {
		e.do(b)
	}
	if b.Turn != turn {
		b.Rearm(b.now)
	}
	ended, before := b.ended(t.pieces), b.heard(t.pieces)
	t.short = false
	for _, p := range t.pieces {
		if err := c.take(ctx, b, p); err != nil {
			return nil, err
		}
	}
	b.unhear(before)
	notices := b.adjusted(ended)
	if err := c.complete(ctx, b, notices); err != nil {
		return nil, err
	}
	gone := b.FoldAway(b.now)
	b.dropFenced(c.fleet)
	totals := b.Totals(b.now)
	notices = append(notices, b.reached(&totals)...)
	t.tell(b, &totals)
	value := ledger.AppendBook(make([]byte, 0, len(at.value)+128), b.Book)
	if !b.begins && string(value) == at.value {
		return r, nil
	}
	r.puts = []replica.Put{{Key: t.key, Expect: at.rev, Value: value}}
	r.size = len(value)
	if len(gone) > 0 {
		puts, err := c.history(ctx, b, gone)
		if err != nil {
			return nil, err
		}
		r.puts, r.folds = append(r.puts, puts...), b.customer
	}
	puts, size := c.heralded(notices)
	r.puts, r.size = append(r.puts, puts...), r.size+size
	return r, nil
}

// turnDown answers that there is no book, and none can be begun.
func (t *task) turnDown(b *ledgerBook) {
	code := ledger.CodeUnknown
	if b.offer.Known && b.offer.Frozen {
		code = wire.CodeUnavailable
	}
	for _, p := range t.pieces {
		p.job.answers[p.at] = wire.LeaseAnswer{Code: code}
	}
}

// open decodes a book, or begins one.
func (c *Counter) open(key string, at page) (*ledgerBook, error) {
	customer, feature, ok := replica.ParseCount(replica.ParseKey(key).ID)
	if !ok {
		return nil, fmt.Errorf("document %q is no book", key)
	}
	b := &ledgerBook{Book: &ledger.Book{}, customer: customer, feature: feature, begins: at.rev == 0,
		sure: at.sure, rev: at.rev, now: c.now()}
	b.offer = c.o.Seller.Offer(customer, feature, b.now)
	if b.begins {
		return b, nil
	}
	var err error
	if b.Book, err = ledger.DecodeBook([]byte(at.value)); err != nil {
		return nil, fmt.Errorf("document %q at %d: %w", key, at.rev, err)
	}
	return b, nil
}

// hearEvery is how much time passes, in milliseconds, before it alone is worth writing that a holder reported.
const hearEvery = 600_000

// A hearing is when a holder was last heard of.
type hearing struct {
	id ledger.HolderID
	at int64
}

// heard notes when those who report were last heard of.
func (b *ledgerBook) heard(pieces []piece) []hearing {
	out := make([]hearing, 0, len(pieces))
	for _, p := range pieces {
		id := p.job.lease.Holder
		if h := b.Holder(id); h != nil {
			out = append(out, hearing{id, h.Heard})
		}
	}
	return out
}

// unhear forgets that they were heard of again after so short a time, so that a report without news changes nothing.
func (b *ledgerBook) unhear(before []hearing) {
	for _, was := range before {
		if h := b.Holder(was.id); h != nil && b.now-was.at < hearEvery {
			h.Heard = was.at
		}
	}
}

// take takes one item in: the report, then the ask.
func (c *Counter) take(ctx context.Context, b *ledgerBook, p piece) error {
	it, a := p.item(), &p.job.answers[p.at]
	*a = wire.LeaseAnswer{}
	no := b.Fold(it.Report, b.now)
	if no != nil && no.Code == ledger.CodeAhead && !b.sure {
		return errBehind
	}
	if no != nil && no.Code == ledger.CodeAhead {
		err := c.era.raise(ctx, loss{from: b.Epoch, why: "holder " + HolderKey(p.job.lease.Holder) + " of " + b.customer +
			", " + b.feature + ": " + no.Why})
		if err != nil {
			return err
		}
		c.era.prepare(b.Book, b.now)
		no = b.Fold(it.Report, b.now)
	}
	if no != nil {
		c.Stats.Refused.Add(1)
		a.Code = no.Code
		return nil
	}
	if it.Ask == nil {
		return nil
	}
	if !b.offer.Counted && b.offer.Known {
		a.Denied = ledger.CodeUnknown
		return nil
	}
	ask := *it.Ask
	ask.Until = min(ask.Until, b.now+horizon) // whatever the holder's clock shows
	w, no := b.Grant(ask, b.now)
	if no != nil {
		a.Denied = no.Code
		return nil
	}
	a.Award = &w
	return nil
}

// tell completes the answers with what the book has in the end.
func (t *task) tell(b *ledgerBook, totals *ledger.Totals) {
	for _, p := range t.pieces {
		a, id := &p.job.answers[p.at], p.job.lease.Holder
		own := *totals
		own.Shares = nil
		if _, out, _ := totals.Others(id); out > 0 && p.wants() && a.Award.Span == totals.Span {
			t.short = true
		}
		if at := slices.IndexFunc(totals.Shares, func(s ledger.Share) bool { return s.Holder == id }); at >= 0 {
			own.Shares = totals.Shares[at : at+1] // of the others it needs the sum
		}
		a.Totals, a.Known = &own, b.known(id)
	}
}

// wants tells whether an item asked for rights and was given none.
func (p piece) wants() bool {
	it, w := p.item(), p.job.answers[p.at].Award
	if w == nil {
		return false
	}
	had, has := int64(0), int64(0)
	for _, l := range it.Report.Lines {
		if l.Span.Start == w.Span.Start {
			had += l.Granted
		}
	}
	for _, l := range w.Lines {
		has += l.Granted
	}
	return has < it.Ask.Target && has <= had
}

// known is what the book has of a holder.
func (b *ledgerBook) known(id ledger.HolderID) []ledger.Reported {
	var out []ledger.Reported
	for i := range b.Periods {
		p := &b.Periods[i]
		for j := range p.Lines {
			if l := &p.Lines[j]; l.Holder == id {
				out = append(out, ledger.Reported{Span: p.Span, Source: l.Source, Vector: l.Vector})
			}
		}
	}
	return out
}

// dropFenced takes holders out of the book that are fenced and have nothing in it any more. They are turned away before
// anything of theirs could be counted again.
func (b *ledgerBook) dropFenced(f *fleet) {
	if b.Learning.Until != 0 {
		return // that it is fenced is what the book has to remember of it
	}
	b.Holders = slices.DeleteFunc(b.Holders, func(h ledger.Holder) bool {
		if h.Trust < ledger.WrittenOff || h.Standing.Until > b.now || len(b.known(h.ID)) > 0 ||
			slices.ContainsFunc(h.Before, func(t ledger.Tier) bool { return t.To > b.now }) {
			return false
		}
		m := f.find(h.ID)
		return m.doc != nil && m.doc.Done
	})
}
