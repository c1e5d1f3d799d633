package meter

import (
	"errors"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// errRenewing is told to whoever consumes while the holder takes another identity.
var errRenewing = errors.New("the holder is taking another identity; try again")

// distrust has another identity taken, by the goroutine that writes.
func (m *Meter) distrust(why string) {
	m.mu.Lock()
	m.why = why
	m.mu.Unlock()
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
		led := a.led.Heir(why == ledger.CodeFenced)
		if why == codeRewound {
			led.Forgot = -1 // the hub has all of what was forgotten, under the other name
		}
		heirs[a] = &led
		accounts[a.key] = ledger.AppendAccount(nil, &led)
	})
	if err := m.o.Vault.Renew(why, accounts); err != nil {
		m.log.Error("the vault cannot take another identity; it will be tried again", "error", err)
	} else {
		for a, led := range heirs {
			a.inherit(led, accounts[a.key])
		}
	}
	m.mu.Lock()
	m.identity, m.toldAll = m.o.Vault.Identity(), 0
	m.mu.Unlock()
	m.gate.Lock()
	m.next = newBatch()
	m.gate.Unlock()
}

// inherit makes an account what it is under the new name.
func (a *account) inherit(led *ledger.Account, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.led, a.durable, a.chunk, a.kept, a.told = *led, data, &chunk{}, nil, 0
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
	case wire.CodeSuperseded, wire.CodeStranger:
		return "the data directory was copied: give each sidecar its own"
	case codeRewound:
		return "the clock of a hub was ahead and is right again; nothing has to be done"
	}
	return "look whether the data directory was restored from a backup; keep those of sidecars out of backups"
}
