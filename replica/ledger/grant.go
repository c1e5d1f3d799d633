package ledger

import (
	"cmp"
	"slices"
)

// An Ask is what a holder wants. Targets are absolute, so that an ask may be repeated.
type Ask struct {
	Holder   HolderID
	Epoch    uint64
	Period   int64 // its start: the open one or the next
	Target   int64 // rights ever granted in the period that the holder wants to have, of all sources together
	Standing int64 // standing rights ever granted that it wants to have; 0: no more than it has
	Until    int64 // how long they should last
}

// An Award is what the book has against a holder's name, in answer to an ask.
type Award struct {
	Epoch    uint64
	Turn     uint64 // of the book: how often terms, calendar or grants were changed
	Calendar Calendar
	Span     Span
	Lines    []Line // the holder's in that period
	Standing Standing
	Funds    []Fund // what rights on grants are worth
}

// A Fund is what a holder has to know of a grant to spend rights on it.
type Fund struct {
	Grant    string
	Priority int64
	Until    int64
}

// Grant gives a holder rights as far as there are any. The holder must have reported first. A refusal changes nothing.
func (b *Book) Grant(a Ask, now int64) (Award, *Refusal) {
	span, no := b.mayGrant(a, now)
	if no != nil {
		return Award{}, no
	}
	p := b.open(span, now)
	if span.Start <= b.Holder(a.Holder).Forgot { // it would not take more, and could never give it back
		return b.award(a.Holder, p), nil
	}
	missing := min(a.Target, MaxUnits)
	for i := range p.Lines {
		if l := &p.Lines[i]; l.Holder == a.Holder {
			missing -= l.Granted
		}
	}
	for _, src := range b.order(p, now) {
		n := min(missing, src.room)
		if n <= 0 {
			continue
		}
		p.line(a.Holder, src.Source).Granted += n
		missing -= n
	}
	b.stand(a, p, now)
	return b.award(a.Holder, p), nil
}

// mayGrant tells in which period rights may be granted.
func (b *Book) mayGrant(a Ask, now int64) (Span, *Refusal) {
	if a.Epoch != b.Epoch {
		return Span{}, refuse(CodeEpoch, "the ask is of epoch %d, the book is in %d", a.Epoch, b.Epoch)
	}
	h := b.Holder(a.Holder)
	if h == nil {
		return Span{}, refuse(CodeUnknown, "this holder has not reported yet")
	}
	if h.Trust != Trusted {
		return Span{}, h.distrust()
	}
	span := b.Calendar.At(now)
	if next := b.Calendar.At(span.End); span.End != Forever && a.Period == next.Start {
		span = next
	}
	if span.Start != a.Period {
		return Span{}, refuse(CodeUnknown, "the open period begins at %d, not at %d", span.Start, a.Period)
	}
	if max(now, span.Start) >= b.Terms.Until {
		return Span{}, refuse(CodeUnknown, "the terms are not known for that time")
	}
	if span.Start < b.Learning.Until {
		return Span{}, refuse(CodeLearning, "the log lost something; not every holder has told yet what it holds")
	}
	return span, nil
}

func (h *Holder) distrust() *Refusal {
	switch h.Trust {
	case Quarantined:
		return refuse(CodeQuarantined, "this holder contradicted itself")
	case Retired:
		return refuse(CodeRetired, "this holder was silent for too long")
	case Destroyed:
		return refuse(CodeDestroyed, "this holder was declared destroyed")
	}
	return refuse(CodeFenced, "this holder was declared lost")
}

// award is what the book has against a holder's name in a period.
func (b *Book) award(id HolderID, p *Period) Award {
	w := Award{Epoch: b.Epoch, Turn: b.Turn, Calendar: b.Calendar, Span: p.Span, Standing: b.Holder(id).Standing}
	for i := range p.Lines {
		if l := p.Lines[i]; l.Holder == id {
			w.Lines = append(w.Lines, l)
		}
	}
	for _, g := range b.Grants {
		w.Funds = append(w.Funds, Fund{g.ID, g.Priority, g.Until})
	}
	return w
}

// A spring is a source, where it comes in the order of spending, and how many rights it can still give.
type spring struct {
	Source
	priority, until, from int64
	room                  int64
}

