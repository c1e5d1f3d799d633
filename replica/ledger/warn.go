package ledger

// A Mark is something that is worth telling once use has reached it.
type Mark struct {
	Kind    MarkKind
	Percent int64 // of what may be used; of a Threshold only
}

// MarkKind is what a mark stands for.
type MarkKind uint8

// The marks there are, in the order in which use reaches them.
const (
	Threshold MarkKind = iota // one of Terms.Warn
	Full                      // all that may be used is used
	Over                      // more is used than that
)

// The rungs of the ladder that Period.Warned stands on: twice the percentage, so that Over has a place of its own.
const (
	fullRung = 200
	overRung = 201
)

// warnedPeriod is how long a period must be, in milliseconds, for Full and Over to be told though nobody asked for a
// warning: a limit by the minute is reached all the time.
const warnedPeriod = 24 * 3_600_000

// A Gauge is how full a period is.
type Gauge struct {
	Used   int64 // what counts against the limit, doubtful units included
	Limit  int64 // of the terms
	Rolled int64
	Grants int64 // what active grants add
}

// May is all that may be used.
func (g Gauge) May() int64 { return add(add(g.Limit, g.Rolled), g.Grants) }

// rung is the highest one that use has reached. Of nothing there are no percentages.
func (g Gauge) rung() int64 {
	may := g.May()
	if may == 0 {
		return min(g.Used, 1) * overRung
	}
	n := 2 * (100 * g.Used / may)
	if g.Used > may {
		n = max(n, overRung)
	}
	return n
}

// Gauge reads the open period of totals that were made of the book just now.
func (b *Book) Gauge(t *Totals) Gauge {
	g := Gauge{Used: t.Used, Limit: b.Terms.Limit, Rolled: t.Rolled}
	for i := range t.Grants {
		x := &t.Grants[i]
		if x.From <= t.At && t.At < x.Until {
			g.Grants = add(g.Grants, x.Room)
			continue
		}
		g.Grants = add(g.Grants, x.Here)
	}
	return g
}

// Warn answers which marks the use of the open period has newly reached, the lowest first, and remembers them, so that
// each is answered once in a period. The totals are those of the book as it is. Use that goes down, because some was
// taken back, makes nothing new.
func (b *Book) Warn(t *Totals) []Mark {
	p := b.period(t.Span.Start)
	if p == nil || t.Used == 0 || b.Terms.Limit >= MaxUnits {
		return nil
	}
	if len(b.Terms.Warn) == 0 && (t.Used < b.Terms.Limit || p.End-p.Start < warnedPeriod) {
		return nil
	}
	g := b.Gauge(t)
	reached, told := g.rung(), p.Warned
	var out []Mark
	for _, m := range b.marks(g.May()) {
		if rung := m.rung(); rung > told && rung <= reached {
			out = append(out, m)
			p.Warned = rung
		}
	}
	return out
}

// marks are all that there are while so much may be used, the lowest first.
func (b *Book) marks(may int64) []Mark {
	if may == 0 {
		return []Mark{{Kind: Over}}
	}
	var out []Mark
	over := false
	for _, percent := range b.Terms.Warn {
		if percent > 100 && !over {
			out, over = append(out, Mark{Kind: Full}, Mark{Kind: Over}), true
		}
		out = append(out, Mark{Threshold, percent})
	}
	if !over {
		out = append(out, Mark{Kind: Full}, Mark{Kind: Over})
	}
	return out
}

func (m Mark) rung() int64 {
	switch m.Kind {
	case Full:
		return fullRung
	case Over:
		return overRung
	}
	return 2 * m.Percent
}

// Rearm forgets the marks that use no longer reaches, after terms or grants have changed: who was given more is warned
// anew.
func (b *Book) Rearm(now int64) {
	p := b.period(b.Calendar.At(now).Start)
	if p == nil || p.Warned == 0 {
		return
	}
	t := b.Totals(now)
	p.Warned = min(p.Warned, b.Gauge(&t).rung())
}
