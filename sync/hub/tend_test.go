package hub

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/follow"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// started is a hub that runs on a log with a catalogue and a customer.
func started(t *testing.T, now func() time.Time) (*Hub, *replica.Memory) {
	t.Helper()
	docs := replica.NewMemory()
	h, err := New(Options{Docs: docs, Books: replica.NewMemory(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	h.tendEvery = time.Hour // the tests call tendOnce themselves
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-h.Ready()
	shop := catalog.Catalogue{Features: map[string]catalog.Feature{"sso": {Type: "boolean"}}}
	write(t, h, replica.Put{Key: replica.KindCatalog, Value: catalog.EncodeCatalogue(shop)},
		replica.Put{Key: replica.CustomerKey("", "acme"), Value: catalog.EncodeCustomer(catalog.Customer{ID: "acme"})})
	return h, docs
}

// write writes and waits until the hub knows.
func write(t *testing.T, h *Hub, puts ...replica.Put) *view {
	t.Helper()
	rev, err := h.put(t.Context(), counting.NewCommand(), puts...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := h.wait(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// digests counts, of what a follower is told, the digests.
type digests struct{ seen chan uint64 }

func (digests) Reset()           {}
func (digests) Published(uint64) {}
func (d digests) Apply(e replica.Entry) {
	if e.Key == replica.DigestKey {
		d.seen <- e.Rev
	}
}

func TestADigestIsPublishedThatFollowersAgreeWith(t *testing.T) {
	h, docs := started(t, time.Now)
	told := digests{make(chan uint64, 10)}
	f := follow.New(follow.Options{Log: docs, Watch: told, Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	<-f.Ready()
	v, _ := h.shelf.load()
	if err := f.Index().Wait(ctx, v.rev); err != nil {
		t.Fatal(err)
	}
	var state tending
	if err := h.tendOnce(ctx, &state); err != nil {
		t.Fatal(err)
	}
	rev := <-told.seen
	v, err := h.wait(ctx, rev)
	if err != nil || !v.digested {
		t.Fatalf("got %v %v, want a digest that can be compared", v, err)
	}
	write(t, h, replica.Put{Key: "meta/x", Value: []byte("x")}) // whoever has seen this has compared
	if err := f.Index().Wait(ctx, rev+1); err != nil {
		t.Fatal(err)
	}
	if s := f.Status(); s.Digest != follow.DigestEqual || s.Digested != rev-1 {
		t.Errorf("got %s at %d, want equal at %d", s.Digest, s.Digested, rev-1)
	}
}

func TestADigestIsPublishedOnce(t *testing.T) {
	h, docs := started(t, time.Now)
	var state tending
	for range 3 {
		if err := h.tendOnce(t.Context(), &state); err != nil {
			t.Fatal(err)
		}
		if _, err := h.fresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, head, err := docs.Head(t.Context()); err != nil || head != 2 {
		t.Errorf("got head %d %v, want one entry and one digest", head, err)
	}
}

func TestAMarkThatWasLeftBehindIsTakenBack(t *testing.T) {
	var now atomic.Int64
	now.Store(1_800_000_000)
	h, _ := started(t, func() time.Time { return time.Unix(now.Load(), 0) })
	v, _ := h.shelf.load()
	marked := v.catalogue
	marked.Dropping = &catalog.Uses{Features: map[string]bool{"sso": true}}
	write(t, h, replica.Put{Key: replica.KindCatalog, Expect: v.catRev, Value: catalog.EncodeCatalogue(marked)})
	var state tending
	for _, step := range []struct {
		after time.Duration
		left  bool
	}{{0, true}, {markAge, true}, {time.Second, false}} {
		now.Add(int64(step.after / time.Second))
		if err := h.tendOnce(t.Context(), &state); err != nil {
			t.Fatal(err)
		}
		v, err := h.fresh(t.Context())
		if err != nil || (v.catalogue.Dropping != nil) != step.left {
			t.Errorf("after %v: got %v %v, want left=%v", step.after, v.catalogue.Dropping, err, step.left)
		}
	}
}
