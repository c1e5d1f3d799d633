package replica

import (
	"context"
	"errors"
	"iter"
)

// The faults a Log reports by name. Everything else is wrapped and may be tried again.
var (
	ErrConflict = errors.New("a document is not at the expected revision")
	ErrUnknown  = errors.New("the outcome of the write is not known")
	ErrLineage  = errors.New("the log is not the one that was followed")
	ErrNotFound = errors.New("no such document")
	ErrGone     = errors.New("there is no such log; a hub makes it when it starts")
)

// Contested tells whether a write may have failed only because another was faster, or may have been applied after all:
// both are tried again from what the log holds.
func Contested(err error) bool { return errors.Is(err, ErrConflict) || errors.Is(err, ErrUnknown) }

// A CommandID names one attempt to change something, for ever. The first half says which request, the second what
// was asked, so that the same request with another payload is told apart.
type CommandID [16]byte

// A Command is one that a document remembers, with the revision it was applied at.
type Command struct {
	ID  CommandID
	Rev uint64
}

// Remembered is how many commands a document keeps.
const Remembered = 16

// A Put changes or compares one document.
type Put struct {
	Key    string
	Expect uint64 // revision that the document must have; 0: it must not exist (a tombstone counts as not existing)
	Value  []byte // nil: only compare
	Delete bool   // write a tombstone; Value must be nil
}

// An Entry is one document at one revision, as the log holds or delivers it.
type Entry struct {
	Key    string    // empty: no document; says only that the tail is whole up to Rev, and at the head
	Rev    uint64    // of the entry that wrote it, as Put answered; grows for ever, across lineages of the same log too
	Value  []byte    // nil: a tombstone
	Recent []Command // newest first, the one that wrote this included; at most Remembered
	// Whole: with this document every document up to Rev has been delivered, so a view may be published.
	// In a tail only; a snapshot is whole when it ends.
	Whole bool
}

// Deleted tells whether the entry is a tombstone.
func (e Entry) Deleted() bool { return e.Value == nil }

// A Lineage says which history a revision belongs to.
type Lineage struct {
	Log     string // name of the stream, epoch included
	Created int64  // unix nanoseconds
	Nonce   string // random, written when the log was made
}

// A Filter says which documents are followed.
type Filter struct {
	Groups []string // nil: every group; shared documents (catalogue, plans, meta) always come along
}

// A Log is an ordered, durable history of documents that any number of writers change by compare-and-swap.
// See the package comment for what every implementation holds to; replica/logtest checks it.
type Log interface {
	// Get reads a document linearizably. ErrNotFound if it never existed; a tombstone is returned as an entry.
	Get(ctx context.Context, key string) (Entry, error)
	// Put applies all puts or none, and answers the entry's revision. ErrConflict if one does not match;
	// ErrUnknown if it cannot be told whether the entry was written, also after re-reading.
	Put(ctx context.Context, id CommandID, puts ...Put) (rev uint64, err error)
	// Head answers the lineage and the last revision written.
	Head(ctx context.Context) (Lineage, uint64, error)
	// Snapshot yields every live document and tombstone once, each at a revision of at most the one answered or newer
	// versions already overwritten since; a Tail from the answered revision brings the rest.
	Snapshot(ctx context.Context, f Filter) (Lineage, uint64, iter.Seq2[Entry, error])
	// Tail yields what was written after from, blocking at the head, until ctx ends. ErrLineage ends it when the log
	// is another one, or has lost what was already followed: the caller resyncs.
	Tail(ctx context.Context, l Lineage, from uint64, f Filter) iter.Seq2[Entry, error]
}
