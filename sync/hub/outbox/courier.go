package outbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
)

const (
	atOnce    = 4           // attempts under way of one webhook, at one hub
	lease     = 2 * Timeout // how long an attempt is left to the hub that claimed it
	lookEvery = 100 * time.Millisecond
	saveEvery = 10              // ticks between writings of outcomes
	mostWait  = 24 * time.Hour  // however long a webhook wants to be left alone
	troubled  = time.Second     // how long an event rests that could not be claimed or settled
	lastWords = 1 * time.Second // for writing down what was delivered just before the end
)

// waits are how long after an attempt the next one is made: ten attempts in a little more than three days.
func waits() []time.Duration {
	return []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
}

// next is how long after so many attempts the next one is made, give or take a tenth; false: that was the last.
func next(tries int, asked time.Duration) (time.Duration, bool) {
	all := waits()
	if tries > len(all) {
		return 0, false
	}
	wait := all[max(tries, 1)-1]
	wait += time.Duration((rand.Float64() - 0.5) * 0.2 * float64(wait))
	return max(wait, min(asked, mostWait)), true
}

// A parcel is an event on its way to a webhook.
type parcel struct {
	hook Webhook
	rev  uint64 // of the webhook
	id   string
}

// Run delivers until ctx ends. It returns nil.
func (o *Outbox) Run(ctx context.Context) error {
	var group errgroup.Group
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ticks, saved := 0, 0; ctx.Err() == nil; {
		for _, p := range o.take() {
			group.Go(func() error { return o.deliver(ctx, p) })
		}
		err := o.drop(ctx)
		if ticks >= saved+saveEvery {
			err, saved = errors.Join(err, o.save(ctx)), ticks
		}
		if err != nil && ctx.Err() == nil {
			o.log.Warn("what became of events could not be written; trying again", "error", err)
			pause(ctx, troubled)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
			ticks++
		case <-o.wake:
		}
	}
	return group.Wait()
}

// take is what is due, as much of each webhook as may be under way.
func (o *Outbox) take() (out []parcel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	for _, b := range o.known.boxes {
		if b.rev == 0 || b.hook.Disabled {
			continue
		}
		b.waiting.Scan(func(w waiting) bool {
			if w.due > now || len(b.busy) >= atOnce {
				return false
			}
			if !b.busy[w.id] {
				b.busy[w.id] = true
				out = append(out, parcel{b.hook, b.rev, w.id})
			}
			return true
		})
	}
	return out
}

// release lets an event be taken again.
func (o *Outbox) release(p parcel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.known.box(p.hook.ID).busy, p.id)
	o.look()
}

