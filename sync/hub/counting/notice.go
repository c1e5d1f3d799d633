package counting

import (
	"slices"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

// What a Notice can be about.
const (
	ThresholdReached = "usage.threshold_reached"
	LimitReached     = "usage.limit_reached"
	OverageStarted   = "usage.overage_started"
	OverdraftStarted = "usage.overdraft_started"
	Adjusted         = "usage.adjusted" // of a period that ended some time ago
)

// settling is how long after a period's end reports may change it, in milliseconds, before that is worth a notice:
// every period's last units are told after it.
const settling = int64(time.Hour / time.Millisecond)

// A Notice is something that came about in a book.
type Notice struct {
	Type              string
	Customer, Feature string
	Span              ledger.Span
	At                int64 // unix milliseconds
	ledger.Gauge
	Percent int64  // of what may be used; of ThresholdReached only
	Was     int64  // what was used before; of Adjusted only
	Paid    int64  // of what is used, by what rolled over and grants; of Adjusted only
	Overage int64  // of what is used, beyond all that may be
	Book    uint64 // revision of the book that it came about in: with the rest it names the notice, for good
}

// A Herald sees to it that those who want to hear of something do.
type Herald interface {
	// Puts says what has to be written for it, in one entry with the book, to keys that nobody writes for another
	// notice; none: nobody wants to hear of it. It may be asked again, of a later revision, if another hub was faster.
	Puts(n *Notice) []replica.Put
}

// adjusted are the periods that ended some time ago and of which more or less is used than before; see ended.
func (b *ledgerBook) adjusted(before []ledger.Usage) (out []Notice) {
	if before == nil {
		return nil
	}
	for i := range b.Periods {
		p := &b.Periods[i]
		if p.End > b.now-settling || !isWatched(p) {
			continue
		}
		u, was := p.Usage(b.now), int64(0)
		if at := slices.IndexFunc(before, func(u ledger.Usage) bool { return u.Span.Start == p.Start }); at >= 0 {
			was = before[at].Used
		}
		if u.Used != was {
			n := b.notice(Adjusted, p.Span)
			n.Used, n.Limit, n.Rolled, n.Was = u.Used, u.Limit, p.Rolled, was
			n.Paid, n.Overage = u.Paid, u.Overage
			out = append(out, n)
		}
	}
	return out
}

// reached are the marks that the use of the open period has newly reached.
func (b *ledgerBook) reached(totals *ledger.Totals) (out []Notice) {
	for _, m := range b.Warn(totals) {
		n := b.notice(b.typeOf(m.Kind), totals.Span)
		n.Gauge, n.Percent = b.Gauge(totals), m.Percent
		n.Overage = max(0, n.Used-n.May())
		out = append(out, n)
	}
	return out
}

// isWatched tells whether changes of a period are told after its end: of one shorter than a day only if warnings were
// asked for.
func isWatched(p *ledger.Period) bool { return len(p.Terms.Warn) > 0 || p.End-p.Start >= day }

func (b *ledgerBook) notice(kind string, in ledger.Span) Notice {
	return Notice{Type: kind, Customer: b.customer, Feature: b.feature, Span: in, At: b.now, Book: b.rev}
}

// typeOf is how a mark is called.
func (b *ledgerBook) typeOf(kind ledger.MarkKind) string {
	switch {
	case kind == ledger.Threshold:
		return ThresholdReached
	case kind == ledger.Full:
		return LimitReached
	case b.Terms.Overdraft > 0 && !b.Terms.Soft:
		return OverdraftStarted
	}
	return OverageStarted
}

// ended sums up the periods that ended some time ago, before reports that tell of such a one are taken in; nil: none
// does.
func (b *ledgerBook) ended(pieces []piece) []ledger.Usage {
	late := func(l ledger.Reported) bool { return l.Span.End <= b.now-settling }
	if !slices.ContainsFunc(pieces, func(p piece) bool { return slices.ContainsFunc(p.item().Report.Lines, late) }) {
		return nil
	}
	out := make([]ledger.Usage, 0, len(b.Periods))
	for i := range b.Periods {
		out = append(out, b.Periods[i].Usage(b.now))
	}
	return out
}

// mostTold is how many documents notices may add to one book's: an entry has room for these, the book and its history.
const mostTold = maxDocs - 20

// heralded is what has to be written so that notices reach those who want them, the newest first. Of more than an entry
// has room for, as from a holder that was away for many short periods, the oldest are not told.
func (c *Counter) heralded(all []Notice) (puts []replica.Put, size int) {
	if c.o.Herald == nil {
		return nil, 0
	}
	for i := len(all) - 1; i >= 0; i-- {
		more := c.o.Herald.Puts(&all[i])
		if len(puts)+len(more) > mostTold {
			c.log.Error("too many notices came about at once; the oldest are not told", "customer", all[i].Customer,
				"feature", all[i].Feature, "untold", i+1)
			break
		}
		puts = append(puts, more...)
	}
	for _, p := range puts {
		size += len(p.Value)
	}
	return puts, size
}
