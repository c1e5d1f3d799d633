package ledger

import "slices"

// Totals are what every sidecar is told of one customer and one feature: all that is used of the open period, and what
// of it each holder has told, so that a holder can put what it knows better in the place of its own share.
type Totals struct {
	Epoch    uint64
	Turn     uint64
	Calendar Calendar
	Span     Span
	Used     int64 // what counts against the limit, doubtful units included
	Out      int64 // rights that are held and not known to be spent
	Rolled   int64 // what of the period before may be used besides
	Grants   []Balance
	Shares   []Share
	At       int64 // when they were made
	Short    bool  // somebody was refused rights that others hold: who does not need them gives them back
}

// A Balance is what a grant adds to the limit of the open period.
type Balance struct {
	Grant       string
	From, Until int64
	Room        int64 // while it is active: its amount without what other periods hold and spent
	Here        int64 // once it is not: what this period spent of it
}

// Active tells whether what is left of it counts at a time.
func (g *Balance) Active(now int64) bool { return g.From <= now && now < g.Until }

// A Share is what of the totals is one holder's.
type Share struct {
	Holder HolderID
	Used   int64
	Out    int64
}

// Totals sums the period at now up. Nobody needs to have used anything in it.
func (b *Book) Totals(now int64) Totals {
	t := Totals{Epoch: b.Epoch, Turn: b.Turn, Calendar: b.Calendar, Span: b.Calendar.At(now), At: now}
	p := b.period(t.Span.Start)
	if p == nil || p.Terms.Rollover > 0 {
		open := *b
		open.Periods = slices.Clone(b.Periods)
		p = open.open(t.Span, now)
	}
	t.Rolled = p.Rolled
	t.share(b, p.Lines)
	for i := range p.Settled {
		t.Used = add(t.Used, p.Settled[i].Spent())
	}
	for i := range b.Grants {
		t.Grants = append(t.Grants, b.balance(&b.Grants[i], p))
	}
	return t
}

// share adds lines to the sums and to their holders' shares.
func (t *Totals) share(b *Book, lines []Line) {
	if len(lines) == 0 {
		return
	}
	t.Shares = make([]Share, 0, min(len(lines), len(b.Holders)))
	at := make([]int32, len(b.Holders)) // where a holder's share is, counted from 1; 0: it has none yet
	for i := range lines {
		l, out := &lines[i], int64(0)
		if l.Source.backed() {
			out = l.Free()
		}
		t.Used, t.Out = add(t.Used, l.Spent()), add(t.Out, out)
		h, _ := b.findHolder(l.Holder)
		if at[h] == 0 {
			t.Shares = append(t.Shares, Share{Holder: l.Holder})
			at[h] = int32(len(t.Shares))
		}
		s := &t.Shares[at[h]-1]
		s.Used, s.Out = s.Used+l.Spent(), s.Out+out
	}
}

func (b *Book) balance(g *Grant, p *Period) Balance {
	src := Source{Topup, g.ID}
	live, spent := p.live(src)+p.charged(src), p.used(src)+p.charged(src)
	room := max(spent, g.Amount-(b.grantLive(g)-live)) // it paid what was spent, though it was made smaller since
	return Balance{Grant: g.ID, From: g.From, Until: g.Until, Room: room, Here: spent}
}

// Worth is what grants add to the limit of a period: what is left of those that are active, and what the period spent
// of the others; and when the last of the active ones ends: Forever if one does not, 0 if none is active. If the totals
// are of another period nobody has told yet what this one spent.
func (t *Totals) Worth(s Span, now int64) (units, ends int64) {
	for i := range t.Grants {
		g := t.Grants[i]
		if s.Start != t.Span.Start {
			g.Room, g.Here = max(0, g.Room-g.Here), 0
		}
		if g.Active(now) {
			units, ends = add(units, g.Room), max(ends, g.Until)
			continue
		}
		units = add(units, g.Here)
	}
	return units, ends
}

// Others is what other holders than one used, and what they hold and have not told to be spent. If the one's share is
// not told apart it is in that: it has none, or it is not listened to any more and summed up with the rest.
func (t *Totals) Others(id HolderID) (used, out int64, isApart bool) {
	for i := range t.Shares {
		if s := &t.Shares[i]; s.Holder == id {
			return t.Used - s.Used, t.Out - s.Out, true
		}
	}
	return t.Used, t.Out, false
}

// A Usage is what became of one period, for people and bills.
type Usage struct {
	Span    Span
	Used    int64 // billed
	Paid    int64 // of it, by what rolled over and grants
	Overage int64 // of it, beyond them and the limit
	Limit   int64
	Doubt   int64 // units that may have been used: chunks that a crash cut off, and rights of holders that are silent
}

// Usage sums a period up. Rights that are held count as doubtful once the period has ended.
func (p *Period) Usage(now int64) Usage {
	u := Usage{Span: p.Span, Limit: p.Terms.Limit}
	held := int64(0)
	each := func(src Source, v Vector) {
		u.Used, u.Doubt = add(u.Used, v.Net()), add(u.Doubt, v.Doubt)
		if src.Kind == Rollover || src.Kind == Topup {
			u.Paid = add(u.Paid, v.Net())
		}
		if src.backed() {
			held = add(held, v.Free())
		}
	}
	for i := range p.Lines {
		each(p.Lines[i].Source, p.Lines[i].Vector)
	}
	for i := range p.Settled {
		each(p.Settled[i].Source, p.Settled[i].Vector)
	}
	for _, c := range p.Charges {
		u.Paid = add(u.Paid, c.Units)
	}
	u.Overage = max(0, u.Used-u.Paid-p.Terms.Limit)
	if p.End <= now {
		u.Doubt = add(u.Doubt, held)
	}
	return u
}

// AppendTotals appends the encoding of totals to dst.
func AppendTotals(dst []byte, t *Totals) []byte {
	version := byte(1)
	if t.Short {
		version = totalsVersion
	}
	return write(dst, version, t, (*codec).totals)
}

// DecodeTotals reads totals.
func DecodeTotals(data []byte) (*Totals, error) { return read(data, totalsVersion, (*codec).totals) }

func (c *codec) totals(t *Totals) {
	c.uint(&t.Epoch)
	c.uint(&t.Turn)
	c.calendar(&t.Calendar)
	c.span(&t.Span)
	for _, n := range []*int64{&t.Used, &t.Out, &t.Rolled, &t.At} {
		c.int(n)
	}
	list(c, &t.Grants, func(c *codec, g *Balance) {
		c.text(&g.Grant)
		for _, n := range []*int64{&g.From, &g.Until, &g.Room, &g.Here} {
			c.int(n)
		}
	})
	list(c, &t.Shares, func(c *codec, s *Share) {
		c.fixed(s.Holder[:])
		c.int(&s.Used)
		c.int(&s.Out)
	})
	if c.version >= 2 {
		c.bool(&t.Short)
	}
}
