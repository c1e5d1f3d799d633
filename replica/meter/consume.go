package meter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

// retryAfter is when it makes sense to ask again for rights that were not to be had.
const retryAfter = time.Second

// MaxQuantity is the most units that one request may be for.
const MaxQuantity = ledger.MaxUnits

// ErrTooMany refuses a quantity that the ledger cannot count.
var ErrTooMany = errors.New("the quantity is too large")

// A Request is one consumption. What Held and Ask borrow must stay as it is until Consume returns.
type Request struct {
	Customer string
	Feature  string
	Held     *checker.Held // Use is set here
	Ask      *checker.Ask
	Recent   bool // the caller knows of a write that may give more room: the hub is asked before a denial
	Keyed    bool // Key and Payload count
	Key      [16]byte
	Payload  [16]byte
	// Render writes what a repeated key is answered with; it counts if Keyed.
	Render func(*checker.Decision) []byte
}

// A Result is what became of a request.
type Result struct {
	Decision   checker.Decision
	Consumed   int64
	Replayed   []byte        // the first answer of a repeated key; nothing was counted now
	RetryAfter time.Duration // of RightsUnavailable: when to try again
}

// Consume decides, counts and waits until it is written down. An error means that nothing was counted.
func (m *Meter) Consume(ctx context.Context, r *Request) (Result, error) {
	if !r.Keyed {
		return m.consume(ctx, r, nil)
	}
	p, answer, err := m.promise(ctx, r)
	if err != nil || answer != nil {
		return Result{Replayed: answer}, err
	}
	res, err := m.consume(ctx, r, p)
	if err != nil {
		p.answer = nil // what was not written is not repeated to those who wait for the key
	}
	m.fulfil(r.Key, p)
	return res, err
}

// consume asks for rights as long as the caller's patience lasts.
func (m *Meter) consume(ctx context.Context, r *Request, p *promise) (Result, error) {
	t := try{m: m, r: r, p: p}
	return t.all(ctx)
}

// all tries once, and again as long as rights are missing that may come.
func (t *try) all(ctx context.Context) (Result, error) {
	if t.r.Recent && !t.begin() && t.denial() == checker.NotEntitled { // a grant may be on its way
		short, cancel := context.WithTimeout(ctx, t.m.o.Patience) // that is for all
		defer cancel()
		ctx = short
		t.m.Hear(ctx, t.r.Customer, t.r.Feature)
	}
	res, err := t.run()
	if err != nil || !t.short {
		return res, err
	}
	return t.insist(ctx, res)
}

// begin finds what is counted against; false: nothing is. Who holds nothing else may still have a grant, of which the
// record knows nothing.
func (t *try) begin() (ok bool) {
	r, now := t.r, t.m.clock.read()
	t.count = checker.CountOf(r.Held, r.Ask, now)
	if t.terms, ok = t.count.Terms(); ok {
		return true
	}
	t.m.Use([]byte(r.Customer), []byte(r.Feature), nil, &r.Held.Use)
	t.count = checker.CountOf(r.Held, r.Ask, now)
	t.terms, ok = t.count.Terms()
	return ok
}

// denial is why nothing is counted where begin has found nothing.
func (t *try) denial() checker.Reason {
	return checker.Decide(t.r.Held, t.r.Ask, t.m.clock.read()).Reason
}

// insist tries again whenever the hub has answered, until the caller's patience is over.
func (t *try) insist(ctx context.Context, res Result) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, t.m.o.Patience)
	defer cancel()
	for t.await(ctx) {
		t.again = true
		var err error
		if res, err = t.run(); err != nil || !t.short {
			return res, err
		}
	}
	if !res.Decision.Allowed {
		return res, nil // there is no room, as far as is known
	}
	return unavailable(res), nil
}

