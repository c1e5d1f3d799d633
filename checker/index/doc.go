// Package index answers what is known of a customer at one revision, from memory and without waiting.
//
// It keeps packed records and the compiled catalogue; it neither follows a log nor decides.
//
// # Invariants
//   - A View never changes: all that is read from one View is of one revision.
//   - A lookup takes no lock and allocates nothing, and compares the whole id: ids whose hashes collide are told
//     apart.
//   - The space of replaced and deleted records is taken back; a shard is never more than a quarter waste.
//
// # Concurrency
//
// Any number of goroutines may load and read views while one goroutine at a time holds a Txn. Wait may be called by
// any.
//
// Records lie in 4096 shards, each one block of bytes and one table of offsets, so that a million customers are some
// eight thousand objects for the collector. A change copies the shards it touches and leaves the rest shared.
package index
