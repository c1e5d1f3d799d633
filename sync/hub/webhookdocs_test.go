package hub_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
)

func TestASecretIsShownOnceAndTheOldOneHoldsForADay(t *testing.T) {
	said := &safeBuffer{}
	b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: replica.NewMemory(),
		Log: slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	in := newInbox(t)
	old := b.listen(in, "")
	try := func(status float64) heard {
		n := len(in.got())
		if got := b.ok("POST /v1/webhooks/bell/test", ""); got["delivered"] != (status < 300) || got["status"] != status {
			t.Errorf("got %v, want %v", got, status)
		}
		return in.wait(n + 1)[n]
	}
	try(204).signed(t, old)
	if again := b.listen(in, ""); again != "" {
		t.Errorf("a secret was made anew")
	}
	fresh := b.listen(in, `,"rotate":true`)
	m := try(204)
	m.signed(t, old)
	m.signed(t, fresh)
	b.later(25 * time.Hour)
	m = try(204)
	m.signed(t, fresh)
	if m.verify(old) == nil {
		t.Error("the old secret is still signed with after a day")
	}
	own := "whsec_" + strings.Repeat("QUJD", 10)
	if shown := b.listen(in, `,"secret":"`+own+`"`); shown != "" {
		t.Error("a secret that was given is answered")
	}
	in.answers(http.StatusTeapot)
	try(418).signed(t, own)
	r := b.call("GET /v1/webhooks", "").body + b.call("GET /v1/webhooks/bell", "").body + said.String()
	for _, secret := range []string{old, fresh, own} {
		if strings.Contains(r, strings.TrimPrefix(secret, "whsec_")) || strings.Contains(said.String(), "top-secret") {
			t.Errorf("a secret is shown again: %s", r)
		}
	}
	if got := b.webhook("bell")["last_attempt"].(map[string]any); got["status"] != 418.0 {
		t.Errorf("got %v", got)
	}
}

func TestWebhooksAreKeptLikeOtherDocuments(t *testing.T) {
	b := newBench(t)
	for body, want := range map[string]string{
		`{}`: "url", `[]`: "mapping", `{"url":"ftp://x.example"}`: "https", `{"url":"http://x.example"}`: "this machine",
		`{"url":"https://me:pw@x.example"}`: "password", `{"url":"https://"}`: "address", `{"url":7}`: "text",
		`{"url":"https://x.example","events":["usage.nothing"]}`:        "no type",
		`{"url":"https://x.example","secret":"whsec_c2hvcnQ="}`:         "24 to 64",
		`{"url":"https://x.example","disabled":"yes"}`:                  "true or false",
		`{"url":"https://x.example","x":1}`:                             `"path":"x"`,
		`{"url":"https://x.example","events":"usage.adjusted"}`:         "list",
		`{"url":"https://x.example/#part"}`:                             "fragment",
		`{"url":"https://x.example/` + strings.Repeat("a", 2048) + `"}`: "2048",
	} {
		if got := b.refused("400 bad_request", "PUT /v1/webhooks/x", body); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
	put := `{"url":"https://x.example/hooks","events":["usage.adjusted"],"description":"Billing","disabled":true}`
	first := b.ok("PUT /v1/webhooks/x", put, "Idempotency-Key", "k")
	again := b.ok("PUT /v1/webhooks/x", put, "Idempotency-Key", "k")
	if first["secret"] == nil || again["secret"] != nil || again["revision"] != first["revision"] {
		t.Errorf("got %v and %v, want the same write without the secret", first, again)
	}
	got := b.webhook("x")
	if got["url"] != "https://x.example/hooks" || got["description"] != "Billing" || got["disabled"] != true ||
		got["events"].([]any)[0] != "usage.adjusted" || got["created_at"] != "2026-11-23T12:00:00Z" {
		t.Errorf("got %v", got)
	}
	b.refused("412 revision_mismatch", "PUT /v1/webhooks/x", put, "If-Match", `"1"`)
	for n := range 15 {
		b.ok("PUT /v1/webhooks/x"+string(rune('a'+n)), put)
	}
	b.refused("409 too_many_webhooks", "PUT /v1/webhooks/y", put)
	b.ok("PUT /v1/webhooks/x", put)
	b.ok("DELETE /v1/webhooks/x", "")
	b.refused("404 webhook_not_found", "GET /v1/webhooks/x", "")
	b.refused("404 webhook_not_found", "DELETE /v1/webhooks/x", "")
	b.refused("404 webhook_not_found", "POST /v1/webhooks/x/test", "")
	if list := b.ok("GET /v1/webhooks", "")["webhooks"].([]any); len(list) != 15 {
		t.Errorf("%d are listed, want 15", len(list))
	}
}

// A safeBuffer is one that several may write to.
type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.String()
}
