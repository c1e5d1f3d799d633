package outbox

import (
	"context"

	"github.com/sidegate/sidegate/replica"
)

// An Outcome is what became of a webhook's events. It is written down about once a second, so what a hub did in the
// last one before it died is not in it. Times are unix milliseconds.
type Outcome struct {
	Delivered uint64 `json:"delivered,omitempty"`
	Failed    uint64 `json:"failed,omitempty"`   // attempts
	GivenUp   uint64 `json:"given_up,omitempty"` // events whose last attempt failed
	Dropped   uint64 `json:"dropped,omitempty"`  // events beyond MaxPending, and of a webhook that was disabled
	InARow    uint64 `json:"in_a_row,omitempty"` // attempts that failed since the last that did not

	At     int64  `json:"at,omitempty"`     // of the last attempt; 0: there was none
	Status int    `json:"status,omitempty"` // what it was answered; 0: nothing
	Error  string `json:"error,omitempty"`  // why it was not
	Good   int64  `json:"good,omitempty"`   // when an event was last delivered; 0: never
}

// plus is an outcome and what came after it.
func (x Outcome) plus(y Outcome) Outcome {
	out := x
	out.Delivered, out.Failed = x.Delivered+y.Delivered, x.Failed+y.Failed
	out.GivenUp, out.Dropped = x.GivenUp+y.GivenUp, x.Dropped+y.Dropped
	if out.InARow = x.InARow + y.InARow; y.Delivered > 0 {
		out.InARow = y.InARow
	}
	if y.At >= x.At && y.At > 0 {
		out.At, out.Status, out.Error = y.At, y.Status, y.Error
	}
	out.Good = max(x.Good, y.Good)
	return out
}

// after is the outcome of one attempt.
func after(a Attempt, now int64, givenUp bool) Outcome {
	out := Outcome{At: now, Status: a.Status, Error: a.Error}
	if a.Delivered() {
		out.Delivered, out.Good = 1, now
		return out
	}
	out.Failed, out.InARow = 1, 1
	if givenUp {
		out.GivenUp = 1
	}
	return out
}

// note adds to what is to be written down of a webhook.
func (o *Outbox) note(webhook string, more Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.known.box(webhook)
	b.fresh = b.fresh.plus(more)
}

// An owed outcome is one that is to be written down.
type owed struct {
	webhook string
	put     replica.Put
	wrote   Outcome
	more    Outcome
}

// save writes down what is not written yet. What another hub was faster with is tried again, once that is known.
func (o *Outbox) save(ctx context.Context) error {
	for _, w := range o.unsaved() {
		rev, err := o.o.Log.Put(ctx, o.o.Command(), w.put)
		if replica.Contested(err) {
			continue
		}
		if err != nil {
			return err
		}
		o.mu.Lock()
		b := o.known.box(w.webhook)
		if b.fresh = b.fresh.minus(w.more); b.outRev < rev {
			b.outcome, b.outRev = w.wrote, rev
		}
		o.mu.Unlock()
	}
	return nil
}

func (o *Outbox) unsaved() (out []owed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, b := range o.known.boxes {
		if b.fresh == (Outcome{}) || b.rev == 0 {
			continue
		}
		sum := b.outcome.plus(b.fresh)
		value, err := encode(sum)
		if err != nil {
			o.log.Error("the outcome of a webhook cannot be written", "webhook", id, "error", err)
			continue
		}
		out = append(out, owed{id, replica.Put{Key: outcomeKey(id), Expect: b.outRev, Value: value}, sum, b.fresh})
	}
	return out
}

// minus takes away what was written down meanwhile. What remains came after it.
func (x Outcome) minus(y Outcome) Outcome {
	if x == y {
		return Outcome{}
	}
	if x.Delivered == y.Delivered {
		x.InARow -= min(x.InARow, y.InARow)
	}
	x.Delivered, x.Failed = x.Delivered-y.Delivered, x.Failed-y.Failed
	x.GivenUp, x.Dropped = x.GivenUp-y.GivenUp, x.Dropped-y.Dropped
	return x
}
