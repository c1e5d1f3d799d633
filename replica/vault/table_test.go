package vault

import (
	"encoding/binary"
	"slices"
	"testing"
)

func TestTheTableFindsWhatItHolds(t *testing.T) {
	r := seeded(t)
	tab := newTable()
	hash := func(n uint64) *Hash {
		var h Hash
		binary.LittleEndian.PutUint64(h[:], n%700) // many numbers share a hash
		return &h
	}
	want := map[uint64]bool{}
	base := uint64(1)<<32 - 5000 // the low halves wrap around
	next := base
	for step := range 60_000 {
		if grows := step/15_000%2 == 0; r.IntN(10) < 7 == grows {
			tab.add(hash(next), next)
			want[next] = true
			next++
		} else if gone := base + uint64(r.IntN(int(next-base)+1)); want[gone] {
			tab.remove(hash(gone), gone)
			delete(want, gone)
		} else {
			tab.remove(hash(gone), gone)
		}
		if tab.n != len(want) {
			t.Fatalf("step %d: %d in the table, want %d", step, tab.n, len(want))
		}
	}
	for n := range want {
		if !slices.Contains(tab.find(hash(n), nil), uint32(n)) {
			t.Errorf("%d is not found", n)
		}
	}
	for n := range want {
		tab.remove(hash(n), n)
	}
	if tab.n != 0 || tab.bytes() > parts*smallest*8*2 {
		t.Errorf("emptied, it has %d and %d bytes", tab.n, tab.bytes())
	}
	for _, slots := range &tab.part {
		if slices.ContainsFunc(slots, func(s uint64) bool { return s != 0 }) {
			t.Error("emptied, it has a slot taken")
		}
	}
}

func TestTheTableIsSmall(t *testing.T) {
	tab := newTable()
	for n := uint64(1); n <= 1_000_000; n++ {
		var h Hash
		binary.LittleEndian.PutUint64(h[:], n)
		tab.add(&h, n)
		if n >= 10_000 && n%9973 == 0 && uint64(tab.bytes()) > 24*n {
			t.Fatalf("%d bytes for %d memories", tab.bytes(), n)
		}
	}
	var h Hash
	found := 0
	for n := uint64(1); n <= 100_000; n++ {
		binary.LittleEndian.PutUint64(h[:], n|1<<40)
		found += len(tab.find(&h, nil))
	}
	if found > 1000 { // one in 4,300 is the share of marks that collide
		t.Errorf("%d of 100,000 strangers look known", found)
	}
	if allocs := testing.AllocsPerRun(100, func() { tab.find(&h, nil) }); allocs != 0 {
		t.Errorf("a look takes %v allocations", allocs)
	}
}
