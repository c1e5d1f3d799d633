package hub_test

import (
	"testing"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
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
	if used, out := got.Others(y.id); used != 25 || out != 35 {
		t.Errorf("others used %d and hold %d, want 25 and 35", used, out)
	}
	if a := x.ask("nobody", "calls", 1); a.Code != ledger.CodeUnknown {
		t.Errorf("for nobody: %+v, want unknown", a)
	}
	if a := x.ask("acme", "boxes", 1); a.Code != ledger.CodeUnknown {
		t.Errorf("for a pool: %+v, want unknown", a)
	}
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
