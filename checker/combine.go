package checker

// limits is what the counted subscriptions add up to.
type limits struct {
	longest   Per   // of the own allowances; metered features only
	anchor    int64 // unix milliseconds
	anchored  bool
	overdraft int64
	soft      bool
}

// kept tells whether a subscription's own allowance counts beside one with a longer period.
func (t *tally) kept(p *part, longest Per) bool {
	own := p.own()
	return own != nil && (t.held.Feature.Type != Metered || own.Per == longest)
}

// longest is the longest period of the counted own allowances.
func (t *tally) longest() Per {
	per := NoPer
	if t.held.Feature.Type != Metered {
		return per
	}
	var w walk
	for p := t.each(&w); p != nil; p = t.each(&w) {
		if own := p.own(); own != nil {
			per = max(per, own.Per)
		}
	}
	return per
}

// combineLimits is step 5 for metered features, pools and seats.
func (t *tally) combineLimits(v *verdict) limits {
	l := limits{longest: t.longest()}
	first := true
	var w walk
	for p := t.each(&w); p != nil; p = t.each(&w) {
		kept := t.kept(p, l.longest)
		own := p.own()
		t.addLimit(v.d, p.limit(kept))
		v.d.Unlimited = v.d.Unlimited || p.added.Unlimited || own != nil && own.Unlimited
		l.take(&p.added)
		v.advisory = v.advisory || p.added.Advisory
		if !kept {
			continue
		}
		l.take(own)
		v.advisory = v.advisory || own.Advisory
		if first || p.startsAt < l.anchor {
			l.anchor, l.anchored, first = p.startsAt, own.Anchored, false
		}
	}
	return l
}

func (t *tally) addLimit(d *Decision, limit int64) {
	if t.held.Feature.StackMax {
		d.Limit = max(d.Limit, limit)
		return
	}
	d.Limit = satAdd(d.Limit, limit)
}

// take adds what an allowance says beside its limit.
func (l *limits) take(a *Allowance) {
	l.overdraft = max(l.overdraft, a.Overdraft)
	l.soft = l.soft || a.Soft
}

// overrun adds grants and what was left of the period before, and is step 8.
func (t *tally) overrun(v *verdict, l *limits) {
	d, use := v.d, &t.held.Use
	d.Grants = satAdd(max(0, use.GrantLeft), max(0, use.Rolled))
	if d.ResetsAt = use.ResetsAt; d.ResetsAt == 0 {
		_, d.ResetsAt = PeriodEnd(l.longest, l.anchored, l.anchor, t.now)
	}
	if d.Unlimited {
		return
	}
	room := satAdd(d.Limit, d.Grants)
	switch {
	case t.fits(room):
	case t.fits(satAdd(room, l.overdraft)):
		v.allowed = Overdraft
	case l.soft:
		v.allowed = Overage
	default:
		v.reason = LimitReached
	}
}

// A values goes through the values that counted subscriptions and their add-ons hold, in order of subscription id.
type values struct {
	w      walk
	at     int // index in tally.parts of the subscription being looked at
	addons reader
	own    bool // the own allowance has not been looked at
}

// next answers a value and the allowance that it stands in; nil at the end.
func (s *values) next(t *tally) *Allowance {
	for {
		if s.own {
			s.own = false
			if own := t.parts[s.at].own(); own != nil && !own.Value.IsZero() {
				return own
			}
		}
		for len(s.addons.b) > 0 {
			addon := t.held.World.Addon(AddonID(s.addons.uvarint()))
			if s.addons.uvarint() == 0 || addon == nil {
				continue
			}
			if a := addon.Of(t.held.Feature.ID); a != nil && !a.Value.IsZero() {
				return a
			}
		}
		p := t.each(&s.w)
		if p == nil {
			return nil
		}
		s.at, s.addons, s.own = s.w.next-1, reader{b: p.phase.addons}, true
	}
}

// A choice is the value that won so far and who holds it.
type choice struct {
	value    Value
	startsAt int64
	plan     *Plan
	replaced bool // it stands in an override
}

// combineValues is step 5 and 6 for config features.
func (t *tally) combineValues(v *verdict) {
	f := t.held.Feature
	var best choice
	numbers, lists, count := true, true, 0
	var s values
	for a := s.next(t); a != nil; a = s.next(t) {
		p := &t.parts[s.at]
		c := choice{a.Value, p.startsAt, p.plan, a == &p.override}
		numbers = numbers && c.value.kind == numberValue
		lists = lists && c.value.kind == listValue
		v.advisory = v.advisory || a.Advisory
		if count++; count == 1 || f.Ordered && f.Values != nil && c.over(&best, c.value.rank, best.value.rank) {
			best = c
		}
	}
	switch {
	case f.isSet() || lists && f.Values == nil && count > 1:
		if count > 1 || best.replaced || best.value.kind != listValue {
			best.value = t.union()
		}
	case f.Values != nil:
		t.lead.plan = best.plan
	default:
		if count > 1 {
			best = t.winner(numbers)
		}
		t.lead.plan = best.plan
	}
	v.d.Value = best.value.json
	if !t.ask.Value.IsZero() && !f.covers(best.value, t.ask.Value) {
		v.reason = ValueNotCovered
	}
}

// over tells whether c beats b: by rank, then by the earlier start. Equal ones leave the smaller id, seen first.
func (c *choice) over(b *choice, rank, than int32) bool {
	return rank > than || rank == than && c.startsAt < b.startsAt
}

// winner is the largest number, or else the value of the latest start.
func (t *tally) winner(numbers bool) choice {
	var best choice
	first := true
	var s values
	for a := s.next(t); a != nil; a = s.next(t) {
		p := &t.parts[s.at]
		c := choice{value: a.Value, startsAt: p.startsAt, plan: p.plan}
		beats := c.startsAt > best.startsAt
		if numbers {
			beats = c.value.num > best.value.num || c.value.num == best.value.num && c.startsAt < best.startsAt
		}
		if first || beats {
			best, first = c, false
		}
	}
	return best
}

// union puts the members of all held sets together in Ask.Scratch: in the order of the feature's values, or as they
// come where it has none.
func (t *tally) union() Value {
	f := t.held.Feature
	out := append(t.ask.Scratch[:0:cap(t.ask.Scratch)], '[')
	for _, member := range f.valuesJSON {
		var s values
		for a := s.next(t); a != nil; a = s.next(t) {
			if a.Value.has(member) {
				out = appendItem(out, member)
				break
			}
		}
	}
	if f.Values == nil {
		out = t.unionOfLists(out)
	}
	return Value{kind: listValue, json: append(out, ']')}
}

func (t *tally) unionOfLists(out []byte) []byte {
	var s values
	for a := s.next(t); a != nil; a = s.next(t) {
		for item, rest := nextItem(a.Value.json); item != nil; item, rest = nextItem(rest) {
			so := Value{kind: listValue, json: append(out, ']')}
			if !so.has(item) {
				out = appendItem(out, item)
			}
		}
	}
	return out
}
