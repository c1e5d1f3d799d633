package logtest

import (
	"context"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
)

var reading = []test{
	{"a new log has a lineage and no documents", fresh},
	{"a snapshot has every document and tombstone once", snapshots},
	{"a filter lets its groups through and what is shared", filters},
}

var tailing = []test{
	{"a tail brings what was written before and after it began", live},
	{"a tail goes on where it was left", resumes},
	{"a tombstone comes through a tail", deletes},
	{"a tail at the head says that it is", atHead},
	{"a tail that everything passes by says how far it has come", passedBy},
	{"an entry for several groups ends for each where its part ends", parts},
	{"a view that may be published is never half of an entry", halves},
	{"a filtered view that may be published is never half of an entry", filteredHalves},
	{"a tail ends with its context", cancelled},
}

func fresh(b *bench) {
	l, rev := b.head()
	if l.Log == "" || l.Created == 0 || l.Nonce == "" {
		b.Fatalf("lineage %+v", l)
	}
	again, at, v := b.snapshot(replica.Filter{})
	if again != l || at != rev || len(v) != 0 {
		b.Fatalf("snapshot of a new log: %+v at %d with %v, head %+v at %d", again, at, v, l, rev)
	}
}

func snapshots(b *bench) {
	one := b.put(set("customer/a", 0, "a"), set("customer/b", 0, "b"))
	b.put(remove("customer/b", one))
	two := b.put(set("customer/a", one, "a2"))
	l, _ := b.head()
	lineage, rev, docs := b.Log.Snapshot(b.ctx, replica.Filter{})
	if lineage != l || rev != two {
		b.Fatalf("snapshot of %+v at %d, want %+v at %d", lineage, rev, l, two)
	}
	found := map[string]string{}
	for e, err := range docs {
		if err != nil {
			b.Fatal(err)
		}
		if _, twice := found[e.Key]; twice {
			b.Fatalf("%v came twice", show(e))
		}
		found[e.Key] = fmt.Sprintf("%s, deleted %v", e.Value, e.Deleted())
	}
	if len(found) != 2 || found["customer/a"] != "a2, deleted false" || found["customer/b"] != ", deleted true" {
		b.Fatalf("snapshot: %v", found)
	}
}

func filters(b *bench) {
	b.put(set("catalog", 0, "c"), set("customer/d", 0, "d"), set("customer@eu/e", 0, "e"), set("customer@us/u", 0, "u"))
	for _, c := range []struct {
		groups []string
		want   string
	}{
		{nil, "map[catalog:c customer/d:d customer@eu/e:e customer@us/u:u]"},
		{[]string{}, "map[catalog:c]"},
		{[]string{"default"}, "map[catalog:c customer/d:d]"},
		{[]string{"eu", "us", "eu"}, "map[catalog:c customer@eu/e:e customer@us/u:u]"},
		{[]string{"nowhere"}, "map[catalog:c]"},
	} {
		f := replica.Filter{Groups: c.groups}
		_, rev, v := b.snapshot(f)
		if got := fmt.Sprint(v); got != c.want {
			b.Fatalf("snapshot of groups %v: got %v, want %v", c.groups, got, c.want)
		}
		v = view{}
		b.follow(0, f).until(rev, v)
		if got := fmt.Sprint(v); got != c.want {
			b.Fatalf("tail of groups %v: got %v, want %v", c.groups, got, c.want)
		}
	}
}

func live(b *bench) {
	one := b.put(set("catalog", 0, "c1"))
	t := b.follow(0, replica.Filter{})
	if e := t.document(); e.Key != "catalog" || e.Rev != one || string(e.Value) != "c1" || len(e.Recent) != 1 {
		b.Fatalf("got %v with %v", show(e), e.Recent)
	}
	rev := one
	for i := range 20 {
		value := strconv.Itoa(i)
		rev = b.put(set("catalog", rev, value))
		e := t.document()
		if e.Key != "catalog" || e.Rev != rev || string(e.Value) != value || !e.Whole {
			b.Fatalf("got %v, want %s at %d, whole", show(e), value, rev)
		}
	}
}

func resumes(b *bench) {
	one := b.put(set("customer/a", 0, "a"), set("customer/b", 0, "b"))
	two := b.put(set("customer/c", 0, "c"))
	three := b.put(set("customer/a", one, "a2"))
	for from, want := range map[uint64]string{
		0:     "map[customer/a:a2 customer/b:b customer/c:c]",
		one:   "map[customer/a:a2 customer/c:c]",
		two:   "map[customer/a:a2]",
		three: "map[]",
	} {
		v := view{}
		b.follow(from, replica.Filter{}).until(three, v)
		if got := fmt.Sprint(v); got != want {
			b.Fatalf("tail from %d of %d: got %v, want %v", from, three, got, want)
		}
	}
}

