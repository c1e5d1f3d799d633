package ledger

func foldBugs() []bug {
	const f = "fold.go"
	return []bug{
		{"a vector only grows", f, "line.Vector = line.Max(l.Vector)", "line.Vector = l.Vector"},
		{"what was given back of standing rights stays so", f,
			"h.Standing.Released = max(h.Standing.Released, r.Standing.Released)",
			"h.Standing.Released = r.Standing.Released"},
		{"what was given back of standing rights is noted", f,
			"h.Standing.Released = max(h.Standing.Released, r.Standing.Released)", ""},
		{"an older report makes standing rights no shorter", f, "h.Standing.Until = max(h.Standing.Until, r.Standing.Until)",
			"h.Standing.Until = r.Standing.Until"},
		{"what stood from earlier on is not forgotten with the log", f, "h.stoodEarlier(r.Standing, now)", ""},
		{"what stands is for periods that others told of too", f, "b.mayBegin(h, r)", ""},
		{"who has begun a period has told so", f, "n > 0 && !slices.ContainsFunc(r.Lines, begun) {",
			"n > 0 && begun != nil {"},
		{"what stands for others raises the ledger", f, "l.Granted = max(l.Granted, n)\n\t\t\tb.excuse(p)",
			"l.Granted = max(l.Granted, n)"},
		{"what stood from earlier on is noted once", f, "&& !slices.ContainsFunc(h.Before, known) {", "&& known != nil {"},
		{"what was forgotten is not told again", f, "if l.Span.Start > h.Forgot {\n\t\t\tb.merge",
			"if true {\n\t\t\tb.merge"},
		{"what nobody can tell again is summed", f, "p.sum(l)\n", "_ = l\n"},
		{"an echo is of this epoch", f, "if r.Epoch == b.Epoch {", "if true {"},
		{"a report beyond the book is noticed", f, "if b.Learning.Until == 0 && b.ahead(r) {", "if false {"},
		{"a contradiction is noticed", f, "if err := r.check(); err != nil {", "if err := r.check(); err != nil && false {"},
		{"a contradiction is not forgiven", f, "b.Quarantine(r.Holder)", "b.meet(r.Holder)"},
		{"the fenced are not listened to", f, "h != nil && h.Trust != Trusted {", "h != nil && h.Trust == Quarantined {"},
		{"an echo raises the ledger", f, "if b.Learning.Until != 0 {\n\t\tb.excuse(p)", "if false {\n\t\tb.excuse(p)"},
		{"what is refunded is paid back", f, "c.Units = min(c.Units, over-paid)", "_ = c.Units"},
		{"grants pay for unbacked use", f, "p.pay(s.Source, n)", "_ = n"},
		{"what was folded away of a grant is noted", f,
			"g.Past = add(g.Past, add(p.live(Source{Topup, g.ID}), p.charged(Source{Topup, g.ID})))", "_ = g"},
		{"no grant is forgotten that somebody may still tell of", f,
			"return slices.ContainsFunc(p.Lines, func(l Line) bool { return l.Source == src }) ||", "return false ||"},
		{"no grant is forgotten whose use the book still has", f,
			"slices.ContainsFunc(p.Settled, func(s Settled) bool { return s.Source == src }) ||", "false ||"},
		{"no grant is forgotten while a period is charged to it", f,
			"slices.ContainsFunc(p.Charges, func(c Charge) bool { return c.Source == src })", "false"},
		{"a grant is forgotten only once it was dropped", f, "return g.Amount == 0 && !slices", "return !slices"},
		{"a dropped grant is forgotten", f, "return g.Amount == 0 && !slices", "return false && !slices"},
		{"no grant is forgotten while the book learns", f,
			"if b.Learning.Until != 0 {\n\t\treturn\n", "if false {\n\t\treturn\n"},
		{"nothing is folded away that can be told", f, "|| closed <= keptClosed || len(p.Lines) > 0 {",
			"|| closed <= keptClosed {"},
		{"the last closed periods are kept", f, "|| closed <= keptClosed || len(p.Lines) > 0 {", "|| len(p.Lines) > 0 {"},
		{"what is written off is written off once", f, "h.Forgot = max(h.Forgot, p.Start) // a", "// a"},
		{"nobody has to tell of the fenced", f, "\t\t\tp.settle(h.ID)\n\t\t\th.Forgot", "\t\t\th.Forgot"},
		{"nor when nothing stands for them any more", f, "case h.most(p.End) == 0:", "case false:"},
		{"what stands for the fenced is not forgotten too early", f, "p.settle(h.ID) // what",
			"p.settle(h.ID)\n\t\t\th.Forgot = p.Start // what"},
	}
}

