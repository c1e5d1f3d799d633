package checker

import (
	"encoding/binary"
	"errors"
	"math"
)

// A reader takes bytes from the front of b. Beyond the end it answers zeros and is bad from then on.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := uint64(r.b[0])
		r.b = r.b[1:]
		return v
	}
	var v uint64
	for i, c := range r.b {
		if i == 9 && c > 1 || i > 9 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.b = r.b[i+1:]
			return v
		}
	}
	r.bad, r.b = true, nil
	return 0
}

// number is a uvarint that fits an int64.
func (r *reader) number() int64 {
	v := r.uvarint()
	if v > math.MaxInt64 {
		r.bad = true
		return math.MaxInt64
	}
	return int64(v)
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte { return r.take(r.uvarint()) }

func (r *reader) id() []byte {
	n := uint64(r.byte()) + 1
	if r.bad {
		return nil
	}
	return r.take(n)
}

func (r *reader) time() int64 {
	if len(r.b) < 6 {
		r.bad, r.b = true, nil
		return 0
	}
	b := r.b
	r.b = b[6:]
	return int64(binary.LittleEndian.Uint32(b)) | int64(binary.LittleEndian.Uint16(b[4:]))<<32
}

// A phaseView is a phase read in place.
type phaseView struct {
	flags        uint16
	version      uint32
	plan         PlanID
	from         int64
	endsAt       int64
	trialEndsAt  int64
	grace        int64
	deviceLimit  int64
	addons       []byte
	overrides    []byte
	environments []byte
	versions     []byte
}

func (v *phaseView) status() Status { return Status(v.flags >> phaseStatus) }

// read takes a phase's body apart. It answers whether the body was well formed.
func (v *phaseView) read(body []byte) bool {
	r := reader{b: body}
	flags := uint16(r.byte()) | uint16(r.byte())<<8
	*v = phaseView{flags: flags, from: math.MinInt64}
	if flags&phaseFrom != 0 {
		v.from = r.time()
	}
	if flags&phaseEnds != 0 {
		v.endsAt = r.time()
	}
	if flags&phaseTrial != 0 {
		v.trialEndsAt = r.time()
	}
	v.plan = PlanID(r.uvarint())
	if flags&phaseVersion != 0 {
		v.version = uint32(r.uvarint())
	}
	if flags&phaseGrace != 0 {
		v.grace = r.number()
	}
	if flags&phaseDevices != 0 {
		v.deviceLimit = r.number()
	}
	if flags&(phaseAddons|phaseOverrides|phaseEnvironments|phaseVersions) != 0 {
		v.readLists(&r)
	}
	return !r.bad && len(r.b) == 0
}

func (v *phaseView) readLists(r *reader) {
	if v.flags&phaseAddons != 0 {
		v.addons = r.bytes()
	}
	if v.flags&phaseOverrides != 0 {
		v.overrides = r.bytes()
	}
	if v.flags&phaseEnvironments != 0 {
		v.environments = r.bytes()
	}
	if v.flags&phaseVersions != 0 {
		v.versions = r.bytes()
	}
}

// phaseFromOf reads only from when on a phase counts.
func phaseFromOf(body []byte) int64 {
	if len(body) < 8 || body[0]&phaseFrom == 0 {
		return math.MinInt64
	}
	r := reader{b: body[2:]}
	return r.time()
}

// readAllowance reads a packed allowance, its value included, without allocating.
func readAllowance(body []byte, a *Allowance) bool {
	r := reader{b: body}
	flags, per := r.byte(), r.byte()
	*a = Allowance{
		Per: Per(per &^ allowWarn), Limit: r.number(),
		Soft: flags&allowSoft != 0, Unlimited: flags&allowUnlimited != 0, Anchored: flags&allowAnchored != 0,
		Advisory: flags&allowAdvisory != 0, Chunked: flags&allowChunked != 0,
	}
	if flags&allowOverdraft != 0 {
		a.Overdraft = r.number()
	}
	if flags&allowMore != 0 {
		a.Rollover, a.Borrow = r.number(), r.number()
	}
	if per&allowWarn != 0 {
		a.Warn = r.bytes()
	}
	if flags&allowValue != 0 {
		a.Value = canonicalValue(r.b)
		r.b = nil
	}
	return !r.bad && len(r.b) == 0
}

// header reads what stands before the subscriptions.
func (r Record) header() (id, group []byte, revoked bool, rest reader) {
	if !r.Readable() {
		return nil, nil, false, reader{bad: true}
	}
	rest = reader{b: r[2:]}
	id = rest.id()
	if r[1]&custGroup != 0 {
		group = rest.id()
	}
	return id, group, r[1]&custRevoked != 0, rest
}

// ID is the customer's id, borrowed.
func (r Record) ID() []byte {
	if len(r) < 3 {
		return nil
	}
	n := 3 + int(r[2]) + 1
	if n > len(r) {
		return nil
	}
	return r[3:n]
}

// Group is the customer's group, borrowed; nil: the default one.
func (r Record) Group() []byte {
	_, group, _, _ := r.header()
	return group
}

// Readable tells whether the record is of the format version that this program reads. It is cheap; Check is thorough.
func (r Record) Readable() bool { return len(r) >= 3 && r[0] >= recordVersion && r[0] <= recordWarns }

var errRecord = errors.New("customer record: damaged or of a format version that this program does not read")

// Check tells whether a record is one that this program reads, whole. Decide does not need it: a damaged record
// makes it deny, not panic.
func (r Record) Check() error {
	_, err := r.Unpack()
	return err
}

// Unpack takes a record apart.
func (r Record) Unpack() (Customer, error) {
	id, group, revoked, rest := r.header()
	c := Customer{ID: string(id), Group: string(group), Revoked: revoked}
	n := rest.uvarint()
	for i := uint64(0); i < n && !rest.bad; i++ {
		s, ok := unpackSubscription(rest.bytes())
		if !ok {
			return Customer{}, errRecord
		}
		c.Subs = append(c.Subs, s)
	}
	if rest.bad || len(rest.b) != 0 {
		return Customer{}, errRecord
	}
	return c, nil
}

func unpackSubscription(body []byte) (Subscription, bool) {
	r := reader{b: body}
	s := Subscription{ID: string(r.id()), StartsAt: r.time()}
	n := r.uvarint()
	for i := uint64(0); i < n && !r.bad; i++ {
		var v phaseView
		ok := v.read(r.bytes())
		ph, whole := v.unpack()
		if !ok || !whole || i > 0 && ph.From == math.MinInt64 {
			return s, false
		}
		s.Phases = append(s.Phases, ph)
	}
	return s, !r.bad && len(r.b) == 0 && n > 0
}

func (v *phaseView) unpack() (Phase, bool) {
	ph := Phase{
		From: v.from, Plan: v.plan, Version: v.version, Status: v.status(), EndsAt: v.endsAt,
		TrialEndsAt: v.trialEndsAt, Grace: v.grace, ActivateOnTrialEnd: v.flags&phaseActivate != 0,
		DeviceLimit: v.deviceLimit, DeviceLock: v.flags&phaseLock != 0, Versions: string(v.versions),
	}
	r := reader{b: v.addons}
	for len(r.b) > 0 {
		ph.Addons = append(ph.Addons, AddonUse{AddonID(r.uvarint()), r.number()})
	}
	bad := r.bad
	r = reader{b: v.overrides}
	for len(r.b) > 0 {
		g := Grantable{Feature: FeatureID(r.uvarint())}
		bad = !readAllowance(r.bytes(), &g.Allowance) || bad
		ph.Overrides = append(ph.Overrides, g)
	}
	bad = bad || r.bad
	r = reader{b: v.environments}
	for len(r.b) > 0 {
		ph.Environments = append(ph.Environments, string(r.id()))
	}
	return ph, !bad && !r.bad
}
