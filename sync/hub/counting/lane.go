package counting

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// Bounds on one log entry.
const (
	maxDocs  = replica.MaxPuts - 2 // room for the gate, and for a history
	maxBytes = 4 << 20
	maxRound = 8192 // items that are looked at together
)

// A lane writes the books of some customers, so that one hub never conflicts with itself.
type lane struct {
	c    *Counter
	wake chan struct{}

	mu      sync.Mutex
	waiting []piece
	work    []errand
}

// An errand is something else to be done with one book, in its lane, if there is the book. do changes it, and is called
// again if another hub was faster. done is called once.
type errand struct {
	key    string
	begins bool // the book is begun if there is none
	do     func(b *ledgerBook)
	done   func(rev uint64, err error)
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) add(pieces []piece) {
	l.mu.Lock()
	l.waiting = append(l.waiting, pieces...)
	l.mu.Unlock()
	l.signal()
}

func (l *lane) send(e errand) {
	l.mu.Lock()
	l.work = append(l.work, e)
	l.mu.Unlock()
	l.signal()
}

// take is what waits, up to a bound.
func (l *lane) take() ([]piece, []errand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), maxRound)
	pieces, work := slices.Clone(l.waiting[:n]), l.work
	l.waiting, l.work = append(l.waiting[:0], l.waiting[n:]...), nil
	return pieces, work
}

// run works until ctx ends.
func (l *lane) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		}
		for {
			pieces, work := l.take()
			if len(pieces)+len(work) == 0 {
				break
			}
			l.round(ctx, pieces, work)
		}
	}
}

// A task is what is to be done with one book in a round.
type task struct {
	key     string
	pieces  []piece
	errands []errand
	short   bool // somebody was refused rights that others hold
}

// begins tells whether a book is begun if there is none: not because somebody asks about what there is not.
func (t *task) begins(o *Offer) bool {
	hasNews := func(p piece) bool {
		it := p.item()
		return o.Counted || len(o.Grants) > 0 || it.Ask != nil || len(it.Report.Lines) > 0
	}
	begins := func(e errand) bool { return e.begins }
	return slices.ContainsFunc(t.pieces, hasNews) || slices.ContainsFunc(t.errands, begins)
}

// tasks groups what waits by book, in the order in which it came.
func tasks(pieces []piece, work []errand) []*task {
	byKey := make(map[string]*task, len(pieces))
	var all []*task
	of := func(key string) *task {
		t := byKey[key]
		if t == nil {
			t = &task{key: key}
			byKey[key], all = t, append(all, t)
		}
		return t
	}
	for _, e := range work {
		t := of(e.key)
		t.errands = append(t.errands, e)
	}
	for _, p := range pieces {
		t := of(bookKey(p.item().Customer, p.item().Feature))
		t.pieces = append(t.pieces, p)
	}
	return all
}

// round does what waits: all books are changed by what is known of them and written in few entries. Those that another
// hub has changed meanwhile are done again, one by one.
func (l *lane) round(ctx context.Context, pieces []piece, work []errand) {
	all := tasks(pieces, work)
	gate, err := l.knock(ctx, all)
	if err != nil {
		for _, t := range all {
			t.finish(l.c, 0, err)
		}
		return
	}
	for len(all) > 0 {
		all = l.pass(ctx, all, gate)
	}
}

// pass does tasks and writes them. It answers those that are to be done after it: an entry writes a document once, and
// books of one customer fold periods away into the same history.
func (l *lane) pass(ctx context.Context, all []*task, gate uint64) (later []*task) {
	var entry []*result
	docs, size, folded := 0, 0, map[string]bool{}
	for _, t := range all {
		at, sure := l.c.shelf.find(t.key)
		if !sure {
			l.alone(ctx, t)
			continue
		}
		r, err := l.c.work(ctx, t, page{slot: at, gate: gate})
		if errors.Is(err, errBehind) {
			l.alone(ctx, t)
			continue
		} else if err != nil {
			t.finish(l.c, 0, err)
			continue
		}
		if folded[r.folds] {
			later = append(later, t)
			continue
		}
		if docs+len(r.puts) > maxDocs || size+r.size > maxBytes {
			l.write(ctx, entry, gate)
			entry, docs, size = nil, 0, 0
		}
		if r.folds != "" {
			folded[r.folds] = true
		}
		entry, docs, size = append(entry, r), docs+len(r.puts), size+r.size
	}
	l.write(ctx, entry, gate)
	return later
}

