package hub_test

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/stream"
	"github.com/sidegate/sidegate/sync/wire"
)

// TestCountingIsMeasured prints how fast documents of counting reach a real log, beside the log's own rate for single
// synced writes, and what a thousand holders of one customer cost. SIDEGATE_MEASURE=1 asks for it.
func TestCountingIsMeasured(t *testing.T) {
	if os.Getenv("SIDEGATE_MEASURE") == "" {
		t.Skip("SIDEGATE_MEASURE=1 asks for it")
	}
	logs := natsLogs(t)
	a := newBenchWith(t, hub.Options{Docs: logs["docs"], Books: logs["books"], Totals: logs[stream.Totals],
		Bus: logs["books"]})
	a.stock()
	a.ok("POST /v1/import", lines(20_000, "team"))
	for round := range 3 {
		t.Logf("round %d: raw synced writes %.0f/s", round, rawRate(t, logs["books"], round))
		for _, senders := range []int{1, 8, 32} {
			vectors, books := countRate(t, a, logs["docs"], senders)
			t.Logf("round %d: %2d senders of 64 vectors: %.0f vectors/s, %.0f books written/s", round, senders, vectors, books)
		}
	}
	crowd(t, a, logs["docs"])
}

const measured = 3 * time.Second

// rate is how often a second so many callers together do something that says how much it did.
func rate(t *testing.T, callers int, do func(caller, i int) (n int, err error)) float64 {
	var n atomic.Int64
	start := time.Now()
	var all sync.WaitGroup
	for w := range callers {
		all.Go(func() {
			var err error
			for i, did := 0, 0; err == nil && time.Since(start) < measured; i++ {
				did, err = do(w, i)
				n.Add(int64(did))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return float64(n.Load()) / time.Since(start).Seconds()
}

// rawRate writes single documents of a book's size from 64 callers.
func rawRate(t *testing.T, log *stream.Stream, round int) float64 {
	return rate(t, 64, func(w, i int) (int, error) {
		key := replica.CountKey(replica.KindHistory, "", fmt.Sprintf("raw-%d-%d-%d", round, w, i), "2026")
		_, err := log.Put(t.Context(), replica.CommandID{byte(w), byte(i), byte(i >> 8), byte(i >> 16)},
			replica.Put{Key: key, Value: make([]byte, 110)})
		return 1, err
	})
}

// countRate sends changed vectors, each sender one lease at a time. It answers them, and documents written, a second.
func countRate(t *testing.T, a *bench, bus asker, senders int) (vectors, books float64) {
	_, before, err := a.books.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	span := ledger.NewCalendar(ledger.Rule{Per: checker.Month}).At(a.clock.Load())
	holders := make([]*holder, senders)
	for w := range holders {
		holders[w] = a.holder(bus)
	}
	start := time.Now()
	vectors = rate(t, senders, func(w, i int) (int, error) {
		h := holders[w]
		var items []wire.LeaseItem
		for j := range 64 {
			line := ledger.Reported{Span: span, Source: ledger.Source{Kind: ledger.Unbacked},
				Vector: ledger.Vector{Used: int64(i + 1)}}
			items = append(items, wire.LeaseItem{Customer: fmt.Sprintf("c%d", (w*7919+i*64+j)%20_000), Feature: "calls",
				Report: ledger.Report{Holder: h.id, Forgot: -1, Lines: []ledger.Reported{line}}})
		}
		if r := h.send(items...); r.Code != "" {
			return 0, fmt.Errorf("got %s: %s", r.Code, r.Detail)
		}
		return 64, nil
	})
	_, after, err := a.books.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return vectors, float64(after-before) / time.Since(start).Seconds()
}

// crowd lets a thousand holders use one customer at once.
func crowd(t *testing.T, a *bench, bus asker) {
	holders := make([]*holder, 1000)
	for i := range holders {
		holders[i] = a.holder(bus)
	}
	a.ok(main, `{"plan":"team","starts_at":"2026-11-01T00:00:00Z",
		"overrides":{"calls":{"limit":1000000,"per":"month"}}}`)
	for round := range 4 {
		start := time.Now()
		var all sync.WaitGroup
		for _, h := range holders {
			all.Go(func() { h.ask("acme", "calls", int64(100*(round+1))) })
		}
		all.Wait()
		t.Logf("a thousand holders of one customer, each once: %v", time.Since(start).Round(time.Millisecond))
		for _, h := range holders {
			h.use("acme", "calls", 50)
		}
	}
}
