package vault

import (
	"os"
	"testing"
	"time"
)

// TestTenMillionKeys is the bound of Options.MaxMemories in full, clear and sealed: up to it every key is remembered,
// beyond it the oldest go, and opening again finds the same. It takes minutes and 2 GB of disk: SIDEGATE_VAULT_LARGE.
func TestTenMillionKeys(t *testing.T) {
	if os.Getenv("SIDEGATE_VAULT_LARGE") == "" {
		t.Skip("SIDEGATE_VAULT_LARGE is not set")
	}
	t.Run("clear", func(t *testing.T) { tenMillion(t, newDesk(t)) })
	t.Run("sealed", func(t *testing.T) { tenMillion(t, newDesk(t, sealed)) })
}

const (
	million    = 1_000_000
	bound      = 10 * million
	beyond     = million / 2
	slack      = bound/1024 + 1 // the oldest go in small steps
	everyOther = 997            // which of the keys are looked for
)

func tenMillion(t *testing.T, d *desk) {
	start := time.Now()
	d.remember(0, bound)
	took := time.Since(start)
	if n := d.v.Stats().Memories; n != bound {
		t.Fatalf("%d are remembered, want all", n)
	}
	d.remembers(0, bound)
	d.remember(bound, bound+beyond)
	if n := d.v.Stats().Memories; n < bound || n > bound+slack {
		t.Errorf("%d are remembered, want %d", n, bound)
	}
	d.remembers(beyond, bound+beyond)
	d.forgot(0, beyond-slack)
	start = time.Now()
	d.reopen()
	opened, s := time.Since(start), d.v.Stats()
	t.Logf("%.0f keys/s in commits of %d; %d MB of disk; opened in %.1f s; %.1f bytes of memory for each key",
		bound/took.Seconds(), perCommit, s.FileBytes/1e6, opened.Seconds(), float64(s.TableBytes)/float64(s.Memories))
	d.remembers(beyond, bound+beyond)
	d.forgot(0, beyond-slack)
}

// perCommit is how many keys are written at once.
const perCommit = 1000

// remember commits the keys of a range.
func (d *desk) remember(from, to int) {
	d.t.Helper()
	for ; from < to; from += perCommit {
		b := Batch{Memories: make([]Memory, perCommit)}
		for i := range b.Memories {
			b.Memories[i] = memoryOf(from+i, d.now)
		}
		if err := d.v.Commit(b); err != nil {
			d.t.Fatal(err)
		}
	}
}

// remembers wants the keys of a range to be known with their answers.
func (d *desk) remembers(from, to int) {
	d.t.Helper()
	for i := from; i < to; i += everyOther {
		want := memoryOf(i, d.now)
		got, found, err := d.v.Recall(want.Hash)
		if err != nil || !found || !sameMemory(got, want) {
			d.t.Fatalf("key %d: found %v, %v", i, found, err)
		}
	}
}

// forgot wants those of a range to be unknown.
func (d *desk) forgot(from, to int) {
	d.t.Helper()
	for i := from; i < to; i += everyOther {
		if _, found, err := d.v.Recall(memoryOf(i, d.now).Hash); err != nil || found {
			d.t.Fatalf("key %d: found %v, %v", i, found, err)
		}
	}
}
