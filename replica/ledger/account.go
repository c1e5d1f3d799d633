package ledger

import (
	"cmp"
	"slices"
	"sort"
)

// An Entry is what a holder has of one source in one period.
type Entry struct {
	Span   Span
	Source Source
	Vector
	Known    Vector // what the hub is known to have in its book
	Reserved int64  // of the free rights, those set aside. Unbacked: nothing is set aside, reservations only remember
	Chunk    int64  // pre-debited: being consumed from memory, and not counted yet
}

// free is how many rights can be spent now.
func (e *Entry) free() int64 { return e.Vector.Free() - e.Reserved - e.Chunk }

// An Account is what one holder has of one customer and one feature. Whoever changes it makes it durable before the
// change has any effect outside.
type Account struct {
	Epoch        uint64
	Calendar     Calendar // as the hub told; empty: it has not
	Standing     Standing
	Funds        []Fund
	Entries      []Entry // by start, within a period in no order
	Reservations []Reservation
	Forgot       int64  // no entry of a period that began up to here is left, and none will come
	Turn         uint64 // of the book, when Calendar and Funds were told
}

// NewAccount has nothing.
func NewAccount() Account { return Account{Forgot: -1} }

// IsBlank tells whether there is nothing that a hub could be told.
func (a *Account) IsBlank() bool {
	return len(a.Entries) == 0 && len(a.Reservations) == 0 && a.Standing == (Standing{}) && a.Forgot < 0
}

// Span is the period at a time, by the hub's calendar, or by a rule that the caller found in the documents as long as
// the hub has told none. The caller's time never goes back.
func (a *Account) Span(r Rule, now int64) Span {
	var s Span
	if len(a.Calendar) > 0 {
		s = a.Calendar.At(now)
	} else {
		s = r.at(now)
	}
	s.Start = max(s.Start, a.Forgot+1) // another calendar's period must not be one that is not reported any more
	return s
}

// Open begins a period with the rights that stand for it. It does nothing if the period has begun, or was forgotten: by
// a clock that was set back, what is left of a forgotten period is none of its own.
func (a *Account) Open(s Span) {
	for i := range a.Entries {
		// A period that overlaps another one is of another calendar: what stands is not spent in both.
		if e := &a.Entries[i]; e.Source.backed() && e.Span.Start < s.End && s.Start < e.Span.End {
			return
		}
	}
	if s.Start <= a.Forgot || len(a.Calendar) > 0 && a.Calendar.At(s.Start).Start <= a.Forgot {
		return
	}
	if n := a.Standing.of(s.Start); n > 0 {
		a.entry(s, Source{}).Granted = n
	}
}

// bounds are where the entries of a period begin and end, or would.
func (a *Account) bounds(s Span) (from, to int) {
	from = sort.Search(len(a.Entries), func(i int) bool { return a.Entries[i].Span.Start >= s.Start })
	for to = from; to < len(a.Entries) && a.Entries[to].Span.Start == s.Start; to++ {
	}
	return from, to
}

// of lists the entries of a period.
func (a *Account) of(s Span) []Entry {
	from, to := a.bounds(s)
	return a.Entries[from:to]
}

// entry finds or adds an entry. Pointers to others are stale after it.
func (a *Account) entry(s Span, src Source) *Entry {
	if e := a.find(s, src); e != nil {
		return e
	}
	_, at := a.bounds(s)
	a.Entries = slices.Insert(a.Entries, at, Entry{Span: s, Source: src})
	return &a.Entries[at]
}

// Free is how many rights of a period can be spent at a time.
func (a *Account) Free(s Span, now int64) int64 {
	sum := int64(0)
	own := a.of(s)
	for i := range own {
		if e := &own[i]; a.valid(e, now) {
			sum += e.free()
		}
	}
	return sum
}

// Granted is how many rights of a period were ever granted.
func (a *Account) Granted(s Span) int64 {
	sum := int64(0)
	for _, e := range a.of(s) {
		sum += e.Granted
	}
	return sum
}

