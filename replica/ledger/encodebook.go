package ledger

// ascending tells whether a list is in order, none twice: it is searched by halves.
func ascending[T any](of []T, less func(x, y *T) bool) bool {
	for i := 1; i < len(of); i++ {
		if !less(&of[i-1], &of[i]) {
			return false
		}
	}
	return true
}

// book walks through a book. Its lines name their holders by place, which is what most of a large book would be
// otherwise.
func (c *codec) book(b *Book) {
	c.terms(&b.Terms)
	c.calendar(&b.Calendar)
	list(c, &b.Grants, (*codec).grant)
	list(c, &b.Holders, (*codec).holder)
	c.bad = c.bad || !ascending(b.Holders, func(x, y *Holder) bool { return x.ID.Compare(y.ID) < 0 })
	list(c, &b.Periods, func(c *codec, p *Period) { c.period(p, b) })
	c.bad = c.bad || !ascending(b.Periods, func(x, y *Period) bool { return x.Start < y.Start })
	c.uint(&b.Turn)
	c.uint(&b.Epoch)
	c.int(&b.Learning.Until)
	list(c, &b.Learning.Known, func(c *codec, id *HolderID) { c.fixed(id[:]) })
}

func (c *codec) terms(t *Terms) {
	for _, n := range []*int64{&t.Limit, &t.Overdraft, &t.Rollover} {
		c.int(n)
	}
	c.bool(&t.Soft)
	c.int(&t.Since)
	c.int(&t.Until)
	list(c, &t.Warn, (*codec).int)
	c.uint(&t.Basis)
}

func (c *codec) grant(g *Grant) {
	c.text(&g.ID)
	for _, n := range []*int64{&g.Amount, &g.Peak, &g.Priority, &g.From, &g.Until, &g.Past} {
		c.int(n)
	}
}

func (c *codec) holder(h *Holder) {
	c.fixed(h.ID[:])
	small(c, &h.Trust, Retired+1)
	c.standing(&h.Standing)
	list(c, &h.Before, func(c *codec, t *Tier) {
		c.int(&t.From)
		c.int(&t.To)
		c.int(&t.Rights)
	})
	c.int(&h.Forgot)
	c.uint(&h.Echoed)
	c.int(&h.Heard)
}

func (c *codec) period(p *Period, b *Book) {
	c.span(&p.Span)
	c.terms(&p.Terms)
	c.int(&p.Peak)
	c.int(&p.Rolled)
	list(c, &p.Lines, func(c *codec, l *Line) { c.line(l, b) })
	list(c, &p.Settled, func(c *codec, s *Settled) {
		c.source(&s.Source)
		c.vector(&s.Vector)
	})
	list(c, &p.Charges, func(c *codec, g *Charge) {
		c.source(&g.Source)
		c.int(&g.Units)
	})
	c.int(&p.Warned)
}

func (c *codec) line(l *Line, b *Book) {
	at := uint64(0)
	if !c.reading {
		i, _ := b.findHolder(l.Holder)
		at = uint64(i)
	}
	c.uint(&at)
	if c.reading && at >= uint64(len(b.Holders)) {
		c.bad = true
		return
	}
	if c.reading {
		l.Holder = b.Holders[at].ID
	}
	c.source(&l.Source)
	c.vector(&l.Vector)
}
