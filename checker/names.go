package checker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// namesVersion is the first byte of an exported Names.
const namesVersion = 1

// Names gives the keys of a catalogue dense ids and keeps them for ever, so that a packed Record stays readable
// while catalogues come and go. One goroutine writes it; nobody reads it at the same time.
type Names struct {
	features table
	plans    table
	addons   table
}

type table struct {
	ids  map[string]uint32
	keys []string
}

func (t *table) intern(key string) uint32 {
	if id, ok := t.ids[key]; ok {
		return id
	}
	if t.ids == nil {
		t.ids = map[string]uint32{}
	}
	id := uint32(len(t.keys))
	t.ids[key] = id
	t.keys = append(t.keys, key)
	return id
}

// NewNames makes an empty table.
func NewNames() *Names { return &Names{} }

// Feature is the id of a feature key, given at first sight.
func (n *Names) Feature(key string) FeatureID { return FeatureID(n.features.intern(key)) }

// Plan is the id of a plan key, given at first sight.
func (n *Names) Plan(key string) PlanID { return PlanID(n.plans.intern(key)) }

// Addon is the id of an add-on key, given at first sight.
func (n *Names) Addon(key string) AddonID { return AddonID(n.addons.intern(key)) }

// Len counts the names given, so that a caller sees whether there are new ones to persist.
func (n *Names) Len() int { return len(n.features.keys) + len(n.plans.keys) + len(n.addons.keys) }

// Clone makes a copy that grows on its own.
func (n *Names) Clone() *Names {
	return &Names{n.features.clone(), n.plans.clone(), n.addons.clone()}
}

func (t *table) clone() table { return table{maps.Clone(t.ids), slices.Clone(t.keys)} }

// Export writes the table down; ImportNames reads it.
func (n *Names) Export() []byte {
	out := []byte{namesVersion}
	for _, t := range []*table{&n.features, &n.plans, &n.addons} {
		out = binary.AppendUvarint(out, uint64(len(t.keys)))
		for _, key := range t.keys {
			out = appendBytes(out, key)
		}
	}
	return out
}

// ImportNames reads an exported table. Another format version and damaged bytes are errors.
func ImportNames(data []byte) (*Names, error) {
	if len(data) == 0 || data[0] != namesVersion {
		return nil, fmt.Errorf("names table: format version %d is not one this program reads (it reads %d)",
			firstByte(data), namesVersion)
	}
	n, r := NewNames(), reader{b: data[1:]}
	for _, t := range []*table{&n.features, &n.plans, &n.addons} {
		count := r.uvarint()
		for i := uint64(0); i < count && !r.bad; i++ {
			t.intern(string(r.bytes()))
		}
		if uint64(len(t.keys)) != count {
			return nil, errors.New("names table: damaged: it is cut off or holds a key twice")
		}
	}
	if r.bad || len(r.b) != 0 {
		return nil, errors.New("names table: damaged: wrong length")
	}
	return n, nil
}

func firstByte(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}
