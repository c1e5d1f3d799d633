package hub_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sidegate/sidegate/replica"
)

// A filling log is one whose disk can be nearly full.
type filling struct {
	replica.Log
	full atomic.Bool
}

func (l *filling) Room() error {
	if l.full.Load() {
		return fmt.Errorf("%w: 3 MiB are free in /secret", replica.ErrNoSpace)
	}
	return nil
}

func (l *filling) Put(ctx context.Context, id replica.CommandID, puts ...replica.Put) (uint64, error) {
	if err := l.Room(); err != nil {
		return 0, err
	}
	return l.Log.Put(ctx, id, puts...)
}

func TestAFullDiskIsNamedAndForgotten(t *testing.T) {
	docs := &filling{Log: replica.NewMemory()}
	b := newBenchOn(t, docs, replica.NewMemory())
	b.ok("PUT /v1/customers/a", `{"name":"A"}`)
	docs.full.Store(true)
	if r := b.refused("507 storage_full", "PUT /v1/customers/b", `{"name":"B"}`); strings.Contains(r, "/secret") {
		t.Errorf("got %s, want no directory of the hub's", r)
	}
	b.ok("GET /v1/customers/a", "")
	if r := b.call("GET /readyz", ""); r.status != 503 || !strings.Contains(r.body, "disk is nearly full") {
		t.Errorf("readyz: got %d %s, want 503 and why", r.status, r.body)
	}
	if r := b.call("GET /startupz", ""); r.status != 200 {
		t.Errorf("startupz: got %d %s, want 200", r.status, r.body)
	}
	docs.full.Store(false)
	b.ok("PUT /v1/customers/b", `{"name":"B"}`)
	if r := b.call("GET /readyz", ""); r.status != 200 {
		t.Errorf("readyz: got %d %s, want 200 again", r.status, r.body)
	}
}
