package follow

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// idleCommit is how often the cursor alone is written while nothing changes, so that the age of a snapshot survives a
// restart.
const idleCommit = time.Minute

const (
	// reviveAfter is how many head checks lie between attempts to begin a snapshot on a disk that took none.
	reviveAfter = 40
	// hopeless is how many commits in a row may fail, for another reason than room, before a new snapshot is tried.
	hopeless = 10
)

// errRevived asks for a new snapshot because the disk can be written again.
var errRevived = errors.New("the disk can be written again")

// A keeper is what waits to be written to the store. Documents are kept by key, so that a disk that is slow or full
// costs no more memory than the documents themselves.
type keeper struct {
	disk  sync.Mutex    // held by whoever uses the store
	wake  chan struct{} // something is waiting
	ended chan struct{} // closed when nothing will come any more
	named int           // names in the store's table; following's own
	fails int           // commits that failed in a row; under disk
	fresh *generation   // a snapshot that is not whole yet; following's own, what it writes to under disk

	revived atomic.Bool // the disk wants a new snapshot

	mu      sync.Mutex
	on      bool // the store's generation is the base of what is waiting
	pending map[string]replica.StoredDoc
	cursor  replica.Cursor
	dirty   bool
}

func newKeeper() *keeper {
	return &keeper{wake: make(chan struct{}, 1), ended: make(chan struct{}), pending: map[string]replica.StoredDoc{},
		on: true}
}

// reset forgets what was waiting, for a new generation (on) or none.
func (k *keeper) reset(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.on, k.dirty = on, false
	k.pending, k.cursor = map[string]replica.StoredDoc{}, replica.Cursor{}
}

// hand passes on what became whole.
func (f *Follower) hand() {
	if f.keep.fresh != nil {
		f.adopt()
		return
	}
	staged := f.staged
	f.staged = f.staged[:0]
	if f.o.Store == nil {
		return
	}
	k := f.keep
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.on {
		return // the next generation has it all
	}
	for _, doc := range staged {
		k.pending[doc.Key] = doc
	}
	names := k.cursor.Names // not written yet
	if f.names.Len() != k.named {
		names, k.named = f.names.Export(), f.names.Len()
	}
	k.cursor, k.dirty = f.stand(), true
	k.cursor.Names = names
	if len(staged) > 0 {
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// store writes what waits until following has ended, and then once more.
func (f *Follower) store() {
	tick := time.NewTicker(idleCommit)
	defer tick.Stop()
	revive := time.NewTicker(reviveAfter * f.o.Check)
	defer revive.Stop()
	var again <-chan time.Time // after a failure
	for {
		select {
		case <-f.keep.ended:
			f.commit()
			return
		case <-f.keep.wake:
			f.gather()
		case <-tick.C:
		case <-again:
		case <-revive.C:
			f.revive()
		}
		again = nil
		if !f.commit() {
			again = time.After(10 * f.o.Retry)
		}
	}
}

// revive looks whether a disk that has no snapshot to build on can take one now, and asks following for it.
func (f *Follower) revive() {
	k := f.keep
	k.disk.Lock()
	defer k.disk.Unlock()
	k.mu.Lock()
	wanted := !k.on && k.fresh == nil
	k.mu.Unlock()
	if !wanted {
		return
	}
	gen, err := f.o.Store.Renew()
	if err != nil {
		f.diskFault(err)
		return
	}
	gen.Abort()
	k.revived.Store(true)
}

// gatherFor is how long changes are gathered into one commit. The log is the truth: what a crash takes with it is read
// again, and a commit costs as much processor time as a few dozen checks.
const gatherFor = 250 * time.Millisecond

func (f *Follower) gather() {
	timer := time.NewTimer(gatherFor)
	defer timer.Stop()
	select {
	case <-f.keep.ended:
	case <-timer.C:
	}
}

// commit writes what waits, and tells whether it could. What cannot be written goes on waiting.
func (f *Follower) commit() bool {
	k := f.keep
	k.disk.Lock()
	defer k.disk.Unlock()
	k.mu.Lock()
	docs, cursor, ok := k.pending, k.cursor, k.on && k.dirty
	if ok {
		k.pending, k.dirty = map[string]replica.StoredDoc{}, false
		k.cursor.Names = nil
	}
	k.mu.Unlock()
	if !ok {
		return true
	}
	all := make([]replica.StoredDoc, 0, len(docs))
	for _, doc := range docs {
		all = append(all, doc)
	}
	if err := f.o.Store.Commit(all, cursor); err != nil {
		f.diskFault(err)
		if k.fails++; k.fails >= hopeless && !errors.Is(err, replica.ErrNoSpace) {
			k.fails = 0
			k.reset(false)
			return true
		}
		k.putBack(docs, cursor)
		return false
	}
	k.fails = 0
	f.note(func(s *Status) { s.Stored = cursor.Rev })
	f.calm(AlarmNoSpace)
	f.calm(AlarmDisk)
	return true
}

// putBack lets documents wait again, below newer ones that came meanwhile.
func (k *keeper) putBack(docs map[string]replica.StoredDoc, cursor replica.Cursor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.on {
		return
	}
	for key, doc := range docs {
		if _, newer := k.pending[key]; !newer {
			k.pending[key] = doc
		}
	}
	if !k.dirty {
		k.cursor = cursor
	}
	if k.cursor.Names == nil {
		k.cursor.Names = cursor.Names
	}
	k.dirty = true
}

// diskFault tells the operator what is wrong with the disk.
func (f *Follower) diskFault(err error) {
	if errors.Is(err, replica.ErrNoSpace) {
		f.alarm(AlarmNoSpace, "make room: checks go on from memory, but a restart will have to fetch what is not on disk")
		return
	}
	f.alarm(AlarmDisk, "checks go on from memory; look at the data directory: "+err.Error())
}