// order lists where rights of a period come from, first things first: by priority, then earliest end, then age. The
// overdraft comes last, for it is there to be avoided.
func (b *Book) order(p *Period, now int64) []spring {
	own, rolled := Source{Kind: Allowance}, Source{Kind: Rollover}
	left := p.left(b.period(p.End))
	list := []spring{
		{own, OwnPriority, p.End, p.Start, max(0, left)},
		{rolled, OwnPriority, p.End, p.Start - 1, max(0, p.Rolled-p.rolledOut())},
	}
	// By this clock the period before may still use what another clock let roll over; and while the book learns,
	// somebody may have been granted before what lasts longer than its period.
	if now < p.Start || b.Learning.Until != 0 {
		list = list[:1]
	}
	for i := range b.Grants {
		if g := &b.Grants[i]; b.Learning.Until == 0 && g.Active(max(now, p.Start)) && g.From < p.End {
			list = append(list, spring{Source{Topup, g.ID}, g.Priority, g.Until, g.From, max(0, g.Amount-b.grantLive(g))})
		}
	}
	slices.SortStableFunc(list, func(x, y spring) int {
		return cmp.Or(cmp.Compare(x.priority, y.priority), cmp.Compare(x.until, y.until), cmp.Compare(x.from, y.from))
	})
	over := min(p.Terms.Overdraft, add(left, p.Terms.Overdraft), p.Terms.ceiling()-p.live(own))
	return append(list, spring{Source: own, room: max(0, over)})
}

// left is what of the limit is neither taken nor paid for otherwise, nor has moved into the next period; below 0 if
// more is taken. A hub whose clock is behind another's still grants when that one has let the rest move.
func (p *Period) left(next *Period) int64 {
	left := p.Terms.Limit - p.taken()
	for _, c := range p.Charges {
		left += c.Units
	}
	if next != nil {
		left -= next.rolledOut()
	}
	return left
}

// grantLive is how much of a grant is spent or held.
func (b *Book) grantLive(g *Grant) int64 {
	sum := g.Past
	for i := range b.Periods {
		p := &b.Periods[i]
		sum = add(sum, add(p.live(Source{Topup, g.ID}), p.charged(Source{Topup, g.ID})))
	}
	return sum
}

// stand gives standing rights on the allowance of periods to come. All holders' together stay within the limit.
func (b *Book) stand(a Ask, open *Period, now int64) {
	until := min(a.Until, b.Terms.Until)
	from := b.begun(open, max(until, b.Holder(a.Holder).Standing.Until))
	if a.Standing == 0 || until <= from {
		return
	}
	room, h := b.Terms.Limit, b.Holder(a.Holder)
	for i := range b.Holders {
		if o := &b.Holders[i]; o != h {
			room -= o.most(from)
		}
	}
	s := &h.Standing
	n := s.Granted - s.Released // if they have ended, that they stand again is granted anew
	more := max(0, min(min(a.Standing, MaxUnits)-s.Granted, room-n))
	if room < max(n, h.most(from)) || n+more == 0 || more == 0 && until <= s.Until {
		return
	}
	if more == 0 && s.Until >= from { // every period so far began with the same rights
		s.Until = until
		return
	}
	if n > 0 && s.From < from {
		h.Before = append(h.Before, Tier{s.From, min(from, s.Until), n})
		h.thin(now)
	}
	s.Granted += more
	s.From, s.Until = from, max(s.Until, until)
}

// begun is when what was opened ends of the periods from the open one to a time: those have lines of their own. One far
// ahead, which a clock that was wrong has opened, is no reason to wait for it. From the one before a period into which
// something rolled over nothing more may be given, though by this clock it has not begun.
func (b *Book) begun(open *Period, until int64) int64 {
	end := open.End
	for i := range b.Periods {
		p := &b.Periods[i]
		start := p.Start
		if p.rolledOut() > 0 {
			start = b.Calendar.At(p.Start - 1).Start
		}
		if open.Start <= p.Start && start < until {
			end = max(end, p.End)
		}
	}
	return end
}

// most is the most that a holder may have in any period that begins at from or later.
func (h *Holder) most(from int64) int64 {
	if h.Trust == Destroyed {
		return 0
	}
	n := int64(0)
	if h.Standing.Until > from {
		n = h.Standing.Granted - h.Standing.Released
	}
	for _, t := range h.Before {
		if t.To > from {
			n = max(n, t.Rights)
		}
	}
	return n
}

// mostTiers is how many tiers a holder has at most.
const mostTiers = 4

// thin drops tiers that no period can need, and joins the oldest, which may only add.
func (h *Holder) thin(now int64) {
	h.Before = slices.DeleteFunc(h.Before, func(t Tier) bool { return t.To <= h.Forgot || t.From >= t.To })
	for len(h.Before) > mostTiers {
		x, y := h.Before[0], h.Before[1]
		h.Before[1] = Tier{min(x.From, y.From), max(x.To, y.To), max(x.Rights, y.Rights)}
		h.Before = h.Before[1:]
	}
}
