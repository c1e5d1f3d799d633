package ledger

import "slices"

// bugs are all of them. None changes nothing: that was found out by looking for a test that notices.
func bugs() []bug {
	return slices.Concat(grantBugs(), standingBugs(), bookBugs(), foldBugs(), rollBugs(), trustBugs(),
		holderBugs(), reserveBugs(), calendarBugs())
}

func grantBugs() []bug {
	const f = "grant.go"
	return []bug{
		{"rights are granted as far as there are any", f, "n := min(missing, src.room)", "n := missing"},
		{"a target is absolute", f, "missing -= l.Granted", "missing -= 0"},
		{"an ask of another epoch is refused", f, "if a.Epoch != b.Epoch {", "if false {"},
		{"nothing is granted while the book learns", f, "if span.Start < b.Learning.Until {", "if false {"},
		{"new periods do not learn", f, "if span.Start < b.Learning.Until {", "if b.Learning.Until != 0 {"},
		{"nothing is granted beyond the terms", f, "if max(now, span.Start) >= b.Terms.Until {", "if false {"},
		{"rollover is not granted while the book learns", f, "if now < p.Start || b.Learning.Until != 0 {",
			"if now < p.Start {"},
		{"rollover is not granted before its period", f, "if now < p.Start || b.Learning.Until != 0 {",
			"if b.Learning.Until != 0 {"},
		{"nothing is granted in a forgotten period", f, "if span.Start <= b.Holder(a.Holder).Forgot {", "if false {"},
		{"a grant of a lost log may have been larger", "book.go", "g.Peak = max(g.Peak, b.grantLive(&g)) // a", "// a"},
		{"grants are not granted while the book learns", f, "b.Learning.Until == 0 && g.Active", "g.Active"},
		{"a grant that is over gives nothing", f, "&& g.Active(max(now, p.Start)) ", ""},
		{"what rolled over is not granted in the period before", f, "left -= next.rolledOut()", "left -= 0"},
		{"a grant that paid leaves the overdraft", f, "left += c.Units", "left += 0 * c.Units"},
		{"overdraft stays within the limit", f, ", p.Terms.ceiling()-p.live(own))", ")"},
		{"overdraft counts what is taken", f, "min(p.Terms.Overdraft, add(left, p.Terms.Overdraft), ",
			"min(p.Terms.Overdraft, "},
		{"grants go by priority", f, "cmp.Compare(x.priority, y.priority), ", ""},
		{"of one priority, what ends first", f, "cmp.Compare(x.until, y.until), ", ""},
		{"of one end, the oldest", f, ", cmp.Compare(x.from, y.from))", ")"},
		{"overdraft comes last", f, "return append(list, spring{Source: own, room: max(0, over)})",
			"return append([]spring{{Source: own, room: max(0, over)}}, list...)"},
		{"a grant is spent once over all periods", f, "for i := range b.Periods {\n\t\tp := &b.Periods[i]\n\t\tsum",
			"for i := range b.Periods[len(b.Periods)-1:] {\n\t\tp := &b.Periods[i]\n\t\tsum"},
		{"what was folded away of a grant stays spent", f, "sum := g.Past", "sum := int64(0)"},
		{"what a grant paid is spent", f, "sum = add(sum, add(p.live(Source{Topup, g.ID}), p.charged(Source{Topup, g.ID})))",
			"sum = add(sum, p.live(Source{Topup, g.ID}))"},
	}
}

func standingBugs() []bug {
	const f = "grant.go"
	return []bug{
		{"nothing stands beyond the terms", f, "until := min(a.Until, b.Terms.Until)", "until := a.Until"},
		{"standing rights of all are within the limit", f, "room -= o.most(from)", "room -= 0 * o.most(from)"},
		{"standing rights that ended are granted anew", f, "room < max(n, h.most(from))", "room < h.most(from)"},
		{"what stands is part of what may stand", f, "room-n))", "room))"},
		{"a repeated ask is given the same", f, "room-n))", "room-max(n, h.most(from))))"},
		{"beyond a lowered limit nothing is made longer", f, "if room < max(n, h.most(from)) || n+more", "if n+more"},
		{"standing rights begin after what has begun", f, "end = max(end, p.End)", "end = open.Start"},
		{"what stands already may reach what was opened far ahead", f, "max(until, b.Holder(a.Holder).Standing.Until)",
			"until"},
		{"a period far ahead is not waited for", f, "open.Start <= p.Start && start < until {",
			"open.Start <= p.Start && start < Forever {"},
		{"nothing stands in a period of which the rest has rolled over", f, "if p.rolledOut() > 0 {", "if false {"},
		{"what stood before is remembered", f, "h.Before = append(h.Before, Tier{s.From, min(from, s.Until), n})",
			"h.Before = nil"},
		{"a raise counts from the next period on", f, "s.From, s.Until = from, max(", "s.From, s.Until = s.From, max("},
		{"what stands for the destroyed is free", f, "if h.Trust == Destroyed {\n\t\treturn 0", "if false {\n\t\treturn 0"},
		{"what was given back of standing rights is free", f, "n = h.Standing.Granted - h.Standing.Released",
			"n = h.Standing.Granted"},
		{"what stood before keeps its place", f, "n = max(n, t.Rights)", "n = max(n, 0*t.Rights)"},
		{"standing rights are asked for by absolute target", f, "min(min(a.Standing, MaxUnits)-s.Granted, room-n)",
			"min(a.Standing, room-n)"},
	}
}

func bookBugs() []bug {
	const f = "book.go"
	return []bug{
		{"rights that are held count as spent", f, "return l.Live()", "return l.Spent()"},
		{"unbacked use counts against the limit", f,
			"return add(p.live(Source{Kind: Allowance}), p.live(Source{Kind: Unbacked}))",
			"return p.live(Source{Kind: Allowance})"},
		{"nothing stands in what was forgotten", f, "if h.Trust == Destroyed || start <= h.Forgot {",
			"if h.Trust == Destroyed {"},
		{"nothing stands for the destroyed", f, "if h.Trust == Destroyed || start <= h.Forgot {", "if start <= h.Forgot {"},
		{"a period that nobody told of has what stood then", f, "rights = max(rights, t.Rights)",
			"rights = max(rights, 0*t.Rights)"},
		{"a period begins with what stands", f, "p.Lines = append(p.Lines, h.standingLine(n))", "_ = h.standingLine(n)"},
		{"who is written off has used what stands", f, "case WrittenOff:\n\t\tl.Used = n",
			"case WrittenOff:\n\t\tl.Used = 0"},
		{"terms are in force at once", f, "p.Terms, p.Peak = t, max(p.Peak, t.ceiling())",
			"p.Peak = max(p.Peak, t.ceiling())"},
		{"a calendar that changes ends periods elsewhere", f, "b.respan(now)\n\tfor", "for"},
		{"a reset ends the period", f, "b.Calendar = b.Calendar.Reset(now)\n\tb.respan(now)",
			"b.Calendar = b.Calendar.Reset(now)"},
		{"a late period ends as the calendar says", f, "Period{Span: b.Calendar.amend(s), ", "Period{Span: s, "},
		{"a changed grant stays spent", f, "g.Past, g.Peak = old.Past, ", "g.Past, g.Peak = 0, "},
		{"rights on a dropped grant are void", f, "g.Amount, g.Until = 0, min(g.Until, now)", "g.Amount = 0"},
		{"standing rights end", f, "if start < s.From || start >= s.Until {", "if start < s.From {"},
		{"standing rights begin", f, "if start < s.From || start >= s.Until {", "if start >= s.Until {"},
	}
}
