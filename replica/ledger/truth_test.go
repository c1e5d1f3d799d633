package ledger

import (
	"fmt"
)

// check tells which promise a world breaks.
func (w *world) check() string {
	b := bookOf(w.log)
	if err := b.Check(); err != nil {
		return "the book: " + err.Error()
	}
	for i := range w.folk {
		p := &w.folk[i]
		for _, s := range []string{p.kept, p.mind} {
			if err := accountOf(s).Check(); err != nil {
				return fmt.Sprintf("account of %d: %v", i, err)
			}
		}
		if fault := w.covered(b, p); fault != "" {
			return fmt.Sprintf("holder %d: %s", i, fault)
		}
	}
	if fault := w.within(b, func(p *person) (string, []tally) { return p.mind, p.true }); fault != "" || !w.set.split {
		return fault
	}
	return w.within(b, func(p *person) (string, []tally) { return p.kept, p.sure })
}

// ahead are the periods that a holder may still begin, soonest first.
func (w *world) ahead(a *Account, p *person) []Span {
	var list []Span
	for t := p.clock; len(list) < 5; {
		s := a.Span(w.set.terms[0].rule, t)
		list = append(list, s)
		if s.End == Forever {
			break
		}
		t = s.End
	}
	return list
}

// standing is what a holder may begin a period with.
func (a *Account) standing(s Span) int64 {
	for i := range a.Entries {
		if e := &a.Entries[i]; e.Source.backed() && e.Span.Start < s.End && s.Start < e.Span.End {
			return 0
		}
	}
	if s.Start <= a.Forgot {
		return 0
	}
	return a.Standing.of(s.Start)
}

// covered tells whether a holder may spend what the book has not against its name, or the book knows what the holder
// does not. A book that lost something has to learn first, and who is fenced is not listened to.
func (w *world) covered(b *Book, p *person) string {
	h := b.Holder(p.id)
	if h == nil {
		h = &Holder{ID: p.id, Forgot: -1}
	}
	if p.dead || h.Trust > Quarantined || b.Learning.Until != 0 {
		return ""
	}
	a := accountOf(p.kept)
	for i := range a.Entries {
		e := &a.Entries[i]
		line, known := against(b, h, e.Span.Start, e.Source)
		if e.Granted > line.Granted {
			return fmt.Sprintf("period %d %v: it has %d rights, the book knows of %d", e.Span.Start, e.Source, e.Granted,
				line.Granted)
		}
		if line.Granted = 0; known && !e.Vector.Covers(line) {
			return fmt.Sprintf("period %d %v: the book has %+v, the holder %+v", e.Span.Start, e.Source, line, e.Vector)
		}
	}
	for _, s := range w.ahead(a, p) {
		if line, _ := against(b, h, s.Start, Source{}); a.standing(s) > line.Granted {
			return fmt.Sprintf("period %d: it may begin with %d, the book knows of %d", s.Start, a.standing(s), line.Granted)
		}
	}
	return ""
}

// against is what a book has against a holder's name.
func against(b *Book, h *Holder, start int64, src Source) (Vector, bool) {
	p := b.period(start)
	if p == nil && src.Kind == Allowance {
		return Vector{Granted: h.implied(start)}, false
	}
	if p == nil {
		return Vector{}, false
	}
	for _, l := range p.Lines {
		if l.Holder == h.ID && l.Source == src {
			return l.Vector, true
		}
	}
	return Vector{}, false
}

// within tells which limit may be exceeded by what holders can do without asking.
func (w *world) within(b *Book, pick func(*person) (string, []tally)) string {
	could := map[tally]int64{} // by period and source
	for i := range w.folk {
		if p := w.folk[i]; !p.dead {
			account, true := pick(&p)
			p.true = true
			w.reach(could, accountOf(account), &p)
		}
	}
	funds := map[Source]int64{}
	for at, n := range could {
		switch at.src.Kind {
		case Allowance:
			if n > w.truth.ceiling {
				return fmt.Sprintf("period %d: %d may be consumed, no limit was ever above %d", at.start, n, w.truth.ceiling)
			}
		case Topup:
			funds[at.src] += n
		case Rollover:
			before := could[tally{start: b.Calendar.At(at.start - 1).Start}]
			// The calendar has forgotten, or a change of it was rolled back.
			if b.Calendar.At(at.start-1).Start >= at.start || w.truth.unruled {
				before = 0
			}
			if w.set.terms[0].Overdraft == 0 && before+n > w.truth.ceiling {
				return fmt.Sprintf("period %d: %d rolled over from a period in which %d may be used", at.start, n, before)
			}
		}
	}
	for src, n := range funds {
		if most := of(w.truth.amounts, 0, src).Granted; n > most {
			return fmt.Sprintf("grant %s: %d may be consumed of %d", src.Grant, n, most)
		}
	}
	return ""
}

