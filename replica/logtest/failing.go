package logtest

import (
	"fmt"
	"strconv"

	"github.com/sidegate/sidegate/replica"
)

var failing = []test{
	{"a lost reply is settled by the command", lostReply},
	{"a lost reply to a large entry is settled by the command", lostReplies},
	{"half of an entry is never whole", half},
	{"a tail outlives a lost connection without missing anything", cut},
	{"a tail from a future that is gone ends", future},
	{"a tail of another lineage ends", stranger},
	{"a log that was rolled back ends its tails", rolledBack},
	{"a log that was rolled back and has grown past ends its tails", grownPast},
	{"a log that was made anew ends its tails", recreated},
	{"a log that was made anew takes no revision of before", recreatedRevisions},
}

func lostReply(b *bench) {
	b.need(b.LoseReply != nil, "lose a reply")
	rev := b.put(set("customer/a", 0, "a"))
	b.LoseReply(b.T)
	newer := b.put(set("customer/a", rev, "a2"))
	b.holds("customer/a", newer, "a2")
	if n := len(b.get("customer/a").Recent); n != 2 {
		b.Fatalf("it remembers %d commands, want 2: the write was applied twice", n)
	}
}

func lostReplies(b *bench) {
	b.need(b.LoseReply != nil, "lose a reply")
	b.LoseReply(b.T)
	var puts []replica.Put
	for i := range 50 {
		puts = append(puts, set("customer/c"+strconv.Itoa(i), 0, "v"))
	}
	rev := b.put(puts...)
	b.holds("customer/c0", rev, "v")
	b.holds("customer/c49", rev, "v")
	if _, head := b.head(); head != rev {
		b.Fatalf("the head is %d, the entry %d: it was applied twice", head, rev)
	}
}

// need skips a test of a fault that this log cannot have.
func (b *bench) need(can bool, what string) {
	b.Helper()
	if !can {
		b.Skip("this log cannot " + what)
	}
}

func half(b *bench) {
	b.need(b.Half != nil, "show half an entry")
	rev := b.put(set("catalog", 0, "c"))
	t := b.follow(rev, replica.Filter{})
	t.until(rev, view{})
	finish := b.Half(b.T, "customer/left", "customer/right")
	if e := t.document(); e.Key != "customer/left" || e.Whole {
		b.Fatalf("got %v, want the first half, not whole", show(e))
	}
	finish()
	for {
		e := t.step()
		if e.Key == "customer/right" && e.Whole {
			return
		}
		if e.Whole {
			b.Fatalf("%v is whole without the second half", show(e))
		}
	}
}

func cut(b *bench) {
	b.need(b.Cut != nil, "lose its connection")
	t := b.follow(0, replica.Filter{})
	v := view{}
	t.until(0, v)
	rev := uint64(0)
	for i := range 5 {
		rev = b.put(set("catalog", rev, strconv.Itoa(i)), set("customer/c"+strconv.Itoa(i), 0, "v"))
		b.Cut(b.T)
		b.reconnected()
	}
	t.until(rev, v)
	want := "map[catalog:4 customer/c0:v customer/c1:v customer/c2:v customer/c3:v customer/c4:v]"
	if fmt.Sprint(v) != want {
		b.Fatalf("got %v, want %v", v, want)
	}
}

// reconnected waits until the log answers again.
func (b *bench) reconnected() {
	b.Helper()
	for b.ctx.Err() == nil {
		if _, _, err := b.Log.Head(b.ctx); err == nil {
			return
		}
	}
	b.Fatal("the log does not answer any more")
}

func future(b *bench) {
	rev := b.put(set("catalog", 0, "c"))
	if got := b.follow(rev+1, replica.Filter{}).ends(); len(got) > 0 {
		b.Fatalf("it yielded %v", show(got[0]))
	}
}

func stranger(b *bench) {
	rev := b.put(set("catalog", 0, "c"))
	l, _ := b.head()
	for i := range 3 {
		other := l
		switch i {
		case 0:
			other.Log += "x"
		case 1:
			other.Created++
		case 2:
			other.Nonce += "x"
		}
		if got := b.followed(other, rev, replica.Filter{}).ends(); len(got) > 0 {
			b.Fatalf("it yielded %v", show(got[0]))
		}
	}
}

// loses writes, saves, writes more with a tail at the head, and restores.
func (b *bench) loses() *tail {
	b.need(b.Save != nil, "be rolled back")
	rev := b.put(set("catalog", 0, "c"))
	restore := b.Save(b.T)
	b.reconnected()
	t := b.follow(rev, replica.Filter{})
	newer := rev
	for i := range 5 {
		newer = b.put(set("customer/lost"+strconv.Itoa(i), 0, "x"))
	}
	t.until(newer, view{})
	restore()
	b.reconnected()
	return t
}

func rolledBack(b *bench) {
	t := b.loses()
	t.ends()
	b.holds("catalog", b.rev("catalog"), "c")
	if b.rev("customer/lost0") != 0 {
		b.Fatal("the log was not rolled back")
	}
}

func grownPast(b *bench) {
	t := b.loses()
	for i := range 9 {
		b.put(set("customer/other"+strconv.Itoa(i), 0, "y"))
	}
	for _, e := range t.ends() {
		if e.Key != "" {
			b.Fatalf("it yielded %v of another history", show(e))
		}
	}
}

func recreated(b *bench) {
	b.need(b.Recreate != nil, "be made anew")
	rev := b.put(set("catalog", 0, "c"))
	t := b.follow(rev, replica.Filter{})
	t.until(rev, view{})
	old, _ := b.head()
	b.Recreate(b.T)
	b.reconnected()
	for _, e := range t.ends() {
		if e.Key != "" {
			b.Fatalf("it yielded %v of another log", show(e))
		}
	}
	l, _, v := b.snapshot(replica.Filter{})
	if l == old || len(v) != 0 {
		b.Fatalf("lineage %+v with %v after it was made anew, before %+v", l, v, old)
	}
}

func recreatedRevisions(b *bench) {
	b.need(b.Recreate != nil, "be made anew")
	rev := b.put(set("catalog", 0, "c"))
	b.Recreate(b.T)
	b.reconnected()
	b.refused(replica.ErrConflict, set("catalog", rev, "x"))
	if newer := b.put(set("catalog", 0, "d")); newer <= rev {
		b.Fatalf("revision %d was given out before %d", newer, rev)
	}
}
