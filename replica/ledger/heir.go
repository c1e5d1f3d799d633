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
	for _, r := range a.Reservations {
		if !r.Ended {
			h.ReserveUnbacked(Reservation{ID: r.ID, Span: r.Span, Expires: r.Expires}, r.Quantity())
		}
	}
	return h
}

// Concede notes what the hub has even where it is more than this holder knows of.
func (a *Account) Concede(s Span, l Line) {
	if e := a.find(s, l.Source); e != nil {
		e.Known = e.Known.Max(l.Vector)
	}
}
