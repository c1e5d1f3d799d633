package hub_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/stream"
)

func totalsKey(group, customer, feature string) string {
	return replica.CountKey(replica.KindTotals, group, customer, feature)
}

func TestRightsAreGrantedAndUseIsTold(t *testing.T) {
	b, bus, totals := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 60)
	y.ask("acme", "calls", 60)
	if got := [2]int64{x.free("acme", "calls"), y.free("acme", "calls")}; got != [2]int64{60, 40} {
		t.Fatalf("held are %v, want 60 and the 40 that are left", got)
	}
	x.use("acme", "calls", 25)
	x.ask("acme", "calls", -1)
	key := totalsKey("default", "acme", "calls")
	got := waitTotals(t, totals, key, func(s *ledger.Totals) bool { return s.Used == 25 })
	if used, out, _ := got.Others(y.id); used != 25 || out != 35 {
		t.Errorf("others used %d and hold %d, want 25 and 35", used, out)
	}
	if a := x.ask("nobody", "calls", 1); a.Code != ledger.CodeUnknown {
		t.Errorf("for nobody: %+v, want unknown", a)
	}
	if a := x.ask("acme", "boxes", 1); a.Code != ledger.CodeUnknown {
		t.Errorf("for a pool: %+v, want unknown", a)
	}
}

func TestRightsAreRecalledWhenSomebodyAsksInVain(t *testing.T) {
	b, bus, totals := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	key := totalsKey("default", "acme", "calls")
	x.ask("acme", "calls", 60)
	y.ask("acme", "calls", 60)
	waitTotals(t, totals, key, func(s *ledger.Totals) bool { return s.Out == 100 && !s.Short })
	y.ask("acme", "calls", 60) // it has 40, and there are no more
	waitTotals(t, totals, key, func(s *ledger.Totals) bool { return s.Short })
	x.use("acme", "calls", 60)
	y.use("acme", "calls", 40)
	x.ask("acme", "calls", -1)
	y.ask("acme", "calls", -1)
	waitTotals(t, totals, key, func(s *ledger.Totals) bool { return s.Used == 100 && !s.Short })
	y.ask("acme", "calls", 60) // nobody holds any: there is nothing to recall
	y.ask("acme", "calls", 60)
	b.ok("PUT /v1/customers/acme/grants/more", `{"feature":"calls","amount":5}`)
	last := waitTotals(t, totals, key, func(s *ledger.Totals) bool { return len(s.Grants) == 1 })
	if last.Short {
		t.Error("rights are recalled that nobody holds")
	}
}

func TestSidecarsAreToldOfGrantsAndRolloverBeforeAnythingIsConsumed(t *testing.T) {
	b, bus, totals := countingBench(t)
	key := totalsKey("default", "acme", "calls")
	b.ok("PUT /v1/customers/acme/subscriptions/main", `{"plan":"team","starts_at":"2026-10-01T00:00:00Z",
		"overrides":{"calls":{"limit":100,"per":"month","rollover":{"max":30}}}}`)
	b.ok("PUT /v1/customers/acme/grants/more", `{"feature":"calls","amount":5}`)
	waitTotals(t, totals, key, func(s *ledger.Totals) bool { return len(s.Grants) == 1 && s.Grants[0].Room == 5 })
	b.ok("PUT /v1/customers/alone", "{}")
	b.ok("PUT /v1/customers/alone/grants/voucher", `{"feature":"calls","amount":7}`)
	waitTotals(t, totals, totalsKey("default", "alone", "calls"), func(s *ledger.Totals) bool {
		return len(s.Grants) == 1 && s.Grants[0].Room == 7 && s.Span.End == ledger.Forever
	})
	x := b.holder(bus)
	if x.ask("alone", "calls", 10); x.free("alone", "calls") != 7 {
		t.Errorf("%d are held, want the 7 of the grant", x.free("alone", "calls"))
	}
	x.ask("acme", "calls", 10)
	waitTotals(t, totals, key, func(s *ledger.Totals) bool { return s.Out == 10 }) // of this month, the last
	b.at("2026-12-20T00:00:00Z")
	december := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	waitTotals(t, totals, key, func(s *ledger.Totals) bool { return s.Rolled == 30 && s.Span.Start == december })
}

func TestAReportWithoutNewsIsNotWritten(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	x.use("acme", "calls", 3)
	x.ask("acme", "calls", 10)
	_, before, err := b.books.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.clock.Add(5_000)
	if a := x.ask("acme", "calls", 10); a.Award == nil || a.Code != "" {
		t.Fatalf("got %+v, want the same award again", a)
	}
	if _, after, _ := b.books.Head(t.Context()); after != before {
		t.Errorf("the books went from %d to %d for nothing", before, after)
	}
}

func TestTotalsFollowACustomerIntoAnotherGroup(t *testing.T) {
	b, bus, totals := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	all := func(*ledger.Totals) bool { return true }
	waitTotals(t, totals, totalsKey("default", "acme", "calls"), all)
	b.ok("PUT /v1/customers/acme", `{"group":"eu"}`)
	waitTotals(t, totals, totalsKey("eu", "acme", "calls"), all)
	if e, err := totals.Get(t.Context(), totalsKey("default", "acme", "calls")); err != nil || !e.Deleted() {
		t.Errorf("got %v, %v, want the totals of the group it left to be gone", e, err)
	}
}

