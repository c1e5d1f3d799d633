// Package vault answers what a holder may never forget: who it is, what it has counted, and whom it has answered.
//
// It is the one store of a sidecar that cannot be fetched again. It keeps bytes for others, in a journal and behind it
// in bbolt, and knows no rule of the ledger: what an account says and when a key may be used again is its caller's
// business. It does not group the commits of several callers either.
//
// # Invariants
//   - When Commit returns nil, all of its batch survives kill -9 and a power loss; else nothing of it is there.
//   - What is read is what was committed. Open verifies every page, every value and the sums over all of them; a vault
//     that fails is lost: it is moved aside, a new identity is made, and Lost says so. It is never silently replaced.
//   - No two incarnations have the same nonce, and an incarnation is durable before Open returns.
//   - A key is remembered for Options.Keep, unless more than Options.MaxMemories came after it.
//   - A key that does not fit, a newer format and another process's lock are refused, and nothing is changed.
//   - No nonce of the encryption is used twice under one subkey, also after an old copy of the file was restored.
//   - After a sync that failed nothing is written or read until the vault is opened again: the kernel may have dropped
//     what was not written, and a second sync would say that all is well.
//
// # Concurrency
//
// All methods may be called from any goroutine. Commit, Renew, Forget, Check and Close wait for one another; reads wait
// for none of them but Close, which must come last. Run, if it is called, ends before Close. One process per directory,
// which a lock holds.
//
// # Format
//
// DESIGN.md beside this file has the bytes; a golden file under testdata freezes them.
package vault
