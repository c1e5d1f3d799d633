package replica

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"
	"sync"
)

// MaxPuts is how many puts one entry may have.
const MaxPuts = 1000

// A Memory is a Log that ends with its process: for tests, and the measure for every other Log.
// All methods may be called at the same time.
type Memory struct {
	mu      sync.Mutex
	lineage Lineage
	made    int64 // logs made by Recreate so far: the clock of Created
	rev     uint64
	docs    map[string]int // key to its newest place in history
	history []record       // ordered by revision; superseded documents stay, so that the log can be rolled back
	changed chan struct{}  // closed, and made anew, by every change
	lost    int            // puts whose reply is still to be lost
	unknown int            // puts that are still to end with ErrUnknown
	cuts    []uint64       // revisions that the log was rolled back to, in order
	held    int            // documents of the newest entry that tails may see; all if negative
}

// A record is one document of one entry.
type record struct {
	entry Entry
	group string
	next  int // place in history of the document that superseded it; 0: none
}

// NewMemory makes an empty log. Its first revision is 1.
func NewMemory() *Memory {
	m := &Memory{held: -1, changed: make(chan struct{})}
	m.reset()
	return m
}

// reset empties the log under a new lineage. Revisions go on growing.
func (m *Memory) reset() {
	m.made++
	m.lineage = Lineage{Log: "memory", Created: m.made, Nonce: "nonce-" + strconv.FormatInt(m.made, 10)}
	m.docs = map[string]int{}
	m.history = make([]record, 1) // place 0 is never used
}

// wake tells every tail to look again.
func (m *Memory) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Get reads a document.
func (m *Memory) Get(ctx context.Context, key string) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	if err := CheckKey(key); err != nil {
		return Entry{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.docs[key]
	if !ok {
		return Entry{}, ErrNotFound
	}
	return clone(m.history[at].entry), nil
}

// Put applies all puts or none.
func (m *Memory) Put(ctx context.Context, id CommandID, puts ...Put) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := CheckPuts(puts); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rev, err := m.put(id, puts)
	if err == nil && m.unknown > 0 {
		m.unknown--
		return 0, ErrUnknown
	}
	if err == nil && m.lost > 0 { // a second attempt, as after a lost reply
		m.lost--
		return m.put(id, puts)
	}
	return rev, err
}

// put compares and writes. A command that the documents remember is not applied again.
func (m *Memory) put(id CommandID, puts []Put) (uint64, error) {
	for _, p := range puts {
		at, ok := m.docs[p.Key]
		if Matches(p, m.history[at].entry, ok) {
			continue
		}
		if rev, ok := m.remembered(id, puts); ok {
			return rev, nil
		}
		return 0, fmt.Errorf("%w: %s", ErrConflict, p.Key)
	}
	m.rev++
	for _, p := range puts {
		if p.Value == nil && !p.Delete {
			continue
		}
		old := m.docs[p.Key]
		recent := Remember(m.history[old].entry.Recent, Command{ID: id, Rev: m.rev})
		m.append(Entry{Key: p.Key, Rev: m.rev, Value: slices.Clone(p.Value), Recent: recent})
	}
	m.wake()
	return m.rev, nil
}

// append adds a document to history and marks the one it supersedes.
func (m *Memory) append(e Entry) {
	if old := m.docs[e.Key]; old > 0 {
		m.history[old].next = len(m.history)
	}
	m.docs[e.Key] = len(m.history)
	m.history = append(m.history, record{entry: e, group: ParseKey(e.Key).Group})
}

// remembered looks for a command in the documents that it would have written.
func (m *Memory) remembered(id CommandID, puts []Put) (uint64, bool) {
	for _, p := range puts {
		at, ok := m.docs[p.Key]
		if !ok || p.Value == nil && !p.Delete {
			continue
		}
		if rev, ok := Find(m.history[at].entry.Recent, id); ok {
			return rev, true
		}
	}
	return 0, false
}

