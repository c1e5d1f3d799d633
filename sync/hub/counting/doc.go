// Package counting answers what holders ask a hub: it takes their vectors into the books, and gives rights out of them.
//
// It knows the rules of package ledger, and where books stand in a log; what a customer bought it is told by a Seller.
// It serves no HTTP, and opens no connection: requests come through Handle, books and totals are logs. DESIGN.md of
// package hub, above it, says why it is as it is.
//
// # Invariants
//   - A reply says that a report is in the books, or that rights were granted, only once the log has it.
//   - A book is changed by compare-and-swap alone, so any number of hubs may count, and a cache that is behind does no
//     harm.
//   - Terms of older documents never replace those of newer ones, and no book is begun by terms that a newer document
//     had replaced when it was written; see Lower.
//   - What a book folds away is in the history in the same entry.
//   - What comes about in a book is written for those who want to hear of it in the same entry, so that it is told once
//     whichever hub dies, and whether or not anybody wants to.
//   - A report that changes nothing is not written.
//   - Totals are made from books alone, and can be made again.
//
// # Concurrency
//
// Run is called once. Reset, Apply and Published are the follower's, one at a time. Everything else may be called at
// any time; what reads before Run knows the books answers ErrNotYet.
package counting
