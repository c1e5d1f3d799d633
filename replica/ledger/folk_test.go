package ledger

import (
	"fmt"
	"slices"
)

// live is what a holder does by itself.
func (w *world) live(m move) string {
	p := &w.folk[m.who]
	switch m.deed {
	case sync:
		p.sync()
		return ""
	case crash:
		return w.crash(p)
	case fromMemory:
		if p.chunk.used < p.chunk.n {
			p.chunk.used++
		}
		return ""
	case report:
		w.report(m.who, m.arg)
		return ""
	case lag:
		p.lag = m.arg
		p.clock = max(p.clock, w.now-p.lag)
		return ""
	case debit, debitUnbacked, settle:
		return w.chunked(p, m)
	case consume, count:
		return w.spend(p, m)
	case reserve, reserveUnbacked, commit, cancel, refund, tidy:
		return w.reserved(p, m)
	}
	return w.act(p, Vector{}, func(a *Account) *Refusal {
		switch m.deed {
		case adopt:
			a.Adopt(w.truth.epoch)
		case giveBack:
			a.GiveBack(a.Span(w.set.terms[0].rule, p.clock), m.arg, p.clock)
		case giveBackStanding:
			a.GiveBackStanding(m.arg)
		case forget:
			if a.Epoch == w.truth.epoch { // it keeps longer what it has than nobody tells it of a rollback
				a.Forget(p.clock)
			}
		}
		return nil
	})
}

// sync makes durable what a holder has in memory.
func (p *person) sync() { p.kept, p.sure = p.mind, p.true }

// act changes an account. Consumed must be what the caller asked for, no more and no less; by a refusal nothing.
func (w *world) act(p *person, want Vector, f func(*Account) *Refusal) string {
	a, before := accountOf(p.mind), accountOf(p.mind)
	if no := f(a); no != nil {
		want = Vector{}
	}
	var got Vector
	for i := range a.Entries {
		e := &a.Entries[i]
		var was Vector
		if o := before.find(e.Span, e.Source); o != nil {
			was = o.Vector
		}
		d := Vector{Used: e.Used - was.Used, Refunded: e.Refunded - was.Refunded, Doubt: e.Doubt - was.Doubt}
		if d != (Vector{}) {
			p.true = plus(p.true, e.Span.Start, e.Source, d)
		}
		got = got.Plus(d)
	}
	if got != want {
		return fmt.Sprintf("consumed %+v, was asked for %+v", got, want)
	}
	p.mind = string(AppendAccount(nil, a))
	if !w.set.split {
		p.sync()
	}
	return ""
}

// here is the period at a holder's clock, begun.
func (w *world) here(a *Account, p *person) Span {
	s := a.Span(w.set.terms[0].rule, p.clock)
	a.Open(s)
	return s
}

func (w *world) spend(p *person, m move) string {
	return w.act(p, Vector{Used: m.arg}, func(a *Account) *Refusal {
		s := w.here(a, p)
		if m.deed == count {
			return a.Count(s, m.arg)
		}
		return a.Consume(s, m.arg, p.clock)
	})
}

// chunked sets rights aside durably before they are consumed, and settles them after.
func (w *world) chunked(p *person, m move) string {
	c := p.chunk
	if m.deed == settle && c.n == 0 || m.deed != settle && c.n > 0 {
		return ""
	}
	fault := w.act(p, Vector{Used: c.used}, func(a *Account) *Refusal {
		switch m.deed {
		case debit:
			s := w.here(a, p)
			src, n := a.Debit(s, m.arg, p.clock)
			p.chunk = chunk{s, src, n, 0}
		case debitUnbacked:
			s := w.here(a, p)
			a.DebitUnbacked(s, m.arg)
			p.chunk = chunk{s, Source{Kind: Unbacked}, m.arg, 0}
		case settle:
			a.Settled(c.span, c.src, c.n, c.used)
			p.chunk = chunk{}
		}
		return nil
	})
	p.sync()
	return fault
}

