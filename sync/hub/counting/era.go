package counting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// EpochKey is the document that says in which epoch the books are, and touchKey one that says nothing.
const (
	EpochKey = replica.KindMeta + "/epoch"
	touchKey = replica.KindMeta + "/touch"
)

const (
	eraVersion = 1
	// horizon is how long a right can stand that was given without anybody having to ask again, whatever is asked for.
	// After a loss no book can lack what lasts longer.
	horizon = int64(48 * time.Hour / time.Millisecond)
	// gathering is how long after a loss no book stops learning: holders that a lost fleet does not know enrol meanwhile.
	gathering = int64(time.Minute / time.Millisecond)
	// lookEvery is how often the log is asked which one it is.
	lookEvery = 15 * time.Second
)

// An epochDoc is the epoch, and the log that it is of.
type epochDoc struct {
	Epoch   uint64          `json:"epoch"`
	Lineage replica.Lineage `json:"lineage"`
	Since   int64           `json:"since,omitempty"` // when the loss was noticed with which it began
	Until   int64           `json:"until,omitempty"` // after it no right lasts that was lost
	Lost    uint64          `json:"lost,omitempty"`  // a revision that is known to have been lost
	// Accepted is when the operator said not to wait for holders any more; 0: they are waited for.
	Accepted int64  `json:"accepted,omitempty"`
	By       string `json:"accepted_by,omitempty"` // the token that said so
}

// An era knows the epoch of the books, and raises it when they have lost something.
type era struct {
	c    *Counter
	wake chan struct{}

	noticing sync.Mutex // held while a loss is looked for or said, so that two do not notice the same one; before mu

	mu  sync.Mutex
	doc epochDoc
	rev uint64
}

func newEra(c *Counter) *era { return &era{c: c, wake: make(chan struct{}, 1)} }

// look asks for the log to be looked at soon.
func (a *era) look() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *era) load() epochDoc {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.doc
}

func (a *era) number() uint64 { return a.load().Epoch }

// apply takes the document in. One that is older in a log that was lost is not believed.
func (a *era) apply(e replica.Entry) {
	d, err := decodeEpoch(e.Value)
	if err == nil {
		a.store(d, e.Rev)
	}
}

func (a *era) store(d epochDoc, rev uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.Epoch > a.doc.Epoch || d.Epoch == a.doc.Epoch && rev >= a.rev {
		a.doc, a.rev = d, rev
	}
}

func (d *epochDoc) encode() ([]byte, error) {
	data, err := json.Marshal(d)
	return append([]byte{eraVersion}, data...), err
}

func decodeEpoch(value []byte) (d epochDoc, err error) {
	if len(value) == 0 || value[0] != eraVersion {
		return d, errors.New("stored epoch: unknown format version")
	}
	return d, json.Unmarshal(value[1:], &d)
}

// read is the document as the log has it.
func (a *era) read(ctx context.Context) (d epochDoc, rev uint64, err error) {
	e, err := get(ctx, a.c.o.Books, EpochKey)
	if err != nil || e.Rev == 0 {
		return d, 0, err
	}
	d, err = decodeEpoch(e.Value)
	return d, e.Rev, err
}

// write puts the document.
func (a *era) write(ctx context.Context, d epochDoc, expect uint64) error {
	value, err := d.encode()
	if err != nil {
		return err
	}
	rev, err := a.c.o.Books.Put(ctx, NewCommand(), replica.Put{Key: EpochKey, Expect: expect, Value: value})
	if err == nil {
		a.store(d, rev)
	}
	return err
}

// begin finds the epoch, and notices that the log is another one than it was.
func (a *era) begin(ctx context.Context) error {
	for range attempts {
		err := a.check(ctx)
		if err == nil || !replica.Contested(err) {
			return err
		}
	}
	return replica.ErrConflict
}

// touch writes, so that what is read next is not what a leader says that was replaced and does not know it yet: such a
// one is behind, as if the log had lost something, but it cannot write. It answers the revision that was the last then.
func (a *era) touch(ctx context.Context) (before uint64, err error) {
	e, err := get(ctx, a.c.o.Books, touchKey)
	if err != nil {
		return 0, err
	}
	rev, err := a.c.put(ctx, []replica.Put{{Key: touchKey, Expect: e.Rev, Value: []byte{eraVersion}}})
	return max(rev, 1) - 1, err
}

// check raises the epoch if the log has lost something.
func (a *era) check(ctx context.Context) error {
	a.noticing.Lock()
	defer a.noticing.Unlock()
	reached := a.c.shelf.furthest()
	lineage, head, err := a.c.o.Books.Head(ctx)
	if err != nil {
		return err
	}
	l, err := a.compare(ctx, lineage, head, reached)
	if l == nil || err != nil {
		return err
	}
	before, err := a.touch(ctx)
	if err != nil {
		return err
	}
	if lineage, head, err = a.c.o.Books.Head(ctx); err != nil {
		return err
	}
	if l, err = a.compare(ctx, lineage, before, reached); l == nil || err != nil {
		return err
	}
	if err := a.next(ctx, *l); err != nil {
		return err
	}
	a.c.shelf.restart(head)
	return nil
}

