package checker

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// A Customer is the unpacked form of a Record. Times are unix milliseconds; 0 means none.
type Customer struct {
	ID      string
	Group   string
	Revoked bool
	Subs    []Subscription // sorted by ID
}

// A Subscription is what a customer's subscription is from when on.
type Subscription struct {
	ID       string
	StartsAt int64
	// Phases are in order of From. The first is in force from the start; its From says since when it gives what it gives,
	// math.MinInt64 that this is so from the start.
	Phases []Phase
}

// A Phase is a subscription's whole set of fields from a moment on.
type Phase struct {
	From               int64
	Plan               PlanID
	Version            uint32 // 0: the newest
	Status             Status
	EndsAt             int64
	TrialEndsAt        int64
	Grace              int64 // milliseconds
	ActivateOnTrialEnd bool
	Addons             []AddonUse
	Overrides          []Grantable
	Environments       []string
	DeviceLimit        int64
	DeviceLock         bool
	Versions           string // semver constraint; empty: all
}

// An AddonUse is an add-on and how many of it.
type AddonUse struct {
	Addon    AddonID
	Quantity int64
}

// A Record is a packed customer, immutable. The nil Record stands for no such customer.
type Record []byte

const (
	recordVersion = 1
	recordWarns   = 2         // version of a record in which an override warns
	maxTime       = 1<<48 - 1 // unix milliseconds that fit the six bytes of a Record

	custRevoked = 1 << 0
	custGroup   = 1 << 1
)

// Flags of a phase.
const (
	phaseFrom = 1 << iota
	phaseVersion
	phaseEnds
	phaseTrial
	phaseGrace
	phaseActivate
	phaseAddons
	phaseOverrides
	phaseEnvironments
	phaseDevices
	phaseLock
	phaseVersions
	phaseStatus = 13 // three bits from here up
)

// Flags of a packed allowance.
const (
	allowSoft = 1 << iota
	allowUnlimited
	allowAnchored
	allowAdvisory
	allowChunked
	allowValue
	allowOverdraft
	allowMore

	// allowWarn stands in the byte of the period, where it has room. Records of version 1 do not have it.
	allowWarn = 1 << 7
)

// AppendRecord packs a customer behind dst. Ids longer than 256 bytes, times outside 1970 to 9999 and negative
// quantities are errors.
func AppendRecord(dst []byte, c *Customer) ([]byte, error) {
	var flags byte
	if c.Revoked {
		flags |= custRevoked
	}
	if c.Group != "" {
		flags |= custGroup
	}
	p := packer{b: append(dst, c.version(), flags)}
	p.id(c.ID)
	if c.Group != "" {
		p.id(c.Group)
	}
	p.count(len(c.Subs))
	for i := range c.Subs {
		body := packer{}
		body.subscription(&c.Subs[i])
		p.section(body)
	}
	if p.err != nil {
		return dst, fmt.Errorf("customer %q: %w", c.ID, p.err)
	}
	return p.b, nil
}

// version is the lowest that has room for the customer, so that an older program reads what it can.
func (c *Customer) version() byte {
	warns := func(g Grantable) bool { return len(g.Warn) > 0 }
	overrides := func(p Phase) bool { return slices.ContainsFunc(p.Overrides, warns) }
	if slices.ContainsFunc(c.Subs, func(s Subscription) bool { return slices.ContainsFunc(s.Phases, overrides) }) {
		return recordWarns
	}
	return recordVersion
}

// A packer appends and keeps the first error.
type packer struct {
	b   []byte
	err error
}

func (p *packer) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *packer) number(n int64) {
	if n < 0 {
		p.fail("a quantity is negative: %d", n)
	}
	p.b = binary.AppendUvarint(p.b, uint64(n))
}

func (p *packer) count(n int) { p.number(int64(n)) }

func (p *packer) id(id string) {
	if len(id) < 1 || len(id) > 256 {
		p.fail("an id has %d bytes, it must have 1 to 256", len(id))
		return
	}
	p.b = append(append(p.b, byte(len(id)-1)), id...)
}

func (p *packer) time(ms int64) {
	if ms < 0 || ms > maxTime {
		p.fail("a time is out of range: %d", ms)
	}
	p.b = append(p.b, byte(ms), byte(ms>>8), byte(ms>>16), byte(ms>>24), byte(ms>>32), byte(ms>>40))
}

