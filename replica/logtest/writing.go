package logtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
)

var writing = []test{
	{"a document has the revision that its put answered", revisions},
	{"revisions grow with every entry", grow},
	{"a document that is not at the expected revision is a conflict", conflicts},
	{"expecting nothing takes a tombstone for nothing", tombstones},
	{"an entry is applied whole or not at all", atomic},
	{"a comparison protects what the entry does not change", comparisons},
	{"an entry that only compares succeeds and changes nothing", onlyCompares},
	{"a command that was applied is not applied again", idempotent},
	{"a document remembers sixteen commands, over deletion too", rings},
	{"an entry has up to a thousand documents", large},
	{"writers that race lose nothing", racing},
	{"keys at the edge are kept apart", edges},
	{"keys beyond the edge are refused", beyond},
}

func revisions(b *bench) {
	if _, err := b.Log.Get(b.ctx, "customer/acme"); !errors.Is(err, replica.ErrNotFound) {
		b.Fatalf("get of nothing: %v", err)
	}
	one := b.put(set("customer/acme", 0, "one"))
	b.holds("customer/acme", one, "one")
	two := b.put(set("customer/acme", one, "two"), set("catalog", 0, ""), set("customer@eu/z", 0, "z"))
	b.holds("customer/acme", two, "two")
	b.holds("catalog", two, "")
	b.holds("customer@eu/z", two, "z")
	if _, rev := b.head(); rev != two {
		b.Fatalf("head: got %d, want %d", rev, two)
	}
}

func grow(b *bench) {
	_, last := b.head()
	for i := range 20 {
		rev := b.put(set("customer/c"+strconv.Itoa(i%3), b.rev("customer/c"+strconv.Itoa(i%3)), "v"))
		if rev <= last {
			b.Fatalf("revision %d comes after %d", rev, last)
		}
		last = rev
	}
}

// rev gives the revision to expect of a document.
func (b *bench) rev(key string) uint64 {
	e, err := b.Log.Get(b.ctx, key)
	if err != nil && !errors.Is(err, replica.ErrNotFound) {
		b.Fatalf("get %q: %v", key, err)
	}
	if e.Deleted() {
		return 0
	}
	return e.Rev
}

func conflicts(b *bench) {
	b.refused(replica.ErrConflict, set("catalog", 17, "x"))
	rev := b.put(set("catalog", 0, "one"))
	b.refused(replica.ErrConflict, set("catalog", 0, "x"))
	b.refused(replica.ErrConflict, set("catalog", rev+1, "x"))
	newer := b.put(set("catalog", rev, "two"))
	b.refused(replica.ErrConflict, set("catalog", rev, "x"))
	b.refused(replica.ErrConflict, remove("catalog", rev))
	b.refused(replica.ErrConflict, remove("catalog", 0))
	b.holds("catalog", newer, "two")
}

func tombstones(b *bench) {
	rev := b.put(set("customer/acme", 0, "one"))
	gone := b.put(remove("customer/acme", rev))
	if e := b.get("customer/acme"); !e.Deleted() || e.Rev != gone {
		b.Fatalf("get of a tombstone: got %v, want one at %d", show(e), gone)
	}
	b.refused(replica.ErrConflict, set("customer/acme", rev, "x"))
	b.refused(replica.ErrConflict, set("customer/acme", gone, "x"))
	b.put(compare("customer/acme", 0))
	gone = b.put(remove("customer/acme", 0))
	if e := b.get("customer/acme"); !e.Deleted() || e.Rev != gone {
		b.Fatalf("get of a second tombstone: got %v, want one at %d", show(e), gone)
	}
	again := b.put(set("customer/acme", 0, "two"), set("catalog", 0, "c"))
	b.holds("customer/acme", again, "two")
}

