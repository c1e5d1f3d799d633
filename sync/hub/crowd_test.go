package hub_test

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
)

// metric is what the hub says of itself.
func (b *bench) metric(name string) int {
	b.t.Helper()
	page := b.call("GET /metrics", "").body
	m := regexp.MustCompile(`(?m)^sidegate_hub_` + name + ` (\d+)$`).FindStringSubmatch(page)
	if m == nil {
		b.t.Fatalf("no metric %s in %s", name, page)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// override puts another allowance of acme's calls in force.
func (b *bench) override(allowance string) {
	b.t.Helper()
	b.ok(main, `{"plan":"team","starts_at":"2026-11-01T00:00:00Z","overrides":{"calls":`+allowance+`}}`)
}

// exhaust asks for rights a few at a time until there are no more, and uses all but so many, as long as all together
// use no more than there may be. It answers what it used.
func (h *holder) exhaust(few, keep int64, room *atomic.Int64) (used int64) {
	for {
		before := h.account("acme", "calls").Granted(h.span("acme", "calls"))
		h.ask("acme", "calls", before+few)
		units := max(0, h.free("acme", "calls")-keep)
		h.use("acme", "calls", units)
		used += units
		over := room.Add(-units) < 0
		if over || h.account("acme", "calls").Granted(h.span("acme", "calls")) == before {
			h.ask("acme", "calls", -1)
			return used
		}
	}
}

// TestAThousandHoldersShareOneLimit lets them ask and use at once until nobody is given anything any more.
func TestAThousandHoldersShareOneLimit(t *testing.T) {
	holders := 1000
	if underRace {
		holders = 100
	}
	limit := int64(20*holders + 7) // so that it does not go up evenly
	b, bus, totals := countingBench(t)
	b.override(`{"limit":` + strconv.FormatInt(limit, 10) + `,"per":"month"}`)
	all, used := make([]*holder, holders), make([]int64, holders)
	var group sync.WaitGroup
	var room atomic.Int64
	room.Store(limit)
	begin, start := make(chan struct{}), time.Now()
	for i := range all {
		all[i] = b.holder(bus)
		group.Go(func() {
			<-begin
			used[i] = all[i].exhaust(int64(3+i%5), int64(i%3), &room) // two of three keep something
		})
	}
	close(begin)
	group.Wait()
	took := time.Since(start)
	sum, held := int64(0), int64(0)
	for i, h := range all {
		sum, held = sum+used[i], held+h.free("acme", "calls")
	}
	t.Logf("%d holders shared %d units in %v: %d asks and reports, books written %d times by %d entries", holders, limit,
		took.Round(time.Millisecond), b.metric("reports_total"), b.metric("books_written_total"),
		b.metric("book_entries_total"))
	if sum+held != limit || held > 2*int64(holders) {
		t.Errorf("%d are used and %d held of %d, want all of it one or the other", sum, held, limit)
	}
	if u := b.usage("acme", "")[0]; u["used"] != float64(sum) || u["overage"] != 0.0 || u["in_doubt"] != 0.0 {
		t.Errorf("got %v, want the %d that holders used", u, sum)
	}
	b.heldByAll(holders, held)
	waitTotals(t, totals, totalsKey("default", "acme", "calls"), func(s *ledger.Totals) bool {
		return s.Used == sum && s.Out == held
	})
}

// heldByAll holds the fleet to what so many holders have together.
func (b *bench) heldByAll(holders int, want int64) {
	b.t.Helper()
	list, held := b.ok("GET /v1/fleet", "")["holders"].([]any), 0.0
	for _, one := range list {
		held += one.(map[string]any)["rights_held"].(float64)
	}
	if len(list) != holders || held != float64(want) {
		b.t.Errorf("%d holders have %v, want %d that have %d", len(list), held, holders, want)
	}
}

// TestReportsThatArriveTogetherAreWrittenTogether lets the log be as slow as fifty reports need to arrive.
func TestReportsThatArriveTogetherAreWrittenTogether(t *testing.T) {
	const together = 50
	bus, books := &wires{}, &seam{Log: replica.NewMemory()}
	b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: books, Bus: bus})
	b.stock()
	all := make([]*holder, together)
	for i := range all {
		all[i] = b.holder(bus)
		all[i].ask("acme", "calls", 2)
		all[i].use("acme", "calls", 1)
	}
	reports, entries, written := b.metric("reports_total"), b.metric("book_entries_total"), b.metric("books_written_total")
	books.beforePut(func(puts []replica.Put) error {
		if strings.HasPrefix(puts[0].Key, replica.KindLedger+"/") {
			until(t, "all have arrived", func() bool { return b.metric("reports_total") == reports+together })
		}
		return nil
	})
	var group sync.WaitGroup
	for _, h := range all {
		group.Go(func() { h.ask("acme", "calls", -1) })
	}
	group.Wait()
	entries, written = b.metric("book_entries_total")-entries, b.metric("books_written_total")-written
	t.Logf("%d reports, %d entries, %d books", together, entries, written)
	if entries > 10 || written > 10 {
		t.Errorf("%d reports of one customer were written by %d entries, the book %d times; want at most 10", together,
			entries, written)
	}
	if u := b.usage("acme", "")[0]; u["used"] != float64(together) {
		t.Errorf("got %v, want all %d", u, together)
	}
}

func TestUseOfASoftLimitIsToldAsTheSumOfAllHolders(t *testing.T) {
	b, bus, totals := countingBench(t)
	b.override(`{"limit":10,"per":"month","mode":"soft"}`)
	x, y := b.holder(bus), b.holder(bus)
	count := func(h *holder, units int64) {
		t.Helper()
		h.ask("acme", "calls", 0) // it hears of the calendar
		if no := h.account("acme", "calls").Count(h.span("acme", "calls"), units); no != nil {
			t.Fatal(no)
		}
		h.ask("acme", "calls", -1)
	}
	key := totalsKey("default", "acme", "calls")
	count(x, 8)
	waitTotals(t, totals, key, func(s *ledger.Totals) bool { return s.Used == 8 && s.Out == 0 })
	count(y, 5)
	got := waitTotals(t, totals, key, func(s *ledger.Totals) bool { return s.Used == 13 && s.Out == 0 })
	for h, want := range map[*holder]int64{x: 5, y: 8, b.holder(bus): 13} {
		if used, out, _ := got.Others(h.id); used != want || out != 0 {
			t.Errorf("others used %d and hold %d, want %d and nothing", used, out, want)
		}
	}
	if e := b.entitlement("acme", "calls"); e["used"] != 13.0 || e["overage"] != 3.0 || e["allowed"] != true {
		t.Errorf("got %v, want 13 used, 3 over, and more allowed", e)
	}
}
