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
	m.why = why
	if why == wire.CodeSuperseded {
		m.alarm = &former{m.identity, m.epoch, m.seen}
		m.hurry()
	}
	m.signal()
}

// renew takes another identity if the hub does not trust this one any more. What was consumed under the old one and
// the hub does not have goes along.
func (m *Meter) renew() {
	m.mu.Lock()
	why := m.why
	m.why = ""
	m.mu.Unlock()
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
	m.next = newBatch()
	if err != nil {
		return
	}
	for a, led := range heirs {
		a.inherit(led, accounts[a.key])
	}
	m.isSole.Store(true)
	m.mu.Lock()
	m.identity, m.toldAll = m.o.Vault.Identity(), 0
	m.mu.Unlock()
}

// inherit makes an account what it is under the new name.
func (a *account) inherit(led *ledger.Account, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.led, a.durable, a.chunk, a.kept, a.told = *led, data, &chunk{}, nil, 0
	a.isMet, a.isOpen, a.first = true, true, nil
	a.version++
	a.saved = a.version
}

// remedy is for the operator.
func remedy(why string) string {
	switch why {
	case ledger.CodeFenced:
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
