package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// The first byte of a stored value.
const (
	boxClear  = 1 // 1, body, xxhash64
	boxSealed = 2 // 2, era (4), counter (8), AES-256-GCM of the body, tag (16)
)

const (
	sumSize    = 8
	nonceSize  = 12 // era and counter
	tagSize    = 16
	sealedMore = 1 + nonceSize + tagSize
)

var errBox = errors.New("a stored value fails its check")

// A box closes values before they are stored and opens them again: with a checksum, or encrypted. Every era, which is a
// process's time with the vault, has a subkey of its own and counts its nonces from 0. The subkey is made with the
// random 16 bytes of its incarnation, so also two eras of the same number, after an old copy of the file was restored,
// have different ones.
type box struct {
	key   []byte // nil: values are stored in the clear
	salt  [16]byte
	eras  map[uint32]cipher.AEAD // fixed once the vault is open
	era   uint32                 // the one that is sealed under
	count uint64                 // nonces used in it. Only the committer seals
}

// addEra derives the subkey of an era.
func (b *box) addEra(era uint32, nonce [16]byte) {
	if b.key == nil {
		return
	}
	if b.eras == nil {
		b.eras = map[uint32]cipher.AEAD{}
	}
	b.eras[era] = aead(derive(b.key, b.salt, "sidegate vault values"+string(nonce[:]), KeySize))
}

// derive is HKDF-SHA256.
func derive(key []byte, salt [16]byte, info string, size int) []byte {
	out, err := hkdf.Key(sha256.New, key, salt[:], info, size)
	if err != nil {
		panic(err) // only sizes of several KiB fail
	}
	return out
}

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only other sizes fail
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only other block sizes fail
	}
	return gcm
}

// seal appends a value as it is stored to out. where is the bucket and the key: a value that is moved does not open.
func (b *box) seal(out, where, body []byte) []byte {
	if b.key == nil {
		start := len(out)
		out = append(append(out, boxClear), body...)
		return binary.LittleEndian.AppendUint64(out, checksum(where, out[start:]))
	}
	out = append(out, boxSealed)
	at := len(out)
	out = binary.LittleEndian.AppendUint32(out, b.era)
	out = binary.LittleEndian.AppendUint64(out, b.count)
	b.count++
	return b.eras[b.era].Seal(out, out[at:at+nonceSize:at+nonceSize], body, where)
}

// open appends the body of a stored value to out.
func (b *box) open(out, where, stored []byte) ([]byte, error) {
	if b.key == nil {
		return openClear(out, where, stored)
	}
	if len(stored) < sealedMore || stored[0] != boxSealed {
		return nil, errBox
	}
	gcm := b.eras[eraOf(stored)]
	if gcm == nil {
		return nil, fmt.Errorf("%w: era %d is not known", errBox, eraOf(stored))
	}
	body, err := gcm.Open(out, stored[1:1+nonceSize], stored[1+nonceSize:], where)
	if err != nil {
		return nil, errBox
	}
	return body, nil
}

func openClear(out, where, stored []byte) ([]byte, error) {
	n := len(stored) - sumSize
	if n < 1 || stored[0] != boxClear || checksum(where, stored[:n]) != binary.LittleEndian.Uint64(stored[n:]) {
		return nil, errBox
	}
	return append(out, stored[1:n]...), nil
}

// eraOf is the era that a value was sealed in; 0 if it was not.
func eraOf(stored []byte) uint32 {
	if len(stored) < sealedMore || stored[0] != boxSealed {
		return 0
	}
	return binary.LittleEndian.Uint32(stored[1:])
}

// element is what a stored value adds to the sum over its bucket: the checksum, or the second half of the tag.
func element(stored []byte) uint64 {
	return binary.LittleEndian.Uint64(stored[len(stored)-sumSize:])
}

// checksum is xxhash64 of the place, a zero byte, and the bytes.
func checksum(where, value []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(where)
	_, _ = d.Write([]byte{0})
	_, _ = d.Write(value)
	return d.Sum64()
}
