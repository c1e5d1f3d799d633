package ledger

import "slices"

// mostLate is how many lines a book has at most of periods that are long over, so that its document is one that a
// broker takes: a line has 20 to 50 bytes, a period as many again, and a message of NATS may have 1 MiB.
const mostLate = 8 << 10

// Crowds tells whether a report, as from one of many holders that were without a hub for long, has more of periods that
// are long over than the book has room for. It is to be told again: what the book has of others leaves it as soon as
// they say that they have forgotten it, which they may once they know that it is there.
func (b *Book) Crowds(r *Report, now int64) bool {
	late, has, adds := b.late(now), 0, 0
	for i := 0; i < len(b.Periods) && b.Periods[i].End <= late; i++ {
		p := &b.Periods[i]
		has += len(p.Lines)
		if p.Start <= r.Forgot {
			has -= p.linesOf(r.Holder)
		}
	}
	if has == 0 || has+len(r.Lines) <= mostLate {
		return false
	}
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Span.End <= late && !b.has(r.Holder, l) {
			adds++
		}
	}
	return adds > 0 && has+adds > mostLate
}

func (p *Period) linesOf(id HolderID) (n int) {
	for i := range p.Lines {
		if p.Lines[i].Holder == id {
			n++
		}
	}
	return n
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

// has tells whether the book has a line, or will not hear of it any more.
func (b *Book) has(id HolderID, l *Reported) bool {
	if h := b.Holder(id); h != nil && l.Span.Start <= h.Forgot {
		return true
	}
	p := b.period(l.Span.Start)
	return p != nil && slices.ContainsFunc(p.Lines, func(o Line) bool { return o.Holder == id && o.Source == l.Source })
}
