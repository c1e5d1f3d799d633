package outbox

import (
	"cmp"
	"context"
	"slices"

	"github.com/sidegate/sidegate/replica"
)

// dropMany is how many events are dropped by one entry.
const dropMany = replica.MaxPuts / 2

// drop takes back what nobody is to hear any more, and what is too much.
func (o *Outbox) drop(ctx context.Context) error {
	for _, t := range o.surplus() {
		if _, err := o.o.Log.Put(ctx, o.o.Command(), t.puts...); replica.Contested(err) {
			continue // once it is known what changed
		} else if err != nil {
			return err
		}
		if t.events == 0 {
			continue
		}
		o.Stats.Dropped.Add(int64(t.events))
		o.note(t.webhook, Outcome{Dropped: uint64(t.events)})
		about := o.log.With("webhook", t.webhook, "events", t.events)
		if t.flood {
			about.Error("too many events wait for a webhook; the oldest are dropped: it has to answer 2xx sooner")
			continue
		}
		about.Info("events of a webhook that is disabled or deleted are dropped")
	}
	return nil
}

// A trash is what is to be taken back of one webhook.
type trash struct {
	webhook string
	puts    []replica.Put
	events  int
	flood   bool
}

func (o *Outbox) surplus() (out []trash) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known.whole {
		return nil
	}
	for id, b := range o.known.boxes {
		t := trash{webhook: id}
		n := b.waiting.Len()
		switch {
		case b.isNewer:
			continue
		case b.rev == 0 && n == 0 && b.outRev == 0 && len(b.busy) == 0:
			delete(o.known.boxes, id)
			continue
		case b.rev != 0 && !b.hook.Disabled:
			t.flood = true
			n = max(0, n-MaxPending)
		}
		if n > 0 {
			t.puts = b.oldest(id, min(n, dropMany))
			t.events = len(t.puts)
		}
		if b.rev == 0 && b.outRev != 0 {
			t.puts = append(t.puts, replica.Put{Key: outcomeKey(id), Expect: b.outRev, Delete: true})
		}
		if len(t.puts) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// oldest are tombstones of the oldest events that no attempt is under way of.
func (b *box) oldest(webhook string, n int) (puts []replica.Put) {
	all := make([]waiting, 0, len(b.events))
	for _, w := range b.events {
		if !b.busy[w.id] {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(x, y waiting) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.id, y.id)) })
	for _, w := range all[:min(n, len(all))] {
		puts = append(puts, replica.Put{Key: eventKey(webhook, w.id), Expect: w.rev, Delete: true})
	}
	return puts
}
