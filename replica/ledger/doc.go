// Package ledger answers one question: how much of a limit may be consumed here, without asking anybody?
//
// It holds the rules by which usage is counted and limits hold: a Book is what the hub knows of one customer and one
// feature, an Account is what one holder has of it. Both are plain data that a caller clones, changes and writes by
// compare-and-swap (Book) or durably (Account); nothing here knows how. It does not decide whether a customer may
// consume at all, which is package checker's, and it measures no demand. DESIGN.md beside it has the reasons.
//
// # Invariants
//   - A right is a unit that a holder may consume without asking. Until it is given back it counts as spent.
//   - In a period, the rights on the period's own allowance never exceed the largest limit (overdraft included) that
//     was in force when one of them was granted; those on a grant never exceed its amount, over all periods.
//   - What a holder may spend by its Account is never more than what the Book has against its name, whatever messages
//     were lost, repeated or reordered and whichever of the two crashed.
//   - Every number of a vector only grows, so that the larger of two is the later, and a report may come at any age.
//   - A unit stands in one line of one holder. It is summed into a period's settled part only when its holder can
//     never report it again.
//
// # Concurrency
//
// There is none: a Book or an Account belongs to whoever changes it.
package ledger
