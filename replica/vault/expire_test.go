package vault

import (
	"fmt"
	"testing"
	"time"
)

// settle commits nothing until nothing is left to drop.
func (d *desk) settle() {
	d.t.Helper()
	d.now = d.now.Add(1001 * time.Millisecond)
	for range 2000 {
		before := d.v.Stats()
		if err := d.v.Commit(Batch{}); err != nil {
			d.t.Fatal(err)
		}
		dropped := before.Memories - d.v.Stats().Memories
		if dropped > expireAtLeast {
			d.t.Fatalf("one commit dropped %d", dropped)
		}
		if d.v.Stats().Commits == before.Commits {
			return
		}
	}
	d.t.Fatal("there is always something to drop")
}

func TestAKeyIsRememberedForADay(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		d := newDesk(t, change...)
		start := d.now
		for n := range 200 { // two days of them
			d.now = start.Add(time.Duration(n) * 15 * time.Minute)
			d.commit(Batch{Memories: []Memory{memoryOf(2*n, d.now), memoryOf(2*n+1, d.now)}})
			if n%40 == 39 {
				d.settle()
				d.reopen()
				d.settle()
			}
			d.compareAges(start, n)
		}
		d.now = d.now.Add(25 * time.Hour)
		d.settle()
		if s := d.v.Stats(); s.Memories != 0 {
			t.Errorf("%d are left", s.Memories)
		}
		d.want = want0()
		d.commit(Batch{Memories: []Memory{memoryOf(9999, d.now)}})
		d.reopen()
		d.compare()
	})
}

// compareAges wants each of n memories, made every quarter of an hour, while it is young.
func (d *desk) compareAges(start time.Time, n int) {
	d.t.Helper()
	for k := range n + 1 {
		age := d.now.Sub(start.Add(time.Duration(k) * 15 * time.Minute))
		_, found, err := d.v.Recall(memoryOf(2*k, d.now).Hash)
		if err != nil || !found && age < 24*time.Hour || found && age > 25*time.Hour {
			d.t.Fatalf("step %d: after %v found %v, %v", n, age, found, err)
		}
	}
}

func TestTheNewestKeysAreRemembered(t *testing.T) {
	d := newDesk(t, func(o *Options) { o.MaxMemories = 5000 })
	for n := range 200 {
		var b Batch
		for i := range 100 {
			b.Memories = append(b.Memories, memoryOf(100*n+i, d.now))
		}
		d.commit(b)
		if s := d.v.Stats(); s.Memories > 5000+5000/1024+1 {
			t.Fatalf("%d are remembered", s.Memories)
		}
		for _, m := range d.memories[max(0, len(d.memories)-5000):] {
			if _, found, err := d.v.Recall(m.Hash); !found || err != nil {
				t.Fatalf("after %d: one of the last 5000 is forgotten, %v", len(d.memories), err)
			}
		}
	}
	d.memories = d.memories[len(d.memories)-5000:]
	d.compare()
	d.reopen()
	d.compare()
	if d.v.o.MaxMemories = 100; d.v.Stats().Memories < 5000 {
		t.Error("there is nothing to drop")
	}
	for range 100 { // a smaller limit is reached in small steps
		d.commit(Batch{})
	}
	if n := d.v.Stats().Memories; n != 100 {
		t.Errorf("%d are left", n)
	}
}

// A clock that was put far ahead and back again neither drops what is young nor stops dropping.
func TestAClockThatJumpsDropsNothingYoung(t *testing.T) {
	d := newDesk(t)
	d.commit(Batch{Memories: []Memory{memoryOf(1, d.now)}})
	right := d.now
	d.now = right.Add(-1000 * time.Hour)
	d.commit(Batch{Notes: map[string][]byte{"a": []byte("b")}})
	d.now = right.Add(time.Hour)
	d.commit(Batch{Memories: []Memory{memoryOf(2, d.now)}})
	d.compare()
	d.now = right.Add(365 * 24 * time.Hour)
	d.settle() // by this clock a year has passed
	d.now = right.Add(2 * time.Hour)
	d.want = want{d.accounts, d.notes, nil}
	d.commit(Batch{Memories: []Memory{memoryOf(3, d.now)}})
	d.compare()
	d.now = right.Add(27 * time.Hour)
	d.settle()
	if n := d.v.Stats().Memories; n != 0 {
		t.Errorf("%d are left", n)
	}
}

// The file has its size from the most that was in it at once, and not from what was ever written.
func TestTheFileDoesNotGrowWithoutEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of commits")
	}
	d := newDesk(t, func(o *Options) { o.Keep = time.Minute })
	n := 0
	for ; n < 2000; n++ {
		d.now = d.now.Add(time.Second)
		b := Batch{Accounts: map[string][]byte{}}
		for i := range 500 { // 1,000,000 writes of 5,000 accounts
			b.Accounts[fmt.Sprint((n*500+i*7)%5000)] = make([]byte, 200+(n+i)%200)
		}
		for i := range 100 { // 200,000 keys, of which 6,000 are kept
			b.Memories = append(b.Memories, memoryOf(n*100+i, d.now))
		}
		if err := d.v.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	s := d.v.Stats()
	t.Logf("%+v", s)
	if s.FileBytes > 16<<20 || s.Memories > 6500 || s.TableBytes > 24*6500 {
		t.Errorf("got %+v", s)
	}
	if err := d.v.Check(); err != nil {
		t.Error(err)
	}
}

// What the last commit dropped is not dropped once more with the accounts of a former holder.
func TestForgettingAFormerHolderDropsNoMemory(t *testing.T) {
	d := newDesk(t)
	for n := range 10 {
		d.commit(Batch{Memories: []Memory{memoryOf(n, d.now)}})
	}
	old := d.v.Identity().ID
	if _, err := d.v.Renew("a test"); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(25 * time.Hour)
	young := memoryOf(10, d.now)
	d.commit(Batch{Memories: []Memory{young}})
	if s := d.v.Stats(); s.Memories != 1 {
		t.Fatalf("%d are left; the test shows nothing", s.Memories)
	}
	if err := d.v.Forget(old); err != nil {
		t.Fatal(err)
	}
	if got, found, err := d.v.Recall(young.Hash); err != nil || !found || !sameMemory(got, young) {
		t.Errorf("got %+v, %v, %v", got, found, err)
	}
	if err := d.v.Check(); err != nil {
		t.Error(err)
	}
}
