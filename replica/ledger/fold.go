package ledger

import (
	"fmt"
	"slices"
)

// A Report is all that a holder has to say of one customer and one feature. It may come late, twice or out of order.
type Report struct {
	Holder   HolderID
	Epoch    uint64 // under which the holder tells all that it has; one that is not all is of epoch 0
	Standing Standing
	Forgot   int64 // the holder has no line of a period that began up to here, and never will
	Lines    []Reported
}

// A Reported is one line of a report.
type Reported struct {
	Span   Span
	Source Source
	Vector
}

// Fold takes a report in. A refusal changes nothing but, for a contradiction, the holder's trust.
func (b *Book) Fold(r Report, now int64) *Refusal {
	if h := b.Holder(r.Holder); h != nil && h.Trust != Trusted {
		return h.distrust()
	}
	if err := r.check(); err != nil {
		b.Quarantine(r.Holder)
		return refuse(CodeQuarantined, "%s", err.Error())
	}
	if b.Learning.Until == 0 && b.ahead(r) {
		return refuse(CodeAhead, "the holder was granted more than the book knows")
	}
	h := b.meet(r.Holder)
	for _, l := range r.Lines {
		if l.Span.Start > h.Forgot {
			b.merge(h, l, now)
		}
	}
	if b.Learning.Until != 0 {
		h.stoodEarlier(r.Standing, now)
	}
	h.Standing.Granted = max(h.Standing.Granted, r.Standing.Granted)
	h.Standing.Released = max(h.Standing.Released, r.Standing.Released)
	h.Standing.From = max(h.Standing.From, r.Standing.From)
	h.Standing.Until = max(h.Standing.Until, r.Standing.Until)
	if b.Learning.Until != 0 {
		b.mayBegin(h, r)
	}
	b.settle(h, r.Forgot)
	h.Heard = max(h.Heard, now)
	if r.Epoch == b.Epoch {
		h.Echoed = b.Epoch
		b.learnt()
	}
	return nil
}

// stoodEarlier takes in that a lost log had let rights stand from earlier on than the book knows: it had changed its
// calendar.
func (h *Holder) stoodEarlier(s Standing, now int64) {
	t := Tier{s.From, min(h.Standing.From, s.Until), s.Granted - s.Released}
	known := func(o Tier) bool { return o.From <= t.From && t.To <= o.To && t.Rights <= o.Rights }
	if t.From < t.To && t.Rights > 0 && !slices.ContainsFunc(h.Before, known) {
		h.Before = append(h.Before, t)
		h.thin(now)
	}
}

// mayBegin takes in that a holder may still begin periods that others have told of before it said what stands for it.
func (b *Book) mayBegin(h *Holder, r Report) {
	for i := range b.Periods {
		p := &b.Periods[i]
		begun := func(l Reported) bool {
			return l.Source.backed() && l.Span.Start < p.End && p.Start < l.Span.End
		}
		if n := h.implied(p.Start); n > 0 && !slices.ContainsFunc(r.Lines, begun) {
			l := p.line(h.ID, Source{})
			l.Granted = max(l.Granted, n)
			b.excuse(p)
		}
	}
}

// check tells how a report contradicts itself.
func (r *Report) check() error {
	for _, l := range r.Lines {
		if err := l.check(l.Source.backed()); err != nil {
			return err
		}
		if l.Span.Start < 0 || l.Span.Start >= l.Span.End {
			return fmt.Errorf("a period from %d to %d", l.Span.Start, l.Span.End)
		}
	}
	if s := r.Standing; s.Released > s.Granted || s.Released < 0 || s.Granted > MaxUnits {
		return fmt.Errorf("standing rights %+v", s)
	}
	return nil
}

// ahead tells whether a holder has rights that the book does not know of: the book has lost something.
func (b *Book) ahead(r Report) bool {
	h := b.Holder(r.Holder)
	if h == nil {
		h = &Holder{Forgot: -1}
	}
	if r.Standing.Granted > h.Standing.Granted || r.Standing.Until > h.Standing.Until && r.Standing.Granted > 0 {
		return true
	}
	return slices.ContainsFunc(r.Lines, func(l Reported) bool {
		return l.Span.Start > h.Forgot && l.Granted > b.granted(h, l)
	})
}

