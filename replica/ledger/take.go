package ledger

import "slices"

// Report is what the hub has to know.
func (a *Account) Report(id HolderID) Report {
	r := Report{Holder: id, Epoch: a.Epoch, Standing: a.Standing, Forgot: a.Forgot}
	for i := range a.Entries {
		e := &a.Entries[i]
		r.Lines = append(r.Lines, Reported{e.Span, e.Source, e.Vector})
	}
	return r
}

// Abridge leaves out, for a report, what the hub is known to have, and of the rest what is more than most entries, the
// newest; it does nothing if all are no more. It tells whether the rest is not all: such a report is of no epoch, and
// says nothing of standing rights, for what was given back must not be heard before what was used of them.
func (a *Account) Abridge(most int) bool {
	if len(a.Entries) > most {
		a.Entries = slices.DeleteFunc(a.Entries, func(e Entry) bool { return e.Known.Covers(e.Vector) })
	}
	if len(a.Entries) <= most {
		return false
	}
	a.Entries, a.Epoch, a.Standing = a.Entries[:most], 0, Standing{}
	return true
}

// Take adopts an award. Refused are awards of a history that was replaced, and those that show that this account was
// restored from a backup: then it may not be used any more.
func (a *Account) Take(w Award) *Refusal {
	if no := a.contradicts(w.Epoch, w.Span, w.Lines); no != nil {
		return no
	}
	if w.Standing.Released > a.Standing.Released {
		return refuse(CodeRestored, "the hub knows of standing rights given back that are not known here")
	}
	a.Adopt(w.Epoch)
	if w.Turn >= a.Turn {
		a.Turn, a.Calendar, a.Funds = w.Turn, w.Calendar, w.Funds
		a.respan()
	}
	for _, l := range w.Lines {
		if w.Span.Start > a.Forgot {
			e := a.entry(a.Calendar.amend(w.Span), l.Source)
			e.Granted = max(e.Granted, l.Granted)
		}
	}
	a.know(w.Span, w.Lines)
	if w.Standing.From > a.Standing.From {
		a.bridge(w.Span, w.Standing.From)
	}
	a.Standing.Granted = max(a.Standing.Granted, w.Standing.Granted)
	a.Standing.From = max(a.Standing.From, w.Standing.From)
	a.Standing.Until = max(a.Standing.Until, w.Standing.Until)
	return nil
}

// Follow goes by the calendar of a book that is no older than what is known of it. Turn stays: of the grants that the
// book has in that turn nothing is known here.
func (a *Account) Follow(epoch, turn uint64, c Calendar) {
	if len(c) > 0 && (epoch > a.Epoch || epoch == a.Epoch && turn >= a.Turn) {
		a.Calendar = c
		a.respan()
	}
}

// mostBridged is how many periods are begun at most because standing rights were raised.
const mostBridged = 4

// bridge begins the periods around an award's in which rights stand that the raise no longer speaks of.
func (a *Account) bridge(s Span, from int64) {
	t := s.Start - 1
	for range mostBridged {
		s = a.Calendar.At(t)
		if s.Start >= from || s.End <= t {
			return
		}
		a.Open(s)
		t = s.End
	}
}

// Adopt begins another epoch: from now on nothing is taken that an older one granted, and so the next report tells all
// that was. What the hub was known to know it may have lost.
func (a *Account) Adopt(epoch uint64) {
	if epoch <= a.Epoch {
		return
	}
	a.Epoch, a.Turn = epoch, 0
	for i := range a.Entries {
		a.Entries[i].Known = Vector{}
	}
}

// respan lets periods end when the calendar says, which may have changed after a period was begun early.
func (a *Account) respan() {
	for i := range a.Entries {
		e := &a.Entries[i]
		e.Span = a.Calendar.amend(e.Span)
	}
}

// Confirm notes what the hub has in its book of a period, in an epoch.
func (a *Account) Confirm(epoch uint64, s Span, lines []Line) *Refusal {
	if no := a.contradicts(epoch, s, lines); no != nil {
		return no
	}
	a.know(s, lines)
	return nil
}

// contradicts tells why what a hub says of this holder cannot be.
func (a *Account) contradicts(epoch uint64, s Span, lines []Line) *Refusal {
	if epoch < a.Epoch {
		return refuse(CodeEpoch, "the message is of epoch %d, this holder is in %d", epoch, a.Epoch)
	}
	for _, l := range lines {
		if s.Start <= a.Forgot {
			continue
		}
		var own Vector
		if e := a.find(s, l.Source); e != nil {
			own = e.Vector
		}
		own.Granted = max(own.Granted, l.Granted)
		if !own.Covers(l.Vector) {
			return refuse(CodeRestored, "the hub knows more of this holder than it does itself")
		}
	}
	return nil
}

// Recall notes what the hub was known to have when the account was in a later state, which was not made durable.
func (a *Account) Recall(later *Account) {
	a.Adopt(later.Epoch)
	for i := range a.Entries {
		if e := &a.Entries[i]; e.Span.Start <= later.Forgot { // for the hub had it
			e.Known = e.Known.Max(e.Vector)
		}
	}
	for i := range later.Entries {
		l := &later.Entries[i]
		if e := a.find(l.Span, l.Source); e != nil {
			e.Known = e.Known.Max(l.Known.min(e.Vector))
		}
	}
}

func (a *Account) know(s Span, lines []Line) {
	for _, l := range lines {
		if e := a.find(s, l.Source); e != nil {
			e.Known = e.Known.Max(l.Vector)
		}
	}
}