func TestLostTotalsAreMadeAgain(t *testing.T) {
	b, bus, totals := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	waitTotals(t, totals, totalsKey("default", "acme", "calls"), func(s *ledger.Totals) bool { return s.Out == 10 })
	anew := replica.NewMemory()
	newBenchWith(t, hub.Options{Docs: b.docs, Books: b.books, Totals: anew, Bus: &wires{}, Now: b.time})
	waitTotals(t, anew, totalsKey("default", "acme", "calls"), func(s *ledger.Totals) bool { return s.Out == 10 })
}

// A slowLog takes three seconds to tell what there is.
type slowLog struct{ replica.Log }

func (g slowLog) Snapshot(ctx context.Context, f replica.Filter,
) (replica.Lineage, uint64, iter.Seq2[replica.Entry, error]) {
	time.Sleep(3 * time.Second)
	return g.Log.Snapshot(ctx, f)
}

func TestAHubThatKnowsNoDocumentsYetLeavesTotalsWhereTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMortal(t, fate{})
		m.stock()
		m.ok("PUT /v1/customers/acme", `{"group":"eu"}`)
		m.holder(m).ask("acme", "calls", 10)
		m.rest()
		m.life.end()
		m.logs["docs"] = slowLog{m.docs}
		m.rest()
		key := totalsKey("eu", "acme", "calls")
		if e, err := m.logs[stream.Totals].Get(t.Context(), key); err != nil || e.Rev != 1 {
			t.Errorf("got %v at %d, %v, want the totals as they were", e.Value, e.Rev, err)
		}
	})
}

func TestEntitlementsSayWhatIsUsed(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 100)
	x.use("acme", "calls", 100)
	x.ask("acme", "calls", -1)
	if e := b.entitlement("acme", "calls"); e["used"] != 100.0 || e["remaining"] != 0.0 || e["allowed"] != false {
		t.Errorf("got %v, want all of it used", e)
	}
}

func TestUseOfACustomerThatHasEndedIsStillCounted(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 50)
	b.ok("POST /v1/customers/acme/subscriptions/main/suspend", "")
	x.use("acme", "calls", 20)
	if a := x.ask("acme", "calls", 80); a.Code != "" || a.Award != nil || x.free("acme", "calls") != 30 {
		t.Errorf("got %+v, want the report taken and nothing granted", a)
	}
	if u := b.usage("acme", "")[0]; u["used"] != 20.0 || u["limit"] != 100.0 || u["overage"] != 0.0 {
		t.Errorf("got %v, want 20 of 100 used", u)
	}
	b.ok("POST /v1/customers/acme/subscriptions/main/resume", "")
	if x.ask("acme", "calls", 80); x.free("acme", "calls") != 60 {
		t.Errorf("%d are held, want more to be granted again", x.free("acme", "calls"))
	}
}

// TestUseOfACustomerThatWasDeletedBeforeItWasToldIsTakenInOnceItIsBack holds what DESIGN.md says of a book that nobody
// may begin: it is the holder that keeps the use, and the periods are those of the documents that come.
func TestUseOfACustomerThatWasDeletedBeforeItWasToldIsTakenInOnceItIsBack(t *testing.T) {
	b, bus, _ := countingBench(t)
	b.at("2026-11-15T00:00:00Z")
	x, y := b.holder(bus), b.holder(bus)
	november := ledger.Span{Start: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
		End: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
	if no := x.account("acme", "calls").Count(november, 30); no != nil {
		t.Fatal(no)
	}
	b.ok("DELETE /v1/customers/acme", "")
	for range 2 {
		if a := x.ask("acme", "calls", -1); a.Code != ledger.CodeUnknown || a.Totals != nil || a.Award != nil {
			t.Fatalf("got %+v, want nothing but that there is no such customer", a)
		}
	}
	if _, err := b.books.Get(t.Context(), replica.CountKey(replica.KindLedger, "", "acme", "calls")); err == nil {
		t.Error("a book was begun, of terms that nobody knows")
	}
	b.ok("PUT /v1/customers/acme", `{"name":"Acme"}`)
	b.ok("PUT /v1/customers/acme/subscriptions/main", `{"plan":"team","starts_at":"2026-11-01T00:00:00Z"}`)
	if a := x.ask("acme", "calls", -1); a.Code != "" {
		t.Fatalf("got %+v, want the report taken", a)
	}
	if u := b.usage("acme", ""); len(u) != 1 || u[0]["used"] != 30.0 || u[0]["period_start"] != "2026-11-01T00:00:00Z" {
		t.Errorf("got %v, want 30 used in November", u)
	}
	if y.ask("acme", "calls", 100); y.free("acme", "calls") != 70 {
		t.Errorf("%d are held, want the 70 that are left", y.free("acme", "calls"))
	}
}
