package index

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
)

func record(t testing.TB, id string, start int64) checker.Record {
	t.Helper()
	rec, err := checker.AppendRecord(nil, &checker.Customer{ID: id, Subs: []checker.Subscription{
		{ID: "main", StartsAt: start, Phases: []checker.Phase{{From: math.MinInt64, Status: checker.Active}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func startOf(t testing.TB, rec checker.Record) int64 {
	t.Helper()
	c, err := rec.Unpack()
	if err != nil {
		t.Fatal(err)
	}
	return c.Subs[0].StartsAt
}

func TestTheIndexIsAMap(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	x, model := New(), map[string]int64{}
	for round := range 300 {
		txn := x.Begin()
		for range r.IntN(60) {
			id := strconv.Itoa(r.IntN(500))
			if r.IntN(4) == 0 {
				deleteBoth(t, txn, model, id)
			} else {
				putBoth(t, txn, model, record(t, id, r.Int64N(1<<40)))
			}
		}
		if err := txn.Publish(uint64(round + 1)); err != nil {
			t.Fatal(err)
		}
		check(t, x.Load(), model, uint64(round+1))
	}
}

func deleteBoth(t *testing.T, txn *Txn, model map[string]int64, id string) {
	t.Helper()
	_, had := model[id]
	if _, removed := txn.Delete([]byte(id)); removed != had {
		t.Fatalf("delete %s: got %v, want %v", id, removed, had)
	}
	delete(model, id)
}

func putBoth(t *testing.T, txn *Txn, model map[string]int64, rec checker.Record) {
	t.Helper()
	id, start := string(rec.ID()), startOf(t, rec)
	old, had := model[id]
	if was, replaced := txn.Put(rec, uint64(start)); replaced != had || had && was != uint64(old) {
		t.Fatalf("put %s: got %d, %v, want %d, %v", id, was, replaced, old, had)
	}
	model[id] = start
}

func check(t *testing.T, v *View, model map[string]int64, revision uint64) {
	t.Helper()
	if v.Len() != len(model) || v.Revision() != revision {
		t.Fatalf("got %d customers at %d, want %d at %d", v.Len(), v.Revision(), len(model), revision)
	}
	seen := 0
	for rec := range v.All() {
		if start, ok := model[string(rec.ID())]; !ok || start != startOf(t, rec) {
			t.Fatalf("%s: got %d, want %d, %v", rec.ID(), startOf(t, rec), start, ok)
		}
		seen++
	}
	for id, start := range model {
		rec := v.Record([]byte(id))
		if hash, ok := v.DocHash([]byte(id)); rec == nil || startOf(t, rec) != start || !ok || hash != uint64(start) {
			t.Fatalf("%s: got %v", id, rec)
		}
	}
	if seen != len(model) {
		t.Fatalf("walked %d of %d", seen, len(model))
	}
}

func TestAnOldViewStaysAsItWas(t *testing.T) {
	x := New()
	txn := x.Begin()
	txn.Put(record(t, "a", 1), 1)
	if err := txn.Publish(1); err != nil {
		t.Fatal(err)
	}
	old := x.Load()
	txn = x.Begin()
	txn.Put(record(t, "a", 2), 2)
	txn.Put(record(t, "b", 2), 2)
	if got := startOf(t, x.Load().Record([]byte("a"))); got != 1 {
		t.Errorf("seen before it was published: %d", got)
	}
	if err := txn.Publish(2); err != nil {
		t.Fatal(err)
	}
	check(t, old, map[string]int64{"a": 1}, 1)
	check(t, x.Load(), map[string]int64{"a": 2, "b": 2}, 2)
	txn = x.Begin()
	txn.Empty()
	txn.Put(record(t, "c", 3), 3)
	if err := txn.Publish(3); err != nil {
		t.Fatal(err)
	}
	check(t, x.Load(), map[string]int64{"c": 3}, 3)
}

func TestCollidingHashesAreToldApart(t *testing.T) {
	s := &shard{}
	const hash = 7 // as if every id had it
	for i := range 20 {
		rec := record(t, "c"+strconv.Itoa(i), int64(i))
		if (s.live+1)*8 > len(s.table)*5 {
			s = s.chained(max(4, len(s.table)*2))
		}
		slot, at := s.find(hash, rec.ID())
		if at >= 0 {
			t.Fatalf("c%d is there already", i)
		}
		s.table[slot] = tagOf(hash) | s.write(rec, uint64(i))
		s.live++
	}
	for i := range 20 {
		_, at := s.find(hash, []byte("c"+strconv.Itoa(i)))
		if at < 0 || startOf(t, s.record(at)) != int64(i) {
			t.Errorf("c%d: found at %d", i, at)
		}
	}
	if _, at := s.find(hash, []byte("other")); at >= 0 {
		t.Error("found an id that was never put")
	}
}

// chained is a shard with a larger table whose entries stand in one chain.
func (s *shard) chained(slots int) *shard {
	grown := &shard{table: make([]uint32, slots), data: s.data, live: s.live}
	i := 0
	for _, v := range s.table {
		if v != 0 {
			grown.table[i] = v
			i++
		}
	}
	return grown
}

func TestWasteIsTakenBack(t *testing.T) {
	x := New()
	for i := range 1000 {
		txn := x.Begin()
		txn.Put(record(t, "a", int64(i)), uint64(i))
		if err := txn.Publish(uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	s := x.Load().shard(hashOf([]byte("a")))
	if size := sizeOf(s.record(int(s.table[firstUsed(s)]&placeMask-1) * unit)); len(s.data) > 4*size {
		t.Errorf("%d bytes for one record of %d", len(s.data), size)
	}
}

func firstUsed(s *shard) int {
	for i, v := range s.table {
		if v != 0 {
			return i
		}
	}
	return -1
}

func TestReadersSeeWholeViewsWhileAWriterWrites(t *testing.T) {
	x := New()
	publish := func(n int64) {
		txn := x.Begin()
		for i := range 50 {
			txn.Put(record(t, strconv.Itoa(i), n), uint64(n))
		}
		if err := txn.Publish(uint64(n)); err != nil {
			t.Error(err)
		}
	}
	publish(1)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !closed(done) && isWhole(t, x.Load(), 50) {
			}
		})
	}
	for n := int64(2); n < 200; n++ {
		publish(n)
	}
	close(done)
	readers.Wait()
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// isWhole says whether every customer is of the view's revision.
func isWhole(t *testing.T, v *View, customers int) bool {
	for i := range customers {
		if got := startOf(t, v.Record([]byte(strconv.Itoa(i)))); got != int64(v.Revision()) {
			t.Errorf("view %d shows %d", v.Revision(), got)
			return false
		}
	}
	return true
}

func TestWaitReturnsWhenTheRevisionIsThere(t *testing.T) {
	x := New()
	reached := make(chan error, 1)
	go func() { reached <- x.Wait(t.Context(), 5) }()
	for n := range uint64(5) {
		if err := x.Begin().Publish(n + 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-reached; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := x.Wait(ctx, 6); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if len(x.waiters) != 0 {
		t.Errorf("%d waiters are left behind", len(x.waiters))
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	x := New()
	txn := x.Begin()
	txn.SetWorld(checker.NewWorld(checker.WorldSpec{Features: []checker.Feature{{Key: "sso", Type: checker.Boolean}}}))
	txn.Put(record(t, "acme", 1), 1)
	if err := txn.Publish(1); err != nil {
		t.Fatal(err)
	}
	customer, feature := []byte("acme"), []byte("sso")
	if n := testing.AllocsPerRun(100, func() {
		if h := x.Load().Held(customer, feature); h.Record == nil || h.Feature == nil {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// fill loads n customers in one Txn, as a start-up does.
func fill(t testing.TB, n int) *Index {
	t.Helper()
	x := New()
	txn := x.Begin()
	c := checker.Customer{Subs: []checker.Subscription{
		{ID: "main", StartsAt: 1_700_000_000_000, Phases: []checker.Phase{{From: math.MinInt64, Status: checker.Active,
			EndsAt: 1_900_000_000_000}}},
		{ID: "second", StartsAt: 1_700_000_000_000, Phases: []checker.Phase{{From: math.MinInt64,
			Status: checker.Active}}}}}
	var rec []byte
	for i := range n {
		one := c
		one.ID = "customer-" + strconv.Itoa(i)
		if i%10 >= 3 { // 1.3 subscriptions each
			one.Subs = c.Subs[:1]
		}
		var err error
		if rec, err = checker.AppendRecord(rec[:0], &one); err != nil {
			t.Fatal(err)
		}
		txn.Put(rec, binary.LittleEndian.Uint64(append([]byte{}, "hashhash"...)))
	}
	if err := txn.Publish(1); err != nil {
		t.Fatal(err)
	}
	return x
}
