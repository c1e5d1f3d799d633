// Package catalog answers what the vendor's documents say: it reads catalogues, customers and subscriptions, finds
// every fault in them, writes and reads their stored form, and compiles them into what package checker holds.
//
// It does not decide, keeps nothing and knows no clock; what a document means at a moment is checker's business.
//
// # Invariants
//   - Reading lists every fault, each with its path and, where the source has lines, its line.
//   - What is read without a fault compiles and packs without one.
//   - Decode(Encode(x)) is x.
//   - A stored document of an unknown format version is refused, never half understood.
//
// # Concurrency
//
// All functions are pure; documents may be shared by readers.
//
// # Format
//
// A stored document is the byte 1 followed by JSON. Golden files under testdata freeze it.
package catalog
