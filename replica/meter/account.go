package meter

import (
	"sync"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

// An account is one customer and one feature. Its lock is taken before the meter's.
type account struct {
	key string

	mu       sync.Mutex
	led      ledger.Account
	durable  []byte // led as the vault has it; nil: the vault has none
	version  uint64 // grows with every change of led
	saved    uint64 // the version that the vault has
	told     uint64 // the version that the hub is known to have
	refused  uint64 // the last version that the hub turned down, for it knows no such customer; 0: none
	out      bool   // an exchange about it is under way
	begun    uint64 // how many there were, that one included
	heard    uint64 // the number of the last one that was answered
	isMet    bool   // the hub has answered under this name since the process started
	met      int64  // unix milliseconds of that
	isOpen   bool   // since then the hub was told all, and may have it
	first    []byte // led as the vault had it at the start; nil: it had none, or the hub has it
	rule     ledger.Rule
	totals   *ledger.Totals
	dated    bool   // they are of the disk, or of a log that is no more: whatever comes is newer
	chunk    *chunk // never nil; one without a batch is empty
	kept     *chunk // the one that the vault has; nil: it has none
	demand   demand
	wanted   int64         // rights that somebody waits for; 0: nobody does
	soon     bool          // rights will be missed soon
	recalled uint64        // version in which rights were given back that others wait for; 0: the hub was told
	asked    int64         // unix milliseconds of the last ask
	turnedAt int64         // unix milliseconds of refused
	room     int64         // what was left of the limit at the last decision
	answered chan struct{} // closed, and made anew, when the hub has answered
}

// span is the period at a time: by the hub's calendar, for documents may have changed since the period began. As long
// as the hub has told none what was begun here goes on, and then the rule of the last consumption says.
func (a *account) span(now int64) ledger.Span {
	if len(a.led.Calendar) == 0 {
		for i := range a.led.Entries {
			if s := a.led.Entries[i].Span; s.Start <= now && now < s.End {
				return s
			}
		}
	}
	return a.led.Span(a.rule, now)
}

// adopt begins another epoch, in which all that there is has to be told again. What is blank is not written down.
func (a *account) adopt(epoch uint64) {
	if a.led.Adopt(epoch); !a.led.IsBlank() {
		a.version++
	}
}

// follow goes by the calendar that the hub told last, with totals or an answer. It is written down with what is
// counted.
func (a *account) follow() {
	if t := a.totals; t != nil {
		a.led.Follow(t.Epoch, t.Turn, t.Calendar)
	}
}

// refusedLately tells whether the hub has just said that it knows no such customer, and nothing has come since. What
// was used is kept, and told again now and then: the customer may come back.
func (a *account) refusedLately(now int64) bool {
	return a.saved <= a.refused && since(now, a.turnedAt) < knockEvery
}

// untouched tells whether nothing was ever counted: only others' totals are known, or the hub was asked.
func (a *account) untouched() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.led.IsBlank()
}

// use is what a decision has to know of the period that it is made in.
func (a *account) use(id ledger.HolderID, span ledger.Span, now int64) (u checker.Use) {
	u.HeldRights = a.led.Free(span, now)
	u.Used, u.Reserved = a.led.Used(span), a.led.Reserved(span)
	if a.chunk.span.Start == span.Start {
		u.Used -= a.chunk.left()
		if a.chunk.src.Kind != ledger.Unbacked && a.led.Lasts(a.chunk.src, now) {
			u.HeldRights += a.chunk.left()
		}
	}
	if span.End != ledger.Forever {
		u.ResetsAt = span.End
	}
	t := a.totals
	if t == nil {
		return u
	}
	u.TotalsAge = max(0, now-t.At)
	fresh := u.Used // of this holder, and not in the totals
	if t.Span.Start == span.Start {
		used, out, isApart := t.Others(id)
		if !isApart {
			used -= min(used, a.led.Known(span))
		}
		fresh -= t.Used - used
		u.Used, u.UnseenMax, u.Rolled = u.Used+used, out, t.Rolled
	}
	u.Fund(a.worth(span, fresh, now))
	return u
}

// isGone tells whether totals do not list a holder of which the hub has something: it is not listened to any more.
func (a *account) isGone(t *ledger.Totals, id ledger.HolderID) bool {
	_, _, isApart := t.Others(id)
	return !isApart && a.led.Known(t.Span) > 0
}

// worth is what grants add to the limit of a period, and when the last active one ends. Those that have ended pay also
// for what is set aside of them, and for what was spent of them here and is fresh: not in the totals.
func (a *account) worth(span ledger.Span, fresh, now int64) (units, ends int64) {
	t := a.totals
	units, ends = t.Worth(span, now)
	for i := range t.Grants {
		g := &t.Grants[i]
		if g.Active(now) {
			continue
		}
		src := ledger.Source{Kind: ledger.Topup, Grant: g.Grant}
		used, reserved := a.led.Untold(span, src)
		if a.chunk.src == src && a.chunk.span.Start == span.Start {
			used -= a.chunk.left()
		}
		used = max(0, min(used, fresh))
		units, fresh = units+used+reserved, fresh-used
	}
	return units, ends
}

// mend makes the account what the vault has, after the vault took nothing. Of the chunk that the vault has, what was
// consumed stays consumed: a chunk that was let go of remembers what was left of it. What the hub is known to have it
// has all the same: the heir would tell it again.
func (a *account) mend() {
	was := a.led
	a.led = decoded(a.durable)
	a.led.Recall(&was)
	a.follow()
	a.version++
	if a.chunk = a.kept; a.chunk == nil {
		a.led.Recover() // what the vault has of a chunk is of an earlier process
		a.chunk = &chunk{}
	}
	if c := a.chunk; c.span.End != 0 { // one without a span never had a unit
		c.ripen()
		c.more, c.moreIn = 0, nil
		c.used = a.led.Chunk(c.span, c.src) - c.safe
	}
}
