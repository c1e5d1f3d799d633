package ledger

import (
	"fmt"
	"slices"
)

// quiet lets periods pass in which all holders but one keep order: they ask and are answered, give back what is void
// and forget what the hub has. Then what is over is folded away. So more is forgotten than by moves of all sorts.
func (w *world) quiet(silent int) string {
	for range keptClosed + 2 {
		if s := bookOf(w.log).Calendar.At(w.now); s.End == Forever {
			w.elapse(w.set.tick)
		} else {
			w.elapse(s.End - w.now)
		}
		for i := range w.folk {
			if p := &w.folk[i]; i == silent || p.dead || p.retired {
				continue
			}
			if fault := w.keepOrder(i); fault != "" {
				return fmt.Sprintf("holder %d: %s", i, fault)
			}
		}
	}
	return w.govern(move{deed: foldAway})
}

// keepOrder is a holder that reports with the first ask, and to which everything comes.
func (w *world) keepOrder(who int) string {
	p := &w.folk[who]
	for _, d := range []deed{tidy, sync} {
		if fault := w.live(move{deed: d, who: who}); fault != "" {
			return fault
		}
	}
	b, a := w.read(0), accountOf(p.kept)
	award, fault := w.answer(0, b, up(who, a.Report(p.id), w.ask(a, p, 1)))
	if fault != "" {
		return fault
	}
	w.put(0, b)
	var letters []letter
	if award != nil {
		letters = append(letters, down('a', who, *award))
	}
	for _, c := range confirmations(b, p.id) {
		letters = append(letters, down('c', who, c))
	}
	for _, l := range letters {
		if fault := w.told(who, l); fault != "" {
			return fault
		}
	}
	return w.live(move{deed: forget, who: who})
}

// allow notes what of a grant may be consumed from now on: beside what was of others of its name, that are forgotten.
func (t *truth) allow(g Grant) {
	src := Source{Topup, g.ID}
	if most, had := of(t.amounts, 0, src).Used+g.Amount, of(t.amounts, 0, src).Granted; most > had {
		t.amounts = plus(t.amounts, 0, src, Vector{Granted: most - had})
	}
}

// forgetGrants lets a book forget grants, and tells who can still speak of one that it forgot.
func (w *world) forgetGrants(b *Book) string {
	had := slices.Clone(b.Grants)
	b.ForgetGrants()
	for _, g := range had {
		src := Source{Topup, g.ID}
		if slices.Contains(sources(b), src) {
			continue
		}
		if fault := w.spokenOf(b, src); fault != "" || g.Amount > 0 {
			return fmt.Sprintf("grant %s of %d was forgotten: %s", g.ID, g.Amount, fault)
		}
		old := of(w.truth.amounts, 0, src).Used
		w.truth.amounts = plus(w.truth.amounts, 0, src, Vector{Used: w.consumable(src) - old})
	}
	return ""
}

// spokenOf tells who has a grant in its books, other than those that nobody listens to.
func (w *world) spokenOf(b *Book, src Source) string {
	for i := range b.Periods {
		p := &b.Periods[i]
		if p.sumOf(src, func(v Vector) int64 { return v.Granted + v.Used }) > 0 || paid(p, src, false) > 0 {
			return fmt.Sprintf("period %d has it", p.Start)
		}
	}
	for i := range w.folk {
		p := &w.folk[i]
		has := func(e Entry) bool { return e.Source == src }
		told := !p.dead && !p.retired && (b.Holder(p.id) == nil || b.Holder(p.id).Trust <= Quarantined)
		if told && (slices.ContainsFunc(accountOf(p.kept).Entries, has) ||
			slices.ContainsFunc(accountOf(p.mind).Entries, has)) {
			return fmt.Sprintf("holder %d has it", i)
		}
	}
	return ""
}

// consumable is what was consumed of a grant, and what those that nobody listens to still can.
func (w *world) consumable(src Source) int64 {
	of := func(account string, true []tally) int64 {
		n := int64(0)
		for _, t := range true {
			if t.src == src {
				n += t.Spent()
			}
		}
		for _, e := range accountOf(account).Entries {
			if e.Source == src {
				n += e.Vector.Free()
			}
		}
		return n
	}
	sum := int64(0)
	for i := range w.folk {
		if p := &w.folk[i]; !p.dead {
			sum += max(of(p.kept, p.sure), of(p.mind, p.true))
		}
	}
	return sum
}
