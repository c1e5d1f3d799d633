package checker

import (
	"bytes"
	"math"
)

// A part is what one subscription says of one feature at one moment.
type part struct {
	id       []byte
	startsAt int64
	phases   []byte // the phases after the one in force
	phase    phaseView
	plan     *Plan
	planned  *Allowance // the plan's; nil: it has none
	override Allowance
	replaced bool      // the override counts, not the plan's
	added    Allowance // what add-ons add: Limit times quantity summed, the rest the strongest
	state    Reason    // why it is not live; Undecided: it is
	inGrace  bool
	onTrial  bool
}

// live tells whether the subscription counts at this moment.
func (p *part) live() bool { return p.state == Undecided }

// base tells whether the subscription gives way to every other.
func (p *part) base() bool { return p.plan != nil && p.plan.Base }

// limit is what the subscription allows, its own allowance left out or not.
func (p *part) limit(withOwn bool) int64 {
	own := p.own()
	if own == nil || !withOwn {
		return p.added.Limit
	}
	return satAdd(own.Limit, p.added.Limit)
}

// own is the subscription's allowance without add-ons: the override if there is one, else the plan's; nil: none.
func (p *part) own() *Allowance {
	if p.replaced {
		return &p.override
	}
	return p.planned
}

// suit makes the value one that the feature can hold. It tells whether it can: an allowance that was written for what
// the feature used to be says nothing any more.
func (a *Allowance) suit(f *Feature) bool {
	had := !a.Value.IsZero()
	a.Value = f.holds(a.Value)
	return !had || !a.Value.IsZero()
}

// grants tells whether an allowance grants something of a feature.
func (a *Allowance) grants(f *Feature) bool {
	switch f.Type {
	case Boolean:
		return a.Value.IsTrue()
	case Config:
		return !a.Value.IsZero()
	}
	return a.Limit > 0 || a.Unlimited || a.Soft || a.Overdraft > 0
}

// read fills p from a packed subscription. It answers whether the subscription mentions the feature.
func (t *tally) read(body []byte, p *part) bool {
	r := reader{b: body}
	p.id, p.startsAt = r.id(), r.time()
	phases := r.uvarint()
	var current []byte
	for ; phases > 0 && !r.bad; phases-- {
		next := r.bytes()
		if current != nil && phaseFromOf(next) > t.now {
			break
		}
		current, p.phases = next, r.b
	}
	if r.bad || !p.phase.read(current) {
		return false
	}
	return t.weigh(p)
}

// weigh fills p from its phase. It answers whether the subscription mentions the feature in it.
func (t *tally) weigh(p *part) bool {
	p.plan = t.held.World.Plan(p.phase.plan, p.phase.version)
	t.readOwn(p)
	t.readAddons(p)
	f := t.held.Feature
	own := p.own()
	return own != nil && own.grants(f) || p.added.grants(f)
}

func (t *tally) readOwn(p *part) {
	f := t.held.Feature
	p.planned, p.replaced = nil, false
	if p.plan != nil {
		p.planned = p.plan.Of(f.ID)
	}
	r := reader{b: p.phase.overrides}
	for len(r.b) > 0 {
		id, body := FeatureID(r.uvarint()), r.bytes()
		if id != f.ID || r.bad {
			continue
		}
		if readAllowance(body, &p.override) {
			p.replaced = true
			if !p.override.suit(f) {
				p.override = Allowance{}
			}
		}
		return
	}
}

func (t *tally) readAddons(p *part) {
	p.added = Allowance{}
	r := reader{b: p.phase.addons}
	for len(r.b) > 0 {
		addon, quantity := t.held.World.Addon(AddonID(r.uvarint())), r.number()
		if addon == nil || quantity == 0 {
			continue
		}
		a := addon.Of(t.held.Feature.ID)
		if a == nil {
			continue
		}
		p.added.Limit = satAdd(p.added.Limit, satMul(a.Limit, quantity))
		p.added.Overdraft = max(p.added.Overdraft, a.Overdraft)
		p.added.Soft = p.added.Soft || a.Soft
		p.added.Unlimited = p.added.Unlimited || a.Unlimited
		p.added.Advisory = p.added.Advisory || a.Advisory
		if p.added.Value.IsZero() || a.Value.IsTrue() {
			p.added.Value = a.Value
		}
	}
}

