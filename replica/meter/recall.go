package meter

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/sidegate/sidegate/replica/ledger"
)

// totalsVersion is the first byte of what Totals writes.
const totalsVersion = 1

// errTotals says that what Recall was given was not written by Totals, or is damaged.
var errTotals = errors.New("the totals that were kept cannot be read; they will be told again")

// Totals is all that others used as far as it is known, for a restart without a hub: a version, then for each account
// its key and its totals with their lengths, then xxhash64 of all that. The order is that of the keys, so that the same
// totals are the same bytes. Nil: nothing is known.
func (m *Meter) Totals() []byte {
	known := map[string][]byte{}
	m.each(func(a *account) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.totals != nil {
			known[a.key] = ledger.AppendTotals(nil, a.totals)
		}
	})
	if len(known) == 0 {
		return nil
	}
	out := []byte{totalsVersion}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		out = append(binary.AppendUvarint(out, uint64(len(key))), key...)
		out = append(binary.AppendUvarint(out, uint64(len(known[key]))), known[key]...)
	}
	return binary.LittleEndian.AppendUint64(out, xxhash.Sum64(out))
}

// Recall takes in what Totals wrote, unless newer totals are known. An error changes nothing.
func (m *Meter) Recall(data []byte) error {
	if len(data) < 9 || data[0] != totalsVersion {
		return errTotals
	}
	body, sum := data[:len(data)-8], data[len(data)-8:]
	if xxhash.Sum64(body) != binary.LittleEndian.Uint64(sum) {
		return errTotals
	}
	all := map[string]*ledger.Totals{}
	for body = body[1:]; len(body) > 0; {
		key, rest, ok := piece(body)
		text, rest, also := piece(rest)
		t, err := ledger.DecodeTotals(text)
		if !ok || !also || err != nil {
			return errTotals
		}
		all[string(key)], body = t, rest
	}
	for key, t := range all {
		a := m.account(key)
		a.mu.Lock()
		if a.totals == nil {
			a.tell(t, m.clock.read())
			a.dated = true
		}
		a.mu.Unlock()
	}
	return nil
}

// piece takes bytes with their length before them from the front.
func piece(b []byte) (taken, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}
