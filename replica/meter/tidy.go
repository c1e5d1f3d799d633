package meter

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
)

const (
	// idleAfter is for how long an account may lie idle before its rights are given back, in milliseconds.
	idleAfter = 60_000
	// leaveTimeout is how long the last report may take.
	leaveTimeout = 700 * time.Millisecond
)

// A moment is a time, what of it is proven, and whether a hub is there.
type moment struct {
	now, proven int64
	linked      bool
}

// tidy releases what is void or idle, and forgets what the hub has. What cannot be undone is done by proven time alone:
// void rights are not spent meanwhile. The account is locked.
func (a *account) tidy(at moment) {
	a.settle()
	span, idle := a.span(at.now), at.linked && since(at.now, a.demand.last) > idleAfter
	if idle || a.chunk.span.End <= at.now {
		a.drop()
	}
	other := a.led.Expire(at.now)
	if at.proven != 0 {
		other = a.led.Tidy(at.proven) || other
		other = a.led.Forget(a.cutOff(a.span(at.proven))) || other
	}
	if idle {
		other = a.lieIdle(span, at.now) || other
	}
	if other {
		a.version++
	}
}

// leastToStand is how long a period is, in milliseconds, for which an idle account keeps a right: of shorter ones there
// would be too many to tell of.
const leastToStand = 3_600_000

// lieIdle gives back what an idle account has, and tells whether it has changed. One right stands on, so that a period
// that begins while the hub is away does not begin with a denial. One that has begun is told: so the hub can forget it.
func (a *account) lieIdle(span ledger.Span, now int64) bool {
	before, keep := len(a.led.Entries), int64(0)
	if a.led.Open(span); span.End-span.Start >= leastToStand {
		keep = 1
	}
	given := a.led.GiveBack(span, 0, now)
	return a.led.GiveBackStanding(keep) || given > 0 || len(a.led.Entries) != before
}

// yield gives back what is not needed for the next second, for somebody else waits for it. The hub is told once the
// vault has it.
func (m *Meter) yield(a *account, period int64) {
	now := m.clock.read()
	m.change(a, func() {
		span, keep := a.span(now), a.demand.still(now)
		if span.Start != period || a.wanted > 0 {
			return
		}
		a.led.Open(span)
		if a.chunk.left() > keep {
			a.drop()
		}
		if a.led.GiveBack(span, keep, now) > 0 {
			a.version++
			a.recalled = a.version
		}
	})
}

// watchClock says that this machine's clock is not believed, and that it is again.
func (m *Meter) watchClock() {
	switch ahead := m.clock.ahead(); {
	case ahead > 0 && !m.astray.Swap(true):
		m.log.Warn("this machine's clock is ahead of the hub's and is not believed", "by",
			time.Duration(ahead+lead)*time.Millisecond, "remedy", "set the clock of this machine, or of the hub, right")
	case ahead == 0 && m.astray.Swap(false):
		m.log.Info("this machine's clock agrees with the hub's again")
	}
}

// giveBack releases all rights that are free, standing ones too, and tells whether there were any.
func (a *account) giveBack(span ledger.Span, now int64) bool {
	given := a.led.GiveBack(span, 0, now)
	return a.led.GiveBackStanding(0) || given > 0
}

// cutOff is up to when periods may be forgotten: two closed ones are kept, so that a hub that lost them can learn.
func (a *account) cutOff(span ledger.Span) int64 {
	for range 2 {
		if span.Start <= 0 {
			return 0
		}
		span = a.span(span.Start - 1)
	}
	return span.Start
}

// depart reports for the last time, and if the hub can be told gives rights back. A hub that cannot be reached may not
// be there at the next start either, which will need them.
func (m *Meter) depart(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	defer func() { _ = m.testify(ctx) }() // it has no error
	m.leaving.Store(true)
	m.rest(func(a *account) { a.drop() })
	m.tellAll(ctx)
	if !m.linked.Load() {
		return
	}
	now, proven := m.clock.read(), m.clock.proven()
	m.rest(func(a *account) {
		if other := a.led.Tidy(proven); a.giveBack(a.span(now), now) || other {
			a.version++
		}
	})
	m.tellAll(ctx)
}

// rest does something to every account, and waits until the vault has it. One that is full keeps what it has.
func (m *Meter) rest(change func(*account)) {
	var last *batch
	m.each(func(a *account) {
		if b := m.change(a, func() { change(a) }); b != nil {
			last = b
		}
	})
	if last != nil {
		_ = last.wait()
	}
}

// tellAll reports whatever the vault has and the hub does not.
func (m *Meter) tellAll(ctx context.Context) {
	if m.o.Hub == nil {
		return
	}
	all := m.those(func(a *account) bool { return a.saved > a.told })
	for items := range m.portions(all) {
		_ = m.talk(ctx, items, leaveTimeout)
	}
}

func (m *Meter) holder() ledger.HolderID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.identity.Holder
}

func public(key ed25519.PrivateKey) ed25519.PublicKey {
	p, _ := key.Public().(ed25519.PublicKey) // it always is one
	return p
}
