package stream_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
)

func TestSmoke(t *testing.T) {
	e, err := stream.Embed(stream.EmbedOptions{Listen: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Shutdown()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := stream.Open(ctx, stream.Options{URL: e.URL(), Name: "docs", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := stream.Open(ctx, stream.Options{URL: e.URL(), Name: "books", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	l, rev, err := s.Head(ctx)
	t.Log(l, rev, err)
	r1, err := s.Put(ctx, replica.CommandID{1}, replica.Put{Key: "customer/a b.*>é", Value: []byte("x")})
	t.Log(r1, err)
	_, err = s.Put(ctx, replica.CommandID{2}, replica.Put{Key: "customer/a b.*>é", Value: []byte("y")})
	if !errors.Is(err, replica.ErrConflict) {
		t.Fatal(err)
	}
	r2, err := s.Put(ctx, replica.CommandID{3}, replica.Put{Key: "customer/a b.*>é", Expect: r1}, replica.Put{Key: "catalog", Value: []byte("c")}, replica.Put{Key: "customer@eu/z", Value: []byte("c")})
	t.Log(r2, err)
	r3, err := s.Put(ctx, replica.CommandID{4}, replica.Put{Key: "customer/a b.*>é", Expect: r1, Delete: true}, replica.Put{Key: "catalog", Value: []byte("c2"), Expect: r2})
	t.Log(r3, err)
	en, err := s.Get(ctx, "customer/a b.*>é")
	t.Log(en, err)
	l, snap, docs := s.Snapshot(ctx, replica.Filter{})
	for e, err := range docs {
		t.Log("snap", snap, e, err)
	}
	n := 0
	for e, err := range s.Tail(ctx, l, 1, replica.Filter{Groups: []string{"default"}}) {
		t.Log("tail", e, err)
		n++
		if e.Whole {
			break
		}
	}
}
