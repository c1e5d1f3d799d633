package hub_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/stream"
)

// streams opens both logs on an embedded NATS server with synced writes.
func streams(t *testing.T) (docs, books replica.Log) {
	t.Helper()
	logs := natsLogs(t)
	return logs["docs"], logs["books"]
}

// natsLogs opens all three logs.
func natsLogs(t testing.TB) map[string]*stream.Stream {
	t.Helper()
	server, err := stream.Embed(stream.EmbedOptions{Listen: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "nats")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	logs := map[string]*stream.Stream{}
	for _, name := range []string{"docs", "books", stream.Totals} {
		s, err := stream.Open(ctx, stream.Options{URL: server.URL(), Name: name, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		logs[name] = s
	}
	return logs
}

func TestAHubSaysThatItsLogIsGone(t *testing.T) {
	for err, want := range map[error]string{
		errors.New("nobody answers"):            "503 log_unavailable",
		fmt.Errorf("docs: %w", replica.ErrGone): "503 log_gone",
	} {
		docs := &seam{Log: replica.NewMemory()}
		b := newBenchWith(t, hub.Options{Docs: docs, Books: replica.NewMemory()})
		docs.beforePut(func([]replica.Put) error { return err })
		b.refused(want, "PUT /v1/customers/acme", `{"name":"Acme"}`)
	}
}

func TestTheHubWorksOnNATS(t *testing.T) {
	docs, books := streams(t)
	a, b := newBenchOn(t, docs, books), newBenchOn(t, docs, books)
	a.ok("PUT /v1/catalog", shop)
	b.ok("PUT /v1/customers/a%20*%2F%3E", `{"group":"eu"}`)
	a.ok("PUT /v1/customers/a%20*%2F%3E/subscriptions/s", `{"plan":"team"}`)
	b.ok("POST /v1/customers/a%20*%2F%3E/subscriptions/s/change", `{"plan":"free"}`)
	if e := a.entitlement("a%20*%2F%3E", "calls"); e["limit"] != 10.0 {
		t.Errorf("got %v, want the free plan's limit", e)
	}
	a.ok("PUT /v1/customers/a%20*%2F%3E", `{"group":"us"}`)
	start := time.Now()
	if got := a.ok("POST /v1/import", lines(10_000, "team")); got["created"] != 10_000.0 {
		t.Fatalf("got %v, want 10000 created", got)
	}
	t.Logf("%.0f customers/s", 10_000/time.Since(start).Seconds())
	if list := b.ok("GET /v1/customers?limit=1", ""); len(list["customers"].([]any)) != 1 {
		t.Errorf("got %v, want a customer", list)
	}
	if e := b.entitlement("c9999", "calls"); e["limit"] != 100.0 {
		t.Errorf("got %v, want the team plan's limit", e)
	}
	a.refused("409 in_use", "PUT /v1/catalog", `{"features":{"sso":{"type":"boolean"}}}`)
}
