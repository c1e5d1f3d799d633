// Package hub answers what the vendor sells and to whom: it takes catalogues, customers and subscriptions over HTTP,
// and writes them to the log.
//
// It is stateless: everything it knows stands in two logs, the documents that sidecars follow and the books that only
// hubs follow (tokens). It keeps a view of both for lists, searches and differences, and never decides by the view
// alone. It decides no check; that is the sidecars' business.
//
// # Invariants
//   - A write is decided on documents at known revisions and applied only if they still are at them, so any number of
//     hubs may write to one log.
//   - A write is applied whole or not at all; a refusal leaves nothing behind.
//   - No document ever names a plan, an add-on or a feature that the catalogue of the same revision lacks.
//   - A repeated Idempotency-Key is applied once per document, however often the reply was lost.
//   - No secret is logged, and none is answered but where it is made. Tokens are kept as hashes; the secrets that
//     requests to webhooks are signed with cannot be, and stand in the books, which only hubs follow.
//
// # Concurrency
//
// Run is called once. The handler may be used by any number of goroutines while Run runs.
package hub
