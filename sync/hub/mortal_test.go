package hub_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/stream"
)

// A fate is at which of its writes a hub dies; 0: at none.
type fate struct {
	write int
	after bool // the log has the write, and nobody hears of it
}

func (f fate) String() string {
	if f.after {
		return fmt.Sprint("right after write ", f.write)
	}
	return fmt.Sprint("right before write ", f.write)
}

var errDead = errors.New("this hub is dead")

// A life is one hub's. Once it has ended the hub writes nothing and answers nobody; what it reads does no harm.
type life struct {
	context.Context // ends with it
	t               *testing.T
	fate            fate
	end             context.CancelFunc
	hub             *hub.Hub
	ended           chan error    // what Run answered
	listens         chan struct{} // closed when handle may be called
	handle          func(data []byte, reply func([]byte))

	mu    sync.Mutex
	wrote []string // what each write was of
}

// A mortalLog is a log in one hub's life.
type mortalLog struct {
	replica.Log
	name string
	life *life
}

// Put is a durable boundary: here the hub dies, if it is its fate.
func (g mortalLog) Put(ctx context.Context, id replica.CommandID, puts ...replica.Put) (uint64, error) {
	l := g.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Err() != nil {
		return 0, errDead
	}
	what := g.name
	for _, p := range puts {
		what += " " + p.Key
	}
	l.wrote = append(l.wrote, what)
	if len(l.wrote) != l.fate.write {
		return g.Log.Put(ctx, id, puts...)
	}
	l.t.Logf("the hub dies %v: %s", l.fate, what)
	if l.fate.after {
		_, _ = g.Log.Put(ctx, id, puts...)
	}
	l.end()
	return 0, errDead
}

// writes is how many there were.
func (l *life) writes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.wrote)
}

// Answer is the hub's side of the bus.
func (l *life) Answer(ctx context.Context, _ string, handle func([]byte, func([]byte))) error {
	l.handle = handle
	close(l.listens)
	<-ctx.Done()
	return nil
}

// newBriefInbox is a receiver that leaves no connection open, and none that nothing comes on: virtual time stands still
// as long as there is one.
func newBriefInbox(t *testing.T) *inbox {
	server := httptest.NewUnstartedServer(nil)
	server.Config.SetKeepAlivesEnabled(false)
	server.Config.ReadHeaderTimeout = 50 * time.Millisecond
	return newInboxOn(t, server)
}

// A mortal is a bench whose hub may die. Another one follows it on the same logs, and whoever was not answered asks it
// the same again. Its time is virtual.
type mortal struct {
	*bench
	logs  map[string]replica.Log
	life  *life
	calls int // of the API, that write
}

func newMortal(t *testing.T, f fate) *mortal {
	m := &mortal{bench: &bench{t: t, url: "http://hub", token: admin, clock: new(atomic.Int64)},
		logs: map[string]replica.Log{"docs": replica.NewMemory(), "books": replica.NewMemory(),
			stream.Totals: replica.NewMemory()}}
	m.docs, m.books, m.do = m.logs["docs"], m.logs["books"], m.bring
	m.clock.Store(noon().UnixMilli())
	m.begin(f)
	t.Cleanup(func() {
		m.life.end()
		m.bury()
	})
	return m
}

// begin starts a hub.
func (m *mortal) begin(f fate) {
	l := &life{t: m.t, fate: f, ended: make(chan error, 1), listens: make(chan struct{})}
	l.Context, l.end = context.WithCancel(context.Background())
	log := func(name string) replica.Log { return mortalLog{m.logs[name], name, l} }
	h, err := hub.New(hub.Options{Docs: log("docs"), Books: log("books"), Totals: log(stream.Totals), Bus: l,
		Now: m.time, FirstToken: admin})
	if err != nil {
		m.t.Fatal(err)
	}
	l.hub, m.life = h, l
	go func() { l.ended <- h.Run(l) }()
}

// bury waits until nothing of a hub that has died is under way.
func (m *mortal) bury() {
	if err := <-m.life.ended; err != nil {
		m.t.Errorf("Run: %v", err)
	}
}

// alive is the hub that lives, once it listens.
func (m *mortal) alive() *life {
	for {
		select {
		case <-m.life.listens:
		case <-m.life.Done():
		}
		if m.life.Err() == nil {
			return m.life
		}
		m.bury()
		m.begin(fate{})
	}
}

// bring takes a request of the API to a hub, and to the next one if that died before it answered.
func (m *mortal) bring(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		m.calls++
		req.Header.Set("Idempotency-Key", fmt.Sprint("call ", m.calls))
	}
	for {
		l, w := m.alive(), httptest.NewRecorder()
		again := req.Clone(l)
		again.Body, _ = req.GetBody()
		if l.hub.Handler().ServeHTTP(w, again); l.Err() == nil {
			return w.Result(), nil
		}
	}
}

// Ask takes a lease to a hub, and to the next one if that died before it answered.
func (m *mortal) Ask(ctx context.Context, _ string, data []byte) ([]byte, error) {
	for {
		l, answered := m.alive(), make(chan []byte, 1)
		l.handle(data, func(b []byte) {
			if l.Err() == nil {
				answered <- b
			}
		})
		select {
		case b := <-answered:
			return b, nil
		case <-l.Done():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// rest gives a hub time for all that it does by itself: it tends every two seconds.
func (m *mortal) rest() {
	for {
		l := m.alive()
		time.Sleep(5 * time.Second)
		if synctest.Wait(); l.Err() == nil {
			return
		}
	}
}

// tended lets hours pass until it is so.
func (m *mortal) tended(what string, so func() bool) {
	m.t.Helper()
	for range 10 {
		if m.rest(); so() {
			return
		}
		m.later(time.Hour + time.Minute)
	}
	m.t.Fatalf("not after 10 hours: %s", what)
}

// says tells whether a holder's document has a text in it.
func (m *mortal) says(h *holder, text string) bool {
	e, err := m.books.Get(m.t.Context(), replica.KindFleet+"/"+hex.EncodeToString(h.id[:]))
	return err == nil && strings.Contains(string(e.Value), text)
}
