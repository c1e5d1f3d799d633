package meter

import (
	"errors"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// errRenewing is told to whoever consumes while the holder takes another identity.
var errRenewing = errors.New("the holder is taking another identity; try again")

// distrust has another identity taken in place of one, by the goroutine that writes.
func (m *Meter) distrust(who ledger.HolderID, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if who != m.identity.Holder {
		return // it is given up already
	}
	if m.why == "" {
		m.whyAt = m.clock.read()
	}
	switch m.why {
	case wire.CodeCopied, ledger.CodeFenced, ledger.CodeDestroyed: // these say what others tell
	default:
		m.why = why
	}
	if why == wire.CodeSuperseded {
		m.alarm = &former{m.identity, m.clock.read()}
		m.hurry()
	}
	m.signal()
}

// begin begins to tell something. It is false if another name is to be taken: what a hub takes in under the old one
// must not go along as well.
func (m *Meter) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.why != "" {
		return false
	}
	m.talks++
	return true
}

// end ends what begin began.
func (m *Meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.talks--; m.talks == 0 && m.why != "" {
		m.signal()
	}
}

// isDoomed tells whether another name is to be taken.
func (m *Meter) isDoomed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.why != ""
}

// doom is why another name is to be taken, once what is on its way is answered, or never will be; empty: not now.
func (m *Meter) doom() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.talks > 0 && since(m.clock.read(), m.whyAt) < exchangeTimeout.Milliseconds() {
		return ""
	}
	return m.why
}

// renew takes another identity if the hub does not trust this one any more. What was consumed under the old one and
// the hub does not have goes along.
func (m *Meter) renew() {
	why := m.doom()
	if why == "" {
		return
	}
	m.log.Error("the hub does not trust this holder any more; it takes another identity", "code", why,
		"remedy", remedy(why))
	m.commit(errRenewing)
	heirs := map[*account]*ledger.Account{}
	accounts := map[string][]byte{}
	m.each(func(a *account) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.drop()
		if why == wire.CodeCopied {
			a.concede()
		}
		led := a.led.Heir(why == ledger.CodeFenced)
		if why == codeRewound {
			led.Forgot = -1 // the hub has all of what was forgotten, under the other name
		}
		heirs[a] = &led
		accounts[a.key] = ledger.AppendAccount(nil, &led)
	})
	err := m.o.Vault.Renew(why, accounts)
	if err != nil {
		m.log.Error("the vault cannot take another identity; it will be tried again", "error", err)
	}
	m.gate.Lock()
	defer m.gate.Unlock()
	carried := m.next
	m.next = newBatch()
	m.next.memories, m.next.kept = carried.memories, carried.kept
	defer m.rename(err == nil)
	if err != nil {
		return
	}
	for a, led := range heirs {
		a.inherit(led, accounts[a.key])
	}
	m.isSole.Store(true)
}

// rename lets the hub be told again, under another name if the vault has taken one.
func (m *Meter) rename(isTaken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.why = ""; isTaken {
		m.identity, m.toldAll = m.o.Vault.Identity(), 0
	}
}

// inherit makes an account what it is under the new name.
func (a *account) inherit(led *ledger.Account, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.led, a.durable, a.chunk, a.kept, a.told = *led, data, &chunk{}, nil, 0
	a.isMet, a.isOpen, a.first = true, true, nil
	a.version++
	a.saved = a.version
	a.follow()
}

// remedy is for the operator.
func remedy(why string) string {
	switch why {
	case ledger.CodeFenced, ledger.CodeDestroyed:
		return "an administrator declared it lost; nothing has to be done"
	case ledger.CodeRetired:
		return "it was out of touch for too long; nothing has to be done"
	case wire.CodeSuperseded, wire.CodeCopied, wire.CodeStranger:
		return "the data directory was copied: give each sidecar its own"
	case codeRewound:
		return "the clock of a hub was ahead and is right again; nothing has to be done"
	}
	return "look whether the data directory was restored from a backup; keep those of sidecars out of backups"
}
