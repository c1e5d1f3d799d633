package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A desk is a vault's directory with a clock of its own, and what should be in it.
type desk struct {
	t    testing.TB
	o    Options
	v    *Vault
	now  time.Time
	idle func() // ends what the vault does by itself
	want
}

// want is what a vault should hold.
type want struct {
	accounts, notes map[string]string
	memories        []Memory // in the order in which they were committed
}

func (w want) clone() want {
	return want{maps.Clone(w.accounts), maps.Clone(w.notes), slices.Clone(w.memories)}
}

func newDesk(t testing.TB, change ...func(*Options)) *desk {
	t.Helper()
	d := &desk{t: t, now: time.UnixMilli(1_800_000_000_000)}
	d.want = want{map[string]string{}, map[string]string{}, nil}
	d.o = Options{Dir: filepath.Join(memoryDir(t), "vault"), Now: func() time.Time { return d.now }, journal: 64 << 10}
	for _, f := range change {
		f(&d.o)
	}
	d.open()
	return d
}

func (d *desk) open() {
	d.t.Helper()
	v, err := Open(d.o)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	d.v, d.idle = v, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Error(err)
		}
	})
	d.t.Cleanup(func() {
		d.idle()
		_ = v.Close()
	})
}

func (d *desk) close() {
	d.t.Helper()
	d.idle()
	if err := d.v.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) reopen() {
	d.t.Helper()
	d.close()
	d.open()
	if loss, ok := d.v.Lost(); ok {
		d.t.Fatalf("lost: %+v", loss)
	}
}

// commit writes a batch, and notes what should be there.
func (d *desk) commit(b Batch) {
	d.t.Helper()
	if err := d.v.Commit(b); err != nil {
		d.t.Fatal(err)
	}
	d.note(b)
}

func (d *desk) note(b Batch) {
	for to, from := range map[*map[string]string]map[string][]byte{&d.accounts: b.Accounts, &d.notes: b.Notes} {
		for k, value := range from {
			if (*to)[k] = string(value); value == nil {
				delete(*to, k)
			}
		}
	}
	d.memories = append(d.memories, b.Memories...)
}

func memoryOf(n int, at time.Time) Memory {
	return Memory{Hash: HashOf(fmt.Appendf(nil, "key-%d", n)), Payload: HashOf(fmt.Appendf(nil, "payload-%d", n)),
		Answer: fmt.Appendf(nil, `{"allowed":true,"remaining":%d}`, n), At: at.UnixMilli()}
}

func sameMemory(a, b Memory) bool {
	return a.Hash == b.Hash && a.Payload == b.Payload && a.At == b.At && bytes.Equal(a.Answer, b.Answer)
}

// difference says how a vault is not what it should be; empty: it is.
func difference(v *Vault, w want) string {
	got := map[string]string{}
	err := v.Accounts(v.Identity().ID, func(k string, value []byte) error { got[k] = string(value); return nil })
	if err != nil || !maps.Equal(got, w.accounts) {
		return fmt.Sprintf("%d accounts, %v, want %d", len(got), err, len(w.accounts))
	}
	for k := range w.accounts {
		if value, err := v.Account(k); err != nil || string(value) != w.accounts[k] {
			return fmt.Sprintf("account %q is %q, %v", k, value, err)
		}
	}
	for k := range w.notes {
		if value, err := v.Note(k); err != nil || string(value) != w.notes[k] {
			return fmt.Sprintf("note %q is %q, %v", k, value, err)
		}
	}
	for _, m := range w.memories {
		if got, found, err := v.Recall(m.Hash); err != nil || !found || !sameMemory(got, m) {
			return fmt.Sprintf("memory %x is %v %+v, %v", m.Hash[:4], found, got, err)
		}
	}
	return ""
}

func (d *desk) compare() {
	d.t.Helper()
	if err := d.v.Check(); err != nil {
		d.t.Errorf("check: %v", err)
	}
	if diff := difference(d.v, d.want); diff != "" {
		d.t.Error(diff)
	}
}

// memoryDir is a directory where a sync costs nothing; where there is none, the usual one.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "vault")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func sealed(o *Options) { o.Key = bytes.Repeat([]byte("k7"), 16) }

// modes are the two ways in which a vault is kept.
func modes(t *testing.T, test func(t *testing.T, change ...func(*Options))) {
	t.Run("in the clear", func(t *testing.T) { test(t) })
	t.Run("encrypted", func(t *testing.T) { test(t, sealed) })
}

// randomBatch changes some of 300 accounts and 20 notes, deletes some, and remembers some keys.
func randomBatch(r *rand.Rand, n int, at time.Time) Batch {
	b := Batch{Accounts: map[string][]byte{}, Notes: map[string][]byte{}}
	value := func() []byte {
		if r.IntN(5) == 0 {
			return nil
		}
		return bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(600))
	}
	for range r.IntN(40) {
		b.Accounts[fmt.Sprintf("acme/%d/%s", r.IntN(300), strings.Repeat("k", r.IntN(100)))] = value()
	}
	for range r.IntN(3) {
		b.Notes[fmt.Sprint(r.IntN(20))] = value()
	}
	for i := range r.IntN(40) {
		b.Memories = append(b.Memories, memoryOf(1000*n+i, at))
	}
	return b
}

