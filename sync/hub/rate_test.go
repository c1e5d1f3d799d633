package hub_test

import (
	"os"
	"testing"
	"time"
)

// Run with IMPORT_RATE=1: how fast 100,000 customers are imported on this machine.
func TestImportRate(t *testing.T) {
	if os.Getenv("IMPORT_RATE") == "" {
		t.Skip("IMPORT_RATE is not set")
	}
	docs, books := streams(t)
	b := newBenchOn(t, docs, books)
	b.ok("PUT /v1/catalog", shop)
	body := lines(100_000, "team")
	start := time.Now()
	if got := b.ok("POST /v1/import", body); got["created"] != 100_000.0 {
		t.Fatalf("got %v, want 100000 created", got)
	}
	t.Logf("created in %v", time.Since(start))
	start = time.Now()
	b.ok("GET /v1/customers?limit=1", "")
	t.Logf("listed after %v", time.Since(start))
	start = time.Now()
	if got := b.ok("POST /v1/import", lines(100_000, "free")); got["updated"] != 100_000.0 {
		t.Fatalf("got %v, want 100000 updated", got)
	}
	t.Logf("updated in %v", time.Since(start))
}