// compare compares a log that goes up to head with what the document says of it, and with how far it is known to have
// gone. It answers what seems to be lost; nil: nothing.
func (a *era) compare(ctx context.Context, lineage replica.Lineage, head, reached uint64) (*loss, error) {
	d, rev, err := a.read(ctx)
	known := a.load()
	switch {
	case err != nil:
		return nil, err
	case rev == 0 && known.Epoch == 0 && known.Lineage == (replica.Lineage{}):
		return nil, a.write(ctx, epochDoc{Lineage: lineage}, 0)
	case rev == 0, d.Lineage != lineage, d.Epoch < known.Epoch:
		return &loss{from: max(d.Epoch, known.Epoch), rev: reached, why: "the log of books is another one"}, nil
	case head < reached:
		return &loss{from: d.Epoch, rev: reached, why: "the log of books has lost its end"}, nil
	}
	a.store(d, rev)
	return nil, nil
}

// A loss is how it was noticed that the books lack something.
type loss struct {
	from uint64 // the epoch in which it was noticed
	rev  uint64 // a revision that was lost; 0: none is known
	why  string
}

// raise begins the next epoch, unless another has.
func (a *era) raise(ctx context.Context, l loss) error {
	a.noticing.Lock()
	defer a.noticing.Unlock()
	return a.next(ctx, l)
}

func (a *era) next(ctx context.Context, l loss) error {
	reached := a.c.shelf.furthest()
	lineage, head, err := a.c.o.Books.Head(ctx)
	if err != nil {
		return err
	}
	d, rev, err := a.read(ctx)
	if err != nil {
		return err
	}
	if rev != 0 && d.Epoch > l.from && d.Lineage == lineage {
		a.store(d, rev)
		return nil
	}
	if head < reached { // the same loss would be noticed again, by its end
		l.rev = max(l.rev, reached)
	}
	now := a.c.now()
	next := epochDoc{Epoch: max(d.Epoch, l.from) + 1, Lineage: lineage, Since: now, Until: now + horizon,
		Lost: max(d.Lost, l.rev)}
	if err := a.write(ctx, next, rev); err != nil {
		return err
	}
	if head < reached {
		a.c.shelf.restart(head)
	}
	a.c.log.Error("the books have lost something; no rights are given in running periods until every holder has told "+
		"what it has", "why", l.why, "epoch", next.Epoch)
	return nil
}

// watch looks at the log from time to time, and whenever it was followed anew.
func (a *era) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-a.wake:
		}
		if err := a.check(ctx); err != nil && ctx.Err() == nil && !replica.Contested(err) {
			a.c.log.Warn("the log of books could not be looked at", "error", err)
		}
	}
}

// hold compares what a holder knows of the books with them.
func (a *era) hold(ctx context.Context, l *wire.Lease) error {
	d := a.load()
	if l.Epoch <= d.Epoch && (l.Epoch < d.Epoch || l.Seen <= max(a.c.shelf.head(), d.Lost)) {
		return nil
	}
	_, head, err := a.c.o.Books.Head(ctx)
	if err != nil {
		return err
	}
	why, err := a.beyond(ctx, l, head)
	if why == nil || err != nil {
		return err
	}
	if head, err = a.touch(ctx); err != nil {
		return err
	}
	if why, err = a.beyond(ctx, l, head); why == nil || err != nil {
		return err
	}
	return a.raise(ctx, *why)
}

// beyond tells what a log that goes up to head lacks, if a holder knows of something that is not there.
func (a *era) beyond(ctx context.Context, l *wire.Lease, head uint64) (*loss, error) {
	d, rev, err := a.read(ctx)
	if err != nil {
		return nil, err
	}
	if rev != 0 {
		a.store(d, rev)
	}
	if l.Epoch > d.Epoch {
		return &loss{from: l.Epoch, why: "a holder knows a later epoch"}, nil
	}
	if l.Epoch < d.Epoch || l.Seen <= max(head, d.Lost) {
		return nil, nil
	}
	return &loss{from: d.Epoch, rev: l.Seen, why: fmt.Sprintf("a holder has seen revision %d", l.Seen)}, nil
}

// nobody is a holder that never tells: while it is awaited, a book goes on learning.
var nobody ledger.HolderID

// prepare brings a book into the epoch: one that may have lost something learns. The zero Book is one that begins.
func (a *era) prepare(b *ledger.Book, now int64) {
	d := a.load()
	begins := b.Turn == 0 && len(b.Holders) == 0
	switch {
	case d.Accepted != 0:
		b.Epoch = d.Epoch
		b.Accept()
	case b.Epoch < d.Epoch && (!begins || now < d.Until), begins && d.Epoch > 0 && now < d.Until:
		known := a.c.fleet.known()
		if now < d.Since+gathering {
			known = append(known, nobody)
		}
		b.Learn(d.Epoch, known, d.Until)
	case b.Epoch < d.Epoch:
		b.Epoch = d.Epoch
	case slices.Contains(b.Learning.Known, nobody) && now >= d.Since+gathering:
		b.Learn(b.Epoch, a.c.fleet.known(), b.Learning.Until)
	}
	if b.Learning.Until == 0 {
		return
	}
	waiting := slices.Clone(b.Learning.Known)
	for _, h := range b.Holders {
		waiting = append(waiting, h.ID)
	}
	for _, id := range waiting {
		if a.c.fleet.told(id, b.Epoch) {
			b.Fold(ledger.Report{Holder: id, Epoch: b.Epoch, Forgot: -1}, now)
		}
	}
}
