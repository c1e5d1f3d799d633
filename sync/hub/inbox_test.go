package hub_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
)

// A heard message is one that a receiver was sent.
type heard struct {
	id     string
	at     int64 // webhook-timestamp
	header http.Header
	raw    []byte
	Type   string
	Data   map[string]any
}

// An inbox is a webhook's receiver.
type inbox struct {
	t      *testing.T
	url    string
	mu     sync.Mutex
	all    []heard
	answer http.HandlerFunc // nil: 204
}

func newInbox(t *testing.T) *inbox { return newInboxOn(t, httptest.NewUnstartedServer(nil)) }

// newInboxOn is a receiver on a server that has not started.
func newInboxOn(t *testing.T, server *httptest.Server) *inbox {
	in := &inbox{t: t}
	server.Config.Handler = in
	server.Start()
	t.Cleanup(server.Close)
	in.url = server.URL
	return in
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		in.t.Errorf("got %s of %q, %v", r.Method, r.Header.Get("Content-Type"), err)
	}
	m := heard{id: r.Header.Get("webhook-id"), header: r.Header, raw: raw}
	m.at, _ = strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
	if err := json.Unmarshal(raw, &m); err != nil {
		in.t.Errorf("%v in %s", err, raw)
	}
	in.mu.Lock()
	in.all = append(in.all, m)
	answer := in.answer
	in.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// answers sets what the next messages are answered; 0 is 204.
func (in *inbox) answers(status int, header ...string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answer = func(w http.ResponseWriter, _ *http.Request) {
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(status)
	}
	if status == 0 {
		in.answer = nil
	}
}

func (in *inbox) got() []heard {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]heard{}, in.all...)
}

// wait returns once so many messages have come, and answers all.
func (in *inbox) wait(n int) []heard {
	in.t.Helper()
	until(in.t, fmt.Sprintf("%d messages", n), func() bool { return len(in.got()) >= n })
	return in.got()
}

// settled wants nothing more than n messages to have come after everything that is under way is delivered.
func (in *inbox) settled(b *bench, n int) {
	in.t.Helper()
	until(in.t, "nothing is pending", func() bool { return b.webhook("bell")["pending"] == 0.0 })
	if got := in.got(); len(got) != n {
		in.t.Errorf("%d messages came, want %d: %s", len(got), n, names(got))
	}
}

// names are the types of messages in alphabetical order, with their thresholds.
func names(all []heard) string {
	var out []string
	for _, m := range all {
		name := strings.TrimPrefix(m.Type, "usage.")
		if percent, ok := m.Data["threshold"].(float64); ok {
			name = fmt.Sprintf("%s %v", name, percent)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// signed wants a message to be signed with a secret, by the reference implementation.
func (m heard) signed(t *testing.T, secret string) {
	t.Helper()
	if err := m.verify(secret); err != nil {
		t.Errorf("%s: %v", m.Type, err)
	}
}

func (m heard) verify(secret string) error {
	by, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return by.VerifyIgnoringTimestamp(m.raw, m.header) // the bench's clock is another one
}

// ring is a bench that counts, whose customer acme is warned at 80 and 100 percent of 10 calls, and a receiver.
func ring(t *testing.T) (*bench, *wires, *inbox) {
	t.Helper()
	bus := &wires{}
	b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: replica.NewMemory(), Bus: bus})
	b.stock()
	b.warn(`{"limit":10,"per":"month","warn":[80,100]}`)
	return b, bus, newInbox(t)
}

// warn sets the allowance of calls that acme has.
func (b *bench) warn(allowance string) {
	b.t.Helper()
	b.ok("PUT /v1/customers/acme/subscriptions/main",
		`{"plan":"team","starts_at":"2026-11-01T00:00:00Z","overrides":{"calls":`+allowance+`}}`)
}

// listen makes the webhook bell, and answers its secret.
func (b *bench) listen(in *inbox, more string) string {
	b.t.Helper()
	secret, _ := b.ok("PUT /v1/webhooks/bell", `{"url":"`+in.url+`/hooks/top-secret"`+more+`}`)["secret"].(string)
	return secret
}

func (b *bench) webhook(id string) map[string]any {
	b.t.Helper()
	return b.ok("GET /v1/webhooks/"+id, "")
}

// spend takes rights as they are needed, uses some, and reports.
func (x *holder) spend(units int64) {
	x.t.Helper()
	a := x.account("acme", "calls")
	x.ask("acme", "calls", a.Granted(x.span("acme", "calls"))+units)
	x.use("acme", "calls", units)
	x.ask("acme", "calls", -1)
}

// stored is how many events are in the books.
func (b *bench) stored() (n int) {
	b.t.Helper()
	_, _, all := b.books.Snapshot(b.t.Context(), replica.Filter{})
	for e, err := range all {
		if err != nil {
			b.t.Fatal(err)
		}
		if replica.ParseKey(e.Key).Kind == replica.KindEvent {
			n++
		}
	}
	return n
}

// later moves the clock on.
func (b *bench) later(d time.Duration) { b.clock.Add(d.Milliseconds()) }
