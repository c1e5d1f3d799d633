package logtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
)

var behind = []test{
	{"a document that was superseded is missing in no view", superseded},
	{"a follower far behind publishes no half of an entry", overtaken},
	{"a filtered follower far behind publishes no half of an entry", overtakenFiltered},
	{"half of an entry stays half while nothing happens", stillHalf},
}

// superseded writes a and b together, then c, then b and d together. Who comes later gets a, c, b, d, and must not
// publish a and c without b.
func superseded(b *bench) {
	for _, f := range []replica.Filter{{}, {Groups: []string{"eu"}}} {
		n := strconv.Itoa(len(f.Groups))
		before := b.put(set("catalog", b.rev("catalog"), n))
		one := b.put(set("customer@eu/a"+n, 0, "1"), set("customer@eu/b"+n, 0, "1"))
		b.put(set("customer@eu/c"+n, 0, "1"))
		last := b.put(set("customer@eu/b"+n, one, "2"), set("customer@eu/d"+n, 0, "2"))
		v := view{}
		for t := b.follow(before, f); ; {
			e := t.step()
			v.apply(e)
			if !e.Whole {
				continue
			}
			if (v["customer@eu/a"+n] != "") != (v["customer@eu/b"+n] != "") {
				b.Fatalf("%v is whole with %v", show(e), v)
			}
			if e.Rev >= last {
				break
			}
		}
	}
}

func overtaken(b *bench) { b.overtake(replica.Filter{}) }

func overtakenFiltered(b *bench) { b.overtake(replica.Filter{Groups: []string{"eu"}}) }

// pairs is how many pairs of left and right there are.
const pairs = 400

// overtake follows a long past while it is overwritten, so that much of it is superseded on the way. Left and right
// are always written together, but at first lie far apart: a follower has some lefts, and meanwhile their rights are
// gone and come again with new lefts only at the end.
func (b *bench) overtake(f replica.Filter) {
	first := b.many("left", pairs)
	for i := range 3 { // more than is on its way at once; the server looks through all of it for each filtered message
		b.many("noise"+strconv.Itoa(i)+"-", replica.MaxPuts)
	}
	second := b.many("right", pairs)
	ctx, stop := context.WithCancel(b.ctx)
	defer stop()
	var writers, followers errgroup.Group
	for w := range 4 {
		writers.Go(func() error { return b.overwrite(ctx, []uint64{first, second}, w) })
	}
	for i := range 4 {
		followers.Go(func() error {
			l, from, v, err := b.start(f, i%2 == 0)
			if err != nil {
				return err
			}
			return b.equalPairs(b.Log.Tail(b.ctx, l, from, f), v, second)
		})
	}
	err := followers.Wait()
	stop()
	if err := errors.Join(err, writers.Wait()); err != nil {
		b.Fatal(err)
	}
}

// many writes new documents in one entry.
func (b *bench) many(name string, n int) uint64 {
	puts := make([]replica.Put, n)
	for i := range puts {
		puts[i] = set("customer@eu/"+name+strconv.Itoa(i), 0, "0")
	}
	return b.put(puts...)
}

// overwrite writes pairs that are one writer's own until it is stopped.
func (b *bench) overwrite(ctx context.Context, first []uint64, w int) error {
	revs := map[int][]uint64{}
	for n := 1; ctx.Err() == nil; n++ {
		i := rand.IntN(pairs/4)*4 + w
		expect, ok := revs[i]
		if !ok {
			expect = first
		}
		left, right := "customer@eu/left"+strconv.Itoa(i), "customer@eu/right"+strconv.Itoa(i)
		value := fmt.Sprintf("%d-%d", w, n)
		rev, err := b.Log.Put(b.ctx, command(), set(left, expect[0], value), set(right, expect[1], value))
		if err != nil {
			return err
		}
		revs[i] = []uint64{rev, rev}
	}
	return nil
}

// start says where a follower begins, and with what: from nothing, or from a snapshot.
func (b *bench) start(f replica.Filter, snapshot bool) (replica.Lineage, uint64, view, error) {
	if !snapshot {
		l, _, err := b.Log.Head(b.ctx)
		return l, 0, view{}, err
	}
	l, rev, docs := b.Log.Snapshot(b.ctx, f)
	v := view{}
	for e, err := range docs {
		if err != nil {
			return l, rev, v, err
		}
		v.apply(e)
	}
	return l, rev, v, nil
}

// equalPairs goes through some views that may be published. From the revision on at which all pairs were there, they
// must be in every view.
func (b *bench) equalPairs(tail iter.Seq2[replica.Entry, error], v view, from uint64) error {
	views := 0
	for e, err := range tail {
		if err != nil {
			return err
		}
		v.apply(e)
		if !e.Whole || e.Rev < from {
			continue
		}
		for i := range pairs {
			left, right := v["customer@eu/left"+strconv.Itoa(i)], v["customer@eu/right"+strconv.Itoa(i)]
			if left != right || left == "" {
				return fmt.Errorf("at %d, view %d, pair %d is %q and %q", e.Rev, views, i, left, right)
			}
		}
		if views++; views == 3 {
			return nil
		}
	}
	return fmt.Errorf("the tail ended: %w", context.Cause(b.ctx))
}

// stillHalf watches half of an entry for a while, in which nothing must be said to be whole.
func stillHalf(b *bench) {
	b.need(b.Half != nil, "show half an entry")
	rev := b.put(set("catalog", 0, "c"))
	l, _ := b.head()
	finish := b.Half(b.T, "customer/left", "customer/right")
	ctx, cancel := context.WithTimeout(b.ctx, time.Second/2)
	defer cancel()
	cutAlready := b.Cut == nil
	for e, err := range b.Log.Tail(ctx, l, rev, replica.Filter{}) {
		if err != nil {
			b.Fatal(err)
		}
		if e.Whole {
			b.Fatalf("%v is whole", show(e))
		}
		if e.Key == "customer/left" && !cutAlready {
			cutAlready = true
			b.Cut(b.T)
		}
	}
	b.reconnected()
	finish()
}
