package index

import (
	"bytes"
	"encoding/binary"

	"github.com/sidegate/sidegate/checker"
)

// A slot of a shard's table is 0 (empty) or the place of an entry plus 1 in units of four bytes, below six bits of the
// id's hash that spare most looks at entries of other ids.
const (
	placeBits = 26
	placeMask = 1<<placeBits - 1
	unit      = 4

	// maxData is how many bytes one shard can hold.
	maxData = placeMask * unit
)

// muchWaste is how many bytes of replaced records a change leaves lying before it is published.
const muchWaste = 64 << 10

// entryHead is what stands before a record: 8 bytes of document hash and 4 of record length.
const entryHead = 12

// A shard holds the records whose hashes begin alike. Once published it does not change.
type shard struct {
	table []uint32 // a power of two of slots, at most 5/8 in use; nil: empty
	data  []byte
	live  int // entries
	dead  int // bytes of data that no slot points to
}

func tagOf(hash uint64) uint32 { return uint32(hash) >> placeBits << placeBits }

// find answers the slot of an id, and the place of its entry in data; -1 if it is not there, with the slot to fill.
// Nothing is found in a nil shard.
func (s *shard) find(hash uint64, id []byte) (slot, place int) {
	if s == nil || len(s.table) == 0 {
		return 0, -1
	}
	mask, tag := len(s.table)-1, tagOf(hash)
	for i := int(hash>>32) & mask; ; i = (i + 1) & mask {
		v := s.table[i]
		if v == 0 {
			return i, -1
		}
		if v&^placeMask != tag {
			continue
		}
		at := int(v&placeMask-1) * unit
		if bytes.Equal(s.record(at).ID(), id) {
			return i, at
		}
	}
}

func (s *shard) record(at int) checker.Record {
	n := int(binary.LittleEndian.Uint32(s.data[at+8:]))
	return s.data[at+entryHead : at+entryHead+n : at+entryHead+n]
}

func (s *shard) docHash(at int) uint64 { return binary.LittleEndian.Uint64(s.data[at:]) }

func sizeOf(rec checker.Record) int { return (entryHead + len(rec) + unit - 1) / unit * unit }

// clone copies a shard so that it can be changed, with some room to grow and without waste.
func (s *shard) clone() shard {
	if s.dead*4 > len(s.data) {
		return s.rebuilt(len(s.table))
	}
	c := shard{live: s.live, dead: s.dead}
	c.data = append(make([]byte, 0, len(s.data)+len(s.data)/16+64), s.data...)
	c.table = append([]uint32(nil), s.table...)
	return c
}

// rebuilt copies the live entries alone, into a table of a given size.
func (s *shard) rebuilt(slots int) shard {
	c := shard{table: make([]uint32, slots), data: make([]byte, 0, len(s.data)-s.dead)}
	for _, v := range s.table {
		if v != 0 {
			at := int(v&placeMask-1) * unit
			c.add(s.record(at), s.docHash(at))
		}
	}
	return c
}

// put adds or replaces a record, and answers the document hash of the one it replaced.
func (s *shard) put(rec checker.Record, docHash, hash uint64) (old uint64, replaced bool) {
	slot, at := s.find(hash, rec.ID())
	if at < 0 {
		if (s.live+1)*8 > len(s.table)*5 {
			*s = s.rebuilt(max(4, len(s.table)*2))
		}
		s.add(rec, docHash)
		return 0, false
	}
	old = s.docHash(at)
	s.dead += sizeOf(s.record(at))
	s.table[slot] = tagOf(hash) | s.write(rec, docHash)
	if s.dead > len(s.data)/2 && s.dead > muchWaste {
		*s = s.rebuilt(len(s.table))
	}
	return old, true
}

// add enters a record that is not there into a table that has room.
func (s *shard) add(rec checker.Record, docHash uint64) {
	hash := hashOf(rec.ID())
	mask := len(s.table) - 1
	i := int(hash>>32) & mask
	for s.table[i] != 0 {
		i = (i + 1) & mask
	}
	s.table[i] = tagOf(hash) | s.write(rec, docHash)
	s.live++
}

func (s *shard) write(rec checker.Record, docHash uint64) uint32 {
	at := len(s.data)
	s.data = binary.LittleEndian.AppendUint64(s.data, docHash)
	s.data = binary.LittleEndian.AppendUint32(s.data, uint32(len(rec)))
	s.data = append(s.data, rec...)
	for len(s.data)%unit != 0 {
		s.data = append(s.data, 0)
	}
	return uint32(at/unit + 1)
}

// remove deletes an id, and answers the document hash it had.
func (s *shard) remove(hash uint64, id []byte) (old uint64, removed bool) {
	slot, at := s.find(hash, id)
	if at < 0 {
		return 0, false
	}
	old = s.docHash(at)
	s.dead += sizeOf(s.record(at))
	s.table[slot] = 0
	*s = s.rebuilt(len(s.table))
	return old, true
}

// settle gives spare room back.
func (s *shard) settle() {
	if s.dead*4 > len(s.data) {
		*s = s.rebuilt(len(s.table))
	} else if cap(s.data)-len(s.data) > len(s.data)/16+64 {
		s.data = append(make([]byte, 0, len(s.data)), s.data...)
	}
}
