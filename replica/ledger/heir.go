package ledger

// Heir is the account with which a holder goes on under another name. What it consumed and the hub does not have goes
// along as unbacked use, so that it is neither lost nor counted twice; its rights stay behind. If they were written off
// the hub has counted all of them as used, and only unbacked use goes along.
func (a *Account) Heir(writtenOff bool) Account {
	h := Account{Epoch: a.Epoch, Turn: a.Turn, Calendar: a.Calendar, Funds: a.Funds, Forgot: a.Forgot}
	for i := range a.Entries {
		e := &a.Entries[i]
		if writtenOff && e.Source.backed() {
			continue
		}
		used := max(0, e.Net()-e.Known.Net())
		doubt := max(0, e.Vector.Doubt+e.Chunk-e.Known.Doubt)
		if used+doubt > 0 {
			n := h.entry(e.Span, Source{Kind: Unbacked})
			n.Used += used
			n.Doubt += doubt
		}
	}
	for i := range a.Reservations {
		r := &a.Reservations[i]
		switch kept := (Reservation{ID: r.ID, Span: r.Span, Expires: r.Expires}); {
		case r.Ended:
		case writtenOff && r.backed():
			kept.Ended, kept.Counted = true, r.Quantity() // by the hub
			h.Reservations = append(h.Reservations, kept)
		default:
			h.ReserveUnbacked(kept, r.Quantity())
		}
	}
	return h
}

// Concede notes that the hub has a line, as far as an earlier state of the account had it too: what the line has beyond
// that is of somebody else who goes by the same name.
func (a *Account) Concede(earlier *Account, s Span, l Line) {
	if e, was := a.find(s, l.Source), earlier.find(s, l.Source); e != nil && was != nil {
		e.Known = e.Known.Max(l.Vector.min(was.Vector))
	}
}

// Withhold takes out what was consumed and the hub is not known to have, and tells whether there was anything.
func (a *Account) Withhold() bool {
	some := false
	for i := range a.Entries {
		e := &a.Entries[i]
		v := Vector{Granted: e.Granted, Released: e.Released, Used: e.Known.Used, Refunded: e.Known.Refunded,
			Doubt: e.Known.Doubt}
		some = some || v != e.Vector
		e.Vector = v
	}
	return some
}