// reach adds what one holder consumed and still may.
func (w *world) reach(could map[tally]int64, a *Account, p *person) {
	for _, t := range p.true {
		if e := a.find(Span{Start: t.start}, t.src); e == nil && t.src.backed() {
			could[tally{start: t.start, src: t.src}] += t.Spent() // it was forgotten
		}
	}
	for i := range a.Entries {
		e := &a.Entries[i]
		n := e.Spent() + e.Chunk + e.Reserved
		if a.valid(e, p.clock) {
			n = e.Live()
		}
		if e.Source.backed() {
			could[tally{start: e.Span.Start, src: e.Source}] += n
		}
	}
	for _, s := range w.ahead(a, p) {
		could[tally{start: s.Start}] += a.standing(s)
	}
}

// fair tells which limit a hub went beyond when it granted what was asked for: was is the book before.
func fair(was, b *Book, now, true int64) string {
	for i := range b.Periods {
		p := &b.Periods[i]
		q := was.open(p.Span, now)
		for _, src := range sources(b) {
			if rights(p, src) <= rights(q, src) {
				continue
			}
			if out, most := taken(b, p, src), room(b, p, src, true); out > most {
				return fmt.Sprintf("period %d %v: rights were granted, now %d are taken of %d", p.Start, src, out, most)
			}
		}
	}
	s := b.Calendar.At(now)
	for range 8 {
		if b.period(s.Start) == nil && stood(b, s.Start) > max(b.Terms.Limit, stood(was, s.Start)) {
			return fmt.Sprintf("standing rights in period %d: %d, before %d", s.Start, stood(b, s.Start), stood(was, s.Start))
		}
		if s.End == Forever {
			break
		}
		s = b.Calendar.At(s.End)
	}
	return ""
}

func stood(b *Book, start int64) int64 {
	n := int64(0)
	for i := range b.Holders {
		n += b.Holders[i].implied(start)
	}
	return n
}

func sources(b *Book) []Source {
	list := []Source{{Kind: Allowance}, {Kind: Rollover}}
	for _, g := range b.Grants {
		list = append(list, Source{Topup, g.ID})
	}
	return list
}

func rights(p *Period, src Source) int64 {
	n := int64(0)
	for _, l := range p.Lines {
		if l.Source == src {
			n += l.Granted
		}
	}
	return n
}

// paid is what sources pay of use that had no right to them.
func paid(p *Period, src Source, all bool) int64 {
	n := int64(0)
	for _, c := range p.Charges {
		if all || c.Source == src {
			n += c.Units
		}
	}
	return n
}

// sum adds up lines and what is settled, by what a vector takes.
func (p *Period) sumOf(src Source, take func(Vector) int64) int64 {
	n := int64(0)
	for _, l := range p.Lines {
		if l.Source == src {
			n += take(l.Vector)
		}
	}
	for _, s := range p.Settled {
		if s.Source == src {
			n += s.Spent()
		}
	}
	return n
}

// taken is what may not be granted again of a source.
func taken(b *Book, p *Period, src Source) int64 {
	switch src.Kind {
	case Allowance:
		return p.sumOf(src, Vector.Live) + p.sumOf(Source{Kind: Unbacked}, Vector.Spent) - paid(p, src, true)
	case Topup:
		n := int64(0)
		for _, g := range b.Grants {
			if g.ID == src.Grant {
				n = g.Past
			}
		}
		for i := range b.Periods {
			n += b.Periods[i].sumOf(src, Vector.Live) + paid(&b.Periods[i], src, false)
		}
		return n
	}
	return p.sumOf(src, Vector.Live) + paid(p, src, false)
}

// room is how much of a source there is, spent or not. While a book learns, nobody knows of what lasts longer than a
// period.
func room(b *Book, p *Period, src Source, now int64) int64 {
	terms := b.Terms
	if p.End <= now { // another hub's clock is behind
		terms = p.Terms
	}
	switch src.Kind {
	case Allowance:
		return terms.Limit + terms.Overdraft
	case Topup:
		for _, g := range b.Grants {
			if g.ID == src.Grant && b.Learning.Until == 0 {
				return g.Amount
			}
		}
		return 0
	}
	if b.Learning.Until != 0 {
		return 0
	}
	left := terms.Limit
	if b.Calendar.At(p.Start-1).Start >= p.Start { // the calendar has forgotten
		return min(p.Rolled, terms.Rollover)
	}
	if q := b.period(b.Calendar.At(p.Start - 1).Start); q != nil {
		left = q.Terms.Limit - q.sumOf(Source{}, Vector.Live) - q.sumOf(Source{Kind: Unbacked}, Vector.Spent)
	}
	return min(terms.Rollover, left)
}
