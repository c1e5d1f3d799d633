// Package disk answers what a replica knew when it was last stopped: it is a replica.Store on Badger.
//
// The snapshot is a cache: whatever is wrong with it, it can be fetched again. So this package prefers to give a
// snapshot up over serving one that may be wrong. It does not hold usage or anything else that cannot be fetched.
//
// # Invariants
//   - What Load yields is exactly what was committed: each record verifies against its own checksum, and all together
//     against the cursor's count and digest. Anything else is ErrDamaged, and nothing of it may be used.
//   - The HEAD file never names a revision or a generation that is not durable.
//   - After a crash at any point there is one usable generation: the one that HEAD names.
//   - A directory that crashes the process while it is opened is set aside at the third attempt.
//   - Nothing is written when the disk is nearly full: Badger maps its files, and a full disk would kill the process.
//
// # Concurrency
//
// One goroutine at a time; one process per directory, which a lock holds.
//
// # Format
//
// DESIGN.md beside this file has the bytes; golden files under testdata freeze them.
package disk
