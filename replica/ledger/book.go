package ledger

import (
	"cmp"
	"slices"
)

// Terms are what rights are granted against. They stand in the book itself, because a document elsewhere may be stale.
type Terms struct {
	Limit     int64   // units in a period, at least 0
	Overdraft int64   // units beyond it that may be consumed, flagged
	Rollover  int64   // how much of what is left moves into the next period; 0: nothing
	Soft      bool    // consumption needs no rights: a soft or unlimited limit, or advice
	Since     int64   // when the customer first had the feature; nothing rolls over from before
	Until     int64   // when these terms change by themselves, as far as is known; no standing right lasts longer
	Warn      []int64 // percentages of the limit that are to be told, in order, none twice
	Basis     uint64  // revision of the documents that they were read from
}

// ceiling is how many rights on the allowance there may be.
func (t Terms) ceiling() int64 { return add(t.Limit, t.Overdraft) }

// A Grant is a balance that is spent once, across periods.
type Grant struct {
	ID       string
	Amount   int64 // 0: it was dropped, and is kept for what refers to it; see ForgetGrants
	Peak     int64 // the largest amount that was ever right
	Priority int64 // lower is spent first; the period's own allowance has OwnPriority
	From     int64
	Until    int64 // Forever: it does not expire
	Past     int64 // spent in periods that the book has folded away
}

// Active tells whether rights on it may be granted or spent at a time.
func (g Grant) Active(now int64) bool { return g.From <= now && now < g.Until }

// OwnPriority is the priority of the period's own allowance, and of a grant that names none.
const OwnPriority = 100

// Standing is what a holder may spend of the allowance in every period that it has not heard of: those that begin at
// From or later and before Until.
type Standing struct {
	Granted  int64
	Released int64 // Invariant: Released <= Granted
	From     int64
	Until    int64
}

// of is how many rights a period begins with.
func (s Standing) of(start int64) int64 {
	if start < s.From || start >= s.Until {
		return 0
	}
	return s.Granted - s.Released
}

// Trust is how a holder stands.
type Trust uint8

// The ways a holder can stand.
const (
	Trusted Trust = iota
	Quarantined
	WrittenOff // fenced; what it held counts as used
	Destroyed  // fenced; what it held is free again
	Retired    // silent for long; what it held of periods that ended is in doubt
)

// A Holder is what the book knows of one holder beside its lines.
type Holder struct {
	ID       HolderID
	Trust    Trust
	Standing Standing
	Before   []Tier // what stood before the last change of Standing, for periods that nobody told of
	Forgot   int64  // periods that began up to here will never be reported again
	Echoed   uint64 // the epoch under which it last told all that it has
	Heard    int64  // when it last reported
}

// A Tier is standing rights of the past: this many in each period that began from From to before To.
type Tier struct{ From, To, Rights int64 }

// implied is how many rights a holder may have on the allowance of a period that it has not told of.
func (h *Holder) implied(start int64) int64 {
	if h.Trust == Destroyed || start <= h.Forgot {
		return 0
	}
	rights := h.Standing.of(start)
	for _, t := range h.Before {
		if start >= t.From && start < t.To {
			rights = max(rights, t.Rights)
		}
	}
	return rights
}

// A Line is one vector in a period.
type Line struct {
	Holder HolderID
	Source Source
	Vector
}

// A Charge is what a source pays of a period's use beyond its limit, where no right on it was asked for.
type Charge struct {
	Source Source
	Units  int64
}

// A Settled is the sum of lines that nobody can report again.
type Settled struct {
	Source Source
	Vector
}

// A Period is what happened in one period.
type Period struct {
	Span
	Terms   Terms // while it is open: those in force; after: the last that were
	Peak    int64 // the most rights on the allowance that were right at some time
	Rolled  int64 // what of the period before may be spent here
	Lines   []Line
	Settled []Settled
	Charges []Charge
	Warned  int64 // the highest rung that was told; see Mark
}

// A Book is what the hub knows of one customer and one feature.
type Book struct {
	Terms    Terms
	Calendar Calendar
	Grants   []Grant  // by ID
	Holders  []Holder // by ID
	Periods  []Period // by Start
	Turn     uint64   // how often terms, calendar or grants were changed
	Epoch    uint64   // of the log that the book is in; it grows when the log may have lost something
	Learning Learning
}

// Learning is what the book does after its log may have lost something.
type Learning struct {
	Until int64 // no rights are granted in periods that begin before this while a holder has not echoed; 0: none was lost
	Known []HolderID
}

// period finds a period by its start; nil if the book has none.
func (b *Book) period(start int64) *Period {
	i, ok := slices.BinarySearchFunc(b.Periods, start, func(p Period, s int64) int { return cmp.Compare(p.Start, s) })
	if !ok {
		return nil
	}
	return &b.Periods[i]
}

// open finds or begins a period, with what stands for every holder. Pointers to other periods are stale after it.
func (b *Book) open(s Span, now int64) *Period {
	i, ok := slices.BinarySearchFunc(b.Periods, s.Start, func(p Period, t int64) int { return cmp.Compare(p.Start, t) })
	if ok {
		b.roll(i, now)
		return &b.Periods[i]
	}
	p := Period{Span: b.Calendar.amend(s), Terms: b.Terms}
	for j := range b.Holders {
		h := &b.Holders[j]
		if n := h.implied(s.Start); n > 0 {
			p.Lines = append(p.Lines, h.standingLine(n))
		}
	}
	b.Periods = slices.Insert(b.Periods, i, p)
	q := &b.Periods[i]
	q.Peak = max(b.Terms.ceiling(), q.live(Source{Kind: Allowance}))
	b.roll(i, now)
	return q
}

