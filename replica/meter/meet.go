package meter

import (
	"bytes"
	"context"
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// quietFor is how long after a start the hub is not told, in milliseconds, what the vault had by then and the hub is
// not known to have: if the vault was copied from one that is in use, that one tells it within that time.
const quietFor = 2000

// tellable is what the hub may be told of an account, and its version: what the vault has. First it is told only what
// it is known to have already, so that it shows whether somebody else counted under this name: whoever has the same
// vault, or had it before it was restored from a copy. After that both could have counted as much.
func (a *account) tellable(now int64, isLast bool) (ledger.Account, uint64) {
	if a.isMet && (isLast || a.isOpen || a.first == nil || since(now, a.met) >= quietFor) {
		a.isOpen = true
		return decoded(a.durable), a.saved
	}
	led := a.atStart()
	if !led.Withhold() && bytes.Equal(a.first, a.durable) {
		return led, a.saved
	}
	led.Epoch = 0 // a book that learns is to wait for all that there is
	return led, 0
}

// atStart is the account as the vault had it when the process started.
func (a *account) atStart() ledger.Account {
	led := decoded(a.first)
	led.Adopt(a.led.Epoch)
	return led
}

// decoded is an account that was encoded here; of nil it is a new one.
func decoded(data []byte) ledger.Account {
	if led, err := ledger.DecodeAccount(data); err == nil {
		return *led
	}
	return ledger.NewAccount()
}

// compare tells why an account cannot be the one that the hub knows, which has just answered in the account's epoch;
// empty: it is.
func (a *account) compare(it *item, ans *wire.LeaseAnswer, now int64) (code string) {
	epoch := a.led.Epoch
	known := &a.led
	if !a.isOpen { // whatever the hub has was told before the start, or by somebody else
		led := a.atStart()
		known = &led
	}
	for _, l := range ans.Known {
		line := ledger.Line{Holder: it.Report.Holder, Source: l.Source, Vector: l.Vector}
		no := known.Confirm(epoch, l.Span, []ledger.Line{line})
		switch {
		case no == nil:
			_ = a.led.Confirm(epoch, l.Span, []ledger.Line{line}) // it has all that it had at the start
		case distrusts(no.Code):
			code = no.Code
			if !a.isOpen {
				a.led.Concede(known, l.Span, line)
			}
		}
	}
	if ans.Award != nil && !a.isOpen && code == "" {
		if no := known.Take(*ans.Award); no != nil && distrusts(no.Code) {
			code = no.Code
		}
	}
	if code != "" || ans.Code != "" {
		return code
	}
	if !a.isMet {
		a.isMet, a.met = true, now
	}
	if it.isWhole || !a.isOpen && !known.Withhold() { // the hub has it all
		a.first = nil
	}
	return ""
}

// meetRest has the hub say what it has of the accounts of which it was not asked since the start, before their name is
// given up: of the rest, what the vault did not hear of being told would go along.
func (m *Meter) meetRest(ctx context.Context, timeout time.Duration) {
	rest := m.those(func(a *account) bool { return !a.isMet && a.first != nil })
	for items := range m.portions(rest) {
		if m.exchange(ctx, items, timeout); !m.linked.Load() {
			return
		}
	}
}

// concede leaves what the vault had at the start, unless it was told, to whoever has the same one. The account is
// locked.
func (a *account) concede() {
	if a.first == nil {
		return
	}
	was := a.atStart()
	for _, l := range was.Report(ledger.HolderID{}).Lines {
		a.led.Concede(&was, l.Span, ledger.Line{Source: l.Source, Vector: l.Vector})
	}
}

// A former is a name that was given up because another start has it.
type former struct {
	Identity
	at int64 // unix milliseconds
}

// behindFor is how long a hub may not have heard, in milliseconds, that another start has a name that was given up.
const behindFor = 10_000

func (m *Meter) isAlarmed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alarm != nil
}

// testify asks once more under the name that was given up, so that the hub knows that two have it: the first time might
// have been a message that was late. It is tried until a hub answers.
func (m *Meter) testify(ctx context.Context) error {
	m.mu.Lock()
	was, epoch, seen := m.alarm, m.epoch, m.seen
	m.mu.Unlock()
	if was == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	reply, err := m.o.Hub.Exchange(ctx, &wire.Lease{Holder: was.Holder, Key: public(was.Key), Epoch: epoch,
		Seen: seen, Incarnation: was.Incarnation, Nonce: was.Nonce, Sent: m.clock.read()}, was.Key)
	if err != nil || reply.Code == wire.CodeUnavailable ||
		reply.Code == "" && since(m.clock.read(), was.at) < behindFor {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alarm == was {
		m.alarm = nil
	}
	return nil
}
