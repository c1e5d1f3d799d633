package ledger

import (
	"fmt"
	"slices"
)

// drain lets every holder but one tell all that it has (silent: -1 for all), and compares. Then they give back what
// they have, and what is not consumed or in doubt can be had again.
func (w world) drain(silent int) string {
	w.hubs, w.folk = slices.Clone(w.hubs), slices.Clone(w.folk)
	b := bookOf(w.log)
	for i := range w.folk {
		if fault := w.end(&w.folk[i], b.Epoch); fault != "" {
			return fmt.Sprintf("holder %d: %s", i, fault)
		}
		if p := &w.folk[i]; p.dead && b.Holder(p.id) != nil {
			b.Fence(p.id, true) // the log may have forgotten
		}
	}
	now := w.now
	for i := range w.folk {
		p := &w.folk[i]
		if i == silent || p.dead || w.distrusted(p.id) {
			continue
		}
		a := accountOf(p.kept)
		if no := b.Fold(a.Report(p.id), now); no != nil {
			return fmt.Sprintf("holder %d: a true report was refused: %s: %s", i, no.Code, no.Why)
		}
		if fault := same(b, a, p); fault != "" {
			return fmt.Sprintf("holder %d: %s", i, fault)
		}
	}
	if fault := w.sums(b); fault != "" && silent < 0 && w.truth.counted {
		return fault
	}
	if err := b.Check(); err != nil {
		return "the book: " + err.Error()
	}
	return w.freed(b, silent)
}

// end settles what a holder has under way.
func (w *world) end(p *person, epoch uint64) string {
	if p.dead {
		return ""
	}
	want := Vector{Used: p.chunk.used}
	fault := w.act(p, want, func(a *Account) *Refusal {
		if c := p.chunk; c.n > 0 {
			a.Settled(c.span, c.src, c.n, c.used)
		}
		for _, r := range a.Reservations {
			if !r.Ended {
				a.Cancel(r.ID)
			}
		}
		a.Adopt(epoch)
		return nil
	})
	p.chunk = chunk{}
	p.sync()
	return fault
}

// same tells whether a book and a holder that has reported differ.
func same(b *Book, a *Account, p *person) string {
	h := b.Holder(p.id)
	for i := range a.Entries {
		e := &a.Entries[i]
		line, _ := against(b, h, e.Span.Start, e.Source)
		got := Vector{Used: line.Used, Refunded: line.Refunded, Doubt: line.Doubt}
		if want := of(p.true, e.Span.Start, e.Source); got != want {
			return fmt.Sprintf("period %d %v: the hub has %+v, consumed was %+v", e.Span.Start, e.Source, got, want)
		}
	}
	return ""
}

// sums tells whether anything was lost or counted twice, over all holders, of what was folded away too.
func (w *world) sums(b *Book) string {
	var want, got []tally
	for i := range w.folk {
		for _, t := range w.folk[i].true {
			want = plus(want, t.start, t.src, t.Vector)
		}
	}
	for _, t := range w.truth.past {
		got = plus(got, t.start, t.src, t.Vector)
	}
	for i := range b.Periods {
		p := &b.Periods[i]
		for _, l := range p.Lines {
			got = plus(got, p.Start, l.Source, l.Vector)
		}
		for _, s := range p.Settled {
			got = plus(got, p.Start, s.Source, s.Vector)
		}
	}
	for i := range got {
		got[i].Granted, got[i].Released = 0, 0
	}
	empty := func(t tally) bool { return t.Vector == Vector{} }
	want, got = slices.DeleteFunc(want, empty), slices.DeleteFunc(got, empty)
	if !slices.Equal(want, got) {
		return fmt.Sprintf("all have reported: the hub has %+v, consumed was %+v", got, want)
	}
	return ""
}

