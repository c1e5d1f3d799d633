// Package stream answers one question: how is a NATS JetStream stream a log?
//
// It implements replica.Log on one raw stream, and runs a NATS server inside the process for those who have none. It
// knows keys, values and commands, but nothing of what is in a value. Who may connect is the server's business;
// whether a document is true is not decided here. DESIGN.md beside it says why it is as it is.
//
// # Invariants
//   - What replica.Log promises. The suite in replica/logtest runs against a real server.
//   - A write is applied at most once, whatever is lost on the way, and never by a server's duplicate window.
//   - A tail never goes on in a stream that is not the one it followed: it compares on every connection and every
//     Options.Check.
//   - Nothing is read from a server that is not the stream's leader.
//   - Memory for a follower is bounded by flow control (32 MiB), whatever the backlog.
//
// # Concurrency
//
// A Stream may be used by any number of goroutines until Close. There are no goroutines of its own beside those of
// the NATS connection; a tail runs on its caller's.
//
// # Format
//
// One message is one document; package wire says how. A document's revision is the sequence of the last message of
// its entry.
package stream
