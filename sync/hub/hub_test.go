package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
)

const admin = "the-first-admin-token"

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// A bench is a hub on a log, served.
type bench struct {
	t     *testing.T
	docs  replica.Log
	books replica.Log
	url   string
	token string
	hub   *hub.Hub
	clock *atomic.Int64                               // unix milliseconds
	do    func(*http.Request) (*http.Response, error) // nil: over the network
}

func newBench(t *testing.T) *bench {
	return newBenchOn(t, replica.NewMemory(), replica.NewMemory())
}

func newBenchOn(t *testing.T, docs, books replica.Log) *bench {
	t.Helper()
	return newBenchWith(t, hub.Options{Docs: docs, Books: books})
}

// newBenchWith is a bench with options of which a token and a clock are its own.
func newBenchWith(t *testing.T, o hub.Options) *bench {
	t.Helper()
	b := &bench{t: t, docs: o.Docs, books: o.Books, token: admin, clock: new(atomic.Int64)}
	b.clock.Store(noon().UnixMilli())
	o.FirstToken = admin
	if o.Now == nil {
		o.Now = b.time
	}
	h, err := hub.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.hub = h
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	server := httptest.NewServer(h.Handler())
	t.Cleanup(func() {
		server.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	b.url = server.URL
	select {
	case <-h.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("the hub is not ready after 10 s")
	}
	return b
}

// time is what the bench's clock shows.
func (b *bench) time() time.Time { return time.UnixMilli(b.clock.Load()).UTC() }

// A reply is what the hub answered.
type reply struct {
	status int
	header http.Header
	body   string
}

// call sends one request: "PUT /v1/catalog", a body, and headers as pairs.
func (b *bench) call(request, body string, headers ...string) reply {
	b.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	do := b.do
	if do == nil {
		do = http.DefaultClient.Do
	}
	resp, err := do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(data)}
}

// ok is call for what must be answered with 200; it answers the body.
func (b *bench) ok(request, body string, headers ...string) map[string]any {
	b.t.Helper()
	r := b.call(request, body, headers...)
	if r.status != http.StatusOK {
		b.t.Fatalf("%s: got %d %s, want 200", request, r.status, r.body)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		b.t.Fatalf("%s: %v in %s", request, err, r.body)
	}
	return v
}

// refused is call for what must be refused with a problem document: a status and a code.
func (b *bench) refused(want, request, body string, headers ...string) string {
	b.t.Helper()
	r := b.call(request, body, headers...)
	if kind := r.header.Get("Content-Type"); kind != "application/problem+json" {
		b.t.Errorf("%s: content type %q of %d %s, want a problem document", request, kind, r.status, r.body)
	}
	var p struct {
		Status int
		Code   string
		Detail string
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		b.t.Fatalf("%s: %v in %s", request, err, r.body)
	}
	if got := fmt.Sprint(r.status, " ", p.Code); got != want || p.Status != r.status {
		b.t.Errorf("%s: got %d %s, want %s", request, r.status, r.body, want)
	}
	if p.Detail == "" {
		b.t.Errorf("%s: a problem without a detail", request)
	}
	return r.body
}

const shop = `
features:
  sso: {type: boolean}
  tier: {type: config, values: [basic, gold]}
  calls: {type: metered, unit: call}
  boxes: {type: pool}
plans:
  free: {base: true, allow: {calls: {limit: 10, per: month}}}
  team: {allow: {sso: false, tier: basic, calls: {limit: 100, per: month}, boxes: {limit: 2}}}
  gone: {allow: {sso: true}}
addons:
  extra: {allow: {calls: {limit: 50}}}
`

// stocked is a bench with a catalogue, a customer and a subscription to team.
func stocked(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.ok("PUT /v1/catalog", shop)
	b.ok("PUT /v1/customers/acme", `{"name":"Acme"}`)
	b.ok("PUT /v1/customers/acme/subscriptions/main", `{"plan":"team","starts_at":"2026-11-01T00:00:00Z"}`)
	return b
}

// entitlement is what the hub says of one feature of a customer.
func (b *bench) entitlement(customer, feature string) map[string]any {
	b.t.Helper()
	for _, e := range b.ok("GET /v1/customers/"+customer+"/entitlements", "")["entitlements"].([]any) {
		if d := e.(map[string]any); d["feature"] == feature {
			return d
		}
	}
	b.t.Fatalf("no feature %q", feature)
	return nil
}

func TestTheFirstTokenIsMadeOnceAndOnlyOnEmptyBooks(t *testing.T) {
	docs, books := replica.NewMemory(), replica.NewMemory()
	first := ""
	for i := range 2 {
		h, err := hub.New(hub.Options{Docs: docs, Books: books, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		<-h.Ready()
		switch {
		case i == 0:
			first = h.NewToken()
		case h.NewToken() != "":
			t.Error("a second hub made another first token")
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/v1/tokens", nil)
		r.Header.Set("Authorization", "Bearer "+first)
		h.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK || bytes.Contains(w.Body.Bytes(), []byte(first)) {
			t.Errorf("run %d: got %d %s, want the list without the secret", i, w.Code, w.Body)
		}
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestAFirstTokenThatOpensNothingIsSaidToDoSo(t *testing.T) {
	books := replica.NewMemory()
	for i, token := range []string{"a-token-of-mine-1", "a-token-of-mine-1", "a-token-of-mine-2"} {
		var said bytes.Buffer
		h, err := hub.New(hub.Options{Docs: replica.NewMemory(), Books: books, Now: time.Now, FirstToken: token,
			Log: slog.New(slog.NewTextHandler(&said, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		<-h.Ready()
		cancel()
		<-ended
		if warned := strings.Contains(said.String(), "opens nothing"); warned != (i == 2) ||
			strings.Contains(said.String(), token) {
			t.Errorf("start %d with %q said %s", i, token, said.String())
		}
	}
}

func TestAWeakFirstTokenIsRefused(t *testing.T) {
	for _, secret := range []string{"short", "with a space in it", "sixteen-ünïcödes"} {
		_, err := hub.New(hub.Options{Docs: replica.NewMemory(), Books: replica.NewMemory(), Now: time.Now,
			FirstToken: secret})
		if err == nil {
			t.Errorf("%q: accepted", secret)
		}
	}
}

func TestACustomerIsSoldAPlan(t *testing.T) {
	b := stocked(t)
	calls := b.entitlement("acme", "calls")
	if calls["limit"] != 100.0 || calls["reason"] != "granted" {
		t.Errorf("got %v, want a limit of 100", calls)
	}
	got := b.ok("GET /v1/customers/acme/subscriptions/main", "")
	if got["plan"] != "team" || got["status"] != "active" || got["starts_at"] != "2026-11-01T00:00:00Z" {
		t.Errorf("got %v", got)
	}
	b.ok("PUT /v1/customers/acme/subscriptions/main", `{"plan":"team","addons":[{"key":"extra","quantity":2}]}`)
	if calls := b.entitlement("acme", "calls"); calls["limit"] != 200.0 {
		t.Errorf("got %v, want 200 with two add-ons", calls)
	}
	b.ok("DELETE /v1/customers/acme/subscriptions/main", "")
	if calls := b.entitlement("acme", "calls"); calls["reason"] != "not_entitled" {
		t.Errorf("got %v, want not_entitled", calls)
	}
	b.ok("DELETE /v1/customers/acme", "")
	b.refused("404 customer_not_found", "GET /v1/customers/acme", "")
}
