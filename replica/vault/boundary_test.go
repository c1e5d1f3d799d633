package vault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Environment of a child that lives a vault's life and is killed at the n-th boundary; 0: it is not.
const (
	lifeDir  = "SIDEGATE_VAULT_LIFE"
	lifeEnds = "SIDEGATE_VAULT_LIFE_ENDS"
)

// TestAVaultThatIsKilledAtAnyBoundaryHasWhatItAcknowledged counts the boundaries between what is durable and what is
// not that a vault's life goes over, and then kills a process at each with kill -9: a first life, and one that begins
// with the journal of a process that was killed. Whoever opens the vault finds what was acknowledged, and goes on.
func TestAVaultThatIsKilledAtAnyBoundaryHasWhatItAcknowledged(t *testing.T) {
	if dir := os.Getenv(lifeDir); dir != "" {
		w := walker{}
		w.ends, _ = strconv.Atoi(os.Getenv(lifeEnds))
		life(t, dir, &w)
		fmt.Println("boundaries:", w.passed)
		return
	}
	dir := filepath.Join(memoryDir(t), "life")
	n := killAtEach(t, dir, nil)
	live(t, dir, 2*n/3)
	image := filesOf(t, dir)
	again := killAtEach(t, dir, image)
	t.Logf("%d boundaries, and %d with a journal to be read", n, again)
	if n < 100 || again < 100 {
		t.Error("that is few")
	}
}

// A walker goes over boundaries, and is killed at one of them.
type walker struct{ passed, ends int }

func (w *walker) reached(where string) {
	if w.passed++; w.passed == w.ends {
		fmt.Println("killed:", where)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// killAtEach lives as often as there are boundaries, each time with these files at first, and answers how many.
func killAtEach(t *testing.T, dir string, image map[string][]byte) (boundaries int) {
	t.Helper()
	least := 0
	if image != nil {
		fresh(t, dir, image)
		v, err := Open(lifeOptions(dir))
		if err != nil {
			t.Fatal(err)
		}
		least = seenIn(t, v)
		_ = v.Close()
	}
	for n := 0; n <= boundaries; n++ {
		fresh(t, dir, image)
		said := live(t, dir, n)
		if _, count, ok := strings.Cut(said, "boundaries: "); ok && n == 0 {
			_, _ = fmt.Sscan(count, &boundaries)
		}
		if err := outlived(t, dir, max(least, lastSaid(said))); err != nil {
			t.Errorf("SIDEGATE_VAULT_LIFE_ENDS=%d: %v\n%s", n, err, said)
		}
	}
	return boundaries
}

// live runs a child, and answers what it said.
func live(t *testing.T, dir string, ends int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAVaultThatIsKilledAtAnyBoundaryHasWhatItAcknowledged$")
	cmd.Env = append(os.Environ(), lifeDir+"="+dir, lifeEnds+"="+strconv.Itoa(ends))
	out, err := cmd.CombinedOutput()
	var died *exec.ExitError
	if err != nil && (!errors.As(err, &died) || died.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
		t.Fatalf("the child: %v\n%s", err, out)
	}
	return string(out)
}

// lastSaid is the last batch that was acknowledged.
func lastSaid(said string) (n int) {
	if at := strings.LastIndex(said, "said: "); at >= 0 {
		_, _ = fmt.Sscan(said[at+len("said: "):], &n)
	}
	return n
}

// lifeTime is when a batch is committed.
func lifeTime(n int) time.Time {
	return time.UnixMilli(1_800_000_000_000).Add(time.Duration(n) * 3 * time.Second)
}

// lifeOptions are those of a vault with a journal that is soon full, in which memories are soon old.
func lifeOptions(dir string) Options {
	o := Options{Dir: dir, Now: func() time.Time { return lifeTime(0) }, Keep: time.Minute, journal: 12 << 10}
	sealed(&o)
	return o
}

// lifeBatch sets every account to n, and adds a memory for it.
func lifeBatch(n int) Batch {
	text := fmt.Append(nil, n)
	b := Batch{Accounts: map[string][]byte{}, Notes: map[string][]byte{"last": text},
		Memories: []Memory{memoryOf(n, lifeTime(n))}}
	for i := range 10 {
		b.Accounts[fmt.Sprint("account-", i)] = text
	}
	return b
}

// life opens, commits, renews, forgets and closes, twice.
func life(t *testing.T, dir string, w *walker) {
	o := lifeOptions(dir)
	o.reached = w.reached
	for range 2 {
		v, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		n := seenIn(t, v)
		for range 16 {
			n++
			v.o.Now = func() time.Time { return lifeTime(n) }
			if err := v.Commit(lifeBatch(n)); err != nil {
				t.Fatal(err)
			}
			fmt.Println("said:", n)
			if n%7 == 0 {
				renewAndForget(t, v)
			}
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func renewAndForget(t *testing.T, v *Vault) {
	t.Helper()
	_, err := v.Renew("again")
	if f := v.Formers(); err == nil && len(f) > 1 {
		err = v.Forget(f[0].ID)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// seenIn is the batch that a vault has seen last.
func seenIn(t *testing.T, v *Vault) (n int) {
	t.Helper()
	text, err := v.Note("last")
	if err != nil {
		t.Fatal(err)
	}
	if text != nil {
		_, err = fmt.Sscan(string(text), &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// outlived opens a vault after its process was killed: it has all of the last batch that was acknowledged, or of the
// next, and goes on.
func outlived(t *testing.T, dir string, acknowledged int) error {
	t.Helper()
	v, err := Open(lifeOptions(dir))
	if err != nil {
		return err
	}
	defer v.Close()
	n := seenIn(t, v)
	if loss, lost := v.Lost(); lost || n != acknowledged && n != acknowledged+1 {
		return fmt.Errorf("lost %v, %+v; batch %d is there, %d was acknowledged", lost, loss, n, acknowledged)
	}
	if err := v.Accounts(v.Identity().ID, func(k string, value []byte) error {
		if string(value) != strconv.Itoa(n) {
			return fmt.Errorf("%s is of batch %s", k, value)
		}
		return nil
	}); err != nil {
		return err
	}
	for i := max(1, n-15); i <= n; i++ {
		want := memoryOf(i, lifeTime(i))
		if m, found, err := v.Recall(want.Hash); !found || err != nil || !sameMemory(m, want) {
			return fmt.Errorf("memory %d of %d is %v, %v", i, n, found, err)
		}
	}
	return errors.Join(v.Check(), v.Commit(lifeBatch(n+1)), v.Check())
}
