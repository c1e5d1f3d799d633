package logtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// A Fixture is an empty log, and what can be done to it. It cleans up after itself by t.Cleanup.
// A nil function is a fault that this log cannot have; what depends on it is skipped.
type Fixture struct {
	Log replica.Log // under test

	// LoseReply lets the next put be applied and its answer be lost on the way.
	LoseReply func(t *testing.T)
	// Cut ends every connection of the log once.
	Cut func(t *testing.T)
	// Half writes one entry of two documents that do not exist, but lets tails see only the first until finish.
	Half func(t *testing.T, first, second string) (finish func())
	// Save makes a backup. What it answers loses everything that was written since.
	Save func(t *testing.T) (restore func())
	// Recreate loses everything and makes the log anew.
	Recreate func(t *testing.T)
}

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// Run holds a log to everything that package replica promises. Make is called for every test.
func Run(t *testing.T, make func(t *testing.T) Fixture) {
	for _, group := range [][]test{writing, reading, tailing, behind, failing} {
		for _, c := range group {
			t.Run(c.claim, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				t.Cleanup(cancel)
				f := make(t)
				c.run(&bench{T: t, ctx: ctx, Fixture: f})
			})
		}
	}
}

// A test breaks one promise.
type test struct {
	claim string
	run   func(b *bench)
}

// A bench is a test's fixture and what makes the test short to read. Everything fails the test by itself.
type bench struct {
	*testing.T
	Fixture
	ctx context.Context
}

// command makes an id that no other command has.
func command() (id replica.CommandID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

func set(key string, expect uint64, value string) replica.Put {
	return replica.Put{Key: key, Expect: expect, Value: []byte(value)}
}

func compare(key string, expect uint64) replica.Put { return replica.Put{Key: key, Expect: expect} }

func remove(key string, expect uint64) replica.Put {
	return replica.Put{Key: key, Expect: expect, Delete: true}
}

// put writes what must succeed.
func (b *bench) put(puts ...replica.Put) uint64 {
	b.Helper()
	rev, err := b.Log.Put(b.ctx, command(), puts...)
	if err != nil {
		b.Fatalf("put %v: %v", puts[0].Key, err)
	}
	return rev
}

// refused writes what must fail.
func (b *bench) refused(want error, puts ...replica.Put) {
	b.Helper()
	if rev, err := b.Log.Put(b.ctx, command(), puts...); !errors.Is(err, want) {
		b.Fatalf("put %v: got revision %d, error %v, want error %v", puts[0].Key, rev, err, want)
	}
}

// get reads a document that must be there, or its tombstone.
func (b *bench) get(key string) replica.Entry {
	b.Helper()
	e, err := b.Log.Get(b.ctx, key)
	if err != nil {
		b.Fatalf("get %q: %v", key, err)
	}
	return e
}

// holds looks whether a document has a revision and a value.
func (b *bench) holds(key string, rev uint64, value string) {
	b.Helper()
	e := b.get(key)
	if e.Key != key || e.Rev != rev || e.Deleted() || string(e.Value) != value {
		b.Fatalf("get %q: got %v, want %q at %d", key, show(e), value, rev)
	}
}

func (b *bench) head() (replica.Lineage, uint64) {
	b.Helper()
	l, rev, err := b.Log.Head(b.ctx)
	if err != nil {
		b.Fatalf("head: %v", err)
	}
	return l, rev
}

// show makes an entry readable.
func show(e replica.Entry) string {
	value := fmt.Sprintf("%q", e.Value)
	if e.Deleted() {
		value = "none"
	}
	if len(value) > 40 {
		value = fmt.Sprintf("%d bytes", len(e.Value))
	}
	return fmt.Sprintf("{%s@%d %s whole=%v}", e.Key, e.Rev, value, e.Whole)
}

// A view is what a follower has built: values by key.
type view map[string]string

func (v view) apply(e replica.Entry) {
	switch {
	case e.Key == "":
	case e.Deleted():
		delete(v, e.Key)
	default:
		v[e.Key] = string(e.Value)
	}
}

// snapshot reads a whole snapshot, tombstones left out.
func (b *bench) snapshot(f replica.Filter) (replica.Lineage, uint64, view) {
	b.Helper()
	l, rev, docs := b.Log.Snapshot(b.ctx, f)
	v := view{}
	for e, err := range docs {
		if err != nil {
			b.Fatalf("snapshot: %v", err)
		}
		if e.Whole {
			b.Fatalf("snapshot: %v is marked whole", show(e))
		}
		v.apply(e)
	}
	return l, rev, v
}

// A tail is read step by step.
type tail struct {
	b    *bench
	next func() (replica.Entry, error, bool)
	rev  uint64
}

// follow begins a tail at a revision of the log as it is now.
func (b *bench) follow(from uint64, f replica.Filter) *tail {
	b.Helper()
	l, _ := b.head()
	return b.followed(l, from, f)
}

func (b *bench) followed(l replica.Lineage, from uint64, f replica.Filter) *tail {
	ctx, cancel := context.WithCancel(b.ctx)
	next, stop := iter.Pull2(b.Log.Tail(ctx, l, from, f))
	b.Cleanup(func() { cancel(); stop() })
	return &tail{b: b, next: next, rev: from}
}

// step gives what the tail yields next.
func (t *tail) step() replica.Entry {
	t.b.Helper()
	e, err, ok := t.next()
	if !ok || err != nil {
		t.b.Fatalf("tail: it ended with %v, context %v", err, t.b.ctx.Err())
	}
	if e.Rev < t.rev {
		t.b.Fatalf("tail: %v comes after %d", show(e), t.rev)
	}
	t.rev = e.Rev
	return e
}

// document gives the next document, idle signs left out.
func (t *tail) document() replica.Entry {
	t.b.Helper()
	for {
		if e := t.step(); e.Key != "" {
			return e
		}
	}
}

// until applies what comes to a view until it is whole at a revision or later.
func (t *tail) until(rev uint64, v view) {
	t.b.Helper()
	for {
		e := t.step()
		v.apply(e)
		if e.Whole && e.Rev >= rev {
			return
		}
	}
}

// ends reads until the tail ends, which must be with ErrLineage. It answers what came before.
func (t *tail) ends() []replica.Entry {
	t.b.Helper()
	var before []replica.Entry
	for {
		e, err, ok := t.next()
		if errors.Is(err, replica.ErrLineage) {
			return before
		}
		if !ok || err != nil {
			t.b.Fatalf("tail: it ended with %v, context %v, not with ErrLineage", err, t.b.ctx.Err())
		}
		before = append(before, e)
	}
}
