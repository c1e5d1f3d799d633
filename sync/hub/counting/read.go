package counting

import (
	"context"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

// firstYear is the first one of which there can be a history, and everYear that of periods that began before all times.
const (
	firstYear = 2025
	everYear  = 1970
)

// A Used is what became of one feature of a customer in one period.
type Used struct {
	Feature string
	ledger.Usage
}

// Usage is what a customer used, of periods that books or history still have and that a span overlaps; in no order.
func (c *Counter) Usage(ctx context.Context, customer string, in ledger.Span) ([]Used, error) {
	if err := c.fresh(ctx); err != nil {
		return nil, err
	}
	now := c.now()
	type which struct {
		feature string
		ledger.Span
	}
	folded := map[which]Past{}
	for _, year := range years(in, now) {
		e, err := get(ctx, c.o.Books, historyKey(customer, year))
		if err != nil {
			return nil, err
		}
		past, err := decodeHistory(e.Value)
		if err != nil {
			return nil, err
		}
		for _, p := range past {
			folded[which{p.Feature, ledger.Span{Start: p.Start, End: p.End}}] = p
		}
	}
	var out []Used
	add := func(feature string, u ledger.Usage) {
		if u.Span.Start < in.End && u.Span.End > in.Start {
			out = append(out, Used{feature, u})
		}
	}
	for _, t := range c.shelf.of(customer) {
		b, err := c.open(t.key, page{slot: t.slot})
		if err != nil {
			return nil, err
		}
		for i := range b.Periods {
			u := b.Periods[i].Usage(now)
			if p, again := folded[which{b.feature, u.Span}]; again { // a late report opened it again
				late := b.past(u)
				p.join(&late)
				folded[which{b.feature, u.Span}] = p
				continue
			}
			add(b.feature, u)
		}
	}
	for of, p := range folded {
		add(of.feature, ledger.Usage{Span: of.Span, Used: p.Used, Paid: p.Paid, Overage: p.Overage, Limit: p.Limit,
			Doubt: p.Doubt})
	}
	return out, nil
}

// years are those in which periods may have begun that a span overlaps. One that had no end until its rule was changed
// may be longer than any number of years.
func years(in ledger.Span, now int64) []int {
	out := []int{everYear}
	for year := firstYear; year <= min(yearOf(now), yearOf(in.End)); year++ {
		out = append(out, year)
	}
	return out
}

func yearOf(ms int64) int {
	return time.UnixMilli(min(max(ms, 0), 1<<50)).UTC().Year()
}

// A GrantOf names a grant of a customer: an id that is free again may be given to one of another feature.
type GrantOf struct{ Feature, ID string }

// Spent is how much of each grant of a customer is spent, or held by somebody.
func (c *Counter) Spent(ctx context.Context, customer string) (map[GrantOf]int64, error) {
	if err := c.fresh(ctx); err != nil {
		return nil, err
	}
	out := map[GrantOf]int64{}
	for _, t := range c.shelf.of(customer) {
		b, err := c.open(t.key, page{slot: t.slot})
		if err != nil {
			return nil, err
		}
		for i := range b.Grants {
			out[GrantOf{b.feature, b.Grants[i].ID}] += b.Grants[i].Past
		}
		for i := range b.Periods {
			spentIn(b.feature, &b.Periods[i], out)
		}
	}
	return out, nil
}

// spentIn adds what is spent or held of grants in a period.
func spentIn(feature string, p *ledger.Period, out map[GrantOf]int64) {
	for _, l := range p.Lines {
		if l.Source.Kind == ledger.Topup {
			out[GrantOf{feature, l.Source.Grant}] += l.Live()
		}
	}
	for _, s := range p.Settled {
		if s.Source.Kind == ledger.Topup {
			out[GrantOf{feature, s.Source.Grant}] += s.Spent()
		}
	}
	for _, g := range p.Charges {
		if g.Source.Kind == ledger.Topup {
			out[GrantOf{feature, g.Source.Grant}] += g.Units
		}
	}
}

// Totals are what a customer's books say of each feature right now, as sidecars are told.
func (c *Counter) Totals(ctx context.Context, customer string) (map[string]ledger.Totals, error) {
	if err := c.fresh(ctx); err != nil {
		return nil, err
	}
	out := map[string]ledger.Totals{}
	for _, t := range c.shelf.of(customer) {
		b, err := c.open(t.key, page{slot: t.slot})
		if err != nil {
			return nil, err
		}
		out[b.feature] = b.Totals(b.now)
	}
	return out, nil
}

// A Standing is how a holder stands in all books together.
type Standing struct {
	Holder
	Heard       int64 // when this hub heard of it last, or another one wrote it down
	Books       int   // that it is in
	Quarantined int   // of them those in which it contradicted itself
	Held        int64 // rights of open periods that it may spend
	Doubt       int64 // units that it may have used: cut off by a crash, or of periods that are over
}

// Fleet is every holder, by id.
func (c *Counter) Fleet(ctx context.Context) ([]Standing, error) {
	if err := c.fresh(ctx); err != nil {
		return nil, err
	}
	members := c.fleet.all()
	out := make([]Standing, len(members))
	at := make(map[ledger.HolderID]*Standing, len(members))
	for i, m := range members {
		out[i] = Standing{Holder: *m.doc, Heard: max(m.heard, m.doc.Seen)}
		if len(m.about) > 0 {
			out[i].About = m.about
		}
		at[m.doc.ID] = &out[i]
	}
	now := c.now()
	err := c.shelf.each(replica.KindLedger+"/", func(t title) error {
		b, err := ledger.DecodeBook([]byte(t.value))
		if err == nil {
			sumUp(b, at, now)
		}
		return err
	})
	return out, err
}

// sumUp adds what holders have in a book.
func sumUp(b *ledger.Book, at map[ledger.HolderID]*Standing, now int64) {
	for i := range b.Holders {
		h := &b.Holders[i]
		s := at[h.ID]
		if s == nil {
			continue
		}
		s.Books++
		s.Heard = max(s.Heard, h.Heard)
		if h.Trust == ledger.Quarantined {
			s.Quarantined++
		}
	}
	for i := range b.Periods {
		p := &b.Periods[i]
		for _, l := range p.Lines {
			s := at[l.Holder]
			if s == nil {
				continue
			}
			s.Doubt += l.Doubt
			if free := l.Free(); l.Source.Kind != ledger.Unbacked && p.End > now {
				s.Held += free
			} else if l.Source.Kind != ledger.Unbacked {
				s.Doubt += free
			}
		}
	}
}