// judge finds the state of a subscription that mentions the feature, at a moment within its phase.
func (t *tally) judge(p *part, now int64) {
	ph := &p.phase
	p.inGrace, p.onTrial = false, false
	trialing := ph.status() == Trialing
	switch {
	case ph.status() == SuspendedStatus:
		p.state = Suspended
	case ph.status() == CancelledStatus:
		p.state = Cancelled
	case now < p.startsAt:
		p.state = NotStarted
	case trialing && ph.flags&phaseActivate == 0 && now >= ph.trialEndsAt:
		p.state = TrialExpired
	case ph.endsAt != 0 && now >= satAdd(ph.endsAt, ph.grace):
		p.state = Expired
	case t.ask.Anywhere:
		p.begin(now)
	case ph.environments != nil && !t.inEnvironment(ph.environments):
		p.state = EnvironmentNotAllowed
	case ph.versions != nil && !t.atVersion(ph.versions):
		p.state = VersionNotCovered
	case ph.flags&phaseLock != 0 && !(t.held.Use.DeviceActive && len(t.ask.Device) > 0):
		p.state = DeviceNotActivated
	default:
		p.begin(now)
	}
}

// begin says that the subscription is live at a moment, and how.
func (p *part) begin(now int64) {
	ph := &p.phase
	p.state = Undecided
	p.inGrace = ph.endsAt != 0 && now >= ph.endsAt || ph.status() == PastDue
	p.onTrial = !p.inGrace && ph.status() == Trialing && now < ph.trialEndsAt
}

func (t *tally) inEnvironment(list []byte) bool {
	r := reader{b: list}
	for len(r.b) > 0 {
		if id := r.id(); !r.bad && len(t.ask.Environment) > 0 && bytes.Equal(id, t.ask.Environment) {
			return true
		}
	}
	return false
}

func (t *tally) atVersion(constraint []byte) bool {
	v, err := readVersion(t.ask.Version)
	if err != nil || v.parts == 0 {
		return false
	}
	covered, err := matchVersions(constraint, &v)
	return covered && err == nil
}

// ends is when a live subscription stops being live, or stops mentioning the feature, by itself: scheduled changes are
// followed. 0: never.
func (t *tally) ends(p *part) int64 {
	if len(p.phases) == 0 {
		return p.phase.stops()
	}
	later, r, stop := *p, reader{b: p.phases}, p.phase.stops()
	for len(r.b) > 0 {
		next := r.bytes()
		if r.bad || stop != 0 && stop < phaseFromOf(next) || !later.phase.read(next) {
			return stop
		}
		from := later.phase.from
		if after := r; len(after.b) > 0 && phaseFromOf(after.bytes()) == from {
			continue // overtaken at once
		}
		if !t.weigh(&later) {
			return from
		}
		// A change at the very end goes first: it may be the renewal.
		if t.judge(&later, from); !later.live() {
			return from
		}
		stop = later.phase.stops()
	}
	return stop
}

// stops is when a phase that is live would stop being live, if no change came; 0: never.
func (v *phaseView) stops() int64 {
	stop := int64(0)
	if v.status() == Trialing && v.flags&phaseActivate == 0 {
		stop = v.trialEndsAt
	}
	if v.endsAt == 0 {
		return stop
	}
	end := satAdd(v.endsAt, v.grace)
	if stop == 0 {
		return end
	}
	return min(stop, end)
}

func satAdd(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

func satMul(a, b int64) int64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}
