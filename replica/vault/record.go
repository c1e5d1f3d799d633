package vault

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// format is the version of all that is stored. It stands in the header and in the HOLDER file; those two keep their
// place, their first and their last field in every version.
const format = 2 // since 2: a journal, which programs of before would not look at

// Buckets, in the order in which they are read: what is needed to open the others comes first.
const (
	bucketSelf     = "0"
	bucketAccounts = "a" // a bucket in it for each holder id
	bucketMemories = "m"
	bucketNotes    = "n"
)

// Keys of bucketSelf, in the order in which they are read.
const (
	keyHeader   = "A"
	keyEra      = "E" // and the era, big endian
	keyFormer   = "F" // and the holder id
	keyIdentity = "I"
	keyJournal  = "J" // since format 2
	keySeal     = "S"
)

// ErrVersion is wrapped by Open when the vault was written by a newer sidegate. Nothing is changed.
var ErrVersion = errors.New("the vault is in a format that this version does not know")

// ErrKey is wrapped by Open when Options.Key does not fit the vault. Nothing is changed.
var ErrKey = errors.New("the vault's key does not fit")

// An ID names a holder for ever.
type ID [16]byte

// String is the ID in hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// An Identity is what a holder is known by. The keys are for reading only.
type Identity struct {
	ID          ID
	Public      ed25519.PublicKey
	Private     ed25519.PrivateKey
	Incarnation uint64   // grows with every Open of the directory, also beyond a lost vault
	Nonce       [16]byte // random, of the incarnation: two copies of one vault differ in it
	Since       time.Time
}

// A Former is an identity that was given up. Its accounts stay readable until Forget.
type Former struct {
	ID          ID
	Public      ed25519.PublicKey
	Incarnation uint64 // the last one
	Ended       time.Time
	Why         string
	Lost        bool // the vault was lost, and the accounts with it
	accounts    tally
}

// A tally counts the values of a bucket, so that one that vanishes is missed.
type tally struct{ n, sum uint64 }

func (t *tally) add(stored []byte)  { t.n++; t.sum += element(stored) }
func (t *tally) drop(stored []byte) { t.n--; t.sum -= element(stored) }

// A seal is what was in the buckets after the last commit.
type seal struct {
	commits  uint64
	next     uint64 // sequence number of the next memory
	formers  uint64
	accounts tally // of the present holder
	memories tally
	notes    tally
}

func (s seal) encode() []byte {
	var out []byte
	for _, n := range []uint64{s.commits, s.next, s.formers, s.accounts.n, s.accounts.sum, s.memories.n, s.memories.sum,
		s.notes.n, s.notes.sum} {
		out = binary.LittleEndian.AppendUint64(out, n)
	}
	return out
}

func decodeSeal(body []byte) (s seal, err error) {
	if len(body) != 9*8 {
		return s, errBox
	}
	for i, n := range []*uint64{&s.commits, &s.next, &s.formers, &s.accounts.n, &s.accounts.sum, &s.memories.n,
		&s.memories.sum, &s.notes.n, &s.notes.sum} {
		*n = binary.LittleEndian.Uint64(body[8*i:])
	}
	return s, nil
}

// A header says how to read all the rest. It is never encrypted.
type header struct {
	sealed bool
	salt   [16]byte
	check  [16]byte // derived from the key: tells a wrong key from a damaged file
}

const headerSize = 2 + 16 + 16

func newHeader(key []byte) header {
	h := header{sealed: key != nil}
	random(h.salt[:])
	if h.sealed {
		h.check = checkOf(key, h.salt)
	}
	return h
}

func checkOf(key []byte, salt [16]byte) [16]byte {
	return [16]byte(derive(key, salt, "sidegate vault check", 16))
}

// encode is format, mode, salt, check, checksum.
func (h header) encode() []byte {
	out := []byte{format, boxClear}
	if h.sealed {
		out[1] = boxSealed
	}
	out = append(append(out, h.salt[:]...), h.check[:]...)
	return binary.LittleEndian.AppendUint64(out, checksum(selfKey(keyHeader), out))
}

func decodeHeader(stored []byte) (h header, err error) {
	n := len(stored) - sumSize
	if n < 1 || checksum(selfKey(keyHeader), stored[:n]) != binary.LittleEndian.Uint64(stored[n:]) {
		return h, errBox
	}
	if stored[0] < 1 || stored[0] > format {
		return h, versionError(uint64(stored[0]))
	}
	if n != headerSize || stored[1] != boxClear && stored[1] != boxSealed {
		return h, errBox
	}
	h.sealed, h.salt, h.check = stored[1] == boxSealed, [16]byte(stored[2:]), [16]byte(stored[18:])
	return h, nil
}

func versionError(got uint64) error {
	return fmt.Errorf("%w: it has format %d, known is up to %d; start the newer sidegate, or give this one another "+
		"directory", ErrVersion, got, format)
}

