package meter

import (
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// hear ends an exchange.
func (a *account) hear() {
	a.out = false
	close(a.answered)
	a.answered = make(chan struct{})
}

// apply takes the hub's answer in. A code says that this holder may not go on under its name.
func (m *Meter) apply(it *item, ans *wire.LeaseAnswer, epoch uint64) (code string) {
	a := it.account
	if code = ans.Code; !distrusts(code) {
		code = ""
		// Rights that are not written yet are not spent: whoever spends them is in this batch or a later one.
		m.change(a, func() {
			if it.Report.Holder == m.holder() { // or it is about a name that was given up
				code = a.take(it, ans, epoch, m.clock.read())
			}
		})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.hear()
	a.heard = a.begun
	if ans.Code == ledger.CodeUnknown {
		a.refused, a.turnedAt = a.saved, m.clock.read()
	}
	untold := it.version == 0 && a.isMet && a.first == nil && a.saved > a.told
	if a.recalled != 0 || untold && !it.isPart { // the next part is told once the hub may let go of this one
		m.beckon(a)
	}
	if ans.Totals != nil {
		m.clock.hear(ans.Totals.At)
	}
	a.tell(ans.Totals, m.clock.read())
	return code
}

// take makes of an account what the hub says.
func (a *account) take(it *item, ans *wire.LeaseAnswer, epoch uint64, now int64) (code string) {
	if epoch < a.led.Epoch {
		return "" // it is of a log that was lost since
	}
	if epoch > a.led.Epoch {
		a.adopt(epoch)
	}
	if ans.Code == "" {
		a.told = max(a.told, it.version)
	}
	if code = a.compare(it, ans, now); code != "" {
		return code
	}
	if it.isPart && ans.Code == "" && a.isOpen && epoch == it.epoch {
		a.confirmAll(&it.Report, epoch)
	}
	if ans.Award != nil {
		no := a.led.Take(*ans.Award)
		if no != nil && distrusts(no.Code) {
			return no.Code
		}
		a.follow() // what was told meanwhile may be newer
		a.version++
	}
	if ans.Totals != nil && ans.Totals.Span.Start <= a.led.Forgot {
		return codeRewound
	}
	return ""
}

// confirmAll notes of a report that the hub has taken all of it in, or will never hear of it.
func (a *account) confirmAll(r *ledger.Report, epoch uint64) {
	for _, l := range r.Lines {
		line := ledger.Line{Holder: r.Holder, Source: l.Source, Vector: l.Vector}
		_ = a.led.Confirm(epoch, l.Span, []ledger.Line{line}) // it was told from what there is
	}
}

// codeRewound says that the period that is open at the hub is one that this holder has forgotten, because the hub's
// clock was ahead. Under this name nothing can be counted in it any more.
const codeRewound = "rewound"

// tell takes totals in, unless newer ones are known.
func (a *account) tell(t *ledger.Totals, now int64) {
	if t != nil && (a.totals == nil || a.dated || newer(t, a.totals, now)) {
		a.totals, a.dated = t, false
		a.follow()
	}
}

// date says that the totals are of a log that is no more.
func (a *account) date() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dated = true
}

// newer tells whether totals are as new as others: of a book that was changed since, or made later. Those that a hub
// made while its clock was far ahead are not newer. A book that was lost, and nobody told of that, begins anew with a
// smaller turn: it is the one that there is once no hub can have made the others since.
func newer(t, old *ledger.Totals, now int64) bool {
	switch {
	case t.Epoch != old.Epoch:
		return t.Epoch > old.Epoch
	case t.Turn > old.Turn:
		return true
	case t.Turn < old.Turn:
		return t.At > old.At+lead
	}
	return t.At >= old.At || old.At > now+lead
}

// distrusts tells whether a code says that the holder needs another name.
func distrusts(code string) bool {
	switch code {
	case ledger.CodeFenced, ledger.CodeDestroyed, ledger.CodeRetired, ledger.CodeQuarantined, ledger.CodeRestored,
		wire.CodeSuperseded, wire.CodeCopied, wire.CodeStranger:
		return true
	}
	return false
}
