// Package httpapi answers checks over HTTP on localhost: it is the machine's face, on fasthttp.
//
// It reads an ask, lets package checker decide on what the index holds, and writes the decision. It keeps nothing and
// decides nothing.
//
// # Invariants
//   - A check, by GET or POST, allocates nothing.
//   - All parts of one answer, and all items of one bulk answer, come from one view.
//   - A denial is an answer (200); only what is no decision is a problem document.
//   - Bytes of a request are not kept beyond it.
//
// # Concurrency
//
// Handlers may be called by any number of goroutines.
package httpapi
