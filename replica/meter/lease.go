package meter

import (
	"context"
	"crypto/ed25519"
	"errors"
	"iter"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

const (
	// ahead is for how long rights are asked for, and soonBelow how long those that are left may last before.
	ahead     = 30 // seconds
	soonBelow = 10 // seconds
	// pauseBetween is the least time in milliseconds between two asks for the same account.
	pauseBetween = 25
	// standFor is how long standing rights are to last without a hub, in milliseconds.
	standFor = 24 * 3600 * 1000
	// most is how many accounts one exchange is about, mostLines how many lines they have unless it is about one,
	// mostOfOne how many of one account are told at a time, for the hub's book has to hold them with their periods, and
	// atOnce how many exchanges are under way. A line has 20 to 50 bytes, and a message may have 1 MiB.
	most      = 512
	mostLines = 16 << 10
	mostOfOne = 8 << 10
	atOnce    = 4
	// knockEvery is how often the hub is told again, in milliseconds, of a customer that it does not know: more often than
	// an idle holder has to show that it lives.
	knockEvery = 10_000
	// liveEvery is how often an idle holder shows that it lives, in milliseconds.
	liveEvery = 15_000
	// exchangeTimeout is how long a hub may take to answer.
	exchangeTimeout = 5 * time.Second
)

// want has rights asked for that somebody waits for. The account is locked.
func (m *Meter) want(a *account, q int64) {
	a.wanted = max(a.wanted, q)
	m.beckon(a)
}

// wantSoon has rights asked for before they are missed, if few are free. The account is locked.
func (m *Meter) wantSoon(a *account, free, now int64) {
	if free < soonBelow*a.demand.perSecond() && since(now, a.asked) > 10*pauseBetween {
		a.soon = true
		m.beckon(a)
	}
}

func (m *Meter) beckon(a *account) {
	if m.o.Hub == nil {
		return
	}
	m.mu.Lock()
	m.waiting[a] = struct{}{}
	m.mu.Unlock()
	m.hurry()
}

// hurry has the hub asked at once.
func (m *Meter) hurry() {
	select {
	case m.urge <- struct{}{}:
	default:
	}
}

// report exchanges with the hub until ctx ends: at once what somebody waits for, and every second what changed.
func (m *Meter) report(ctx context.Context) {
	tick := time.NewTicker(m.o.Every)
	defer tick.Stop()
	var group errgroup.Group
	group.SetLimit(atOnce)
	defer func() { _ = group.Wait() }() // exchanges end with ctx, and have no errors
	for {
		var all []*account
		select {
		case <-ctx.Done():
			return
		case <-m.urge:
			if m.failing.Load() { // a hub in trouble is not to be asked as fast as it refuses
				pause(ctx, pauseBetween*time.Millisecond)
			}
			all = m.beckoned()
		case <-tick.C:
			var told claim
			all, told = m.changed()
			if m.isDoomed() {
				m.signal() // what was on its way may never be answered
			}
			group.Go(func() error { return m.tellAllTold(ctx, told) })
		}
		if m.isAlarmed() {
			group.Go(func() error { return m.testify(ctx) })
		}
		for items := range m.portions(all) {
			group.Go(func() error { return m.talk(ctx, items, exchangeTimeout) })
		}
	}
}

// beckoned are the accounts that want rights.
func (m *Meter) beckoned() []*account {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*account, 0, len(m.waiting))
	for a := range m.waiting {
		all = append(all, a)
	}
	clear(m.waiting)
	return all
}

// A claim is that the hub was told all that the vault has, under a name and in an epoch.
type claim struct {
	holder ledger.HolderID
	epoch  uint64
	isTrue bool
}

// changed tidies every account up, lists those of which the hub is to be told now, and says whether the hub has all
// that the vault has.
func (m *Meter) changed() (all []*account, told claim) {
	m.watchClock()
	at := moment{m.clock.read(), m.clock.proven(), m.linked.Load()}
	m.mu.Lock()
	told = claim{m.identity.Holder, m.epoch, true}
	m.mu.Unlock()
	m.each(func(a *account) {
		if a.untouched() {
			return
		}
		m.change(a, func() { a.tidy(at) })
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.saved > a.told || a.led.Epoch < told.epoch { // it has yet to hear of the epoch
			told.isTrue = false
			if !a.refusedLately(at.now) {
				all = append(all, a)
			}
		}
	})
	return all, told
}

