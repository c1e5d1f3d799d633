package index

import (
	"context"
	"errors"
	"iter"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/sidegate/sidegate/checker"
)

// ErrFull is reported by a Txn when a shard cannot take another record (some 256 MiB each).
var ErrFull = errors.New("the index is full")

const width = 64 // shards in a row, and rows

// A row holds its shards themselves, not pointers to them: one memory access less for each lookup.
type row [width]shard

// A View is everything that is known at one revision.
type View struct {
	rows     [width]*row
	world    *checker.World
	revision uint64
	count    int
}

func hashOf(id []byte) uint64 { return xxhash.Sum64(id) }

// shard is where an id with this hash is, if it is known; nil if no such id is.
func (v *View) shard(hash uint64) *shard {
	if r := v.rows[hash&(width-1)]; r != nil {
		return &r[hash>>6&(width-1)]
	}
	return nil
}

// Revision is the revision up to which every entry of the log is in the view.
func (v *View) Revision() uint64 { return v.revision }

// World is the catalogue in force; nil if there is none yet.
func (v *View) World() *checker.World { return v.world }

// Len is how many customers there are.
func (v *View) Len() int { return v.count }

// Record finds a customer; nil if there is none.
func (v *View) Record(id []byte) checker.Record {
	hash := hashOf(id)
	s := v.shard(hash)
	if _, at := s.find(hash, id); at >= 0 {
		return s.record(at)
	}
	return nil
}

// DocHash is the hash of a customer's document as it was put.
func (v *View) DocHash(id []byte) (hash uint64, ok bool) {
	h := hashOf(id)
	s := v.shard(h)
	if _, at := s.find(h, id); at >= 0 {
		return s.docHash(at), true
	}
	return 0, false
}

// Held is what a customer holds of a feature, borrowed from the view. Use and Age are the caller's to set.
func (v *View) Held(customer, feature []byte) checker.Held {
	return checker.Held{World: v.world, Feature: v.world.Feature(feature), Record: v.Record(customer)}
}

// All goes through the records in no order.
func (v *View) All() iter.Seq[checker.Record] {
	return func(yield func(checker.Record) bool) {
		for _, r := range v.rows {
			if r != nil && !r.all(yield) {
				return
			}
		}
	}
}

func (r *row) all(yield func(checker.Record) bool) bool {
	for i := range r {
		if !r[i].all(yield) {
			return false
		}
	}
	return true
}

func (s *shard) all(yield func(checker.Record) bool) bool {
	for _, v := range s.table {
		if v != 0 && !yield(s.record(int(v&placeMask-1)*unit)) {
			return false
		}
	}
	return true
}

// An Index is the newest View, and the means to change it.
type Index struct {
	view    atomic.Pointer[View]
	waiting atomic.Int32 // waiters, so that a change without any takes no lock
	mu      sync.Mutex
	waiters []waiter
}

type waiter struct {
	revision uint64
	reached  chan struct{}
}

// New makes an empty index at revision 0.
func New() *Index {
	x := &Index{}
	x.view.Store(&View{})
	return x
}

// Load is the newest view.
func (x *Index) Load() *View { return x.view.Load() }

// Wait returns when a view of at least a revision is there, or with the context's error.
func (x *Index) Wait(ctx context.Context, revision uint64) error {
	if x.Load().revision >= revision {
		return nil
	}
	w := waiter{revision, make(chan struct{})}
	x.mu.Lock()
	x.waiters = append(x.waiters, w)
	x.mu.Unlock()
	x.waiting.Add(1)
	defer x.waiting.Add(-1)
	defer x.forget(w)
	if x.Load().revision >= revision {
		return nil // published between the first look and the waiting
	}
	select {
	case <-w.reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *Index) forget(w waiter) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.waiters = slices.DeleteFunc(x.waiters, func(o waiter) bool { return o.reached == w.reached })
}

func (x *Index) wake(revision uint64) {
	if x.waiting.Load() == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.waiters = slices.DeleteFunc(x.waiters, func(w waiter) bool {
		if w.revision > revision {
			return false
		}
		close(w.reached)
		return true
	})
}

// A Txn is a change in the making. Nobody sees it before Publish.
type Txn struct {
	x     *Index
	next  View
	own   map[*row]uint64 // rows that are this Txn's own, with a bit for each shard of it that is too
	fault error
}

// Begin starts a change. One Txn at a time.
func (x *Index) Begin() *Txn {
	return &Txn{x: x, next: *x.Load(), own: map[*row]uint64{}}
}

// Empty drops every record, so that a new snapshot can be built while the old view is read.
func (t *Txn) Empty() {
	t.next.rows, t.next.count = [width]*row{}, 0
	clear(t.own)
}

// change is the shard of a hash, made this Txn's.
func (t *Txn) change(hash uint64) *shard {
	i, j := hash&(width-1), hash>>6&(width-1)
	r := t.next.rows[i]
	own, mine := t.own[r]
	if !mine {
		old := r
		if r = new(row); old != nil {
			*r = *old
		}
		t.next.rows[i] = r
	}
	if own&(1<<j) == 0 {
		t.own[r] = own | 1<<j
		r[j] = r[j].clone()
	}
	return &r[j]
}

// Put adds or replaces a record, which is copied, with the hash of its document. It answers the hash that it replaced.
func (t *Txn) Put(rec checker.Record, docHash uint64) (old uint64, replaced bool) {
	hash := hashOf(rec.ID())
	s := t.change(hash)
	if len(s.data)+sizeOf(rec) > maxData {
		t.fault = ErrFull
		return 0, false
	}
	old, replaced = s.put(rec, docHash, hash)
	if !replaced {
		t.next.count++
	}
	return old, replaced
}

// Delete drops a customer, and answers the document hash it had.
func (t *Txn) Delete(id []byte) (old uint64, removed bool) {
	hash := hashOf(id)
	if _, at := t.next.shard(hash).find(hash, id); at < 0 {
		return 0, false
	}
	old, removed = t.change(hash).remove(hash, id)
	if removed {
		t.next.count--
	}
	return old, removed
}

// Len is how many customers there are in the Txn so far.
func (t *Txn) Len() int { return t.next.count }

// SetWorld replaces the catalogue.
func (t *Txn) SetWorld(w *checker.World) { t.next.world = w }

// Record finds a customer as the Txn has it so far, borrowed until the next change of the Txn.
func (t *Txn) Record(id []byte) checker.Record { return t.next.Record(id) }

// Publish makes the change the newest view. The Txn may be used no more.
func (t *Txn) Publish(revision uint64) error {
	if t.fault != nil {
		return t.fault
	}
	for r, own := range t.own {
		for ; own != 0; own &= own - 1 {
			r[bits.TrailingZeros64(own)].settle()
		}
	}
	t.next.revision = revision
	view := t.next
	t.x.view.Store(&view)
	t.x.wake(revision)
	return nil
}
