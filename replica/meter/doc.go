// Package meter answers one question: may this be consumed here and now, and is it written down?
//
// It joins what a customer holds (package checker), the rights and the usage of this holder (package ledger), a vault
// that remembers and a hub that grants. It decides nothing by rules of its own, knows no disk and no transport, and
// counts for one holder only; what others used it is told.
//
// # Invariants
//   - Whoever is told "consumed" is told after the vault has it, except for chunked features, of which the chunk is in
//     the vault before.
//   - If the vault cannot take a change, nobody who waited for it is told "consumed", and nothing of it is counted.
//   - An idempotency key is in the vault together with the units that it stands for.
//   - The hub is told only what is in the vault.
//   - A hard limit needs no hub while rights are held, and is never exceeded for want of one.
//   - Time does not go back while the process lives.
//
// # Concurrency
//
// A Meter may be used by any number of goroutines. Run owns those that write and report.
package meter