// knock makes sure of the documents if a book has to be begun: the gate is read first, and compared by the entry that
// begins the book.
func (l *lane) knock(ctx context.Context, all []*task) (gate uint64, err error) {
	gate = l.c.shelf.gateRev()
	for _, t := range all {
		if at, _ := l.c.shelf.find(t.key); at.rev == 0 {
			return gate, l.c.o.Seller.Fresh(ctx)
		}
	}
	return gate, nil
}

// write writes an entry, and answers what it was for.
func (l *lane) write(ctx context.Context, entry []*result, gate uint64) {
	var puts []replica.Put
	begins := false
	for _, r := range entry {
		puts = append(puts, r.puts...)
		begins = begins || r.begins && len(r.puts) > 0
	}
	if begins {
		puts = append(puts, replica.Put{Key: gateKey, Expect: gate})
	}
	rev := uint64(0)
	if len(puts) > 0 {
		var err error
		if rev, err = l.c.put(ctx, puts); replica.Contested(err) {
			for _, r := range entry {
				l.again(ctx, r)
			}
			return
		} else if err != nil {
			for _, r := range entry {
				r.task.finish(l.c, 0, err)
			}
			return
		}
	}
	for _, r := range entry {
		l.c.written(r, rev)
	}
}

// again does what was in an entry that failed; what needed no writing was not in it.
func (l *lane) again(ctx context.Context, r *result) {
	if len(r.puts) == 0 {
		l.c.written(r, 0)
		return
	}
	l.alone(ctx, r.task)
}

// alone does a task by what the log says of its book.
func (l *lane) alone(ctx context.Context, t *task) {
	last := error(replica.ErrConflict)
	for n := range attempts {
		r, err := l.once(ctx, t)
		if err == nil {
			l.c.written(r.result, r.rev)
			return
		}
		if last = err; !replica.Contested(err) {
			break
		}
		pause(ctx, time.Duration(rand.Int64N(int64(n+1)*int64(2*time.Millisecond))))
	}
	t.finish(l.c, 0, last)
}

type outcome struct {
	*result
	rev uint64
}

func (l *lane) once(ctx context.Context, t *task) (outcome, error) {
	at, err := l.read(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	r, err := l.c.work(ctx, t, at)
	if errors.Is(err, errBehind) {
		if _, err = l.c.era.touch(ctx); err == nil {
			at, err = l.read(ctx, t)
		}
		if err != nil {
			return outcome{}, err
		}
		at.sure = true
		r, err = l.c.work(ctx, t, at)
	}
	if err != nil || len(r.puts) == 0 {
		return outcome{r, at.rev}, err
	}
	puts := r.puts
	if r.begins {
		puts = append(slices.Clip(puts), replica.Put{Key: gateKey, Expect: at.gate})
	}
	rev, err := l.c.put(ctx, puts)
	return outcome{r, rev}, err
}

// read is a book as the log has it, with the gate read before.
func (l *lane) read(ctx context.Context, t *task) (page, error) {
	gate, err := get(ctx, l.c.o.Books, gateKey)
	if err != nil {
		return page{}, err
	}
	e, err := get(ctx, l.c.o.Books, t.key)
	if err == nil && e.Rev == 0 {
		err = l.c.o.Seller.Fresh(ctx)
	}
	return page{slot: slot{rev: e.Rev, value: string(e.Value)}, gate: gate.Rev}, err
}

// put writes to the books.
func (c *Counter) put(ctx context.Context, puts []replica.Put) (uint64, error) {
	rev, err := c.o.Books.Put(ctx, NewCommand(), puts...)
	if errors.Is(err, replica.ErrConflict) {
		c.Stats.Conflicts.Add(1)
	}
	if err == nil {
		c.shelf.reach(rev)
		c.Stats.Entries.Add(1)
	}
	return rev, err
}

// finish ends everything a task was for.
func (t *task) finish(c *Counter, rev uint64, err error) {
	for _, e := range t.errands {
		e.done(rev, err)
	}
	for _, p := range t.pieces {
		p.finish(c, rev, err)
	}
}

// written takes in what is in the log now, and answers.
func (c *Counter) written(r *result, rev uint64) {
	if r.task.short {
		c.totals.recall(r.task.key)
	}
	if len(r.puts) > 0 {
		c.Stats.Written.Add(1)
		c.shelf.put(r.task.key, rev, r.puts[0].Value)
		c.totals.mark(r.task.key)
	}
	r.task.finish(c, max(rev, r.before), nil)
}
