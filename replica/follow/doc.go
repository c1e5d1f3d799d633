// Package follow answers what a replica knows right now, and how it knows it: it follows a Log, keeps an index of what
// it says and a snapshot of it in a Store.
//
// It writes nothing to the log and decides nothing. It works on any Log and any Store.
//
// # Invariants
//   - A view is published only where every entry up to its revision is in it.
//   - A change is shown before it is on disk: the log is the truth, and a restart catches up.
//   - The store never holds an entry in part: documents and cursor are committed together.
//   - What is known is never swept to less than half by a log that suddenly holds less: the replica goes on serving it
//     and raises an alarm.
//   - A difference from the hub's digest is never served on in silence: it is reported and healed by a resync.
//   - Whatever is wrong with the log or the disk, what is known is served.
//
// # Concurrency
//
// Run is called once and owns all writing. Everything else may be called by any goroutine at any time.
package follow