func (p *packer) section(s packer) {
	if s.err != nil && p.err == nil {
		p.err = s.err
	}
	p.b = appendBytes(p.b, string(s.b))
}

func appendBytes(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func (p *packer) subscription(s *Subscription) {
	p.id(s.ID)
	p.time(s.StartsAt)
	p.count(len(s.Phases))
	if len(s.Phases) == 0 {
		p.fail("subscription %q has no phase", s.ID)
	}
	for i := range s.Phases {
		if i > 0 && s.Phases[i].From < s.Phases[i-1].From {
			p.fail("subscription %q has its phases out of order", s.ID)
		}
		body := packer{}
		body.phase(&s.Phases[i])
		p.section(body)
	}
}

func (p *packer) phase(ph *Phase) {
	flags := ph.flags()
	p.b = append(p.b, byte(flags), byte(flags>>8))
	for _, t := range [...]struct {
		flag uint16
		at   int64
	}{{phaseFrom, ph.From}, {phaseEnds, ph.EndsAt}, {phaseTrial, ph.TrialEndsAt}} {
		if flags&t.flag != 0 {
			p.time(t.at)
		}
	}
	p.number(int64(ph.Plan))
	if flags&phaseVersion != 0 {
		p.number(int64(ph.Version))
	}
	if flags&phaseGrace != 0 {
		p.number(ph.Grace)
	}
	if flags&phaseDevices != 0 {
		p.number(ph.DeviceLimit)
	}
	p.lists(ph, flags)
}

func (p *packer) lists(ph *Phase, flags uint16) {
	if flags&phaseAddons != 0 {
		s := packer{}
		for _, a := range ph.Addons {
			s.number(int64(a.Addon))
			s.number(a.Quantity)
		}
		p.section(s)
	}
	if flags&phaseOverrides != 0 {
		s := packer{}
		for i := range ph.Overrides {
			body := packer{}
			body.allowance(&ph.Overrides[i].Allowance)
			s.number(int64(ph.Overrides[i].Feature))
			s.section(body)
		}
		p.section(s)
	}
	if flags&phaseEnvironments != 0 {
		s := packer{}
		for _, e := range ph.Environments {
			s.id(e)
		}
		p.section(s)
	}
	if flags&phaseVersions != 0 {
		p.b = appendBytes(p.b, ph.Versions)
	}
}

func (ph *Phase) flags() uint16 {
	flags := uint16(ph.Status) << phaseStatus
	for _, f := range [...]struct {
		flag uint16
		set  bool
	}{
		{phaseFrom, ph.From != math.MinInt64},
		{phaseVersion, ph.Version != 0},
		{phaseEnds, ph.EndsAt != 0},
		{phaseTrial, ph.TrialEndsAt != 0},
		{phaseGrace, ph.Grace != 0},
		{phaseActivate, ph.ActivateOnTrialEnd},
		{phaseAddons, len(ph.Addons) != 0},
		{phaseOverrides, len(ph.Overrides) != 0},
		{phaseEnvironments, len(ph.Environments) != 0},
		{phaseDevices, ph.DeviceLimit != 0},
		{phaseLock, ph.DeviceLock},
		{phaseVersions, ph.Versions != ""},
	} {
		if f.set {
			flags |= f.flag
		}
	}
	return flags
}

func (p *packer) allowance(a *Allowance) {
	var flags byte
	for i, set := range [...]bool{a.Soft, a.Unlimited, a.Anchored, a.Advisory, a.Chunked, !a.Value.IsZero(),
		a.Overdraft != 0, a.Rollover != 0 || a.Borrow != 0} {
		if set {
			flags |= 1 << i
		}
	}
	per := byte(a.Per)
	if len(a.Warn) > 0 {
		per |= allowWarn
	}
	p.b = append(p.b, flags, per)
	p.number(a.Limit)
	if flags&allowOverdraft != 0 {
		p.number(a.Overdraft)
	}
	if flags&allowMore != 0 {
		p.number(a.Rollover)
		p.number(a.Borrow)
	}
	if len(a.Warn) > 0 {
		p.b = appendBytes(p.b, string(a.Warn))
	}
	if flags&allowValue != 0 {
		p.b = append(p.b, a.Value.json...)
	}
}
