// Package logtest answers one question: is this a replica.Log?
//
// Run breaks every promise of package replica on purpose and looks whether the log keeps it. It knows no
// implementation; faults that have to happen below a log are asked of its Fixture. It measures nothing.
//
// # Invariants
//   - A test's name is the promise that it breaks.
//   - What a Fixture cannot do is skipped and said, never passed over.
//
// # Concurrency
//
// Each test has a Fixture of its own. No test sleeps: it waits for what it expects, or fails at its deadline.
package logtest
