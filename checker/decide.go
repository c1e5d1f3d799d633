package checker

import "math"

// stateOrder is in which order the states of subscriptions speak when none is live.
var stateOrder = [...]Reason{Suspended, EnvironmentNotAllowed, VersionNotCovered, DeviceNotActivated, TrialExpired,
	Expired, Cancelled, NotStarted}

// cached is how many mentioning subscriptions a tally keeps; those beyond are read again when they are needed.
const cached = 2

// A tally is one decision in the making.
type tally struct {
	held    *Held
	ask     *Ask
	now     int64
	parts   [cached + 1]part // the first mentioning subscriptions; the last is room for those beyond
	count   int              // parts in use, room not counted
	beyond  reader           // subscriptions not looked at yet
	states  uint32           // by Reason: states that mentioning subscriptions show
	pretend bool             // the feature is advisory and no subscription is live: all count as if they were
	settled bool             // walks leave out what does not count
	solid   bool             // a counted subscription is not on a base plan
	plain   bool             // a counted one is plainly live
	grace   bool             // a counted one is in grace
	lasting bool             // a counted one is not a trial
	state   Reason           // what speaks where no mentioning subscription is live; Undecided: one is
	lead    leader
}

// A leader is the subscription that a decision names.
type leader struct {
	startsAt int64
	plan     *Plan
	set      bool
}

// Decide answers an ask at now (unix milliseconds) by the order of rules in the package's DESIGN.md.
func Decide(h *Held, ask *Ask, now int64) (d Decision) {
	switch {
	case h.Record == nil:
		d.Reason = UnknownCustomer
	case h.Feature == nil:
		d.Reason = UnknownFeature
	default:
		d.Type = h.Feature.Type
		t := tally{held: h, ask: ask, now: now}
		t.decide(&d)
		t.finish(&d)
	}
	return d
}

// decide is steps 1 to 10 for a customer and a feature that there are.
func (t *tally) decide(d *Decision) {
	if why := t.gather(d.Type); why != Undecided {
		deny(d, why)
		return
	}
	v := verdict{d: d}
	t.combine(&v)
	t.conclude(&v)
}

// gather finds which subscriptions count, or why it is denied whatever they say.
func (t *tally) gather(kind Type) (denial Reason) {
	_, _, revoked, subs := t.held.Record.header()
	if revoked {
		return Revoked
	}
	subs.uvarint()
	t.beyond = subs
	t.fill()
	if t.count == 0 && !(t.held.Use.GrantActive && kind == Metered) {
		return NotEntitled
	}
	t.sift()
	if t.state = t.denyingState(); t.state != Undecided {
		t.nameState()
		if !t.held.Feature.Advisory {
			return t.state
		}
		t.pretend = true
		t.lead = leader{}
		t.sift()
	}
	t.settle()
	return Undecided
}

// A verdict is what values, seats or limits say.
type verdict struct {
	d        *Decision
	reason   Reason // why it is denied; Undecided: it is not
	allowed  Reason // Overage or Overdraft; Undecided: neither
	advisory bool   // a counted allowance lets pass what would be denied
}

// conclude is steps 9 and 10: what the verdict becomes under advice, age and the states of subscriptions.
func (t *tally) conclude(v *verdict) {
	d, f := v.d, t.held.Feature
	would := t.state
	if would == Undecided {
		would = v.reason
	}
	if would != Undecided && !v.advisory && !f.Advisory {
		deny(d, would)
		return
	}
	if f.StaleAfter > 0 && t.held.Age > f.StaleAfter && f.StaleDeny {
		deny(d, Stale)
		return
	}
	d.Allowed = true
	switch {
	case would != Undecided:
		d.Reason, d.WouldDeny = Advisory, would
	case v.allowed != Undecided:
		d.Reason = v.allowed
	case t.grace && !t.plain:
		d.Reason = Grace
	case t.lead.set && !t.lasting:
		d.Reason = Trial
	case d.Unlimited:
		d.Reason = Unlimited
	default:
		d.Reason = Granted
	}
	if t.state == Undecided {
		d.ExpiresAt = t.expiry()
	}
}

// deny makes d a denial.
func deny(d *Decision, why Reason) {
	d.Allowed, d.Reason = false, why
	if d.Type == Boolean {
		d.Value = falseJSON
	}
	if d.Type == Config && why != ValueNotCovered {
		d.Value = nil
	}
}

// finish fills in what every decision on a known feature says.
func (t *tally) finish(d *Decision) {
	f, use := t.held.Feature, &t.held.Use
	d.Stale = f.StaleAfter > 0 && t.held.Age > f.StaleAfter && !f.StaleDeny
	if t.lead.plan != nil {
		d.Plan = t.lead.plan.Key
	}
	if d.Type < Metered {
		return
	}
	d.Used, d.Reserved = max(0, use.Used), use.reserved()
	d.UnseenMax, d.Held, d.TotalsAge = use.UnseenMax, use.HeldRights, use.TotalsAge
	if d.Unlimited {
		d.Limit = 0
		return
	}
	room := satAdd(d.Limit, d.Grants)
	d.Remaining = max(0, room-satAdd(d.Used, d.Reserved))
	over := max(0, d.Used-room)
	if d.Type == Metered {
		d.Overage = over
	} else {
		d.OverLimit = over > 0
	}
}

