package counting

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

const noon = int64(1_795_435_200_000) // 2026-11-23T12:00:00Z

// A shop sells everybody the same.
type shop struct{}

func (shop) Fresh(context.Context) error { return nil }

func (shop) Offer(_, _ string, _ int64) Offer {
	return Offer{Known: true, Counted: true, Rule: ledger.Rule{Per: checker.Month},
		Terms: ledger.Terms{Limit: 1_000_000, Until: ledger.Forever, Basis: 1}}
}

func november() ledger.Span { return ledger.NewCalendar(ledger.Rule{Per: checker.Month}).At(noon) }

func holderNo(n int) (id ledger.HolderID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)*0x9E3779B97F4A7C15+1)
	return id
}

// used is a report of unbacked use.
func used(holder ledger.HolderID, units int64) ledger.Report {
	return ledger.Report{Holder: holder, Forgot: -1, Lines: []ledger.Reported{{Span: november(),
		Source: ledger.Source{Kind: ledger.Unbacked}, Vector: ledger.Vector{Used: units}}}}
}

// counterOn is a Counter that knows the (empty) log it is on. It does not run.
func counterOn(t testing.TB, books replica.Log) *Counter {
	t.Helper()
	c, err := New(Options{Books: books, Seller: shop{}, Now: func() time.Time { return time.UnixMilli(noon) }})
	if err != nil {
		t.Fatal(err)
	}
	c.Published(0)
	return c
}

// jobOf is a lease under way, whose replies nobody reads.
func jobOf(holder ledger.HolderID, items ...wire.LeaseItem) *job {
	return &job{lease: &wire.Lease{Holder: holder, Items: items}, answers: make([]wire.LeaseAnswer, len(items)),
		left: len(items) + 1, reply: func([]byte) {}}
}

// stocked is a Counter with n books of so many holders each.
func stocked(t testing.TB, n, holders int) (*Counter, []string) {
	c := counterOn(t, replica.NewMemory())
	keys := make([]string, n)
	for i := range keys {
		customer := fmt.Sprintf("customer-%07d", i)
		keys[i] = bookKey(customer, "api-calls")
		task := &task{key: keys[i]}
		for h := range holders {
			id := holderNo(i*holders + h)
			task.pieces = append(task.pieces, piece{jobOf(id, wire.LeaseItem{Customer: customer, Feature: "api-calls",
				Report: used(id, 1)}), 0})
		}
		r, err := c.work(t.Context(), task, page{})
		if err != nil {
			t.Fatal(err)
		}
		c.shelf.put(keys[i], 1, r.puts[0].Value)
	}
	return c, keys
}

// BenchmarkFold takes one changed vector of a random book in: decode, fold, total, encode, and the reply's part.
func BenchmarkFold(b *testing.B) {
	for _, holders := range []int{1, 5, 50, 1000} {
		b.Run(fmt.Sprintf("holders=%d", holders), func(b *testing.B) {
			n := max(1, 10_000/holders)
			c, keys := stocked(b, n, holders)
			before := spent(b)
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				c.foldOne(b, keys[i%n], holderNo(i%n*holders), int64(i/n+2))
			}
			report(b, b.N, before)
			c.reportSize(b, keys[0])
		})
	}
}

// spent is how much CPU time the process took so far.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report notes how many vectors were taken in a second, and in one of CPU time, which others that use the machine do
// not take away.
func report(b *testing.B, vectors int, before time.Duration) {
	b.ReportMetric(float64(vectors)/b.Elapsed().Seconds(), "vectors/s")
	b.ReportMetric(float64(vectors)/(spent(b)-before).Seconds(), "vectors/cpu-s")
}

// reportSize notes how large a book is.
func (c *Counter) reportSize(b *testing.B, key string) {
	at, _ := c.shelf.find(key)
	b.ReportMetric(float64(len(at.value)), "B/book")
}

// foldOne takes a report into one book, and keeps what becomes of it.
func (c *Counter) foldOne(b *testing.B, key string, id ledger.HolderID, units int64) {
	at, _ := c.shelf.find(key)
	t := &task{key: key, pieces: []piece{{jobOf(id, wire.LeaseItem{Report: used(id, units)}), 0}}}
	r, err := c.work(b.Context(), t, page{slot: at})
	if err != nil || len(r.puts) != 1 {
		b.Fatal(len(r.puts), err)
	}
	c.shelf.put(key, at.rev+1, r.puts[0].Value)
}

// BenchmarkFoldTogether takes a changed vector of each of a book's thousand holders in at once.
func BenchmarkFoldTogether(b *testing.B) {
	c, keys := stocked(b, 1, 1000)
	before, units := spent(b), int64(1)
	for b.Loop() {
		units++
		at, _ := c.shelf.find(keys[0])
		t := &task{key: keys[0]}
		for h := range 1000 {
			id := holderNo(h)
			t.pieces = append(t.pieces, piece{jobOf(id, wire.LeaseItem{Report: used(id, units)}), 0})
		}
		r, err := c.work(b.Context(), t, page{slot: at})
		if err != nil {
			b.Fatal(err)
		}
		c.shelf.put(keys[0], at.rev+1, r.puts[0].Value)
	}
	report(b, 1000*b.N, before)
	c.reportSize(b, keys[0])
}

// BenchmarkLease is the way of a lease of 64 vectors through a Counter that runs, on a log in memory: signature,
// lanes, log and reply included.
func BenchmarkLease(b *testing.B) {
	books := replica.NewMemory()
	c := counterOn(b, books)
	ctx, cancel := context.WithCancel(b.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = c.Run(ctx) })
	defer run.Wait()
	defer cancel()
	<-c.Ready()
	_, key, _ := ed25519.GenerateKey(nil)
	const items, books0 = 64, 10_000
	l := &wire.Lease{Holder: holderNo(1), Key: key.Public().(ed25519.PublicKey), Incarnation: 1,
		Items: make([]wire.LeaseItem, items)}
	var sent sync.WaitGroup
	n, before := 0, spent(b)
	for b.Loop() {
		for i := range l.Items {
			l.Items[i] = wire.LeaseItem{Customer: fmt.Sprintf("customer-%07d", n%books0), Feature: "api-calls",
				Report: used(l.Holder, int64(n/books0+1))}
			n++
		}
		data := wire.AppendLease(nil, l, key)
		sent.Add(1)
		c.Handle(data, func([]byte) { sent.Done() })
		if n%(64*items) == 0 {
			sent.Wait()
		}
	}
	sent.Wait()
	report(b, n, before)
}

// TestOpenVectorsAreSmallInMemory holds a fifth of a million to a fifth of what a million may take, 400 MiB. With
// SIDEGATE_MEASURE it is a million.
func TestOpenVectorsAreSmallInMemory(t *testing.T) {
	n := 200_000
	if os.Getenv("SIDEGATE_MEASURE") != "" {
		n = 1_000_000
	}
	c, keys := stocked(t, 1, 1)
	at, _ := c.shelf.find(keys[0])
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range n {
		c.Apply(replica.Entry{Key: bookKey(fmt.Sprintf("customer-%07d", i), "api-calls"), Rev: uint64(i + 2),
			Value: []byte(at.value)})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	mib := (after.HeapAlloc - before.HeapAlloc) * uint64(1_000_000/n) >> 20
	t.Logf("%d MiB for a million books of one open vector, %d bytes each encoded (%d were made)", mib, len(at.value), n)
	if mib > 400 {
		t.Errorf("%d MiB for a million books of one open vector, want at most 400", mib)
	}
	runtime.KeepAlive(c)
}