// Used is what was consumed in a period by this holder, doubtful units and what is being consumed included.
func (a *Account) Used(s Span) int64 {
	sum := int64(0)
	for _, e := range a.of(s) {
		sum += e.Spent() + e.Chunk
	}
	return sum
}

// Known is what of a period's consumption the hub is known to have.
func (a *Account) Known(s Span) int64 {
	sum := int64(0)
	for _, e := range a.of(s) {
		sum += e.Known.Spent()
	}
	return sum
}

// Untold is what of a source was consumed in a period beyond what the hub is known to have, and what is set aside.
func (a *Account) Untold(s Span, src Source) (used, reserved int64) {
	e := a.find(s, src)
	if e == nil {
		return 0, 0
	}
	return max(0, e.Spent()+e.Chunk-e.Known.Spent()), e.Reserved
}

// valid tells whether an entry has rights that may be spent at a time.
func (a *Account) valid(e *Entry, now int64) bool {
	if !e.Source.backed() || now >= e.Span.End {
		return false
	}
	return a.Lasts(e.Source, now)
}

// Lasts tells whether a source has not ended before its period does.
func (a *Account) Lasts(src Source, now int64) bool {
	return src.Kind != Topup || now < a.fund(src.Grant).Until
}

// fund is what is known of a grant; of one that is not known any more no right is valid.
func (a *Account) fund(grant string) Fund {
	for _, f := range a.Funds {
		if f.Grant == grant {
			return f
		}
	}
	return Fund{Grant: grant, Priority: OwnPriority}
}

