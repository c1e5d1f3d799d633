package hub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/replica"
)

// live is how many documents of each kind a log has, and how long the longest book is.
func (b *bench) live(log replica.Log) (kinds map[string]int, book int) {
	b.t.Helper()
	_, _, all := log.Snapshot(b.t.Context(), replica.Filter{})
	kinds = map[string]int{}
	for e, err := range all {
		if err != nil {
			b.t.Fatal(err)
		}
		kind, _, _ := strings.Cut(e.Key, "/")
		if !e.Deleted() {
			kinds[kind]++
		}
		if kind == replica.KindLedger {
			book = max(book, len(e.Value))
		}
	}
	return kinds, book
}

// goOn is a month of a sidecar: it asks, consumes, tells, gives back what is void and forgets what the hub has.
func (x *holder) goOn(units int64) {
	a := x.account("acme", "calls")
	x.ask("acme", "calls", 20)
	x.use("acme", "calls", units)
	x.ask("acme", "calls", -1)
	a.Tidy(x.now())
	x.ask("acme", "calls", -1)
	confirmAll(x.t, x)
	a.Forget(x.now())
	x.ask("acme", "calls", -1)
}

// TestTheLogOfUsageDoesNotGrowWithTime counts for five years: at a sidecar that stays, and each month at one that is
// lost with its vault, as containers are.
func TestTheLogOfUsageDoesNotGrowWithTime(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	for month := range 60 {
		b.at(fmt.Sprintf("%d-%02d-15T00:00:00Z", 2027+month/12, 1+month%12))
		x.goOn(2)
		b.holder(bus).goOn(1)
	}
	var book int
	until(t, "who was lost is retired", func() bool {
		b.clock.Add(3_600_001)
		x.ask("acme", "calls", -1)
		_, book = b.live(b.books)
		return book < 500 // one holder, three periods
	})
	kinds, _ := b.live(b.books)
	if kinds[replica.KindLedger] != 1 || kinds[replica.KindHistory] > 6 {
		t.Errorf("the log has %v; want one book, and a history for each year", kinds)
	}
	t.Logf("%v, a book of %d bytes", kinds, book)
	total := 0.0
	for _, u := range b.usage("acme", "?from=2027-01-01T00:00:00Z") {
		total += u["used"].(float64) + u["in_doubt"].(float64)
	}
	if total < 180 {
		t.Errorf("the usage of five years adds up to %v, want the 180 that were consumed", total)
	}
}
