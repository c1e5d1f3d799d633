package vault

import "hash/maphash"

const (
	parts    = 256 // a part grows alone, so that no commit waits for the whole table
	smallest = 8   // slots of a part that is not empty
)

// A table finds the memory of a hash: it maps a mark of 32 bits to the low 32 bits of a sequence number. A slot holds
// both in 8 bytes, at most four of five slots are taken and at least half after growing, so it takes 10 to 16 bytes a
// memory, without a pointer. Marks collide (once in 400 looks at ten million), so what is found is verified on disk.
// The marks are keyed anew in each process: nobody can choose hashes that all meet in one place.
type table struct {
	seed maphash.Seed
	part [parts][]uint64 // a slot is mark<<32 | sequence; 0: empty. Open addressing, linear probing
	used [parts]uint32   // invariant: 5 used <= 4 slots
	n    int             // invariant: the sum of used
}

func newTable() *table { return &table{seed: maphash.MakeSeed()} }

// mark is never 0, so that no slot looks empty.
func (t *table) mark(h *Hash) uint32 { return uint32(maphash.Bytes(t.seed, h[:])>>32) | 1 }

// home is where a mark would like to be in a part of that many slots. It grows with the mark, so that growing a part
// reads and writes in order.
func home(mark uint32, slots int) int { return int(uint64(mark&0xffffff) * uint64(slots) >> 24) }

// add notes a memory. The same hash may be noted with several numbers.
func (t *table) add(h *Hash, seq uint64) {
	mark := t.mark(h)
	p := mark >> 24
	if n := len(t.part[p]); 5*(int(t.used[p])+1) > 4*n {
		t.resize(p, max(smallest, n+n/2))
	}
	insert(t.part[p], uint64(mark)<<32|seq&0xffffffff)
	t.used[p]++
	t.n++
}

func insert(slots []uint64, slot uint64) {
	at := home(uint32(slot>>32), len(slots))
	for slots[at] != 0 {
		at = next(at, len(slots))
	}
	slots[at] = slot
}

func next(at, n int) int {
	if at++; at < n {
		return at
	}
	return 0
}

func (t *table) resize(p uint32, n int) {
	old := t.part[p]
	t.part[p] = make([]uint64, n)
	for _, slot := range old {
		if slot != 0 {
			insert(t.part[p], slot)
		}
	}
}

// find appends the low halves of the sequence numbers that a hash may have.
func (t *table) find(h *Hash, out []uint32) []uint32 {
	mark := t.mark(h)
	slots := t.part[mark>>24]
	if len(slots) == 0 {
		return out
	}
	for at := home(mark, len(slots)); slots[at] != 0; at = next(at, len(slots)) {
		if uint32(slots[at]>>32) == mark {
			out = append(out, uint32(slots[at]))
		}
	}
	return out
}

// remove forgets one number of a hash, and closes the gap: whoever was pushed beyond it moves back.
func (t *table) remove(h *Hash, seq uint64) {
	mark := t.mark(h)
	p := mark >> 24
	slots := t.part[p]
	if len(slots) == 0 {
		return
	}
	want := uint64(mark)<<32 | seq&0xffffffff
	gap := home(mark, len(slots))
	for slots[gap] != want {
		if slots[gap] == 0 {
			return
		}
		gap = next(gap, len(slots))
	}
	t.used[p]--
	t.n--
	n := len(slots)
	for at := next(gap, n); slots[at] != 0; at = next(at, n) {
		if from := home(uint32(slots[at]>>32), n); (at-from+n)%n >= (at-gap+n)%n {
			slots[gap], gap = slots[at], at
		}
	}
	slots[gap] = 0
	if n > smallest && 4*int(t.used[p]) < n {
		t.resize(p, max(smallest, n/2))
	}
}

// bytes is how much memory the slots take.
func (t *table) bytes() (n int) {
	for _, slots := range &t.part {
		n += 8 * len(slots)
	}
	return n
}
