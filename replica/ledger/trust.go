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
	if h.Trust == WrittenOff || h.Trust == Destroyed {
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

// learnt ends learning once every holder has told what it has or is fenced, and tells whether it is over.
func (b *Book) learnt() bool {
	if b.Learning.Until == 0 {
		return true
	}
	for i := range b.Holders {
		h := &b.Holders[i]
		if h.Trust <= Quarantined && h.Echoed < b.Epoch {
			return false
		}
	}
	for _, id := range b.Learning.Known {
		if b.Holder(id) == nil {
			return false
		}
	}
	b.Learning = Learning{}
	return true
}

// Retire drops holders that have nothing in the book any more and have not been heard of since a time. The caller
// refuses what they report from then on.
func (b *Book) Retire(before int64) {
	if b.Learning.Until != 0 {
		return // nobody knows yet what they have
	}
	b.Holders = slices.DeleteFunc(b.Holders, func(h Holder) bool {
		return h.Heard < before && h.Standing.Until < before && !b.concerns(h.ID)
	})
}

func (b *Book) concerns(id HolderID) bool {
	for i := range b.Periods {
		if slices.ContainsFunc(b.Periods[i].Lines, func(l Line) bool { return l.Holder == id }) {
			return true
		}
	}
	return false
}