// rollBugs are of what rolls over.
func rollBugs() []bug {
	const f = "fold.go"
	return []bug{
		{"rights in doubt do not roll over", f, "q.Terms.Limit-q.taken()",
			"q.Terms.Limit-q.used(Source{})-q.used(Source{Kind: Unbacked})"},
		{"at most the maximum rolls over", f, "max(p.rolledOut(), min(most, left))",
			"max(p.rolledOut(), left)"},
		{"late use takes back what rolled over", f, "max(p.rolledOut(), min(most, left))",
			"max(p.Rolled, min(most, left))"},
		{"rollover does not roll twice", f, "q.Terms.Limit-q.taken()",
			"q.Terms.Limit+q.Rolled-q.taken()"},
		{"standing rights of a period nobody told of do not roll", f, "left -= b.Holders[j].implied(before)",
			"left -= 0 * b.Holders[j].implied(before)"},
		{"what rolls over is of the plan that was held", f, "case b.Terms.Since >= p.Start:", "case false:"},
		{"a lowered limit bounds what had rolled over", f, "min(p.Rolled, p.Terms.Limit)", "p.Rolled"},
		{"no more rolls over than that plan let", f, "min(most, q.Terms.Rollover), q", "most, q"},
	}
}

func trustBugs() []bug {
	const f = "trust.go"
	return []bug{
		{"who is fenced has used what it held", f, "l.Used += l.Free()", "l.Used += 0"},
		{"what the destroyed held is free", f, "l.Released += l.Free()", "l.Released += 0"},
		{"a fence is not undone by another", f, "if h.gone() {\n", "if false {\n"},
		{"a fence ends learning", f, "b.learnt()\n}\n\nfunc (l *Line) lose", "}\n\nfunc (l *Line) lose"},
		{"every holder of the book is learnt from", f, "!h.gone() && h.Echoed < b.Epoch {",
			"h == nil {"},
		{"every holder known elsewhere is learnt from", f, "if b.Holder(id) == nil {\n\t\t\tout",
			"if b.Holder(id) == nil && false {\n\t\t\tout"},
		{"nobody is retired while the book learns", f, "|| b.Learning.Until != 0 || h.Heard", "|| h.Heard"},
		{"nobody with rights is retired", f, "if p.End > since {", "if false {"},
		{"nobody with standing rights is retired", f, " || h.most(since) > 0 {", " {"},
		{"nobody who was heard of is retired", f, " || h.Heard >= since", ""},
		{"what a retired holder held is in doubt", f, "l.Doubt += l.Free()", "_ = l"},
		{"a learning book has another epoch", f, "b.Epoch = epoch\n", "\n"},
	}
}

