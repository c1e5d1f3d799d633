// Package replica answers one question: what does the log say, in which order, and which log is it?
//
// It holds the contract of a Log (documents under keys, changed by compare-and-swap), of a Store (the snapshot of a
// replica over restarts), and what follows a Log with nothing but these two. It knows no transport and no disk, and
// of a document's content only that it is bytes.
//
// # Invariants
//
// Every Log holds to these; logtest breaks each of them on purpose.
//   - A put applies all of its documents or none, and a document has one revision: that of the entry that wrote it,
//     which is what Put answered. All documents of one entry have the same revision.
//   - Revisions grow for ever. Within one lineage a revision names one entry.
//   - A put whose document is not at the expected revision is ErrConflict, with one exception: if a document that
//     it writes remembers the command, the put was applied before, and answers the revision of then.
//   - ErrConflict means that the put was not applied and never will be. ErrUnknown means that it may still be.
//   - A document remembers the last 16 commands that wrote it, over deletion too.
//   - A tail yields documents in order of revision, each at its newest; one that was superseded before it could be
//     delivered is skipped.
//   - Whole is set only when what was yielded, up to and including this entry, is what the log held at Rev: no
//     half of an entry, nothing skipped that has not come yet.
//   - A tail that is idle, or passed only what is filtered out, says so with an Entry that has no key: Whole is set
//     and Rev is how far it has come. The same Rev may be said again; it shows that the tail is at the head.
//   - A log that lost what a tail has delivered, or that was made anew, ends the tail with ErrLineage. It never goes
//     on as if nothing had happened, and never waits for revisions of a past that is gone.
//
// # Concurrency
//
// A Log may be used by any number of goroutines. An iterator belongs to one; what it yields belongs to the caller.
package replica