func deletes(b *bench) {
	one := b.put(set("customer/a", 0, "a"))
	t := b.follow(one, replica.Filter{})
	gone := b.put(remove("customer/a", one))
	if e := t.document(); e.Key != "customer/a" || !e.Deleted() || e.Rev != gone || !e.Whole {
		b.Fatalf("got %v, want a tombstone at %d", show(e), gone)
	}
}

func atHead(b *bench) {
	rev := b.put(set("catalog", 0, "c"))
	t := b.follow(rev, replica.Filter{})
	if e := t.step(); e.Key != "" || !e.Whole || e.Rev != rev {
		b.Fatalf("got %v, want a sign of being at %d", show(e), rev)
	}
	newer := b.put(compare("catalog", rev)) // followers see no document of it
	t.until(newer, view{})
}

func passedBy(b *bench) {
	t := b.follow(0, replica.Filter{Groups: []string{"eu"}})
	t.until(0, view{})
	b.put(set("customer/a", 0, "a"))
	rev := b.put(set("customer/b", 0, "b"))
	v := view{}
	t.until(rev, v)
	if len(v) != 0 {
		b.Fatalf("a filtered tail brought %v", v)
	}
}

func parts(b *bench) {
	t := b.follow(0, replica.Filter{Groups: []string{"eu"}})
	t.until(0, view{})
	rev := b.put(set("customer@eu/a", 0, "1"), set("customer/b", 0, "b"),
		set("customer@eu/c", 0, "1"), set("customer/d", 0, "d"))
	v := view{}
	for !t.b.Failed() {
		e := t.step()
		v.apply(e)
		if e.Whole && len(v) == 1 {
			b.Fatalf("%v is half of an entry: %v", show(e), v)
		}
		if e.Whole && e.Rev >= rev {
			break
		}
	}
	if fmt.Sprint(v) != "map[customer@eu/a:1 customer@eu/c:1]" {
		b.Fatalf("got %v", v)
	}
}

func halves(b *bench) { b.evenPairs(replica.Filter{}) }

func filteredHalves(b *bench) { b.evenPairs(replica.Filter{Groups: []string{"eu"}}) }

// evenPairs writes pairs of documents that must always be equal, from several writers, and follows from several places
// while it goes on. Whatever is whole must have equal pairs, and be what the log held at that revision.
func (b *bench) evenPairs(f replica.Filter) {
	const writers, rounds, followers = 3, 25, 2
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error { return b.writePairs(w, rounds) })
	}
	for range followers {
		g.Go(func() error { return b.checkPairs(f, writers, rounds) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) writePairs(w, rounds int) error {
	keys := []string{fmt.Sprintf("customer@eu/left%d", w), fmt.Sprintf("customer@eu/right%d", w)}
	other := fmt.Sprintf("customer/noise%d", w)
	rev := uint64(0)
	for i := range rounds {
		value := strconv.Itoa(i + 1)
		puts := []replica.Put{set(keys[i%2], rev, value), set(other, rev, value), set(keys[1-i%2], rev, value)}
		var err error
		if rev, err = b.Log.Put(b.ctx, command(), puts...); err != nil {
			return fmt.Errorf("writer %d, round %d: %w", w, i, err)
		}
	}
	return nil
}

// checkPairs follows from the start until every pair has its last value.
func (b *bench) checkPairs(f replica.Filter, writers, rounds int) error {
	l, _, err := b.Log.Head(b.ctx)
	if err != nil {
		return err
	}
	v := view{}
	for e, err := range b.Log.Tail(b.ctx, l, 0, f) {
		if err != nil {
			return err
		}
		v.apply(e)
		if !e.Whole {
			continue
		}
		done := 0
		for w := range writers {
			left, right := v[fmt.Sprintf("customer@eu/left%d", w)], v[fmt.Sprintf("customer@eu/right%d", w)]
			if left != right {
				return fmt.Errorf("at %d pair %d is %q and %q", e.Rev, w, left, right)
			}
			if left == strconv.Itoa(rounds) {
				done++
			}
		}
		if done == writers {
			return nil
		}
	}
	return fmt.Errorf("the tail ended: %w", context.Cause(b.ctx))
}

func cancelled(b *bench) {
	l, rev := b.head()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	for e, err := range b.Log.Tail(ctx, l, rev, replica.Filter{}) {
		if err != nil {
			b.Fatalf("got %v, %v", show(e), err)
		}
		cancel()
	}
	if b.ctx.Err() != nil {
		b.Fatal("the tail went on after its context had ended")
	}
}
