package hub_test

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/hub/counting"
	"github.com/sidegate/sidegate/sync/stream"
)

// A seam is a log as one hub sees it: behind as long as it is held, and with something done before each write.
type seam struct {
	replica.Log
	mu     sync.Mutex
	held   chan struct{} // closed when tails go on; nil: they do
	before func(puts []replica.Put) error
}

// hold keeps everything new from the hub until the answer is called.
func (s *seam) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held = held
	return sync.OnceFunc(func() { close(held) })
}

// beforePut sets what is done before each write.
func (s *seam) beforePut(do func(puts []replica.Put) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = do
}

func (s *seam) Tail(ctx context.Context, l replica.Lineage, from uint64, f replica.Filter,
) iter.Seq2[replica.Entry, error] {
	return func(yield func(replica.Entry, error) bool) {
		for e, err := range s.Log.Tail(ctx, l, from, f) {
			if !s.goOn(ctx) || !yield(e, err) {
				return
			}
		}
	}
}

// goOn waits while the hub is held, and tells whether it is to hear more.
func (s *seam) goOn(ctx context.Context) bool {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held == nil {
		return true
	}
	select {
	case <-held:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *seam) Put(ctx context.Context, id replica.CommandID, puts ...replica.Put) (uint64, error) {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(puts); err != nil {
			return 0, err
		}
	}
	return s.Log.Put(ctx, id, puts...)
}

// A vantage is a hub with its own view of the logs, and its own bus.
type vantage struct {
	*bench
	docs, books *seam
	bus         *wires
}

// vantages are two hubs on one NATS, stocked.
func vantages(t *testing.T) (a, b *vantage) {
	t.Helper()
	logs := natsLogs(t)
	var now func() time.Time
	next := func() *vantage {
		v := &vantage{docs: &seam{Log: logs["docs"]}, books: &seam{Log: logs["books"]}, bus: &wires{}}
		v.bench = newBenchWith(t, hub.Options{Docs: v.docs, Books: v.books, Totals: logs[stream.Totals], Bus: v.bus,
			Now: now})
		now = v.time
		return v
	}
	a, b = next(), next()
	b.clock = a.clock
	a.stock()
	return a, b
}

// TestAHubIsReadyOnceItCanCount because whoever hears that it is ready asks about usage and the fleet next.
func TestAHubIsReadyOnceItCanCount(t *testing.T) {
	books, held := &seam{Log: replica.NewMemory()}, make(chan struct{})
	books.beforePut(func(puts []replica.Put) error {
		if puts[0].Key == counting.EpochKey {
			<-held
		}
		return nil
	})
	h, err := hub.New(hub.Options{Docs: replica.NewMemory(), Books: books, Bus: &wires{}, Now: noon, FirstToken: admin})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	select {
	case <-h.Ready():
		t.Error("ready before it knows the epoch of the books")
	case <-time.After(200 * time.Millisecond):
	}
	close(held)
	<-h.Ready()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/v1/fleet", nil)
	r.Header.Set("Authorization", "Bearer "+admin)
	h.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("got %d %s, want the fleet as soon as it is ready", w.Code, w.Body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