// Head answers the lineage and the last revision.
func (m *Memory) Head(ctx context.Context) (Lineage, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lineage, m.rev, ctx.Err()
}

// Snapshot yields the newest version of every followed document, as of the call.
func (m *Memory) Snapshot(ctx context.Context, f Filter) (Lineage, uint64, iter.Seq2[Entry, error]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entries := m.entries(m.after(0, f))
	return m.lineage, m.rev, func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if ctx.Err() != nil {
				yield(Entry{}, ctx.Err())
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// after lists the places of the followed documents above a revision that nothing has superseded, in order.
func (m *Memory) after(from uint64, f Filter) []int {
	start := 1 + sort.Search(len(m.history)-1, func(i int) bool { return m.history[i+1].entry.Rev > from })
	var found []int
	for at := start; at < len(m.history); at++ {
		if r := &m.history[at]; r.next == 0 && f.Follows(r.group) {
			found = append(found, at)
		}
	}
	return found
}

// entries copies what stands at the places.
func (m *Memory) entries(places []int) []Entry {
	out := make([]Entry, len(places))
	for i, at := range places {
		out[i] = clone(m.history[at].entry)
	}
	return out
}

// Tail yields what was written after from. See Log.
func (m *Memory) Tail(ctx context.Context, l Lineage, from uint64, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		t := &memoryTail{log: m, lineage: l, rev: from, filter: f, first: true}
		for {
			entries, wait, err := t.next()
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !passOn(ctx, entries, yield) {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-wait:
			}
		}
	}
}

// passOn yields entries, and says whether more are wanted.
func passOn(ctx context.Context, entries []Entry, yield func(Entry, error) bool) bool {
	for _, e := range entries {
		if ctx.Err() != nil || !yield(e, nil) {
			return false
		}
	}
	return true
}

// A memoryTail is the place of one follower.
type memoryTail struct {
	log     *Memory
	lineage Lineage
	rev     uint64 // everything up to it was delivered
	shown   int    // the last place that was delivered of an entry that is held; 0: none
	filter  Filter
	first   bool
	cuts    int // how often the log was rolled back when rev was delivered
}

// next answers what is new, whole at its end, and a channel that is closed when more may be there.
func (t *memoryTail) next() ([]Entry, <-chan struct{}, error) {
	m := t.log
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.first {
		t.cuts = len(m.cuts)
	}
	lost := slices.ContainsFunc(m.cuts[t.cuts:], func(rev uint64) bool { return rev < t.rev })
	lost = lost || t.shown > 0 && len(m.cuts) > t.cuts
	if lost || m.lineage != t.lineage || m.rev < t.rev {
		return nil, nil, ErrLineage
	}
	t.cuts = len(m.cuts)
	places := m.after(t.rev, t.filter)
	if m.held >= 0 {
		return t.half(places), m.changed, nil
	}
	found := m.entries(t.unseen(places))
	switch {
	case len(found) > 0:
		found[len(found)-1].Whole = true
	case m.rev > t.rev || t.first:
		found = append(found, Entry{Rev: m.rev, Whole: true})
	}
	t.rev, t.shown, t.first = m.rev, 0, false
	return found, m.changed, nil
}

// half answers the first documents of what is new, without an end.
func (t *memoryTail) half(places []int) []Entry {
	unseen := t.unseen(places[:min(t.log.held, len(places))])
	if len(unseen) > 0 {
		t.shown = unseen[len(unseen)-1]
	}
	return t.log.entries(unseen)
}

// unseen are the places that were not delivered yet.
func (t *memoryTail) unseen(places []int) []int {
	return places[sort.Search(len(places), func(i int) bool { return places[i] > t.shown }):]
}

// clone copies what a caller could otherwise change under the log.
func clone(e Entry) Entry {
	e.Value, e.Recent = slices.Clone(e.Value), slices.Clone(e.Recent)
	return e
}