// deliver makes one attempt. It returns nil: what goes wrong is tried again.
func (o *Outbox) deliver(ctx context.Context, p parcel) error {
	defer o.release(p)
	d, rev, err := o.claim(ctx, p)
	if err == nil && rev != 0 {
		a := o.post(ctx, &p.hook, p.id, d.Body)
		if ctx.Err() != nil && !a.Delivered() {
			return nil // it was cut off; another attempt is made once the claim is over
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
		if ctx.Err() != nil {
			end, cancel = context.WithTimeout(end, lastWords)
		}
		defer cancel()
		err = o.settle(end, p, held{d, rev}, a)
	}
	if err != nil && ctx.Err() == nil && !replica.Contested(err) {
		o.log.Warn("an event could not be claimed or settled; trying again", "webhook", p.hook.ID, "event", p.id,
			"error", err)
		pause(ctx, troubled)
	}
	return nil
}

// claim makes the event this hub's for a while. rev is 0 if there is nothing to do: it is gone, or another hub's.
func (o *Outbox) claim(ctx context.Context, p parcel) (d stored, rev uint64, err error) {
	key := eventKey(p.hook.ID, p.id)
	e, err := o.o.Log.Get(ctx, key)
	if errors.Is(err, replica.ErrNotFound) {
		e, err = replica.Entry{Key: key, Rev: ^uint64(0)}, nil
	}
	if err != nil {
		return d, 0, err
	}
	o.learn(p, e)
	if e.Deleted() {
		return d, 0, nil
	}
	if err := decode(e.Value, &d); err != nil || d.Due > o.now() {
		return d, 0, err
	}
	d.Tries, d.Due = d.Tries+1, o.now()+lease.Milliseconds()
	rev, err = o.store(ctx, p, held{d, e.Rev})
	return d, rev, err
}

// A held event is one as the log has it, and its revision there.
type held struct {
	stored
	rev uint64
}

// store writes an event as it is to be.
func (o *Outbox) store(ctx context.Context, p parcel, h held) (uint64, error) {
	value, err := encode(h.stored)
	if err != nil {
		return 0, err
	}
	key := eventKey(p.hook.ID, p.id)
	rev, err := o.o.Log.Put(ctx, o.o.Command(), replica.Put{Key: key, Expect: h.rev, Value: value})
	if err == nil {
		o.learn(p, replica.Entry{Key: key, Rev: rev, Value: value})
	}
	return rev, err
}

func (o *Outbox) learn(p parcel, e replica.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known.box(p.hook.ID).learn(p.id, e)
}

// settle writes down what came of an attempt.
func (o *Outbox) settle(ctx context.Context, p parcel, h held, a Attempt) error {
	wait, more := next(h.Tries, a.Wait)
	gone := a.Status == 410
	if a.Delivered() || gone || !more {
		key := eventKey(p.hook.ID, p.id)
		rev, err := o.o.Log.Put(ctx, o.o.Command(), replica.Put{Key: key, Expect: h.rev, Delete: true})
		if err != nil {
			return err
		}
		o.learn(p, replica.Entry{Key: key, Rev: rev})
		o.tell(p, h, a, 0)
		if gone {
			return o.disable(ctx, p)
		}
		return nil
	}
	h.Due, h.Status, h.Error = o.now()+wait.Milliseconds(), a.Status, a.Error
	if _, err := o.store(ctx, p, h); err != nil {
		return err
	}
	o.tell(p, h, a, wait)
	return nil
}

// tell counts an attempt, and says in the log if it failed; wait is when the next one follows, 0 if none does.
func (o *Outbox) tell(p parcel, h held, a Attempt, wait time.Duration) {
	givenUp := wait == 0 && !a.Delivered()
	o.note(p.hook.ID, after(a, o.now(), givenUp))
	about := o.log.With("webhook", p.hook.ID, "event", p.id, "type", h.Type, "attempt", h.Tries, "status", a.Status,
		"error", a.Error)
	switch {
	case a.Delivered():
		o.Stats.Delivered.Add(1)
		return
	case givenUp:
		o.Stats.GivenUp.Add(1)
		about.Error("an event was not taken by its webhook, and is given up")
	default:
		about.Warn("an event was not taken by its webhook; trying again", "in", wait.Round(time.Second))
	}
	o.Stats.Failed.Add(1)
}

// disable ends a webhook that said that it is gone, unless it was changed meanwhile.
func (o *Outbox) disable(ctx context.Context, p parcel) error {
	w := p.hook
	w.Disabled, w.Gone = true, true
	value, err := w.Encode()
	if err != nil {
		return err
	}
	_, err = o.o.Log.Put(ctx, o.o.Command(), replica.Put{Key: WebhookKey(w.ID), Expect: p.rev, Value: value})
	if err == nil {
		o.log.Warn("a webhook answered 410 Gone and is disabled; put it again to enable it", "webhook", w.ID)
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Test sends a webhook a message of type webhook.test, whether or not it is disabled, and answers what came of it.
func (o *Outbox) Test(ctx context.Context, w *Webhook, data any) (Attempt, error) {
	command := o.o.Command()
	text, err := body(TestType, o.o.Now(), data)
	if err != nil {
		return Attempt{}, err
	}
	a := o.post(ctx, w, Name(TestType, w.ID, string(command[:])), text)
	o.note(w.ID, after(a, o.now(), false))
	return a, nil
}

// TestType is the type of what Test sends.
const TestType = "webhook.test"