func seeded(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestWhatIsCommittedIsThereAfterwards(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		r, d := seeded(t), newDesk(t, change...)
		for n := range 120 {
			d.commit(randomBatch(r, n, d.now))
			if r.IntN(12) == 0 {
				d.reopen()
			}
			if r.IntN(6) == 0 {
				d.compare()
			}
		}
		d.reopen()
		d.compare()
		if _, found, err := d.v.Recall(HashOf([]byte("never"))); found || err != nil {
			t.Errorf("a key that was never used: got %v, %v", found, err)
		}
		if value, err := d.v.Account("never"); value != nil || err != nil {
			t.Errorf("an account that never was: got %q, %v", value, err)
		}
	})
}

func TestAnEmptyValueIsOne(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		d := newDesk(t, change...)
		d.commit(Batch{Accounts: map[string][]byte{"a": {}, "b": []byte("x")}})
		d.commit(Batch{Accounts: map[string][]byte{"b": nil, "never": nil}})
		d.reopen()
		if value, err := d.v.Account("a"); value == nil || len(value) != 0 || err != nil {
			t.Errorf("got %v, %v", value, err)
		}
		d.compare()
	})
}

func TestAnAnswerGivenTwiceIsTheLaterOne(t *testing.T) {
	d := newDesk(t)
	old, later := memoryOf(1, d.now), memoryOf(1, d.now.Add(time.Second))
	later.Answer = []byte("later")
	d.commit(Batch{Memories: []Memory{old}})
	d.commit(Batch{Memories: []Memory{later}})
	for range 2 {
		if got, _, err := d.v.Recall(old.Hash); err != nil || !sameMemory(got, later) {
			t.Errorf("got %+v, %v", got, err)
		}
		d.reopen()
	}
}

func TestWhatDoesNotFitIsRefusedWhole(t *testing.T) {
	d := newDesk(t)
	long := strings.Repeat("k", MaxKey+1)
	for name, b := range map[string]Batch{
		"an empty key": {Accounts: map[string][]byte{"": nil}},
		"a long key":   {Notes: map[string][]byte{long: []byte("x")}},
		"a long value": {Accounts: map[string][]byte{"a": make([]byte, MaxValue+1)}},
		"a long answer": {Accounts: map[string][]byte{"good": []byte("x")},
			Memories: []Memory{{Answer: make([]byte, MaxAnswer+1)}}},
	} {
		if err := d.v.Commit(b); err == nil || errors.Is(err, ErrBroken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	d.compare()
	d.commit(Batch{Accounts: map[string][]byte{long[1:]: make([]byte, MaxValue)},
		Memories: []Memory{{Answer: make([]byte, MaxAnswer), At: d.now.UnixMilli()}}})
	d.reopen()
	d.compare()
}

func TestEveryOpenIsAnIncarnation(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		d := newDesk(t, change...)
		first := d.v.Identity()
		if signed := ed25519.Sign(first.Private, []byte("m")); !ed25519.Verify(first.Public, []byte("m"), signed) {
			t.Error("the keys do not belong together")
		}
		nonces := map[[16]byte]bool{first.Nonce: true}
		for n := range uint64(5) {
			d.reopen()
			id := d.v.Identity()
			if id.ID != first.ID || !id.Public.Equal(first.Public) || id.Incarnation != first.Incarnation+n+1 {
				t.Errorf("got %s %d, want %s %d", id.ID, id.Incarnation, first.ID, first.Incarnation+n+1)
			}
			nonces[id.Nonce] = true
		}
		if len(nonces) != 6 {
			t.Errorf("%d different nonces of 6", len(nonces))
		}
	})
}

func TestTwoProcessesDoNotShareAVault(t *testing.T) {
	d := newDesk(t)
	if _, err := Open(d.o); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v", err)
	}
	d.commit(Batch{Notes: map[string][]byte{"a": []byte("b")}})
	d.reopen()
	d.compare()
}

func TestAccountsMayBeChangedWhileTheyAreRead(t *testing.T) {
	d := newDesk(t)
	b := Batch{Accounts: map[string][]byte{}}
	for i := range 1000 {
		b.Accounts[fmt.Sprintf("%04d", i)] = []byte("old")
	}
	d.commit(b)
	n := 0
	err := d.v.Accounts(d.v.Identity().ID, func(k string, _ []byte) error {
		n++
		return d.v.Commit(Batch{Accounts: map[string][]byte{k: nil}})
	})
	if err != nil || n != 1000 || d.v.Stats().Accounts != 0 {
		t.Errorf("read %d, %v, %d are left", n, err, d.v.Stats().Accounts)
	}
	stop := errors.New("stop")
	d.commit(b)
	if err := d.v.Accounts(d.v.Identity().ID, func(string, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	d.compare()
}

func TestAClosedVaultRefuses(t *testing.T) {
	d := newDesk(t)
	d.close()
	_, _, err := d.v.Recall(Hash{})
	_, err2 := d.v.Account("a")
	_, err3 := d.v.Renew("")
	for n, err := range []error{err, err2, err3, d.v.Commit(Batch{}), d.v.Check()} {
		if !errors.Is(err, ErrBroken) {
			t.Errorf("%d: got %v", n, err)
		}
	}
	if err := d.v.Close(); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	for name, o := range map[string]Options{
		"no clock":     {Dir: dir},
		"no directory": {Now: time.Now},
		"a short key":  {Dir: dir, Now: time.Now, Key: []byte("short")},
	} {
		if _, err := Open(o); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a directory was made")
	}
	d := newDesk(t)
	if o := d.v.o; o.Keep != 24*time.Hour || o.MaxMemories != 10_000_000 {
		t.Errorf("by default memories are kept for %v and %d of them, want 24 h and 10,000,000", o.Keep, o.MaxMemories)
	}
}
