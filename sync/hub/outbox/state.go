package outbox

import (
	"strings"

	"github.com/tidwall/btree"

	"github.com/sidegate/sidegate/replica"
)

// A state is what the log holds, as far as it is known.
type state struct {
	boxes map[string]*box
	whole bool // everything up to some revision is in it, so what is not here is not there
}

func newState() *state { return &state{boxes: map[string]*box{}} }

// A box is a webhook and its events. Without a revision the webhook is gone, and its events are to go.
type box struct {
	hook    Webhook
	rev     uint64
	isNewer bool // it is not gone: its document is of a newer program, which its events are left for
	waiting *btree.BTreeG[waiting]
	events  map[string]waiting // the same, by id
	busy    map[string]bool    // events that an attempt is under way of, here

	outcome Outcome
	outRev  uint64
	fresh   Outcome // what is not written down yet
}

// A waiting event is one that is not delivered.
type waiting struct {
	due, at int64
	id      string
	rev     uint64
}

func sooner(x, y waiting) bool { return x.due < y.due || x.due == y.due && x.id < y.id }

func (s *state) box(id string) *box {
	b := s.boxes[id]
	if b == nil {
		b = &box{waiting: btree.NewBTreeGOptions(sooner, btree.Options{NoLocks: true}), events: map[string]waiting{},
			busy: map[string]bool{}}
		s.boxes[strings.Clone(id)] = b
	}
	return b
}

// Reset says that the log is told again from the beginning. What is known stays so until all of it is.
func (o *Outbox) Reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = newState()
}

// Apply takes a document in.
func (o *Outbox) Apply(e replica.Entry) {
	switch k := replica.ParseKey(e.Key); k.Kind {
	case replica.KindWebhook, replica.KindEvent, replica.KindOutcome:
		o.mu.Lock()
		defer o.mu.Unlock()
		o.next.whole = false
		if o.next.apply(k, e) && o.next == o.known {
			o.look()
		}
	}
}

// Published makes what was told known.
func (o *Outbox) Published(uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next.whole {
		return
	}
	o.next.whole = true
	if o.next != o.known {
		for id, b := range o.known.boxes { // attempts that are under way stay so, and what is to be written down
			if len(b.busy) > 0 || b.fresh != (Outcome{}) {
				n := o.next.box(id)
				n.busy, n.fresh = b.busy, b.fresh
			}
		}
		o.known = o.next
	}
	o.look()
}

// look asks for what is due to be looked at.
func (o *Outbox) look() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// apply takes one of the outbox's own documents in. It is true if an event came. One that cannot be read is as if it
// were not there: it is left for a newer program.
func (s *state) apply(k replica.Key, e replica.Entry) (event bool) {
	if k.Kind == replica.KindEvent {
		hook, id, _ := replica.ParseCount(k.ID)
		return s.box(hook).learn(id, e)
	}
	b := s.box(k.ID)
	if k.Kind == replica.KindWebhook {
		w, err := DecodeWebhook(strings.Clone(k.ID), e.Value)
		if b.rev = e.Rev; e.Deleted() || err != nil {
			w, b.rev = Webhook{}, 0
		}
		b.hook, b.isNewer = w, err != nil && !e.Deleted()
		return false
	}
	b.outcome, b.outRev = Outcome{}, 0
	if !e.Deleted() && decode(e.Value, &b.outcome) == nil {
		b.outRev = e.Rev
	}
	return false
}

// learn takes an event in, unless what is known of it is newer.
func (b *box) learn(id string, e replica.Entry) bool {
	old, had := b.events[id]
	if had && old.rev > e.Rev {
		return false
	}
	if had {
		b.waiting.Delete(old)
		delete(b.events, id)
	}
	var d stored
	if e.Deleted() || decode(e.Value, &d) != nil {
		return false
	}
	next := waiting{d.Due, d.At, strings.Clone(id), e.Rev}
	b.events[next.id] = next
	b.waiting.Set(next)
	return true
}