func atomic(b *bench) {
	rev := b.put(set("customer/a", 0, "a"), set("customer/b", 0, "b"))
	_, before := b.head()
	b.refused(replica.ErrConflict, set("customer/a", rev, "x"), set("customer/c", 0, "x"), set("customer/b", rev+9, "x"))
	b.refused(replica.ErrConflict, set("customer/a", rev, "x"), set("customer/b", 0, "x"))
	b.refused(replica.ErrConflict, set("customer/b", 0, "x"), remove("customer/a", rev))
	b.holds("customer/a", rev, "a")
	b.holds("customer/b", rev, "b")
	if _, err := b.Log.Get(b.ctx, "customer/c"); !errors.Is(err, replica.ErrNotFound) {
		b.Fatalf("a part of a refused entry is there: %v", err)
	}
	if _, after := b.head(); after != before {
		b.Fatalf("a refused entry moved the head from %d to %d", before, after)
	}
}

func comparisons(b *bench) {
	plan := b.put(set("plan/team/1", 0, "p"))
	one := b.put(compare("plan/team/1", plan), set("customer/acme", 0, "one"), compare("catalog", 0))
	b.holds("customer/acme", one, "one")
	b.holds("plan/team/1", plan, "p")
	b.put(remove("plan/team/1", plan))
	b.refused(replica.ErrConflict, set("customer/acme", one, "two"), compare("plan/team/1", plan))
	b.put(set("catalog", 0, "c"))
	b.refused(replica.ErrConflict, compare("catalog", 0), set("customer/acme", one, "two"))
	b.holds("customer/acme", one, "one")
}

func onlyCompares(b *bench) {
	rev := b.put(set("catalog", 0, "c"))
	b.put(compare("catalog", rev))
	b.put(compare("catalog", rev), compare("customer/acme", 0))
	b.refused(replica.ErrConflict, compare("catalog", 0))
	b.refused(replica.ErrConflict, compare("catalog", rev), compare("customer/acme", rev))
	b.holds("catalog", rev, "c")
}

func idempotent(b *bench) {
	id := command()
	puts := []replica.Put{set("customer/a", 0, "a"), set("customer/b", 0, "b")}
	first, err := b.Log.Put(b.ctx, id, puts...)
	if err != nil {
		b.Fatal(err)
	}
	b.put(set("customer/b", first, "newer"))
	again, err := b.Log.Put(b.ctx, id, puts...)
	if err != nil || again != first {
		b.Fatalf("the same command again: got %d, %v, want %d", again, err, first)
	}
	b.holds("customer/a", first, "a")
	if e := b.get("customer/b"); string(e.Value) != "newer" {
		b.Fatalf("the same command again overwrote what came later: %v", show(e))
	}
}

func rings(b *bench) {
	var ids []replica.CommandID
	var revs []uint64
	for i := range replica.Remembered + 4 {
		p := set("customer/acme", b.rev("customer/acme"), strconv.Itoa(i))
		if i%5 == 4 {
			p = remove("customer/acme", p.Expect)
		}
		ids = append(ids, command())
		rev, err := b.Log.Put(b.ctx, ids[i], p, set("customer/other"+strconv.Itoa(i), 0, "o"))
		if err != nil {
			b.Fatal(err)
		}
		revs = append(revs, rev)
	}
	recent := b.get("customer/acme").Recent
	if len(recent) != replica.Remembered {
		b.Fatalf("it remembers %d commands, want %d", len(recent), replica.Remembered)
	}
	for i, c := range recent {
		if at := len(ids) - 1 - i; c.ID != ids[at] || c.Rev != revs[at] {
			b.Fatalf("command %d: got %x at %d, want %x at %d", i, c.ID, c.Rev, ids[at], revs[at])
		}
	}
}

func large(b *bench) {
	puts := make([]replica.Put, replica.MaxPuts)
	for i := range puts {
		puts[i] = set("customer/c"+strconv.Itoa(i), 0, "v"+strconv.Itoa(i))
	}
	rev := b.put(puts...)
	b.holds("customer/c0", rev, "v0")
	b.holds("customer/c999", rev, "v999")
	for i := range puts {
		puts[i].Expect = rev
	}
	newer := b.put(puts...)
	_, _, v := b.snapshot(replica.Filter{})
	if len(v) != len(puts) || newer <= rev {
		b.Fatalf("%d documents at %d after %d", len(v), newer, rev)
	}
	if _, err := b.Log.Put(b.ctx, command(), append(puts, set("catalog", 0, "c"))...); err == nil {
		b.Fatal("an entry of 1001 puts was taken")
	}
	if _, err := b.Log.Put(b.ctx, command()); err == nil {
		b.Fatal("an entry without puts was taken")
	}
}

