package ledger

import (
	"fmt"
	"slices"
)

// put writes a book by compare-and-swap, in the name of a hub that has read the newest.
func (w *world) put(k int, b *Book) {
	book := string(AppendBook(nil, b))
	if book == w.log {
		return
	}
	w.log = book
	for j := range w.hubs {
		w.hubs[j].fresh = false
	}
	w.hubs[k] = hub{book, true}
}

// read is what a hub begins with when its compare-and-swap has failed, or before it governs.
func (w *world) read(k int) *Book {
	w.hubs[k] = hub{w.log, true}
	return bookOf(w.log)
}

// time is a hub's.
func (w *world) time(k int) int64 {
	if k < len(w.set.skew) {
		return w.now + w.set.skew[k]
	}
	return w.now
}

// hear is a hub that gets a report with an ask. With what it read before it only loses time.
func (w *world) hear(k int, l letter) string {
	if w.folk[l.who()].retired {
		return ""
	}
	if h := w.hubs[k]; !h.fresh {
		w.answer(k, bookOf(h.book), l)
	}
	b := w.read(k)
	award, fault := w.answer(k, b, l)
	if fault != "" {
		return fault
	}
	w.put(k, b)
	if award != nil {
		w.post(down('a', l.who(), *award))
	}
	return ""
}

// answer folds a report and grants what is asked for.
func (w *world) answer(k int, b *Book, l letter) (*Award, string) {
	now := w.time(k)
	r, ask := l.open(w.folk[l.who()].id)
	if no := b.Fold(r, now); no != nil {
		if no.Code == CodeAhead || no.Code == CodeQuarantined && !w.distrusted(r.Holder) {
			return nil, fmt.Sprintf("a true report was refused: %s: %s", no.Code, no.Why)
		}
		return nil, ""
	}
	if ask.Target < 0 {
		return nil, ""
	}
	was := string(AppendBook(nil, b))
	award, no := b.Grant(ask, now)
	if no != nil {
		if string(AppendBook(nil, b)) != was {
			return nil, "a refused ask changed the book: " + no.Why
		}
		return nil, ""
	}
	if fault := fair(bookOf(was), b, now, w.now); fault != "" {
		return nil, fault
	}
	again := bookOf(string(AppendBook(nil, b)))
	twice, _ := again.Grant(ask, now)
	if down('a', 0, award) != down('a', 0, twice) {
		return nil, fmt.Sprintf("a repeated ask got %+v after %+v", twice, award)
	}
	return &award, ""
}

// confirm is a hub that tells a holder what it has of it, from what it last read.
func (w *world) confirm(k, who int) {
	for _, c := range confirmations(bookOf(w.hubs[k].book), w.folk[who].id) {
		w.post(down('c', who, c))
	}
}

// confirmations are what a book has of a holder, by period.
func confirmations(b *Book, id HolderID) []Award {
	var list []Award
	for i := range b.Periods {
		p := &b.Periods[i]
		c := Award{Epoch: b.Epoch, Turn: b.Turn, Calendar: b.Calendar, Span: p.Span}
		for _, l := range p.Lines {
			if l.Holder == id {
				c.Lines = append(c.Lines, l)
			}
		}
		if len(c.Lines) > 0 {
			list = append(list, c)
		}
	}
	return list
}

// govern is what the vendor's side does to a book.
func (w *world) govern(m move) string {
	b := w.read(0)
	switch m.deed {
	case setTerms:
		c := w.set.terms[m.arg]
		w.truth.ceiling = max(w.truth.ceiling, c.ceiling())
		b.SetTerms(c.Terms, c.rule, w.now)
	case setGrant:
		w.truth.allow(w.set.grants[m.arg])
		b.SetGrant(w.set.grants[m.arg])
	case dropGrant:
		b.DropGrant(w.set.grants[m.arg].ID, w.now)
	case reset:
		b.Reset(w.now)
	case accept:
		b.Accept()
	case foldAway:
		w.folded(b.FoldAway(w.now))
		if fault := w.forgetGrants(b); fault != "" {
			return fault
		}
	case retire:
		w.retire(b)
	}
	w.put(0, b)
	return ""
}

// retire ends listening to who was not heard of for a while.
func (w *world) retire(b *Book) {
	for i := range w.folk {
		if p := &w.folk[i]; b.Retire(p.id, w.now-w.set.tick) {
			p.retired, w.truth.counted = true, false
		}
	}
}

// folded keeps what was taken out of a book.
func (w *world) folded(gone []Period) {
	for i := range gone {
		for _, s := range gone[i].Settled {
			w.truth.past = plus(w.truth.past, gone[i].Start, s.Source, s.Vector)
		}
	}
}

// judge declares what a holder is. One that is destroyed really is; so is one that is fenced while the book learns, for
// then nobody knows what it holds.
func (w *world) judge(m move) string {
	b, p := w.read(0), &w.folk[m.who]
	switch m.deed {
	case quarantine:
		b.Quarantine(p.id)
	case fence:
		p.dead = p.dead || b.Learning.Until != 0
		b.Fence(p.id, false)
	case destroy:
		if !w.distrusted(p.id) {
			p.dead = true
			b.Fence(p.id, true)
		}
	}
	w.truth.counted = false
	w.put(0, b)
	return ""
}

// rollback is a log that is restored from a backup, and hubs that find that out.
func (w *world) rollback() string {
	if w.spare == "" {
		return ""
	}
	b := bookOf(w.spare)
	w.truth.unruled = w.truth.unruled || !slices.Equal(b.Calendar, bookOf(w.log).Calendar)
	next := b.Calendar.At(b.Calendar.At(w.now).End).Start
	w.truth.epoch++
	for i := range w.folk {
		w.folk[i].retired = false
	}
	b.Learn(w.truth.epoch, w.ids(), max(w.truth.lasts, next)+1)
	for i := range w.folk {
		p := &w.folk[i]
		if p.dead { // what the operator knows does not stand in the log alone
			b.Fence(p.id, true)
		}
	}
	w.log = string(AppendBook(nil, b))
	for k := range w.hubs {
		w.hubs[k].fresh = false
	}
	forgot := func(p person) bool { return max(accountOf(p.kept).Forgot, accountOf(p.mind).Forgot) >= 0 }
	if len(w.truth.past) > 0 || slices.ContainsFunc(w.folk, forgot) {
		w.truth.counted = false // what was forgotten since the backup was made is lost
	}
	return ""
}
