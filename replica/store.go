package replica

import (
	"context"
	"errors"
)

// ErrDamaged is reported by a Store that found its content not to be what was written. It has moved the damaged
// files aside by then and is empty.
var ErrDamaged = errors.New("the stored snapshot is damaged")

// ErrNoSpace is reported by a Store that stopped writing before the disk is full. What it holds stays readable.
var ErrNoSpace = errors.New("the disk is nearly full")

// ErrBroken is reported by a store that failed in a way that only opening it again can mend.
var ErrBroken = errors.New("the vault failed and must be opened again")

// A StoredDoc is a document as a replica keeps it.
type StoredDoc struct {
	Key    string
	Rev    uint64
	Value  []byte // nil: a tombstone
	Record []byte // customer: the packed record, so that a restart decodes no JSON; nil otherwise
	Hash   uint64 // DocHash of key and value; 0 for what the digest leaves out: tombstones and meta/digest
}

// A Cursor says how far a stored snapshot goes.
type Cursor struct {
	Lineage Lineage
	Rev     uint64 // every entry up to it is in the snapshot
	Groups  string // what was followed: Filter.String
	Open    bool   // a crash left it torn; a Tail from Rev brings what it lacks
	At      int64  // unix milliseconds when the replica last knew itself at the log's head
	Count   int    // documents that the digest covers
	Digest  uint64 // sum of their DocHash
	Names   []byte // checker.Names.Export; in a Commit nil: unchanged
}

// A Store keeps the snapshot of a replica over restarts. Only one goroutine uses it at a time.
type Store interface {
	// Load yields the cursor, then every live document once, customers' records included, all verified against their
	// hashes and the cursor's digest. ErrNotFound: nothing stored yet. ErrDamaged: see there; what was yielded must be
	// thrown away. Bytes are borrowed for the call.
	Load(ctx context.Context, begin func(Cursor) error, each func(StoredDoc) error) error
	// Commit writes documents and cursor as one: after a crash both are there or neither. A tombstone takes the
	// document away. ErrNoSpace: nothing was written.
	Commit(docs []StoredDoc, cur Cursor) error
	// Renew begins a new generation beside the one in use.
	Renew() (Generation, error)
}

// A Generation is a snapshot being written while the old one stays in use.
type Generation interface {
	// Add writes more documents. One that comes again, in a later call, replaces the earlier one; a tombstone takes it
	// away.
	Add(docs []StoredDoc) error
	// Switch makes the generation durable and the one in use, and drops the old one.
	Switch(cur Cursor) error
	// Abort drops the generation. After Switch it does nothing.
	Abort()
}