// standingLine is what a holder begins a period with. One that was written off has used it already, and of one that was
// retired nobody will know.
func (h *Holder) standingLine(n int64) Line {
	l := Line{Holder: h.ID, Vector: Vector{Granted: n}}
	switch h.Trust {
	case WrittenOff:
		l.Used = n
	case Retired:
		l.Doubt = n
	}
	return l
}

// line finds or adds a holder's line.
func (p *Period) line(id HolderID, src Source) *Line {
	for i := range p.Lines {
		if p.Lines[i].Holder == id && p.Lines[i].Source == src {
			return &p.Lines[i]
		}
	}
	p.Lines = append(p.Lines, Line{Holder: id, Source: src})
	return &p.Lines[len(p.Lines)-1]
}

// live is how many rights on a source count as spent; of unbacked use, the use.
func (p *Period) live(src Source) int64 {
	sum := int64(0)
	for i := range p.Lines {
		if p.Lines[i].Source == src {
			sum = add(sum, p.Lines[i].counted())
		}
	}
	for i := range p.Settled {
		if p.Settled[i].Source == src {
			sum = add(sum, p.Settled[i].Spent())
		}
	}
	return sum
}

// counted is what a line takes of its source.
func (l *Line) counted() int64 {
	if l.Source.backed() {
		return l.Live()
	}
	return l.Spent()
}

// taken is what counts against the limit of a period: rights on its allowance, and unbacked use.
func (p *Period) taken() int64 {
	return add(p.live(Source{Kind: Allowance}), p.live(Source{Kind: Unbacked}))
}

// spent goes through what was consumed, doubtful units included, and on which source.
func (p *Period) spent(yield func(*Source, int64) bool) {
	for i := range p.Lines {
		if l := &p.Lines[i]; !yield(&l.Source, l.Spent()) {
			return
		}
	}
	for i := range p.Settled {
		if s := &p.Settled[i]; !yield(&s.Source, s.Spent()) {
			return
		}
	}
}

// used is what was consumed on a source.
func (p *Period) used(src Source) int64 {
	sum := int64(0)
	for of, n := range p.spent {
		if *of == src {
			sum = add(sum, n)
		}
	}
	return sum
}

// total is what was consumed on the allowance and on nothing, in one pass: each report that is folded asks.
func (p *Period) total() int64 {
	sum := int64(0)
	for of, n := range p.spent {
		if of.Kind == Allowance || of.Kind == Unbacked {
			sum = add(sum, n)
		}
	}
	return sum
}

// Holder finds a holder; nil if the book does not know it.
func (b *Book) Holder(id HolderID) *Holder {
	i, ok := b.findHolder(id)
	if !ok {
		return nil
	}
	return &b.Holders[i]
}

func (b *Book) findHolder(id HolderID) (int, bool) {
	low, high := 0, len(b.Holders)
	for low < high {
		switch mid := (low + high) / 2; id.Compare(b.Holders[mid].ID) {
		case 0:
			return mid, true
		case 1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// meet finds or adds a holder.
func (b *Book) meet(id HolderID) *Holder {
	i, ok := b.findHolder(id)
	if !ok {
		b.Holders = slices.Insert(b.Holders, i, Holder{ID: id, Forgot: -1})
	}
	return &b.Holders[i]
}

// SetTerms puts terms in force from now on.
func (b *Book) SetTerms(t Terms, r Rule, now int64) {
	b.Turn++
	b.Terms = t
	b.Calendar = b.Calendar.Change(r, now)
	b.respan(now)
	for i := range b.Periods {
		if p := &b.Periods[i]; p.End > now {
			p.Terms, p.Peak = t, max(p.Peak, t.ceiling())
			b.charge(p, now)
		}
	}
}

// Reset ends the period at now, so that what was used counts no more.
func (b *Book) Reset(now int64) {
	b.Turn++
	b.Calendar = b.Calendar.Reset(now)
	b.respan(now)
}

// respan lets periods that have not ended end when the calendar says: one may have been opened before its time, and
// then have become another one.
func (b *Book) respan(now int64) {
	for i := range b.Periods {
		if p := &b.Periods[i]; p.End > now {
			p.Span = b.Calendar.amend(p.Span)
		}
	}
}

// SetGrant adds a grant or changes one. Less than is spent or held already takes nothing back.
func (b *Book) SetGrant(g Grant) {
	b.Turn++
	g.Peak = max(g.Peak, g.Amount)
	for i := range b.Grants {
		if old := &b.Grants[i]; old.ID == g.ID {
			g.Past, g.Peak = old.Past, max(old.Peak, g.Amount)
			*old = g
			return
		}
	}
	g.Peak = max(g.Peak, b.grantLive(&g)) // a log that was lost had it, and rights on it were told since
	b.Grants = append(b.Grants, g)
	slices.SortFunc(b.Grants, func(x, y Grant) int { return cmp.Compare(x.ID, y.ID) })
}

// DropGrant ends a grant. What is spent stays spent, and is spent of it still should it be set again before it is
// forgotten; rights on it that are held are void from now.
func (b *Book) DropGrant(id string, now int64) {
	b.Turn++
	for i := range b.Grants {
		if g := &b.Grants[i]; g.ID == id {
			g.Amount, g.Until = 0, min(g.Until, now)
		}
	}
}
