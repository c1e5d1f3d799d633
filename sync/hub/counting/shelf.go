package counting

import (
	"context"
	"math"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"github.com/sidegate/sidegate/replica"
)

// gateKey is a document that whoever begins a book compares, and whoever lowers limits of books that there are not yet
// changes, so that one of the two notices the other.
const gateKey = replica.KindMeta + "/gate"

// A slot is a book as it was last heard of, encoded, for it is small so.
type slot struct {
	rev    uint64
	totals uint64 // revision of its totals that this hub wrote or found; 0: it does not know
	from   int64  // start of the period that they are of
	value  string
}

// A shelf keeps the books that are known.
type shelf struct {
	mu      sync.RWMutex
	books   *btree.Map[string, slot] // by key
	rev     uint64                   // of everything that is known
	reached uint64                   // the last revision that there is known to be, or to have been
	gate    uint64                   // revision of the gate; 0: there is none
	whole   bool                     // what is not here was not there at rev
	resets  int
	changed chan struct{} // closed, and made anew, when rev grows
}

func newShelf() *shelf {
	return &shelf{books: btree.NewMap[string, slot](64), changed: make(chan struct{})}
}

// Reset says that the books are told again from the beginning.
func (c *Counter) Reset() {
	c.shelf.mu.Lock()
	c.shelf.books, c.shelf.whole, c.shelf.gate = btree.NewMap[string, slot](64), false, 0
	c.shelf.resets++
	c.shelf.mu.Unlock()
	c.fleet.reset()
	c.era.look()
}

// Apply takes a document of the books in.
func (c *Counter) Apply(e replica.Entry) {
	switch k := replica.ParseKey(e.Key); {
	case k.Kind == replica.KindLedger && e.Deleted():
		c.shelf.drop(e.Key, e.Rev)
	case k.Kind == replica.KindLedger:
		c.shelf.put(e.Key, e.Rev, e.Value)
	case k.Kind == replica.KindFleet:
		c.fleet.apply(k.ID, e)
	case e.Key == gateKey:
		c.shelf.setGate(e.Rev)
	case e.Key == EpochKey:
		c.era.apply(e)
	}
}

// Published notes how much is known.
func (c *Counter) Published(rev uint64) { c.shelf.publish(rev) }

func (s *shelf) publish(rev uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rev, s.reached, s.whole = max(s.rev, rev), max(s.reached, rev), true
	close(s.changed)
	s.changed = make(chan struct{})
}

// restart forgets how far the books went: they have lost something.
func (s *shelf) restart(rev uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rev, s.reached = min(s.rev, rev), rev
}

// reach notes a revision that this hub wrote.
func (s *shelf) reach(rev uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached = max(s.reached, rev)
}

// furthest is the last revision that there is known to be, or to have been.
func (s *shelf) furthest() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.reached
}

// wait returns once everything up to a revision is known.
func (s *shelf) wait(ctx context.Context, rev uint64) error {
	for {
		s.mu.RLock()
		reached, changed := s.whole && s.rev >= rev, s.changed
		s.mu.RUnlock()
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *shelf) known(ctx context.Context) error { return s.wait(ctx, 0) }

// head is how far the books are known.
func (s *shelf) head() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rev
}

// find is a book as far as it is known. sure is false if there may be one though none is found.
func (s *shelf) find(key string) (at slot, sure bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, ok := s.books.Get(key)
	return at, ok || s.whole
}

// put takes a book in, if it is newer than what is known.
func (s *shelf) put(key string, rev uint64, value []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.books.Get(key)
	if ok && at.rev >= rev {
		return false
	}
	if !ok {
		key = strings.Clone(key)
	}
	at.rev, at.value = rev, string(value)
	s.books.Set(key, at)
	return true
}

// drop forgets a book that is gone, or that turned out not to be there.
func (s *shelf) drop(key string, rev uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.books.Get(key); ok && at.rev <= rev {
		s.books.Delete(key)
	}
}

// setTotals notes the revision of a book's totals, and of which period they are.
func (s *shelf) setTotals(key string, rev uint64, from int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.books.Get(key); ok {
		at.totals, at.from = rev, from
		s.books.Set(key, at)
	}
}

func (s *shelf) setGate(rev uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = max(s.gate, rev)
}

func (s *shelf) gateRev() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.gate
}

// A title is a book by its key.
type title struct {
	key string
	slot
}

// page is the next books whose key begins with a prefix, after a key: at most n.
func (s *shelf) page(prefix, after string, n int) []title {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []title
	s.books.Ascend(max(prefix, after), func(key string, at slot) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		if key > after {
			out = append(out, title{key, at})
		}
		return len(out) < n
	})
	return out
}

// of are the books of a customer.
func (s *shelf) of(customer string) []title {
	prefix := bookKey(customer, "")
	return s.page(prefix, "", math.MaxInt)
}

// pageSize is how many books are looked at before others may look again.
const pageSize = 512

// each calls do with every book whose key begins with a prefix, as it stands then, until do fails.
func (s *shelf) each(prefix string, do func(title) error) error {
	after := ""
	for {
		page := s.page(prefix, after, pageSize)
		for _, t := range page {
			if err := do(t); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		after = page[len(page)-1].key
	}
}

func (s *shelf) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.books.Len()
}
