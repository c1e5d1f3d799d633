package ledger

import "slices"

// What a line, a period and a holder take of a book's document, roughly and in bytes, and how large it may be before
// what is told late has to wait. A message of NATS may have 1 MiB.
const (
	lineWeight   = 12
	periodWeight = 64
	holderWeight = 48
	mostWeight   = 640 << 10
)

// Crowds tells whether a report, as from one of many holders that were without a hub for long, has more lines of
// periods that are long over than the book has room for. They are to be told again, and only what the holder has
// forgotten is to be folded: what the book has of others leaves it as they forget it, once they know that it is there.
func (b *Book) Crowds(r *Report, now int64) bool {
	late := b.late(now)
	adds := b.lateWeight(r, late)
	if adds == 0 {
		return false
	}
	has, waits := holderWeight*len(b.Holders), false
	for i := range b.Periods {
		p := &b.Periods[i]
		has += periodWeight + lineWeight*len(p.Lines)
		waits = waits || p.End <= late && len(p.Lines) > 0
	}
	return waits && has+adds > mostWeight
}

// lateWeight is what a report adds of periods that ended up to a time.
func (b *Book) lateWeight(r *Report, late int64) (adds int) {
	h := b.Holder(r.Holder)
	for i := range r.Lines {
		l := &r.Lines[i]
		if l.Span.End > late || h != nil && l.Span.Start <= h.Forgot {
			continue
		}
		p := b.period(l.Span.Start)
		if p == nil {
			adds += periodWeight
		}
		if p == nil || !p.has(r.Holder, l.Source) {
			adds += lineWeight
		}
	}
	return adds
}

// late is up to when periods have ended that the book keeps for nothing but what can still be told of them.
func (b *Book) late(now int64) int64 {
	s := b.Calendar.At(now)
	for range keptClosed {
		if s.Start <= 0 {
			return 0
		}
		s = b.Calendar.At(s.Start - 1)
	}
	return s.Start
}

func (p *Period) has(id HolderID, src Source) bool {
	return slices.ContainsFunc(p.Lines, func(l Line) bool { return l.Holder == id && l.Source == src })
}