// fits tells whether a key is the one that the header was made with.
func (h header) fits(key []byte) bool {
	if key == nil || !h.sealed {
		return key == nil && !h.sealed
	}
	want := checkOf(key, h.salt)
	return subtle.ConstantTimeCompare(want[:], h.check[:]) == 1
}

func (h header) keyError(key []byte) error {
	switch {
	case key == nil:
		return fmt.Errorf("%w: the vault is encrypted and no key is given; give the one it was made with", ErrKey)
	case h.sealed:
		return fmt.Errorf("%w: the vault is encrypted with another key; give the one it was made with", ErrKey)
	}
	return fmt.Errorf("%w: the vault is not encrypted; leave the key out", ErrKey)
}

// selfKey is where a record of bucketSelf stands; accounts, notes and memories have the like.
func selfKey(key string) []byte { return []byte(bucketSelf + key) }

func eraKey(era uint32) []byte { return binary.BigEndian.AppendUint32([]byte(keyEra), era) }

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// newIdentity draws a holder id and a key pair.
func newIdentity(incarnation uint64, at time.Time) Identity {
	var seed [ed25519.SeedSize]byte
	random(seed[:])
	id := Identity{Incarnation: incarnation, Since: at}
	random(id.ID[:])
	random(id.Nonce[:])
	return id.withSeed(seed[:])
}

func (id Identity) withSeed(seed []byte) Identity {
	id.Private = ed25519.NewKeyFromSeed(seed)
	id.Public = id.Private.Public().(ed25519.PublicKey)
	return id
}

func (id Identity) encode() []byte {
	out := append(append(id.ID[:], id.Private.Seed()...), id.Nonce[:]...)
	out = binary.LittleEndian.AppendUint64(out, id.Incarnation)
	return binary.LittleEndian.AppendUint64(out, uint64(id.Since.UnixMilli()))
}

func decodeIdentity(body []byte) (id Identity, err error) {
	if len(body) != 16+ed25519.SeedSize+16+8+8 {
		return id, errBox
	}
	id.ID, id.Nonce = ID(body), [16]byte(body[48:])
	id.Incarnation = binary.LittleEndian.Uint64(body[64:])
	id.Since = time.UnixMilli(int64(binary.LittleEndian.Uint64(body[72:]))).UTC()
	return id.withSeed(body[16:48]), nil
}

const formerSize = ed25519.PublicKeySize + 8 + 8 + 1 + 8 + 8 // and why

func (f Former) encode() []byte {
	public := make([]byte, ed25519.PublicKeySize, formerSize+len(f.Why)) // unknown: zeros
	copy(public, f.Public)
	out := binary.LittleEndian.AppendUint64(public, f.Incarnation)
	out = binary.LittleEndian.AppendUint64(out, uint64(f.Ended.UnixMilli()))
	lost := byte(0)
	if f.Lost {
		lost = 1
	}
	out = append(out, lost)
	out = binary.LittleEndian.AppendUint64(out, f.accounts.n)
	out = binary.LittleEndian.AppendUint64(out, f.accounts.sum)
	return append(out, f.Why...)
}

func decodeFormer(id, body []byte) (f Former, err error) {
	if len(body) < formerSize || len(id) != len(f.ID) {
		return f, errBox
	}
	f.ID, f.Public = ID(id), append(ed25519.PublicKey(nil), body[:32]...)
	f.Incarnation = binary.LittleEndian.Uint64(body[32:])
	f.Ended = time.UnixMilli(int64(binary.LittleEndian.Uint64(body[40:]))).UTC()
	f.Lost = body[48] == 1
	f.accounts = tally{binary.LittleEndian.Uint64(body[49:]), binary.LittleEndian.Uint64(body[57:])}
	f.Why = string(body[formerSize:])
	return f, nil
}

// A Hash stands for a caller's key, or for what came with it.
type Hash [16]byte

// HashOf is the first half of SHA-256: nobody finds two keys with the same one.
func HashOf(text []byte) Hash {
	sum := sha256.Sum256(text)
	return Hash(sum[:16])
}

// A Memory is an answer that was given under a caller's key.
type Memory struct {
	Hash    Hash   // of the caller's key
	Payload Hash   // of what the caller asked
	Answer  []byte // at most MaxAnswer bytes
	At      int64  // Unix milliseconds; it is kept for Options.Keep from then
}

const memorySize = 16 + 16 + 8 // and the answer

func (m *Memory) encode(out []byte) []byte {
	out = append(append(out, m.Hash[:]...), m.Payload[:]...)
	return append(binary.LittleEndian.AppendUint64(out, uint64(m.At)), m.Answer...)
}

// decodeMemory reads a memory; its answer is a part of body.
func decodeMemory(body []byte) (m Memory, err error) {
	if len(body) < memorySize {
		return m, errBox
	}
	return Memory{Hash: Hash(body), Payload: Hash(body[16:]), At: int64(binary.LittleEndian.Uint64(body[32:])),
		Answer: body[memorySize:]}, nil
}