func holderBugs() []bug {
	const f, g = "account.go", "take.go"
	return []bug{
		{"an award of an older epoch is refused", g, "if epoch < a.Epoch {", "if false {"},
		{"a new epoch knows nothing yet", g, "a.Entries[i].Known = Vector{}", "_ = i"},
		{"a stale award takes no rights away", g, "e.Granted = max(e.Granted, l.Granted)", "e.Granted = l.Granted"},
		{"a stale award brings no calendar back", g, "if w.Turn >= a.Turn {", "if true {"},
		{"a calendar that is told without an award is followed", g, "a.Calendar = c\n", "_ = c\n"},
		{"an older calendar is not", g, "epoch == a.Epoch && turn >= a.Turn", "epoch == a.Epoch"},
		{"a part of a report leaves out what is known", g,
			"return e.Known.Covers(e.Vector) })\n\t}", "return false })\n\t}"},
		{"a part of a report is not all", g,
			"a.Entries, a.Epoch, a.Standing = a.Entries[:most], 0,", "a.Entries, a.Standing = a.Entries[:most],"},
		{"a part does not tell what was given back", g,
			"a.Standing = a.Entries[:most], 0, Standing{}", "a.Standing = a.Entries[:most], 0, a.Standing"},
		{"what was forgotten was known", g, "e.Known = e.Known.Max(e.Vector)\n", "e.Known = e.Known.Max(Vector{})\n"},
		{"an award of a forgotten period is not taken", g, "if w.Span.Start > a.Forgot {", "if true {"},
		{"periods end as the calendar says", g, "e.Span = a.Calendar.amend(e.Span)", "_ = e"},
		{"use that a holder does not know of is noticed", g, "if !own.Covers(l.Vector) {", "if false {"},
		{"standing rights that a holder gave back unknowingly are noticed", g,
			"if w.Standing.Released > a.Standing.Released {", "if false {"},
		{"standing rights are taken", g, "a.Standing.Granted = max(a.Standing.Granted, w.Standing.Granted)", ""},
		{"a raise is not for periods that have begun", g, "a.Standing.From = max(a.Standing.From, w.Standing.From)", ""},
		{"a raise leaves no period in between without rights", g, "a.bridge(w.Span, w.Standing.From)", ""},
		{"a report tells what was forgotten", g, ", Forgot: a.Forgot}", ", Forgot: -1}"},
		{"a forgotten period is not opened", f, "if s.Start <= a.Forgot || len", "if len"},
		{"nor is what is left of one", f, " || len(a.Calendar) > 0 && a.Calendar.At(s.Start).Start <= a.Forgot {", " {"},
		{"what stands is not spent in two calendars", f, "e.Span.Start < s.End && s.Start < e.Span.End {",
			"e.Span.Start == s.Start {"},
		{"a right is void when its period ends", f, "|| now >= e.Span.End {", "{"},
		{"a right dies with its grant", f, "return a.Lasts(e.Source, now)", "return true"},
		{"a chunk is not spent twice", f, "e.Vector.Free() - e.Reserved - e.Chunk", "e.Vector.Free() - e.Reserved"},
		{"a reservation is not spent by others", f, "e.Vector.Free() - e.Reserved - e.Chunk", "e.Vector.Free() - e.Chunk"},
		{"a crash leaves a chunk in doubt", f, "e.Doubt += e.Chunk", "e.Doubt += 0"},
		{"a period with an open reservation is not forgotten", f, "r.Span.Start == s.Start && !r.Ended }", "false }"},
		{"an open period is not forgotten", f, "Span.End <= before && a.told", "Span.End > 0 && a.told"},
		{"nothing is forgotten that the hub does not have", f, "e.Known.Covers(e.Vector) && ", ""},
		{"holders spend by priority", f, "cmp.Compare(fx.Priority, fy.Priority), ", ""},
		{"all or nothing is consumed", f, "if free := a.Free(s, now); free < q {", "if free := a.Free(s, now); free < 0 {"},
		{"standing rights that are over are given back", f, "if now >= a.Standing.Until {", "if false {"},
		{"void rights are given back", f, "e.Released += e.free()", "_ = e"},
	}
}

func reserveBugs() []bug {
	const f = "reserve.go"
	return []bug{
		{"a reservation is committed once", f, "r.Ended, r.Counted = true, q", "r.Counted = q"},
		{"no more is committed than is reserved", f, "case q > r.Quantity():", "case false:"},
		{"a refund is made once", f, "r.Back = true", "r.Back = false"},
		{"reservations expire", f, "!r.Ended && now >= r.Expires {", "false {"},
		{"a cancelled reservation is free", f, "a.entry(r.Span, p.Source).Reserved -= p.Units", "a.entry(r.Span, p.Source)"},
		{"a commit in part frees the rest", f, "p.Units = min(p.Units, q)", "_ = q"},
	}
}

func calendarBugs() []bug {
	const f, g = "calendar.go", "vector.go"
	return []bug{
		{"what has begun is not rewritten", f, "if r.From = kept.At(now).End; r.From == Forever {",
			"if r.From = now; r.From == Forever {"},
		{"a period ends where the next rule begins", f, "s.End = min(s.End, c[i+1].From)", "_ = s"},
		{"a period begins no earlier than its rule", f, "s.Start = max(s.Start, c[i].From)", "_ = s"},
		{"an anchor does not begin what is for ever anew", f, "if r.at(0).End == Forever && o.at(0).End == Forever {",
			"if false {"},
		{"what began before all that is kept has ended", f, "s.End = min(s.End, c[0].From)", "_ = s"},
		{"a clock before the calendar has a period", f, "c[i].at(max(t, c[i].From))", "c[i].at(t)"},
		{"a reset in the instant a rule begins changes nothing", f, "if again.From >= now {", "if false {"},
		{"a change in the instant of a reset replaces it", f, "if last.From >= r.From {", "if false {"},
		{"of two reports the larger counts", g, "max(v.Refunded, o.Refunded), max(v.Doubt", "o.Refunded, max(v.Doubt"},
		{"doubtful units count as spent", g, "return v.Net() + v.Doubt", "return v.Net()"},
		{"refunds are not billed", g, "return v.Used - v.Refunded", "return v.Used"},
		{"what was given back does not count", g, "return v.Granted - v.Released", "return v.Granted"},
	}
}