// crash loses what is in memory.
func (w *world) crash(p *person) string {
	c := p.chunk
	p.mind, p.true, p.chunk = p.kept, p.sure, chunk{}
	fault := w.act(p, Vector{Doubt: c.n}, func(a *Account) *Refusal {
		a.Recover()
		return nil
	})
	p.sync()
	return fault
}

func (w *world) reserved(p *person, m move) string {
	a := accountOf(p.mind)
	id := fmt.Sprint(m.arg)
	var want Vector
	if r := a.Reservation(id); r != nil && m.deed == commit {
		want.Used = max(0, r.Quantity()-m.arg%2) // now and then not all of it
	} else if r != nil && m.deed == refund {
		want.Refunded = r.Counted
	}
	made := false
	fault := w.act(p, want, func(a *Account) *Refusal {
		switch m.deed {
		case commit:
			return a.Commit(id, want.Used)
		case cancel:
			return a.Cancel(id)
		case refund:
			return a.Refund(id)
		case tidy:
			a.Tidy(p.clock)
			return nil
		}
		r := Reservation{ID: fmt.Sprint(p.named), Span: w.here(a, p), Expires: p.clock + w.set.tick}
		made = true
		if m.deed == reserveUnbacked {
			a.ReserveUnbacked(r, m.arg)
			return nil
		}
		return a.Reserve(r, m.arg, p.clock)
	})
	if made {
		p.named++
	}
	return fault
}

// report sends what is durable, with the ask of a number; 0: with none.
func (w *world) report(who int, arg int64) {
	p := &w.folk[who]
	a := accountOf(p.kept)
	w.post(up(who, a.Report(p.id), w.ask(a, p, arg)))
}

// ask is the ask of a number; 0: none.
func (w *world) ask(a *Account, p *person, arg int64) Ask {
	ask := Ask{Target: -1}
	if i := int(arg) - 1; i >= 0 && i < len(w.set.asks) {
		ask = w.set.asks[i].Ask
		s := a.Span(w.set.terms[0].rule, p.clock)
		if ask.Until *= w.set.tick; s.End != Forever {
			ask.Until += s.End
		}
		if w.set.asks[i].next {
			s = a.Span(w.set.terms[0].rule, s.End)
		}
		ask.Epoch, ask.Period = a.Epoch, s.Start
		w.truth.lasts = max(w.truth.lasts, ask.Until)
	}
	return ask
}

// speak lets every holder report and ask for all that it may, if nobody has to say so.
func (w *world) speak(before []person) {
	for i := range w.folk {
		p := &w.folk[i]
		if !w.set.auto || p.dead || i < len(before) && before[i].kept == p.kept && before[i].clock == p.clock {
			continue
		}
		for n := range w.set.asks {
			w.report(i, int64(n)+1)
		}
	}
}

// told is a holder that gets an award or a confirmation.
func (w *world) told(who int, l letter) string {
	p := &w.folk[who]
	if p.dead {
		return ""
	}
	var no *Refusal
	fault := w.act(p, Vector{}, func(a *Account) *Refusal {
		before := string(AppendAccount(nil, a))
		if l[0] == 'c' {
			c := l.award()
			if no = a.Confirm(c.Epoch, c.Span, c.Lines); no == nil {
				a.Follow(c.Epoch, c.Turn, c.Calendar)
			}
		} else {
			no = a.Take(l.award())
		}
		if no != nil && string(AppendAccount(nil, a)) != before {
			no = refuse("changed", "a refusal changed the account")
		}
		return no
	})
	if no != nil && no.Code != CodeEpoch && w.truth.counted { // one that was fenced finds out
		return fmt.Sprintf("%s: %s", no.Code, no.Why)
	}
	return fault
}

// distrusted tells whether the hubs do not trust a holder.
func (w *world) distrusted(id HolderID) bool {
	b := bookOf(w.log)
	if slices.ContainsFunc(w.folk, func(p person) bool { return p.id == id && p.retired }) {
		return true
	}
	return slices.ContainsFunc(b.Holders, func(h Holder) bool { return h.ID == id && h.Trust != Trusted })
}
