// Package wire answers one question: how does a document look on its way through the log?
//
// It turns keys into subjects and documents into messages and back. It opens no connection, looks at no value, and
// proves nothing about who wrote a message. DESIGN.md beside it says why it is as it is.
//
// # Invariants
//   - Two keys never have the same subject, and a subject says nothing that its key does not.
//   - Decode(Append(nil, m)) is m, and Append(nil, Decode(b)) is b: a message has one encoding.
//   - Decode never panics, and never returns part of a message: it is read whole or refused.
//   - A message that asks for a newer reader is refused with ErrNewer, whatever else it holds.
//
// # Concurrency
//
// Everything is a pure function. Decode borrows: the value of the message is a part of what was decoded.
//
// # Format
//
// Integers are unsigned LEB128 in their shortest form unless a width is given; strings are a length and bytes.
//
//	offset  width  what
//	0       1      version of the encoding: 1
//	1       1      least level of a reader that may act on the message, so that nobody ignores a restriction
//	2       1      kind: 0 document, 1 tombstone, 2 marker, 3 lineage
//	3       8      entry id, big endian, random: the same in all messages of an entry
//	11      -      position in the entry, from 0
//	-       -      number of messages in the entry
//	-       -      groups of the entry's later messages: a number, then strings, in order, none twice
//	-       -      key: a string
//	-       -      commands, newest first: a number up to 16, then 16 bytes and a revision for each; the newest
//	               has revision 0, which stands for this entry's own
//	-       -      value: all that is left
package wire
