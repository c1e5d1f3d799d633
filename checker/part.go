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

// before orders parts by start, then by id.
func (p *part) before(o *part) bool {
	return p.startsAt < o.startsAt || p.startsAt == o.startsAt && bytes.Compare(p.id, o.id) < 0
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
			p.override.Value = f.holds(p.override.Value)
			p.replaced = true
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

// judge finds the state of a subscription that mentions the feature.
func (t *tally) judge(p *part) {
	ph := &p.phase
	p.inGrace, p.onTrial = false, false
	trialing := ph.status() == Trialing
	switch {
	case ph.status() == SuspendedStatus:
		p.state = Suspended
	case ph.status() == CancelledStatus:
		p.state = Cancelled
	case t.now < p.startsAt:
		p.state = NotStarted
	case trialing && ph.flags&phaseActivate == 0 && t.now >= ph.trialEndsAt:
		p.state = TrialExpired
	case ph.endsAt != 0 && t.now >= satAdd(ph.endsAt, ph.grace):
		p.state = Expired
	case ph.environments != nil && !t.inEnvironment(ph.environments):
		p.state = EnvironmentNotAllowed
	case ph.versions != nil && !t.atVersion(ph.versions):
		p.state = VersionNotCovered
	case ph.flags&phaseLock != 0 && !(t.held.Use.DeviceActive && len(t.ask.Device) > 0):
		p.state = DeviceNotActivated
	default:
		p.state = Undecided
		p.inGrace = ph.endsAt != 0 && t.now >= ph.endsAt || ph.status() == PastDue
		p.onTrial = !p.inGrace && trialing && t.now < ph.trialEndsAt
	}
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

// ends is when a live subscription stops being live by itself, scheduled changes included; 0: never. A change that
// takes the feature away without ending the subscription is not looked for.
func (p *part) ends() int64 {
	ph, r := p.phase, reader{b: p.phases}
	for {
		stop := ph.stops(p.startsAt)
		if len(r.b) == 0 || r.bad {
			return stop
		}
		next := phaseView{}
		if !next.read(r.bytes()) {
			return stop
		}
		if stop != 0 && stop <= next.from {
			return stop
		}
		if s := next.stops(next.from); s != 0 && s <= next.from {
			return next.from
		}
		ph = next
	}
}

// stops is when a phase alone would stop being live; from if it is not live at all.
func (v *phaseView) stops(from int64) int64 {
	stop := int64(0)
	switch {
	case v.status() == SuspendedStatus || v.status() == CancelledStatus:
		return from
	case v.status() == Trialing && v.flags&phaseActivate == 0:
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