func racing(b *bench) {
	const writers, rounds = 4, 15
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error { return b.incrementOften(fmt.Sprintf("customer/w%d", w), rounds) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	if got := string(b.get("catalog").Value); got != strconv.Itoa(writers*rounds) {
		b.Fatalf("%d increments ended at %s", writers*rounds, got)
	}
}

func (b *bench) incrementOften(own string, rounds int) error {
	for range rounds {
		if err := b.increment(own); err != nil {
			return err
		}
	}
	return nil
}

// increment adds one to a number that others add to as well, and writes it to a document of its own.
func (b *bench) increment(own string) error {
	for {
		e, err := b.Log.Get(b.ctx, "catalog")
		if err != nil && !errors.Is(err, replica.ErrNotFound) {
			return err
		}
		n, _ := strconv.Atoi(string(e.Value))
		sum := strconv.Itoa(n + 1)
		_, err = b.Log.Put(b.ctx, command(), set("catalog", e.Rev, sum), set(own, b.rev(own), sum))
		if !errors.Is(err, replica.ErrConflict) {
			return err
		}
	}
}

// awkward are ids that have tripped something up somewhere.
var awkward = []string{
	"a", "A", "a b", "a.b", "a*b", "*", ">", "a>", "a/b", "a%2Fb", "%", "%25", "a%", "ü", "u\u0308", "😀", "..", "~",
	"a@b", "@", "$JS", "_", "-", "\u00a0", "\u200b", "'", "\"", "\\", "{}", "=", "#", "?", "a b ", " a", "\u2028",
	strings.Repeat("x", 256), strings.Repeat("x", 255) + "y", strings.Repeat("😀", 64), strings.Repeat(".", 256),
}

func edges(b *bench) {
	revs := map[string]uint64{}
	for _, id := range awkward {
		for _, group := range []string{"", "eu.*> %/", strings.Repeat("😀", 64)} {
			if strings.Contains(group, "/") {
				group = strings.ReplaceAll(group, "/", "-")
			}
			key := replica.CustomerKey(group, id)
			revs[key] = b.put(set(key, 0, "of "+key))
		}
	}
	for key, rev := range revs {
		b.holds(key, rev, "of "+key)
	}
	if _, _, v := b.snapshot(replica.Filter{}); len(v) != len(revs) {
		b.Fatalf("%d documents in a snapshot, want %d", len(v), len(revs))
	}
	if _, _, v := b.snapshot(replica.Filter{Groups: []string{"eu.*> %-"}}); len(v) != len(awkward) {
		b.Fatalf("%d documents of one group in a snapshot, want %d", len(v), len(awkward))
	}
}

func beyond(b *bench) {
	for _, key := range []string{
		"", "/a", "@eu/a", "catalog/", "catalog@", "plan@/a", "customer/", "customer", "customer@default/a",
		"customer@/a", "customer/" + strings.Repeat("x", 257),
		"customer/a\x00b", "customer/a\nb", "customer/\x7f", "customer/\u0085", "customer/\xff", "customer@e\tu/a",
		"customer@" + strings.Repeat("x", 257) + "/a", "ledger/" + strings.Repeat("x", replica.MaxRest+1),
	} {
		b.refused(replica.ErrKey, set(key, 0, "x"))
		if _, err := b.Log.Get(b.ctx, key); !errors.Is(err, replica.ErrKey) {
			b.Fatalf("get %q: %v", key, err)
		}
	}
	b.refused(replica.ErrKey, set("catalog", 0, "x"), compare("catalog", 0))
}
