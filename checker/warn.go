package checker

import (
	"encoding/binary"
	"slices"
)

// Percents are percentages of a limit in order, none twice, each a uvarint: so a record holds them, and they are read
// without being copied. Only those who count look at them.
type Percents []byte

// PercentsOf packs percentages, in whatever order.
func PercentsOf(list []int) Percents {
	sorted := slices.Compact(slices.Sorted(slices.Values(list)))
	var out Percents
	for _, p := range sorted {
		if p > 0 {
			out = binary.AppendUvarint(out, uint64(p))
		}
	}
	return out
}

// join adds the percentages to others, which are in order. Of damaged ones it adds what it can read.
func (p Percents) join(to []int64) []int64 {
	r := reader{b: p}
	for len(r.b) > 0 && !r.bad {
		n := r.number()
		if at, found := slices.BinarySearch(to, n); !found && !r.bad {
			to = slices.Insert(to, at, n)
		}
	}
	return to
}
