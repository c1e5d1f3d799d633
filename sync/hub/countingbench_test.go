package hub_test

import (
	"context"
	"fmt"
	"os"
	"slices"
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

// TestCountingIsMeasured prints how fast documents of counting reach a real log, beside the log's own rates for synced
// writes, and what a thousand holders of one customer cost. SIDEGATE_MEASURE=1 asks for it.
func TestCountingIsMeasured(t *testing.T) {
	if os.Getenv("SIDEGATE_MEASURE") == "" {
		t.Skip("SIDEGATE_MEASURE=1 asks for it")
	}
	logs := natsLogs(t)
	a := newBenchWith(t, hub.Options{Docs: logs["docs"], Books: logs["books"], Totals: logs[stream.Totals],
		Bus: logs["books"]})
	a.stock()
	a.ok("POST /v1/import", lines(20_000, "team"))
	log := natsLogs(t)["books"] // which nobody follows
	var alone, packed []float64
	for round := range 3 {
		single := rawRate(t, log, 64, 1)
		t.Logf("round %d: raw: %.0f synced documents/s, one an entry, 64 callers", round, single)
		for _, senders := range []int{1, 8, 32} {
			entries, written := a.metric("book_entries_total"), a.metric("books_written_total")
			vectors, books := countRate(t, a, logs["docs"], senders)
			size := (a.metric("books_written_total") - written) / (a.metric("book_entries_total") - entries)
			raw := rawRate(t, log, min(senders, lanes), size)
			t.Logf("round %d: %2d senders of 64 vectors: %.0f vectors/s, %.0f books/s in entries of %d: %.0f %% of raw alone, "+
				"%.0f %% of raw in such entries, %.0f/s", round, senders, vectors, books, size, 100*books/single,
				100*books/raw, raw)
			alone, packed = append(alone, books/single), append(packed, books/raw)
		}
	}
	for i, senders := range []int{1, 8, 32} {
		t.Logf("median of rounds, %2d senders: books reach the log at %.0f %% of its raw synced rate, document by document, "+
			"and at %.0f %% of it in entries as large", senders, 100*middle(alone, i), 100*middle(packed, i))
	}
	crowd(t, a, logs["docs"])
}

// lanes is how many entries a hub writes at the same time.
const lanes = 2

// middle is the median of the three rounds' figures of one number of senders.
func middle(all []float64, of int) float64 {
	return slices.Sorted(slices.Values([]float64{all[of], all[of+3], all[of+6]}))[1]
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

// rawRate writes new documents of a book's size, so many an entry, and answers how many a second.
func rawRate(t *testing.T, log *stream.Stream, callers, docs int) float64 {
	_, head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rate(t, callers, func(w, i int) (int, error) {
		puts := make([]replica.Put, docs)
		for j := range puts {
			name := fmt.Sprintf("raw-%d-%d-%d-%d", head, w, i, j)
			puts[j] = replica.Put{Key: replica.CountKey(replica.KindHistory, "", name, "2026"), Value: make([]byte, 110)}
		}
		_, err := log.Put(t.Context(), replica.CommandID{byte(w), byte(i), byte(i >> 8), byte(i >> 16)}, puts...)
		return docs, err
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

// A patient bus asks again, as holders do, for as long as a machine with other work to do may need.
type patient struct{ asker }

func (p patient) Ask(ctx context.Context, subject string, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
	defer cancel()
	for {
		answer, err := p.asker.Ask(ctx, subject, data)
		if err == nil || ctx.Err() != nil {
			return answer, err
		}
	}
}

// crowd lets a thousand holders use one customer at once.
func crowd(t *testing.T, a *bench, bus asker) {
	holders := make([]*holder, 1000)
	for i := range holders {
		holders[i] = a.holder(patient{bus})
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
		t.Logf("a thousand holders of one customer ask, each once: answered after %v; the book has %d bytes",
			time.Since(start).Round(time.Millisecond), len(ledger.AppendBook(nil, a.book("acme", "calls"))))
		for _, h := range holders {
			h.use("acme", "calls", 50)
		}
	}
}