// granted is what the book has granted for a line.
func (b *Book) granted(h *Holder, l Reported) int64 {
	if p := b.period(l.Span.Start); p != nil {
		for i := range p.Lines {
			if o := &p.Lines[i]; o.Holder == h.ID && o.Source == l.Source {
				return o.Granted
			}
		}
		return 0
	}
	if l.Source.Kind != Allowance {
		return 0
	}
	return h.implied(l.Span.Start)
}

// merge takes one line in. Opening its period may move the holder.
func (b *Book) merge(h *Holder, l Reported, now int64) {
	if b.period(l.Span.Start) == nil && l.Vector == (Vector{}) {
		return
	}
	p := b.open(l.Span, now)
	line := p.line(h.ID, l.Source)
	line.Vector = line.Max(l.Vector)
	if b.Learning.Until != 0 {
		b.excuse(p)
	}
	b.charge(p, now)
	if next := b.period(p.End); next != nil {
		b.open(next.Span, now) // more may roll over
	}
}

// excuse accepts what an echo shows of rights that a lost log had granted.
func (b *Book) excuse(p *Period) {
	p.Peak = max(p.Peak, p.live(Source{Kind: Allowance}))
	p.Rolled = max(p.Rolled, p.rolledOut())
	for i := range b.Grants {
		g := &b.Grants[i]
		g.Peak = max(g.Peak, b.grantLive(g))
	}
}

// settle sums what a holder can never report again.
func (b *Book) settle(h *Holder, forgot int64) {
	if forgot <= h.Forgot {
		return
	}
	h.Forgot = forgot
	for i := range b.Periods {
		if p := &b.Periods[i]; p.Start <= forgot {
			p.settle(h.ID)
		}
	}
}

func (p *Period) settle(id HolderID) {
	kept := p.Lines[:0]
	for _, l := range p.Lines {
		if l.Holder == id {
			p.sum(l)
			continue
		}
		kept = append(kept, l)
	}
	p.Lines = kept
}

// sum adds a line to the settled ones. What is free of it is void.
func (p *Period) sum(l Line) {
	if l.Source.backed() {
		l.Released += l.Free()
	}
	for i := range p.Settled {
		if p.Settled[i].Source == l.Source {
			p.Settled[i].Vector = p.Settled[i].Plus(l.Vector)
			return
		}
	}
	p.Settled = append(p.Settled, Settled{l.Source, l.Vector})
}

// charge lets what rolled over and grants pay for use beyond the limit that had no right to them: unbacked use, and
// overdraft that a later grant makes good.
func (b *Book) charge(p *Period, now int64) {
	over := max(0, p.total()-p.Terms.Limit)
	paid := int64(0)
	for i := range p.Charges {
		c := &p.Charges[i]
		c.Units = min(c.Units, over-paid)
		paid += c.Units
	}
	if paid < over && now < p.End {
		for _, s := range b.order(p, now) {
			if n := min(over-paid, s.room); n > 0 && s.Kind != Allowance {
				p.pay(s.Source, n)
				paid += n
			}
		}
	}
	p.Charges = slices.DeleteFunc(p.Charges, func(c Charge) bool { return c.Units == 0 })
}

func (p *Period) pay(src Source, units int64) {
	for i := range p.Charges {
		if p.Charges[i].Source == src {
			p.Charges[i].Units += units
			return
		}
	}
	p.Charges = append(p.Charges, Charge{src, units})
}

func (p *Period) charged(src Source) int64 {
	for i := range p.Charges {
		if p.Charges[i].Source == src {
			return p.Charges[i].Units
		}
	}
	return 0
}