// An item is an account in an exchange.
type item struct {
	*account
	version uint64 // that is told
	isWhole bool   // nothing that the vault has is held back
	isPart  bool   // what is told next is too much for this exchange
	epoch   uint64 // that the account was in
	wire.LeaseItem
}

// portions are exchanges about accounts.
func (m *Meter) portions(all []*account) iter.Seq[[]item] {
	return func(yield func([]item) bool) {
		for len(all) > 0 && m.o.Hub != nil {
			items, rest := m.compose(all)
			if len(items) > 0 && !yield(items) {
				return
			}
			all = rest
		}
	}
}

// compose makes items of accounts, as many as one message takes, and answers the rest; of those that an exchange is
// about already nothing is made.
func (m *Meter) compose(all []*account) (items []item, rest []*account) {
	items = make([]item, 0, min(len(all), most))
	for lines := 0; len(all) > 0 && len(items) < most; all = all[1:] {
		a := all[0]
		a.mu.Lock()
		lines += min(len(a.led.Entries), mostOfOne)
		a.mu.Unlock()
		if len(items) > 0 && lines > mostLines {
			break
		}
		if it, ok := m.itemOf(a); ok {
			items = append(items, it)
		}
	}
	return items, all
}

func (m *Meter) itemOf(a *account) (item, bool) {
	m.gate.RLock() // so that the name is the account's
	defer m.gate.RUnlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.item(m.holder(), m.clock.read(), m.leaving.Load())
}

// item says what the vault has of an account, and what is wanted.
func (a *account) item(id ledger.HolderID, now int64, isLast bool) (item, bool) {
	if a.out {
		return item{}, false
	}
	led, version := a.tellable(now, isLast)
	it := item{account: a, version: version, isWhole: a.isOpen, epoch: a.led.Epoch}
	if it.isPart = a.abridge(&led); it.isPart {
		it.version, it.isWhole = 0, false
	}
	it.Customer, it.Feature, _ = strings.Cut(a.key, "\x00")
	it.Report = led.Report(id)
	if a.wanted > 0 || a.soon {
		it.Ask = a.ask(id, now)
		a.wanted, a.soon, a.asked = 0, false, now
	}
	a.out = true
	a.begun++
	if a.saved >= a.recalled {
		a.recalled = 0
	}
	return it, true
}

// abridge leaves out of what is to be told what is more than one message takes, and tells whether it has left some.
func (a *account) abridge(led *ledger.Account) bool {
	if len(led.Entries) > mostOfOne && led.Epoch == a.led.Epoch {
		led.Recall(&a.led) // that the hub knows is not written down at once
	}
	return led.Abridge(mostOfOne)
}

// ask is for the rights of the next half minute, at least what is waited for, and less near the limit.
func (a *account) ask(id ledger.HolderID, now int64) *ledger.Ask {
	span := a.span(now)
	size := max(ahead*a.demand.perSecond(), min(a.room/100, 64*a.wanted), 1)
	size = max(min(size, a.room/8), a.wanted)
	missing := max(0, size-a.led.Free(span, now))
	return &ledger.Ask{Holder: id, Epoch: a.led.Epoch, Period: span.Start, Target: a.led.Granted(span) + missing,
		Standing: a.led.Standing.Released + max(1, min(size, a.room/100)), Until: now + standFor}
}

// talk is one exchange. It has no error that is not dealt with.
func (m *Meter) talk(ctx context.Context, items []item, timeout time.Duration) error {
	if !m.begin() {
		m.unheard(items)
		return nil
	}
	defer m.end()
	who, lost := m.exchange(ctx, items, timeout)
	if lost != "" {
		m.meetRest(ctx, timeout)
		m.distrust(who, lost)
	}
	return nil
}

