package ledger

import "slices"

// Quarantine stops trusting a holder. Its rights stay out: they end with their periods, or when it is fenced.
func (b *Book) Quarantine(id HolderID) {
	if h := b.meet(id); h.Trust == Trusted {
		h.Trust = Quarantined
	}
}

// Fence declares a holder lost: its later reports are refused. What it held counts as used; if it was destroyed, it is
// free again, which is the one way in which a limit can be exceeded, should the holder turn up after all.
func (b *Book) Fence(id HolderID, destroyed bool) {
	h := b.meet(id)
	if h.gone() {
		return
	}
	h.Trust = WrittenOff
	if destroyed {
		h.Trust = Destroyed
	}
	for i := range b.Periods {
		p := &b.Periods[i]
		for j := range p.Lines {
			if l := &p.Lines[j]; l.Holder == id && l.Source.backed() {
				l.lose(destroyed)
			}
		}
	}
	b.learnt()
}

func (l *Line) lose(destroyed bool) {
	if destroyed {
		l.Released += l.Free()
		return
	}
	l.Used += l.Free()
}

// Learn is called when the log may have lost something, with the next epoch, all holders that are known from
// elsewhere, and a time after which no standing right can last that the book does not know of.
func (b *Book) Learn(epoch uint64, known []HolderID, until int64) {
	b.Epoch = epoch
	b.Learning = Learning{Until: until, Known: slices.Clone(known)}
	b.learnt()
}

// Accept ends learning though holders are missing: the operator answers for what they may hold.
func (b *Book) Accept() { b.Learning = Learning{} }

// Awaits lists the holders that a book that learns has to hear of before it grants.
func (b *Book) Awaits() []HolderID {
	var out []HolderID
	if b.Learning.Until == 0 {
		return nil
	}
	for i := range b.Holders {
		if h := &b.Holders[i]; !h.gone() && h.Echoed < b.Epoch {
			out = append(out, h.ID)
		}
	}
	for _, id := range b.Learning.Known {
		if b.Holder(id) == nil {
			out = append(out, id)
		}
	}
	return out
}

// Unaccounted is how many rights of the open period the book may grant as far as it knows: while it learns, so many may
// have been granted before and be forgotten.
func (b *Book) Unaccounted(now int64) int64 {
	limit, taken := b.Terms.ceiling(), int64(0)
	if p := b.period(b.Calendar.At(now).Start); p != nil {
		limit, taken = p.Terms.ceiling(), p.taken()
	}
	return max(0, limit-taken)
}

// learnt ends learning once every holder has told what it has or is fenced.
func (b *Book) learnt() {
	if len(b.Awaits()) == 0 {
		b.Learning = Learning{}
	}
}

// Retire ends listening to a holder that has been silent since a time: what it held of periods that had ended by then
// is in doubt. It changes nothing, and answers false, while the holder may still spend rights, or the book learns.
func (b *Book) Retire(id HolderID, since int64) bool {
	h := b.Holder(id)
	if h == nil || h.gone() || b.Learning.Until != 0 || h.Heard >= since || h.most(since) > 0 {
		return false
	}
	var void []*Line
	for i := range b.Periods {
		p := &b.Periods[i]
		for j := range p.Lines {
			l := &p.Lines[j]
			if l.Holder != id || !l.Source.backed() || l.Free() == 0 {
				continue
			}
			if p.End > since {
				return false
			}
			void = append(void, l)
		}
	}
	for _, l := range void {
		l.Doubt += l.Free()
	}
	h.Trust = Retired
	return true
}

// gone tells whether a holder is not listened to any more, for good.
func (h *Holder) gone() bool { return h.Trust > Quarantined }
