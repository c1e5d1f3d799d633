package disk

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/sidegate/sidegate/replica"
)

// The first byte of what is stored under each kind of key.
const (
	docVersion    = 1
	cursorVersion = 1
	namesVersion  = 1
)

// Badger keys: documents under their own key behind one letter.
const docPrefix = 'd'

var (
	cursorKey = []byte("c")
	namesKey  = []byte("n")
)

var errRecord = errors.New("a stored record fails its checksum or has an unknown format version")

const (
	docHead = 1 + 8 + 8 + 4 // version, revision, document hash, length of the packed record
	sumSize = 8
)

// seal appends the checksum of key and value.
func seal(key, value []byte) []byte {
	return binary.LittleEndian.AppendUint64(value, checksum(key, value))
}

func checksum(key, value []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(key)
	_, _ = d.Write([]byte{0})
	_, _ = d.Write(value)
	return d.Sum64()
}

// open checks the checksum and the version, and takes both off.
func open(key, value []byte, version byte) ([]byte, error) {
	n := len(value) - sumSize
	if n < 1 || checksum(key, value[:n]) != binary.LittleEndian.Uint64(value[n:]) || value[0] != version {
		return nil, errRecord
	}
	return value[1:n], nil
}

func docKey(key string) []byte { return append([]byte{docPrefix}, key...) }

func encodeDoc(key []byte, doc replica.StoredDoc) []byte {
	out := make([]byte, 0, docHead+len(doc.Record)+len(doc.Value)+sumSize)
	out = append(out, docVersion)
	out = binary.LittleEndian.AppendUint64(out, doc.Rev)
	out = binary.LittleEndian.AppendUint64(out, doc.Hash)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(doc.Record)))
	out = append(append(out, doc.Record...), doc.Value...)
	return seal(key, out)
}

// decodeDoc reads a document; its slices are parts of value.
func decodeDoc(key, value []byte) (replica.StoredDoc, error) {
	body, err := open(key, value, docVersion)
	if err != nil || len(key) < 2 || len(body) < docHead-1 {
		return replica.StoredDoc{}, errRecord
	}
	doc := replica.StoredDoc{Key: string(key[1:]), Rev: binary.LittleEndian.Uint64(body),
		Hash: binary.LittleEndian.Uint64(body[8:])}
	n := uint64(binary.LittleEndian.Uint32(body[16:]))
	body = body[docHead-1:]
	if n > uint64(len(body)) {
		return replica.StoredDoc{}, errRecord
	}
	doc.Value = body[n:]
	if n > 0 {
		doc.Record = body[:n:n]
	}
	return doc, nil
}

// A head is what the HEAD file says, and, without the generation, what stands beside the documents.
type head struct {
	Generation uint64 `json:"generation,omitempty"`
	Log        string `json:"log"`
	Created    int64  `json:"created"`
	Nonce      string `json:"nonce"`
	Revision   uint64 `json:"revision"`
	Groups     string `json:"groups,omitempty"`
	Torn       bool   `json:"torn,omitempty"` // a commit of several steps had begun
	At         int64  `json:"at"`
	Count      int    `json:"count"`
	Digest     uint64 `json:"digest,string"`
}

func headOf(c replica.Cursor) head {
	return head{Log: c.Lineage.Log, Created: c.Lineage.Created, Nonce: c.Lineage.Nonce, Revision: c.Rev, Groups: c.Groups,
		At: c.At, Count: c.Count, Digest: c.Digest}
}

func (h head) cursor(names []byte) replica.Cursor {
	return replica.Cursor{Lineage: replica.Lineage{Log: h.Log, Created: h.Created, Nonce: h.Nonce}, Rev: h.Revision,
		Groups: h.Groups, Open: h.Torn, At: h.At, Count: h.Count, Digest: h.Digest, Names: names}
}

func encodeHead(key []byte, h head) []byte {
	data, err := json.Marshal(h)
	if err != nil {
		panic(err) // numbers and texts always marshal
	}
	return seal(key, append([]byte{cursorVersion}, data...))
}

func decodeHead(key, value []byte) (head, error) {
	var h head
	body, err := open(key, value, cursorVersion)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(body, &h); err != nil {
		return h, fmt.Errorf("stored cursor: %w", err)
	}
	return h, nil
}
