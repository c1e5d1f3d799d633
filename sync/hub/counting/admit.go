package counting

import (
	"context"
	"errors"
	"sync"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A job is a lease whose items are under way.
type job struct {
	lease   *wire.Lease
	epoch   uint64 // when it was admitted
	answers []wire.LeaseAnswer
	reply   func([]byte)

	mu   sync.Mutex
	left int
	rev  uint64
	err  error // why an item could not be answered
}

// A piece is one item of a job.
type piece struct {
	job *job
	at  int
}

func (p piece) item() *wire.LeaseItem { return &p.job.lease.Items[p.at] }

// admitAll takes requests in until ctx ends.
func (c *Counter) admitAll(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-c.queue:
			c.admit(ctx, r)
		}
	}
}

// admit reads a request, finds out whose it is, and hands its items on.
func (c *Counter) admit(ctx context.Context, r request) {
	l, err := wire.DecodeLease(r.data)
	if err != nil {
		c.refuse(r.reply, wire.CodeDamaged, err.Error())
		return
	}
	v, err := c.fleet.admit(ctx, l, c.now())
	if err == nil && v.code == "" {
		err = c.era.hold(ctx, l)
	}
	if err == nil && v.code == "" {
		err = c.hearAll(ctx, l)
	}
	switch {
	case err != nil:
		c.fail(ctx, r.reply, err)
	case v.code != "":
		c.refuseAt(v.rev, r.reply, v.code, v.why)
	default:
		c.split(l, r.reply)
	}
}

// fail answers that the books could not be reached. That is said once, until one holder is answered again.
func (c *Counter) fail(ctx context.Context, reply func([]byte), err error) {
	if ctx.Err() == nil {
		c.complain(err)
	}
	c.refuse(reply, wire.CodeUnavailable, "the books could not be written; ask again")
}

// complain says why a holder is not answered, unless others were faster or the hub ends.
func (c *Counter) complain(err error) {
	if replica.Contested(err) || errors.Is(err, context.Canceled) || c.failing.Swap(true) {
		return
	}
	c.log.Warn("holders cannot be answered; they ask again", "error", err)
}

// hearAll notes that a holder has told all that it has, if it says so.
func (c *Counter) hearAll(ctx context.Context, l *wire.Lease) error {
	if l.Epoch != c.era.number() {
		return nil
	}
	for i := range l.Items {
		if it := &l.Items[i]; it.Customer == wire.AllTold && it.Feature == "" {
			return c.fleet.toldAll(ctx, l.Holder, l.Epoch)
		}
	}
	return nil
}

// split gives each item to the lane of its customer.
func (c *Counter) split(l *wire.Lease, reply func([]byte)) {
	j := &job{lease: l, epoch: c.era.number(), answers: make([]wire.LeaseAnswer, len(l.Items)), reply: reply, left: 1}
	byLane := map[*lane][]piece{}
	for i := range l.Items {
		it := &l.Items[i]
		if it.Customer == wire.AllTold && it.Feature == "" {
			continue
		}
		it.Report.Holder = l.Holder // it speaks for itself only
		if it.Ask != nil {
			it.Ask.Holder = l.Holder
		}
		if replica.CheckKey(bookKey(it.Customer, it.Feature)) != nil {
			j.answers[i].Code = ledger.CodeUnknown
			continue
		}
		to := c.lane(it.Customer)
		byLane[to] = append(byLane[to], piece{j, i})
		j.left++
	}
	c.pending.Add(int64(j.left - 1))
	c.Stats.Items.Add(int64(len(l.Items)))
	for to, pieces := range byLane {
		to.add(pieces)
	}
	j.done(c, 0, nil)
}

// done notes that one item is answered, of a book at a revision, and replies after the last.
func (j *job) done(c *Counter, rev uint64, err error) {
	j.mu.Lock()
	j.left--
	if j.rev = max(j.rev, rev); j.err == nil {
		j.err = err
	}
	last := j.left == 0
	j.mu.Unlock()
	if !last {
		return
	}
	c.Stats.Leases.Add(1)
	if j.err != nil {
		c.complain(j.err)
		c.refuse(j.reply, wire.CodeUnavailable, "the books could not be written; ask again")
		return
	}
	if c.failing.Swap(false) {
		c.log.Info("holders are answered again")
	}
	epoch := c.era.number()
	if epoch != j.epoch { // what was written before may be lost, and is to be told again
		for i := range j.answers {
			j.answers[i].Known = nil
		}
	}
	j.reply(wire.AppendLeaseReply(nil, &wire.LeaseReply{Epoch: epoch, Revision: j.rev, Items: j.answers}))
}

// finish answers one item.
func (p piece) finish(c *Counter, rev uint64, err error) {
	c.pending.Add(-1)
	p.job.done(c, rev, err)
}

// bookKey is the key of a book.
func bookKey(customer, feature string) string {
	return replica.CountKey(replica.KindLedger, "", customer, feature)
}
