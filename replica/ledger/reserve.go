package ledger

import (
	"fmt"
	"slices"
)

// A Reservation is rights set aside for a while by the holder that keeps them; only it can settle them.
type Reservation struct {
	ID      string
	Span    Span
	Parts   []Part // in the order in which they are spent
	Expires int64
	Ended   bool // committed, cancelled or expired; kept so that it is not settled twice, and can be refunded
	Counted int64
	Back    bool // refunded
}

// A Part is how many rights of one source are set aside, or after a commit were consumed.
type Part struct {
	Source Source
	Units  int64
}

// Quantity is how much is set aside.
func (r *Reservation) Quantity() int64 {
	sum := int64(0)
	for _, p := range r.Parts {
		sum += p.Units
	}
	return sum
}

// WrittenOff tells whether its units were counted by the hub, because the holder was fenced.
func (r *Reservation) WrittenOff() bool { return r.Quantity() < r.Counted }

// backed tells whether rights are set aside.
func (r *Reservation) backed() bool {
	return slices.ContainsFunc(r.Parts, func(p Part) bool { return p.Source.backed() })
}

// Reserve sets q rights of r.Span aside.
func (a *Account) Reserve(r Reservation, q, now int64) *Refusal {
	no := a.take(r.Span, q, now, func(e *Entry, n int64) {
		e.Reserved += n
		r.Parts = append(r.Parts, Part{e.Source, n})
	})
	if no == nil {
		a.Reservations = append(a.Reservations, r)
	}
	return no
}

// ReserveUnbacked remembers what may be committed of a feature whose consumption needs no rights.
func (a *Account) ReserveUnbacked(r Reservation, q int64) {
	a.entry(r.Span, Source{Kind: Unbacked})
	r.Parts = []Part{{Source{Kind: Unbacked}, q}}
	a.Reservations = append(a.Reservations, r)
}

// Reserved is how many rights of a period are set aside.
func (a *Account) Reserved(s Span) (sum int64) {
	for _, e := range a.of(s) {
		sum += e.Reserved
	}
	return sum
}

// Reservation finds one; nil if there is none, or it is so old that it was forgotten.
func (a *Account) Reservation(id string) *Reservation {
	i := slices.IndexFunc(a.Reservations, func(r Reservation) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &a.Reservations[i]
}

// Unsettled is how many reservations have not ended.
func (a *Account) Unsettled() int {
	n := 0
	for i := range a.Reservations {
		if !a.Reservations[i].Ended {
			n++
		}
	}
	return n
}

// unsettled finds a reservation that can be settled.
func (a *Account) unsettled(id string) (*Reservation, *Refusal) {
	r := a.Reservation(id)
	switch {
	case r == nil:
		return nil, refuse(CodeUnknown, "there is no such reservation here")
	case r.Ended:
		return nil, refuse(CodeSettled, "the reservation was settled, or ran out")
	}
	return r, nil
}

// Commit consumes q of what is reserved, and lets the rest go. It counts in the period of the reservation.
func (a *Account) Commit(id string, q int64) *Refusal {
	r, no := a.unsettled(id)
	switch {
	case no != nil:
		return no
	case q > r.Quantity():
		return refuse(CodeTooMany, "%d are reserved, not %d", r.Quantity(), q)
	}
	if e := a.find(r.Span, Source{Kind: Unbacked}); e != nil && q > MaxUnits-e.Used-e.Chunk {
		return refuse(CodeTooMany, "more than %d units cannot be counted in one period", MaxUnits)
	}
	r.Ended, r.Counted = true, q
	for i := range r.Parts {
		p := &r.Parts[i]
		e := a.entry(r.Span, p.Source)
		if p.Source.backed() {
			e.Reserved -= p.Units
		}
		p.Units = min(p.Units, q)
		e.Used += p.Units
		q -= p.Units
	}
	return nil
}

// Cancel lets a reservation go.
func (a *Account) Cancel(id string) *Refusal {
	r, no := a.unsettled(id)
	if no == nil {
		a.free(r)
	}
	return no
}

// free ends a reservation without consumption.
func (a *Account) free(r *Reservation) {
	r.Ended = true
	for i := range r.Parts {
		p := &r.Parts[i]
		if p.Source.backed() {
			a.entry(r.Span, p.Source).Reserved -= p.Units
		}
		p.Units = 0
	}
}

// Refund takes back what a reservation consumed, once, while its period lasts here.
func (a *Account) Refund(id string) *Refusal {
	r := a.Reservation(id)
	switch {
	case r == nil || r.Span.Start <= a.Forgot:
		return refuse(CodeUnknown, "there is no such reservation here")
	case !r.Ended || r.Back || r.Counted == 0 || r.WrittenOff():
		return refuse(CodeSettled, "nothing of the reservation was consumed that is not refunded")
	}
	r.Back = true
	for _, p := range r.Parts {
		a.entry(r.Span, p.Source).Refunded += p.Units
	}
	return nil
}

// mostEnded is how many ended reservations are kept: all of them are written with each change of the account, which
// has to stay small, also where its period never ends.
const mostEnded = 256

// Expire ends the reservations whose time is over, and forgets those whose period was forgotten, and the oldest ended
// ones beyond mostEnded.
func (a *Account) Expire(now int64) bool {
	changed, count, over := false, len(a.Reservations), -mostEnded
	for i := range a.Reservations {
		r := &a.Reservations[i]
		if !r.Ended && now >= r.Expires {
			a.free(r)
			changed = true
		}
		if r.Ended {
			over++
		}
	}
	a.Reservations = slices.DeleteFunc(a.Reservations, func(r Reservation) bool {
		if r.Ended {
			over--
		}
		return r.Ended && (over >= 0 || r.Span.Start <= a.Forgot)
	})
	return changed || len(a.Reservations) < count
}

// checkReserved holds what is set aside against the reservations.
func (a *Account) checkReserved() error {
	type key struct {
		start int64
		src   Source
	}
	want := map[key]int64{}
	for i := range a.Reservations {
		r := &a.Reservations[i]
		for _, p := range r.Parts {
			if !r.Ended && p.Source.backed() {
				want[key{r.Span.Start, p.Source}] += p.Units
			}
		}
	}
	for i := range a.Entries {
		e := &a.Entries[i]
		if got := want[key{e.Span.Start, e.Source}]; got != e.Reserved {
			return fmt.Errorf("period %d: %d are set aside, reservations have %d", e.Span.Start, e.Reserved, got)
		}
	}
	return nil
}
