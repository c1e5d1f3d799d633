package ledger

import (
	"fmt"
	"slices"
)

// A kind says what sort of thing happens in a world.
type deed uint8

// The deeds. Of most a setting says how often they may be done; mail comes as often as it makes a difference.
const (
	consume deed = iota
	count
	debit
	debitUnbacked
	fromMemory
	settle
	reserve
	reserveUnbacked
	commit
	cancel
	refund
	tidy
	report
	deliver
	confirm
	sync
	crash
	adopt
	giveBack
	giveBackStanding
	forget
	setTerms
	setGrant
	dropGrant
	reset
	fence
	destroy
	quarantine
	backup
	rollback
	accept
	foldAway
	retire
	pass
	quiet
	lag
	joins
	kinds
)

func (d deed) String() string {
	return [...]string{"consume", "count", "debit", "debit unbacked", "consume from memory", "settle", "reserve",
		"reserve unbacked", "commit", "cancel", "refund", "tidy", "report", "deliver", "confirm", "sync", "crash", "adopt",
		"give back", "give back standing", "forget", "set terms", "set grant", "drop grant", "reset", "fence", "destroy",
		"quarantine", "back up", "roll back", "accept", "fold away", "retire", "pass time", "be quiet", "lag", "join"}[d]
}

// A move is one thing that happens. It is data, so that a history can be done again.
type move struct {
	deed   deed
	who    int // the holder, or the hub
	arg    int64
	letter letter
}

func (m move) String() string {
	if m.deed == deliver {
		return fmt.Sprintf("hub or holder %d gets: %v", m.who, m.letter)
	}
	return fmt.Sprintf("%v %d %d", m.deed, m.who, m.arg)
}

// moves lists all that may happen next.
func (w *world) moves() []move {
	var list []move
	for d := deed(0); d < kinds; d++ {
		list = append(list, w.options(d)...)
	}
	return list
}

// options lists what of one kind may happen next.
func (w *world) options(d deed) []move {
	if d != deliver && d != sync && w.spent[d] >= w.set.budget[d] {
		return nil
	}
	switch d {
	case deliver:
		return w.deliveries()
	case setTerms, setGrant, dropGrant, reset, backup, rollback, accept, foldAway, retire, pass, quiet, joins:
		return w.common(d)
	case confirm:
		return w.confirmations()
	}
	var list []move
	for i := range w.folk {
		if only := int(w.set.only[d]); !w.folk[i].dead && (only == 0 || only == i+1) {
			list = w.personal(list, d, i)
		}
	}
	return list
}

// personal lists what one holder may do, or what may be done to it.
func (w *world) personal(list []move, d deed, i int) []move {
	p := &w.folk[i]
	with := func(args ...int64) {
		for _, n := range args {
			list = append(list, move{deed: d, who: i, arg: n})
		}
	}
	switch d {
	case consume, count, reserve, reserveUnbacked:
		with(w.set.amounts...)
	case debit, debitUnbacked:
		if p.chunk.n == 0 {
			with(w.set.amounts...)
		}
	case fromMemory:
		if p.chunk.used < p.chunk.n {
			with(0)
		}
	case settle:
		if p.chunk.n > 0 {
			with(0)
		}
	case commit, cancel, refund:
		with(upTo(p.named)...)
	case report:
		with(upTo(len(w.set.asks) + 1)...)
	case giveBack, giveBackStanding:
		with(0, 1)
	case sync:
		if p.kept != p.mind {
			with(0)
		}
	case lag:
		with(w.set.lags...)
	default:
		with(0)
	}
	return list
}

func upTo(n int) []int64 {
	var list []int64
	for i := range n {
		list = append(list, int64(i))
	}
	return list
}

// common lists what concerns no holder.
func (w *world) common(d deed) []move {
	n := 1
	switch d {
	case setTerms:
		n = len(w.set.terms)
	case setGrant, dropGrant:
		n = len(w.set.grants)
	case quiet:
		n = len(w.folk) + 1 // the last: nobody is silent
	case rollback:
		if w.spare == "" {
			return nil
		}
	}
	var list []move
	for _, i := range upTo(n) {
		list = append(list, move{deed: d, arg: i})
	}
	return list
}

// confirmations lists what hubs may tell holders, from what they last read.
func (w *world) confirmations() []move {
	var list []move
	for k := range w.hubs {
		for i := range w.folk {
			list = append(list, move{deed: confirm, who: k, arg: int64(i)})
		}
	}
	return list
}

func (w *world) deliveries() []move {
	var list []move
	for _, l := range w.mail {
		if l[0] != 'u' {
			list = append(list, move{deed: deliver, who: l.who(), letter: l})
			continue
		}
		for k := range w.hubs {
			list = append(list, move{deed: deliver, who: k, letter: l})
		}
	}
	return list
}

// do makes a move, and answers what went wrong if anything did.
func (w world) do(m move) (world, string) {
	w.hubs = slices.Clone(w.hubs)
	before := w.folk
	w.folk = slices.Clone(w.folk)
	fault := w.make(m)
	w.speak(before)
	return w, fault
}

func (w *world) make(m move) string {
	if m.deed != deliver && m.deed != sync {
		w.spent[m.deed]++
	}
	switch m.deed {
	case deliver:
		if _, ok := slices.BinarySearch(w.mail, m.letter); !ok {
			return ""
		}
		if m.letter[0] == 'u' {
			return w.hear(m.who, m.letter)
		}
		return w.told(m.who, m.letter)
	case confirm:
		w.confirm(m.who, int(m.arg))
		return ""
	case setTerms, setGrant, dropGrant, reset, accept, foldAway, retire:
		return w.govern(m)
	case backup, rollback, pass, quiet, joins:
		return w.fate(m)
	case fence, destroy, quarantine:
		return w.judge(m)
	}
	if m.who >= len(w.folk) || w.folk[m.who].dead {
		return ""
	}
	return w.live(m)
}

// fate is what nobody does.
func (w *world) fate(m move) string {
	switch m.deed {
	case backup:
		w.spare = w.log
	case rollback:
		return w.rollback()
	case joins:
		w.join()
	case pass:
		w.elapse(w.set.tick)
	case quiet:
		return w.quiet(int(m.arg))
	}
	return ""
}

func (w *world) elapse(d int64) {
	w.now += d
	for i := range w.folk {
		p := &w.folk[i]
		p.clock = max(p.clock, w.now-p.lag)
	}
}