// spendable lists the entries of a period with rights to spend, in the order in which they are spent.
func (a *Account) spendable(s Span, now int64) []*Entry {
	var list []*Entry
	own := a.of(s)
	for i := range own {
		if e := &own[i]; a.valid(e, now) && e.free() > 0 {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(x, y *Entry) int { return a.before(x, y) })
	return list
}

func (a *Account) before(x, y *Entry) int {
	fx, fy := a.worth(x), a.worth(y)
	return cmp.Or(cmp.Compare(fx.Priority, fy.Priority), cmp.Compare(fx.Until, fy.Until),
		cmp.Compare(y.Source.Kind, x.Source.Kind))
}

func (a *Account) worth(e *Entry) Fund {
	if e.Source.Kind == Topup {
		return a.fund(e.Source.Grant)
	}
	return Fund{Priority: OwnPriority, Until: e.Span.End}
}

// take goes through rights to spend, and calls each with how many to spend of an entry. All or nothing.
func (a *Account) take(s Span, q, now int64, each func(*Entry, int64)) *Refusal {
	if free := a.Free(s, now); free < q {
		return refuse(CodeShort, "%d rights are held here, %d are needed", free, q)
	}
	for _, e := range a.spendable(s, now) {
		n := min(q, e.free())
		each(e, n)
		q -= n
	}
	return nil
}

// Consume spends q rights of a period.
func (a *Account) Consume(s Span, q, now int64) *Refusal {
	return a.take(s, q, now, func(e *Entry, n int64) { e.Used += n })
}

// Count notes consumption that needs no rights.
func (a *Account) Count(s Span, q int64) *Refusal {
	if q > a.Countable(s) {
		return refuse(CodeTooMany, "more than %d units cannot be counted in one period", MaxUnits)
	}
	a.entry(s, Source{Kind: Unbacked}).Used += q
	return nil
}

// Countable is how many units more can be counted that need no rights.
func (a *Account) Countable(s Span) int64 {
	e := a.entry(s, Source{Kind: Unbacked})
	return MaxUnits - e.Used - e.Chunk
}

// Debit sets up to q rights of one source aside, to be consumed from memory. It answers how many, and of which source.
// Until Settled they count as spent, and if the process dies they are in doubt.
func (a *Account) Debit(s Span, q, now int64) (Source, int64) {
	list := a.spendable(s, now)
	if len(list) == 0 {
		return Source{}, 0
	}
	n := min(q, list[0].free())
	list[0].Chunk += n
	return list[0].Source, n
}

// DebitUnbacked is Debit for consumption that needs no rights: it answers how many can still be counted.
func (a *Account) DebitUnbacked(s Span, q int64) int64 {
	n := max(0, min(q, a.Countable(s)))
	a.entry(s, Source{Kind: Unbacked}).Chunk += n
	return n
}

// Settled ends n units of a chunk, of which some were consumed.
func (a *Account) Settled(s Span, src Source, n, used int64) {
	e := a.entry(s, src)
	e.Chunk -= n
	e.Used += used
}

// Chunk is how much of a source is being consumed from memory.
func (a *Account) Chunk(s Span, src Source) int64 {
	if e := a.find(s, src); e != nil {
		return e.Chunk
	}
	return 0
}

// Recover is called when the process starts: what of a chunk was consumed before it died is not known. Like the others
// that clean up it tells whether it changed anything.
func (a *Account) Recover() bool {
	changed := false
	for i := range a.Entries {
		e := &a.Entries[i]
		changed = changed || e.Chunk > 0
		e.Doubt += e.Chunk
		e.Chunk = 0
	}
	return changed
}

// GiveBack releases the rights of a period that are free beyond keep, the last to be spent first.
func (a *Account) GiveBack(s Span, keep, now int64) int64 {
	list := a.spendable(s, now)
	over := max(0, a.Free(s, now)-keep)
	given := int64(0)
	for i := len(list) - 1; i >= 0 && over > given; i-- {
		n := min(over-given, list[i].free())
		list[i].Released += n
		given += n
	}
	return given
}

// GiveBackStanding releases standing rights beyond keep, for periods that have not begun here.
func (a *Account) GiveBackStanding(keep int64) bool {
	over := max(0, a.Standing.Granted-a.Standing.Released-keep)
	a.Standing.Released += over
	return over > 0
}

// Tidy releases what is void: rights of periods that ended and of grants that expired, standing rights that are over,
// for they count until they are given back, and reservations that ran out.
func (a *Account) Tidy(now int64) bool {
	changed := a.Expire(now)
	if now >= a.Standing.Until {
		changed = a.GiveBackStanding(0) || changed
	}
	for i := range a.Entries {
		if e := &a.Entries[i]; e.Source.backed() && !a.valid(e, now) && e.free() > 0 {
			e.Released += e.free()
			changed = true
		}
	}
	return changed
}

func (a *Account) find(s Span, src Source) *Entry {
	own := a.of(s)
	for i := range own {
		if own[i].Source == src {
			return &own[i]
		}
	}
	return nil
}

// Forget drops the periods that ended up to a time, as far as the hub is known to have all of them in its book. What is
// kept is what a hub that lost its log can learn again.
func (a *Account) Forget(before int64) bool {
	gone := 0
	for gone < len(a.Entries) && a.Entries[gone].Span.End <= before && a.told(a.Entries[gone].Span) {
		a.Forgot = a.Entries[gone].Span.Start
		_, gone = a.bounds(a.Entries[gone].Span)
	}
	a.Entries = slices.Delete(a.Entries, 0, gone)
	return gone > 0
}

// told tells whether nothing can change in a period any more, and the hub knows all of it.
func (a *Account) told(s Span) bool {
	return !slices.ContainsFunc(a.of(s), func(e Entry) bool { return !e.done() }) &&
		!slices.ContainsFunc(a.Reservations, func(r Reservation) bool { return r.Span.Start == s.Start && !r.Ended })
}

// done tells whether nothing can change in an entry any more, and the hub knows.
func (e *Entry) done() bool {
	return e.Reserved == 0 && e.Chunk == 0 && e.Known.Covers(e.Vector) && (!e.Source.backed() || e.Vector.Free() == 0)
}
