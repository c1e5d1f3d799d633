// Package checker answers one question: may this customer do this, now?
//
// It is given what the customer holds (a packed Record, the compiled World, what is used at the moment), what is
// asked and the time, and answers with a Decision. It reads no documents, keeps no state, counts nothing, knows no
// clock and no network; package catalog makes its inputs from documents, package index keeps them at hand.
//
// # Invariants
//   - Decide is total: every input yields a Decision with a Reason, never a panic, a damaged Record included.
//   - Decide is deterministic: equal inputs give equal Decisions on every machine.
//   - Decide does not allocate, unless a union of sets outgrows Ask.Scratch.
//   - Allowed equals Reason.Allows().
//   - Decide never allows a hard limited feature beyond limit, grants and overdraft, whatever Use claims, unless an
//     advisory rule says so, and then the Reason is Advisory.
//   - An explicit denial is never softened by the age of the snapshot.
//
// # Concurrency
//
// World, Feature, Plan, Addon and Record are immutable once made and may be shared by any number of readers.
// Names has one writer and no concurrent readers.
//
// # Format
//
// Record and Names.Export are formats with a version in their first byte; DESIGN.md beside this file has the bytes.
package checker
