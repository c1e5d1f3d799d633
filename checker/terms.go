package checker

// Terms are what the consumption of a metered feature is counted against at a moment.
type Terms struct {
	Limit     int64 // of the period, grants not included
	Overdraft int64
	Rollover  int64 // how much of what is left moves into the next period
	Soft      bool  // no consumption is refused for its quantity: soft, unlimited or advisory
	Unlimited bool
	Chunked   bool // every counted allowance may be counted in pre-debited pieces
	Per       Per  // Never where no allowance has a period
	Anchored  bool
	Anchor    int64   // unix milliseconds; counts if Anchored
	Since     int64   // unix milliseconds: since when one of the counted subscriptions gives what it gives; 0: none is
	Until     int64   // unix milliseconds: when a subscription changes by itself next; 0: none will
	Warn      []int64 // percentages of the limit that are worth telling, in order: those of all counted allowances
}

// Counted answers the terms at now. It is false where Decide denies whatever the quantity: nothing is counted against a
// customer that does not hold the feature.
func Counted(h *Held, ask *Ask, now int64) (Terms, bool) {
	c := CountOf(h, ask, now)
	out, ok := c.Terms()
	if ok {
		out.Until = c.t.nextChange()
	}
	return out, ok
}

// A Count is Decide for those who count, in two steps: what is used is known only once it is known in which period, and
// that is among the terms.
type Count struct {
	t        tally
	d        Decision
	l        limits
	advisory bool
}

// CountOf begins a count at now (unix milliseconds). What it is given must stay as it is, but for the use.
func CountOf(h *Held, ask *Ask, now int64) Count { return Count{t: tally{held: h, ask: ask, now: now}} }

// Terms is the first step: what Counted answers, without Until. It is false where nothing is counted: ask Decide why.
func (c *Count) Terms() (Terms, bool) {
	t, h := &c.t, c.t.held
	c.d.Type = Metered
	if h.Record == nil || h.Feature == nil || h.Feature.Type != Metered || t.gather(Metered) != Undecided {
		return Terms{}, false
	}
	v := verdict{d: &c.d}
	l := t.combineLimits(&v)
	c.l, c.advisory = l, v.advisory
	out := Terms{Limit: c.d.Limit, Overdraft: l.overdraft, Unlimited: c.d.Unlimited, Per: l.longest,
		Anchored: l.anchored,
		Soft:     l.soft || c.d.Unlimited || v.advisory || h.Feature.Advisory}
	if out.Anchored {
		out.Anchor = l.anchor
	}
	if out.Per == NoPer {
		out.Per = Never
	}
	t.nuances(&out, l.longest)
	return out, true
}

// Decide is the second step, with Held.Use as it is now: what the function of that name answers.
func (c *Count) Decide() Decision {
	t, v := &c.t, verdict{d: &c.d, advisory: c.advisory}
	if !t.lead.set && !t.held.Use.GrantActive { // the only grant has ended since
		deny(v.d, NotEntitled)
	} else {
		t.overrun(&v, &c.l)
		t.conclude(&v)
	}
	t.finish(v.d)
	return c.d
}

// nuances are what only those want to know who count.
func (t *tally) nuances(out *Terms, longest Per) {
	out.Chunked = true
	some := false // of the allowances says how it is counted
	var w walk
	for p := t.each(&w); p != nil; p = t.each(&w) {
		if since := max(p.startsAt, p.phase.from); out.Since == 0 || since < out.Since {
			out.Since = since
		}
		if own := p.own(); own != nil && t.kept(p, longest) {
			out.Chunked, some = out.Chunked && own.Chunked, true
			out.Rollover = satAdd(out.Rollover, own.Rollover)
			out.Warn = own.Warn.join(out.Warn)
		}
	}
	out.Chunked = out.Chunked && some
}

// nextChange is the first time after now at which any subscription becomes another one by itself; 0: none does.
func (t *tally) nextChange() int64 {
	next := int64(0)
	sooner := func(at int64) {
		if at > t.now && (next == 0 || at < next) {
			next = at
		}
	}
	_, _, _, subs := t.held.Record.header()
	subs.uvarint()
	for len(subs.b) > 0 && !subs.bad {
		var p part
		t.read(subs.bytes(), &p)
		sooner(p.startsAt)
		sooner(p.phase.trialEndsAt)
		sooner(p.phase.endsAt)
		sooner(satAdd(p.phase.endsAt, p.phase.grace))
		if later := (reader{b: p.phases}); len(p.phases) > 0 {
			sooner(phaseFromOf(later.bytes()))
		}
	}
	return next
}