// roll moves what is left of the period before into the i-th, once that one has ended. Rights that are still out
// count as spent; when they come back more rolls over, and when use is told late less does, but for what is out. What
// rolled over before does not roll again, for it is no part of the allowance. Of a period in which nothing was counted
// the terms are those of now, if they were in force: when they began later, what had rolled over by then stays,
// up to their limit.
func (b *Book) roll(i int, now int64) {
	p := &b.Periods[i]
	before := b.Calendar.At(p.Start - 1).Start
	if p.Terms.Rollover|p.Rolled == 0 || now < p.Start || now >= p.End || b.Learning.Until != 0 {
		return
	}
	most, left := p.Terms.Rollover, int64(0)
	switch q := b.period(before); {
	case before >= p.Start:
		left = p.Rolled // the calendar has forgotten the period before
	case q != nil:
		most, left = min(most, q.Terms.Rollover), q.Terms.Limit-q.taken()
	case b.Terms.Since >= p.Start:
		left = min(p.Rolled, p.Terms.Limit) // the terms of before are not known any more
	case b.Terms.Since != 0:
		left = p.Terms.Limit
		for j := range b.Holders {
			left -= b.Holders[j].implied(before)
		}
	}
	p.Rolled = max(p.rolledOut(), min(most, left))
}

// rolledOut is how much of what rolled over is spent or held.
func (p *Period) rolledOut() int64 {
	rolled := Source{Kind: Rollover}
	return add(p.live(rolled), p.charged(rolled))
}

// keptClosed is how many closed periods a book keeps, whatever became of them.
const keptClosed = 2

// FoldAway takes out of the book the periods that have long ended and of which nothing can be reported any more. The
// caller writes them into the history, in the same step.
func (b *Book) FoldAway(now int64) []Period {
	closed := 0
	for i := range b.Periods {
		p := &b.Periods[i]
		if p.End <= now {
			closed++
		}
		b.settleGone(p, now)
	}
	var gone []Period
	kept := b.Periods[:0:0]
	for _, p := range b.Periods {
		if p.End > now || closed <= keptClosed || len(p.Lines) > 0 {
			kept = append(kept, p)
			closed--
			continue
		}
		closed--
		for i := range b.Grants {
			g := &b.Grants[i]
			g.Past = add(g.Past, add(p.live(Source{Topup, g.ID}), p.charged(Source{Topup, g.ID})))
		}
		gone = append(gone, p)
	}
	b.Periods = kept
	b.Calendar = b.Calendar.prune(b.oldest(now))
	return gone
}

// ForgetGrants takes out of the book the grants that were dropped and that no period speaks of any more: what was spent
// of them is folded away, and nobody has rights on them or can tell of any. The caller knows that nobody sets one again
// to go on where it was: a grant of the same name is another one then, and nothing of it is spent. While the book
// learns, somebody may still tell of rights that a lost log had granted.
func (b *Book) ForgetGrants() {
	if b.Learning.Until != 0 {
		return
	}
	b.Grants = slices.DeleteFunc(b.Grants, func(g Grant) bool {
		has := func(p Period) bool { return p.speaksOf(Source{Topup, g.ID}) }
		return g.Amount == 0 && !slices.ContainsFunc(b.Periods, has)
	})
}

// speaksOf tells whether anything of a source was granted, told or paid in a period.
func (p *Period) speaksOf(src Source) bool {
	return slices.ContainsFunc(p.Lines, func(l Line) bool { return l.Source == src }) ||
		slices.ContainsFunc(p.Settled, func(s Settled) bool { return s.Source == src }) ||
		slices.ContainsFunc(p.Charges, func(c Charge) bool { return c.Source == src })
}

// settleGone sums the lines of holders that are not listened to any more: of a period that has not ended once nothing
// stands for them after it.
func (b *Book) settleGone(p *Period, now int64) {
	for i := range b.Holders {
		h := &b.Holders[i]
		switch over := p.End <= now; {
		case !h.gone():
		case over:
			p.settle(h.ID)
			h.Forgot = max(h.Forgot, p.Start) // a period that is opened again must not write the same off again
		case h.most(p.End) == 0:
			p.settle(h.ID) // what comes before it may not have been opened yet
		}
	}
}

// oldest is when the first period that is kept begins.
func (b *Book) oldest(now int64) int64 {
	if len(b.Periods) == 0 {
		return now
	}
	return min(now, b.Periods[0].Start)
}