// fill reads subscriptions until there is no more room to keep them.
func (t *tally) fill() {
	for t.count < cached && t.scan(&t.parts[t.count], &t.beyond) {
		t.count++
	}
}

// scan reads on until a subscription mentions the feature; false at the end.
func (t *tally) scan(p *part, subs *reader) bool {
	for len(subs.b) > 0 && !subs.bad {
		body := subs.bytes()
		if !subs.bad && t.read(body, p) {
			t.judge(p, t.now)
			return true
		}
	}
	return false
}

// A walk goes through the mentioning subscriptions by id.
type walk struct {
	next   int
	beyond reader
}

// each answers the next mentioning subscription, valid until the next call; nil at the end. After settle it leaves
// out those that do not count.
func (t *tally) each(w *walk) *part {
	if w.next < t.count {
		w.next++
		return &t.parts[w.next-1]
	}
	return t.further(w)
}

// further is each beyond the subscriptions that are kept.
func (t *tally) further(w *walk) *part {
	if len(t.beyond.b) == 0 {
		return nil
	}
	if w.next <= t.count {
		w.next, w.beyond = cached+1, t.beyond
	}
	for t.scan(&t.parts[cached], &w.beyond) {
		if p := &t.parts[cached]; !t.settled || t.counts(p) {
			return p
		}
	}
	return nil
}

// counts tells whether a mentioning subscription is one that the answer is made from.
func (t *tally) counts(p *part) bool { return (t.pretend || p.live()) && (!t.solid || !p.base()) }

// sift finds how the mentioning subscriptions live and which of them count (step 5, the base rule).
func (t *tally) sift() {
	var w walk
	for p := t.each(&w); p != nil; p = t.each(&w) {
		t.states |= 1 << p.state
		if (t.pretend || p.live()) && !p.base() {
			t.solid = true
		}
	}
}

// settle leaves the subscriptions that do not count out of all further walks.
func (t *tally) settle() {
	kept := 0
	for i := range t.count {
		if !t.counts(&t.parts[i]) {
			continue
		}
		if kept != i {
			t.parts[kept] = t.parts[i]
		}
		kept++
	}
	t.count, t.settled = kept, true
	var w walk
	for p := t.each(&w); p != nil; p = t.each(&w) {
		t.grace = t.grace || p.inGrace
		t.plain = t.plain || !p.inGrace && !p.onTrial
		t.lasting = t.lasting || !p.onTrial
		t.lead.offer(p)
	}
}

// offer makes p the leader if it starts earlier; subscriptions come in order of their ids.
func (l *leader) offer(p *part) {
	if !l.set || p.startsAt < l.startsAt {
		*l = leader{p.startsAt, p.plan, true}
	}
}

// denyingState is step 4: the state that speaks when no mentioning subscription is live; Undecided if one is.
func (t *tally) denyingState() Reason {
	if t.count == 0 || t.states&(1<<Undecided) != 0 {
		return Undecided
	}
	for _, r := range stateOrder {
		if t.states&(1<<r) != 0 {
			return r
		}
	}
	return Undecided
}

// nameState makes the first subscription that shows the state that speaks the leader.
func (t *tally) nameState() {
	t.lead = leader{}
	var w walk
	for p := t.each(&w); p != nil; p = t.each(&w) {
		if p.state == t.state {
			t.lead.offer(p)
		}
	}
}

// combine is steps 5 to 8.
func (t *tally) combine(v *verdict) {
	switch v.d.Type {
	case Boolean:
		v.d.Value = trueJSON
	case Config:
		t.combineValues(v)
	case Metered:
		l := t.combineLimits(v)
		t.overrun(v, &l)
	default:
		t.combineLimits(v)
		t.seat(v)
	}
}

// seat is step 7.
func (t *tally) seat(v *verdict) {
	d, f, use := v.d, t.held.Feature, &t.held.Use
	if d.Unlimited {
		return
	}
	if d.Type == Seat && !f.Floating && len(t.ask.User) > 0 {
		if !use.UserSeated {
			v.reason = NoSeat
		}
		return
	}
	if t.fits(d.Limit) {
		return
	}
	v.reason = LimitReached
	if d.Type == Seat {
		v.reason = SeatsExhausted
	}
}

// fits tells whether the quantity asked for fits into a room of which some is used.
func (t *tally) fits(room int64) bool {
	use := &t.held.Use
	return max(0, t.ask.Quantity) <= room-satAdd(max(0, use.Used), use.reserved())
}

func (u *Use) reserved() int64 { return max(0, u.Reserved) }

// expiry is when the last of the counted subscriptions ends, or where only grants count the last of those; 0: one does
// not.
func (t *tally) expiry() int64 {
	last := int64(0)
	if !t.lead.set {
		last = t.held.Use.GrantEnds
	}
	var w walk
	for p := t.each(&w); p != nil; p = t.each(&w) {
		end := t.ends(p)
		if end == 0 {
			return 0
		}
		last = max(last, end)
	}
	if last == math.MaxInt64 {
		return 0
	}
	return last
}
