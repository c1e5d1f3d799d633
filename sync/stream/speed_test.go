package stream_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
)

// BenchmarkLoad writes new documents, as an import does: so many writers, each with entries of so many documents.
func BenchmarkLoad(b *testing.B) {
	for _, c := range []struct{ writers, size int }{{1, 1}, {1, 1000}, {2, 1000}, {4, 1000}, {2, 500}, {4, 500}} {
		b.Run(fmt.Sprintf("writers=%d/size=%d", c.writers, c.size), func(b *testing.B) {
			s := benchLog(b)
			b.ResetTimer()
			if err := loadAtOnce(b.N, s, c.writers, c.size); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N*c.size)/b.Elapsed().Seconds(), "docs/s")
		})
	}
}

func loadAtOnce(entries int, s *stream.Stream, writers, size int) error {
	var rounds atomic.Uint64
	var g errgroup.Group
	for range writers {
		g.Go(func() error { return loadUpTo(entries, s, &rounds, size) })
	}
	return g.Wait()
}

// loadUpTo writes one entry after the other, as long as others have not brought them to last.
func loadUpTo(last int, s *stream.Stream, rounds *atomic.Uint64, size int) error {
	for n := rounds.Add(1); n <= uint64(last); n = rounds.Add(1) {
		if err := load(s, n, size); err != nil {
			return err
		}
	}
	return nil
}

func load(s *stream.Stream, n uint64, size int) error {
	value := make([]byte, 300)
	puts := make([]replica.Put, size)
	for i := range puts {
		puts[i] = replica.Put{Key: fmt.Sprintf("customer/c%d-%d", n, i), Value: value}
	}
	var id replica.CommandID
	binary.BigEndian.PutUint64(id[:], n)
	_, err := s.Put(context.Background(), id, puts...)
	return err
}

// BenchmarkTail measures from before a put until its document has come through a tail.
func BenchmarkTail(b *testing.B) {
	s := benchLog(b)
	l, rev, err := s.Head(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]replica.Filter{"all": {}, "group": {Groups: []string{"default"}}} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			next, stop := iter.Pull2(s.Tail(ctx, l, rev, f))
			defer stop()
			var took []time.Duration
			for n := uint64(0); b.Loop(); n++ {
				begun := time.Now()
				awaitWhole(next, putNumbered(b, s, fmt.Sprintf("customer/%s%d-%d", name, rev, n), n))
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			_, rev, _ = s.Head(ctx)
		})
	}
}

func awaitWhole(next func() (replica.Entry, error, bool), rev uint64) {
	for e, _, _ := next(); e.Rev < rev || !e.Whole; e, _, _ = next() {
	}
}

func putNumbered(b *testing.B, s *stream.Stream, key string, n uint64) (rev uint64) {
	var id replica.CommandID
	binary.BigEndian.PutUint64(id[:], n)
	rev, err := s.Put(context.Background(), id, replica.Put{Key: key, Value: []byte("v")})
	if err != nil {
		b.Fatal(err)
	}
	return rev
}

func benchLog(b *testing.B) *stream.Stream {
	e, err := stream.Embed(stream.EmbedOptions{Listen: "127.0.0.1:0", Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Shutdown)
	s, err := stream.Open(b.Context(), stream.Options{URL: e.URL(), Name: "docs", Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}