// freed tells whether a newcomer can have what nobody consumed and nobody may have.
func (w *world) freed(b *Book, silent int) string {
	now, s := w.now, b.Calendar.At(w.now)
	for i := range w.folk {
		p := &w.folk[i]
		if i == silent || p.dead || w.distrusted(p.id) {
			continue
		}
		if fault := w.returns(b, p, s); fault != "" {
			return fmt.Sprintf("holder %d: %s", i, fault)
		}
	}
	newcomer := HolderID{0xff}
	if no := b.Fold(Report{Holder: newcomer, Epoch: b.Epoch, Forgot: -1}, now); no != nil {
		return "a newcomer is refused: " + no.Why
	}
	ask := Ask{newcomer, b.Epoch, s.Start, MaxUnits, MaxUnits, now + 20*w.set.tick}
	was := bookOf(string(AppendBook(nil, b)))
	award, no := b.Grant(ask, now)
	if no != nil {
		if now >= b.Terms.Until || no.Code == CodeLearning && (silent >= 0 || !w.truth.counted) {
			return ""
		}
		return "a newcomer gets nothing: " + no.Why
	}
	if fault := fair(was, b, now, now); fault != "" {
		return "a newcomer gets too much: " + fault
	}
	got, out := int64(0), w.outstanding(b, silent)
	if next := b.period(s.End); next != nil {
		out += next.rolledOut()
	}
	for _, l := range award.Lines {
		if l.Source == (Source{}) {
			got += l.Granted
		}
	}
	if want := max(0, b.Terms.ceiling()-out); got < want {
		return fmt.Sprintf("a newcomer gets %d, %d are out of %d", got, out, b.Terms.ceiling())
	}
	return w.freedStanding(b, award, silent)
}

// freedStanding tells whether a newcomer can have what stands for nobody that can give back.
func (w *world) freedStanding(b *Book, award Award, silent int) string {
	until, from, out := min(w.now+20*w.set.tick, b.Terms.Until), award.Span.End, int64(0)
	for _, p := range b.Periods {
		if award.Span.Start <= p.Start && p.Start < until { // one from before, of another calendar, holds nothing up
			from = max(from, p.End)
		}
	}
	if until <= from || from == Forever {
		return ""
	}
	for i := range w.folk {
		p := &w.folk[i]
		h := b.Holder(p.id)
		if h == nil {
			continue
		}
		if i != silent && h.Trust == Trusted { // what stood before is not given back
			h = &Holder{Before: h.Before}
		}
		out += h.most(from)
	}
	if want := max(0, b.Terms.Limit-out); award.Standing.Granted < want {
		return fmt.Sprintf("a newcomer gets %d standing rights, %d are out of %d", award.Standing.Granted, out,
			b.Terms.Limit)
	}
	return ""
}

// returns is a holder that learns what it has in the open period, and gives all back.
func (w *world) returns(b *Book, p *person, s Span) string {
	a := accountOf(p.kept)
	award, no := b.Grant(Ask{Holder: p.id, Epoch: b.Epoch, Period: s.Start}, w.now)
	if no == nil {
		no = a.Take(award)
	} else {
		no = nil // it learns, or the terms are over
	}
	if no != nil {
		return "an award is refused: " + no.Why
	}
	for i := range a.Entries {
		a.GiveBack(a.Entries[i].Span, 0, p.clock)
	}
	a.Tidy(p.clock)
	a.GiveBackStanding(0)
	if err := a.Check(); err != nil {
		return err.Error()
	}
	if no := b.Fold(a.Report(p.id), w.now); no != nil {
		return "a true report was refused: " + no.Why
	}
	p.kept = string(AppendAccount(nil, a))
	p.mind = p.kept
	return ""
}

// outstanding is what of the open period's allowance is consumed, or in the hands of holders that do not tell.
func (w *world) outstanding(b *Book, silent int) int64 {
	p, out := b.period(b.Calendar.At(w.now).Start), int64(0)
	for i := range w.folk {
		h := b.Holder(w.folk[i].id)
		if i != silent && (h == nil || h.Trust == Trusted) {
			v := of(w.folk[i].true, p.Start, Source{})
			u := of(w.folk[i].true, p.Start, Source{Kind: Unbacked})
			out += v.Spent() + u.Spent()
		}
	}
	for _, l := range p.Lines {
		h := b.Holder(l.Holder)
		told := h.Trust == Trusted && (silent < 0 || l.Holder != w.folk[silent].id)
		if !told && l.Source.Kind == Allowance {
			out += l.Live()
		} else if !told && l.Source.Kind == Unbacked {
			out += l.Spent()
		}
	}
	for _, l := range p.Settled { // of those that are not listened to
		if l.Source.Kind == Allowance || l.Source.Kind == Unbacked {
			out += l.Spent()
		}
	}
	return out
}
