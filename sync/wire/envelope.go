package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/sidegate/sidegate/replica"
)

// Version of the encoding, and Level: the newest kind of content that this build may act on.
const (
	Version = 1
	Level   = 1
)

// The reasons to refuse a message. Both are final.
var (
	ErrDamaged = errors.New("the message is not one that sidegate wrote")
	ErrNewer   = errors.New("the message asks for a newer version of sidegate")
)

// A Kind says what a message is for.
type Kind byte

// The kinds of messages.
const (
	Document  Kind = iota // a document
	Tombstone             // the end of a document; it has no value
	Marker                // carries a comparison; followers pass over it
	Origin                // the first message of a log; the value is its nonce
	kinds
)

// A Message is one of the messages of an entry, as the log keeps it.
type Message struct {
	Kind     Kind
	Reader   byte              // least Level of a build that may act on it; 0 stands for 1
	Entry    uint64            // random, the same in all messages of an entry
	Position uint32            // in the entry, from 0
	Count    uint32            // messages in the entry
	Later    []string          // groups of the messages that follow in the entry, none twice
	Key      string            // of the document
	Recent   []replica.Command // newest first; the first has revision 0: the entry's own
	Value    []byte            // of a document never nil
}

// Remaining is how many messages of the entry follow.
func (m Message) Remaining() uint64 { return uint64(m.Count-1) - uint64(m.Position) }

// Check tells what is wrong with a message that Append was to encode, or Decode read. The error wraps ErrDamaged.
func (m Message) Check() error {
	switch {
	case m.Kind >= kinds:
		return fmt.Errorf("%w: kind %d", ErrDamaged, m.Kind)
	case m.Position >= m.Count || m.Count > 2*replica.MaxPuts:
		return fmt.Errorf("%w: position %d of %d", ErrDamaged, m.Position, m.Count)
	case uint64(len(m.Later)) > m.Remaining():
		return fmt.Errorf("%w: more groups than messages follow", ErrDamaged)
	case len(m.Recent) > replica.Remembered:
		return fmt.Errorf("%w: %d commands", ErrDamaged, len(m.Recent))
	case m.Kind == Document && m.Value == nil, m.Kind == Tombstone && m.Value != nil:
		return fmt.Errorf("%w: kind and value do not fit", ErrDamaged)
	}
	for i, c := range m.Recent {
		if (i == 0) != (c.Rev == 0) {
			return fmt.Errorf("%w: revision %d of command %d", ErrDamaged, c.Rev, i)
		}
	}
	return nil
}

// Append appends the encoding of a message, which must pass Check, to dst.
func Append(dst []byte, m Message) []byte {
	dst = append(dst, Version, max(m.Reader, 1), byte(m.Kind))
	dst = binary.BigEndian.AppendUint64(dst, m.Entry)
	dst = binary.AppendUvarint(dst, uint64(m.Position))
	dst = binary.AppendUvarint(dst, uint64(m.Count))
	dst = binary.AppendUvarint(dst, uint64(len(m.Later)))
	for _, group := range m.Later {
		dst = appendString(dst, group)
	}
	dst = appendString(dst, m.Key)
	dst = binary.AppendUvarint(dst, uint64(len(m.Recent)))
	for _, c := range m.Recent {
		dst = append(dst, c.ID[:]...)
		dst = binary.AppendUvarint(dst, c.Rev)
	}
	return append(dst, m.Value...)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Decode reads one message. The value is a part of b. Errors wrap ErrDamaged or ErrNewer.
func Decode(b []byte) (Message, error) {
	r := reader{left: b}
	version, oldest := r.byte(), r.byte()
	if r.bad || version == 0 || oldest == 0 {
		return Message{}, fmt.Errorf("%w: no versions", ErrDamaged)
	}
	if version > Version || oldest > Level {
		return Message{}, fmt.Errorf("%w: it has version %d, for readers from %d", ErrNewer, version, oldest)
	}
	m := Message{Reader: oldest, Kind: Kind(r.byte())}
	m.Entry = binary.BigEndian.Uint64(r.take(8, make([]byte, 8)))
	m.Position, m.Count = r.uint32(), r.uint32()
	m.Later = r.strings()
	m.Key = string(r.take(int(r.uint32()), nil))
	m.Recent = r.commands()
	if r.bad {
		return Message{}, fmt.Errorf("%w: it ends early", ErrDamaged)
	}
	if m.Kind == Tombstone && len(r.left) == 0 {
		r.left = nil
	}
	m.Value = r.left
	return m, m.Check()
}

// A reader takes a message apart. Once something is missing it stays bad and gives zero values.
type reader struct {
	left []byte
	bad  bool
}

// take gives the next n bytes, or a stand-in if there are fewer.
func (r *reader) take(n int, instead []byte) []byte {
	if r.bad || n < 0 || n > len(r.left) {
		r.bad = true
		return instead
	}
	taken := r.left[:n:n]
	r.left = r.left[n:]
	return taken
}

func (r *reader) byte() byte {
	return r.take(1, []byte{0})[0]
}

// uint gives the next integer. A form longer than needed is damage, so that a message has one encoding.
func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.left)
	if r.bad || n <= 0 || n > 1 && r.left[n-1] == 0 {
		r.bad = true
		return 0
	}
	r.left = r.left[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uint()
	if v > math.MaxInt32 {
		r.bad = true
		return 0
	}
	return uint32(v)
}

func (r *reader) strings() []string {
	n := int(r.uint32())
	if r.bad || n > len(r.left) {
		r.bad = true
		return nil
	}
	var all []string
	for range n {
		all = append(all, string(r.take(int(r.uint32()), nil)))
	}
	return all
}

func (r *reader) commands() []replica.Command {
	n := int(r.uint32())
	if r.bad || n > replica.Remembered {
		r.bad = true
		return nil
	}
	var all []replica.Command
	for range n {
		var c replica.Command
		copy(c.ID[:], r.take(len(c.ID), nil))
		c.Rev = r.uint()
		all = append(all, c)
	}
	return all
}