// exchange tells and asks, and takes in what is answered. A code says of an item that the holder may not go on under
// its name.
func (m *Meter) exchange(ctx context.Context, items []item, timeout time.Duration) (who ledger.HolderID, lost string) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l, key := m.lease()
	for i := range items {
		if items[i].Report.Holder != l.Holder { // another name was taken just now
			m.unheard(items)
			return l.Holder, ""
		}
		l.Items = append(l.Items, items[i].LeaseItem)
	}
	reply, err := m.o.Hub.Exchange(ctx, l, key)
	if err != nil || reply.Code != "" || len(reply.Items) != len(items) {
		m.unanswered(l, items, reply, err)
		return l.Holder, ""
	}
	m.answered(reply)
	for i := range items {
		if code := m.apply(&items[i], &reply.Items[i], reply.Epoch); code != "" {
			lost = code
		}
	}
	return l.Holder, lost
}

// lease begins a request.
func (m *Meter) lease() (*wire.Lease, ed25519.PrivateKey) {
	m.mu.Lock()
	who := m.identity
	l := &wire.Lease{Holder: who.Holder, Key: public(who.Key), Incarnation: who.Incarnation, Nonce: who.Nonce,
		Epoch: m.epoch, Seen: m.seen, Sent: m.clock.read()}
	m.mu.Unlock()
	if m.o.About != nil {
		l.About = m.o.About()
	}
	return l, who.Key
}

// note takes in how the books stand. In another epoch they have lost something, and everything is told again.
func (m *Meter) note(reply *wire.LeaseReply) {
	m.mu.Lock()
	m.seen = max(m.seen, reply.Revision)
	again := reply.Epoch > m.epoch
	if again {
		m.seen = reply.Revision // what was named before is lost, and says nothing of this log
	}
	m.epoch = max(m.epoch, reply.Epoch)
	m.mu.Unlock()
	if !again {
		return
	}
	m.each(func(a *account) {
		m.change(a, func() {
			a.adopt(reply.Epoch)
			a.told = 0
		})
	})
}

// tellAllTold says that everything was told, if it was: once in an epoch, at first so that the fleet knows the holder,
// and from time to time so that it is known to live.
func (m *Meter) tellAllTold(ctx context.Context, was claim) error {
	m.mu.Lock()
	done := m.toldAll > m.epoch && since(m.clock.read(), m.reported.Load()) < liveEvery
	m.mu.Unlock()
	if done || !was.isTrue || m.o.Hub == nil {
		return nil
	}
	l, key := m.lease()
	if l.Holder != was.holder || l.Epoch != was.epoch {
		return nil // there is all to be told again
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	l.Items = []wire.LeaseItem{{Customer: wire.AllTold, Report: ledger.Report{Holder: l.Holder, Epoch: l.Epoch}}}
	reply, err := m.o.Hub.Exchange(ctx, l, key)
	if err != nil || reply.Code != "" {
		m.unanswered(l, nil, reply, err)
		return nil
	}
	m.answered(reply)
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.Holder == m.identity.Holder {
		m.toldAll = l.Epoch + 1
	}
	return nil
}

// answered notes that a hub is there.
func (m *Meter) answered(reply *wire.LeaseReply) {
	m.failing.Store(false)
	if !m.linked.Swap(true) {
		m.log.Info("the hub takes usage in and grants rights")
	}
	m.reported.Store(m.clock.read())
	m.note(reply)
}

// unanswered lets those who wait know that nothing came.
func (m *Meter) unanswered(l *wire.Lease, items []item, reply *wire.LeaseReply, err error) {
	code := ""
	if reply != nil {
		code = reply.Code
		m.note(reply)
	}
	m.failing.Store(true)
	if m.linked.Swap(false) && !distrusts(code) && !m.leaving.Load() { // a new name is told by itself
		if err == nil {
			err = errors.New("it answered " + code)
		}
		m.log.Warn("no hub takes usage in; it is kept here, and what is held can still be consumed", "error", err)
	}
	m.unheard(items)
	if distrusts(code) {
		m.distrust(l.Holder, code)
	}
}

// unheard ends an exchange to which nothing was answered.
func (m *Meter) unheard(items []item) {
	for i := range items {
		a := items[i].account
		a.mu.Lock()
		a.hear()
		a.mu.Unlock()
	}
}
