package hub_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
)

// remaining is what is left of the first of acme's grants.
func (b *bench) remaining() any {
	b.t.Helper()
	return b.ok("GET /v1/customers/acme/grants", "")["grants"].([]any)[0].(map[string]any)["remaining"]
}

// month consumes some calls of acme in a month, and then lets the hub have everything and forgets what it may.
func (x *holder) month(b *bench, month string, units int64) {
	x.t.Helper()
	b.at(month + "-15T00:00:00Z")
	x.ask("acme", "calls", units)
	x.use("acme", "calls", units)
	x.account("acme", "calls").Tidy(b.clock.Load())
	x.ask("acme", "calls", -1)
	confirmAll(x.t, x)
	x.account("acme", "calls").Forget(b.clock.Load())
	x.ask("acme", "calls", -1)
}

func TestABookForgetsGrantsThatWereTakenBack(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	for n, month := range []string{"2026-11", "2026-12", "2027-01", "2027-02", "2027-03"} {
		for k := range 10 {
			b.ok(fmt.Sprintf("PUT /v1/customers/acme/grants/g%d-%d", n, k), `{"feature":"calls","amount":3,"priority":1}`)
		}
		x.month(b, month, 4) // of two of them
		for k := range 10 {
			b.ok(fmt.Sprintf("DELETE /v1/customers/acme/grants/g%d-%d", n, k), "")
		}
	}
	x.ask("acme", "calls", 1)
	if got := len(b.book("acme", "calls").Grants); got == 0 || got > 8 {
		t.Errorf("the book has %d grants, want those that the periods it has were paid by", got)
	}
	if got := len(b.usage("acme", "")); got != 5 {
		t.Errorf("%d periods are known, want 5", got)
	}
}

func TestAGrantThatIsNotTakenBackAfterAllStaysSpent(t *testing.T) {
	docs, bus := &seam{Log: replica.NewMemory()}, &wires{}
	b := newBenchWith(t, hub.Options{Docs: docs, Books: replica.NewMemory(), Bus: bus})
	b.stock()
	x := b.holder(bus)
	b.at("2026-11-15T00:00:00Z")
	b.ok("PUT /v1/customers/acme/grants/g", `{"feature":"calls","amount":5,"priority":1}`)
	for n, month := range []string{"2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04"} {
		if n == 1 { // what is spent of the grant lies in a period that is folded away
			b.ok("PUT /v1/customers/acme/grants/g", `{"feature":"calls","amount":5,"priority":200}`)
		}
		x.month(b, month, 3)
	}
	if book := b.book("acme", "calls"); book.Grants[0].Past != 3 {
		t.Fatalf("got %+v, want 3 spent in the past", book.Grants)
	}
	docs.beforePut(func(puts []replica.Put) error {
		if strings.HasPrefix(puts[0].Key, replica.KindCustomer) {
			return errors.New("the hub died")
		}
		return nil
	})
	b.refused("503 log_unavailable", "DELETE /v1/customers/acme/grants/g", "")
	x.ask("acme", "calls", 4)
	docs.beforePut(nil)
	b.ok("PUT /v1/customers/acme", `{"name":"Acme again"}`)
	x.ask("acme", "calls", 4)
	if got := b.remaining(); got != 2.0 {
		t.Errorf("%v are left of the grant, want 2", got)
	}
}

func TestAQuestionAloneBeginsNoBookOfACustomerThatHoldsNothing(t *testing.T) {
	b, bus, _ := countingBench(t)
	b.at("2026-11-15T00:00:00Z")
	x := b.holder(bus)
	b.ok("PUT /v1/customers/idle", `{}`)
	book := replica.CountKey(replica.KindLedger, "", "idle", "calls")
	if a := x.ask("idle", "calls", -1); a.Code != ledger.CodeUnknown {
		t.Errorf("got %+v, want nothing", a)
	}
	_, before, _ := b.books.Head(t.Context())
	if a := x.ask("idle", "calls", -1); a.Code != ledger.CodeUnknown {
		t.Errorf("asked again: got %+v, want nothing", a)
	}
	if _, after, _ := b.books.Head(t.Context()); after != before {
		t.Errorf("a question wrote an entry: the books went from %d to %d", before, after)
	}
	if _, err := b.books.Get(t.Context(), book); err == nil {
		t.Error("a book was begun")
	}
	b.ok("PUT /v1/customers/idle/grants/voucher", `{"feature":"calls","amount":5}`)
	if a := x.ask("idle", "calls", -1); a.Code != "" || a.Totals == nil || len(a.Totals.Grants) != 1 {
		t.Errorf("got %+v, want the grant", a)
	}
	b.ok("PUT /v1/customers/late", `{}`)
	if no := x.account("late", "calls").Count(ledger.Span{Start: 1794700800000, End: ledger.Forever}, 3); no != nil {
		t.Fatal(no)
	}
	if a := x.ask("late", "calls", -1); a.Code != "" { // facts of a customer that holds nothing any more
		t.Errorf("got %+v, want the use taken in", a)
	}
}