// await waits for the hub's answer, and tells whether trying again makes sense.
func (t *try) await(ctx context.Context) bool {
	if t.m.o.Hub == nil {
		return false
	}
	select {
	case <-t.answered:
	case <-ctx.Done():
		return false
	}
	if !t.m.linked.Load() {
		return false
	}
	if !t.again {
		return true
	}
	pause := time.NewTimer(pauseBetween * time.Millisecond)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// unavailable is the answer where room is left that cannot be had here.
func unavailable(res Result) Result {
	d := &res.Decision
	d.Allowed, d.Reason = false, checker.RightsUnavailable
	return Result{Decision: *d, RetryAfter: retryAfter}
}

// A try is an attempt to consume.
type try struct {
	m        *Meter
	a        *account
	r        *Request
	p        *promise
	count    checker.Count
	terms    checker.Terms
	hold     *ledger.Reservation // units are set aside, not consumed; nil: they are consumed
	in       *batch              // what has to be written before the caller is told; nil: nothing was consumed
	of       *batch              // the same if it was consumed from a chunk
	again    bool                // rights were missing before
	short    bool                // rights are missing, and were asked for
	next     uint64              // the exchange that tells what the caller knows of; 0: before the first look
	answered <-chan struct{}
}

// run decides and consumes, and waits until it is written down.
func (t *try) run() (Result, error) {
	t.in, t.short = nil, false
	if !t.begin() {
		return Result{Decision: checker.Decide(t.r.Held, t.r.Ask, t.m.clock.read())}, nil
	}
	if t.a == nil {
		t.a = t.m.account(keyOf(t.r.Customer, t.r.Feature))
	}
	res, err := t.locked()
	if err == nil && t.in != nil {
		err = t.in.wait()
	}
	return res, err
}

func (t *try) locked() (Result, error) {
	a, now := t.a, t.m.clock.read()
	in, err := t.m.enter()
	if err != nil {
		return Result{}, err
	}
	defer t.m.leave()
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.next == 0 {
		t.next = a.begun + 1 // what is under way may be older than what the caller knows
	}
	a.rule = ledger.RuleOf(&t.terms)
	span := a.span(now)
	a.led.Open(span)
	if a.chunk.span.Start != span.Start || !a.led.Lasts(a.chunk.src, now) {
		a.drop()
	}
	if a.led.Reserved(span) > 0 && a.led.Expire(now) {
		a.version++ // written with what is consumed, or by the next tick
	}
	id := t.m.holder()
	t.r.Held.Use = a.use(id, span, now)
	d := t.count.Decide()
	res := Result{Decision: d}
	q := max(0, t.r.Ask.Quantity)
	if !d.Allowed {
		if d.Reason == checker.LimitReached && t.doubts(span) {
			t.short, t.answered = true, a.answered
			t.m.beckon(a)
		}
		return res, nil
	}
	if t.hold != nil && a.led.Unsettled() >= mostReserved {
		return Result{}, errReserved
	}
	if !t.again {
		a.demand.add(q, now)
	}
	a.room = d.Remaining
	t.in = in
	chunked, no := t.spend(span, q, now)
	switch {
	case no != nil && no.Code == ledger.CodeShort:
		t.in, t.short, t.answered = nil, true, a.answered
		t.m.want(a, q)
		return res, nil
	case no != nil:
		t.in = nil
		return res, fmt.Errorf("%w: %s", ErrTooMany, no.Why)
	}
	free := a.led.Free(span, now) + a.chunk.left()
	res.Consumed, res.Decision.Held = q, free
	t.spent(&res.Decision, q)
	if !t.terms.Soft {
		t.m.wantSoon(a, free, now)
	}
	t.write(&res, chunked)
	return res, nil
}

// doubts tells whether the hub may know of room that is not known here: of what rolled over into the period it tells
// with its totals, which nobody makes before somebody counts in it, and a grant may be on its way.
func (t *try) doubts(span ledger.Span) bool {
	if t.m.o.Hub == nil || t.m.failing.Load() || t.again && t.a.heard >= t.next {
		return false
	}
	knows := t.a.totals != nil && t.a.totals.Span.Start == span.Start
	return t.r.Recent || !knows && t.terms.Rollover > 0
}

// spend takes q units of what the account has. chunked says that nothing of it has to be written.
func (t *try) spend(span ledger.Span, q, now int64) (chunked bool, no *ledger.Refusal) {
	a := t.a
	if t.hold != nil {
		if !t.terms.Soft && a.led.Free(span, now) < q {
			a.drop() // what is left of a chunk can be set aside as well
		}
		return false, t.set(span, q, now)
	}
	if t.terms.Chunked {
		if t.fromChunk(span, q, now) {
			return true, nil
		}
		a.drop()
	}
	if t.terms.Soft {
		return false, a.led.Count(span, q)
	}
	return false, a.led.Consume(span, q, now)
}

// write has what was consumed written down.
func (t *try) write(res *Result, chunked bool) {
	var memories []Memory
	if t.p != nil {
		t.p.answer = t.r.Render(&res.Decision)
		memories = []Memory{{Key: t.r.Key, Payload: t.r.Payload, Answer: t.p.answer, At: t.m.clock.read()}}
	}
	if chunked {
		for _, memory := range memories {
			t.m.remember(t.in, keep{memory, t.of}, t.p)
		}
		t.in = t.of
		return
	}
	t.m.add(t.in, t.a, memories...)
}

// spent makes a decision say how it stands after q units were consumed or set aside.
func (t *try) spent(d *checker.Decision, q int64) {
	switch {
	case t.hold == nil:
		d.Used += q
	case !t.terms.Soft:
		d.Reserved += q
	}
	if !d.Unlimited {
		room := min(d.Limit, math.MaxInt64-d.Grants) + d.Grants
		d.Remaining, d.Overage = max(0, room-d.Used-d.Reserved), max(0, d.Used-room)
	}
}
