package vault

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/sidegate/sidegate/replica"
)

const childDir = "SIDEGATE_VAULT_CHILD"

// The child commits batch after batch and says so, until it is killed. Batch n sets every account to n, adds a memory
// for it, and now and then renews the holder.
func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		commitForEver(t, dir)
		return
	}
	r := seeded(t)
	d := newDesk(t, sealed, func(o *Options) { o.Dir = filepath.Join(t.TempDir(), "vault") })
	d.close()
	acknowledged, seen := 0, 0
	for round := range 36 {
		last := runAndKill(t, d.o.Dir, 1+r.IntN(60), time.Duration(r.IntN(4000))*time.Microsecond)
		acknowledged = max(acknowledged, last)
		d.open()
		if loss, lost := d.v.Lost(); lost {
			t.Fatalf("round %d: lost, %+v", round, loss)
		}
		seen = d.batchSeen()
		if seen < acknowledged || seen > acknowledged+1 {
			t.Fatalf("round %d: %d is there, %d was acknowledged", round, seen, acknowledged)
		}
		if err := d.v.Check(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for n := max(1, seen-3000); n <= seen; n++ {
			m := memoryOf(n, d.now)
			if got, found, err := d.v.Recall(m.Hash); !found || err != nil || !sameMemory(got, m) {
				t.Fatalf("round %d: memory %d of %d is %v, %v", round, n, seen, found, err)
			}
		}
		if _, found, _ := d.v.Recall(memoryOf(seen+1, d.now).Hash); found {
			t.Fatalf("round %d: a memory of batch %d, and nothing else of it", round, seen+1)
		}
		acknowledged = seen
		d.close()
	}
	t.Logf("%d batches", seen)
}

// batchSeen is the batch that all accounts are of. The notes outlive a renewal.
func (d *desk) batchSeen() int {
	d.t.Helper()
	text, err := d.v.Note("last")
	if err != nil {
		d.t.Fatal(err)
	}
	if text == nil {
		return 0
	}
	n := 0
	err = d.v.Accounts(d.v.Identity().ID, func(k string, value []byte) error {
		if n++; string(value) != string(text) {
			return fmt.Errorf("account %s is of batch %s, the note of %s", k, value, text)
		}
		return nil
	})
	last, err2 := strconv.Atoi(string(text))
	if err := errors.Join(err, err2); err != nil || n != 20 && n != 0 {
		d.t.Fatalf("%d accounts, %v", n, err)
	}
	return last
}

func runAndKill(t *testing.T, dir string, lines int, wait time.Duration) (last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=TestWhatWasAcknowledgedSurvivesAKill")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for range lines {
		if !said.Scan() {
			t.Fatalf("the child ended: %v", said.Err())
		}
		if last, err = strconv.Atoi(said.Text()); err != nil {
			t.Fatalf("the child said %q", said.Text())
		}
	}
	kill := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	for said.Scan() { // what it said before it died was acknowledged too
		if n, err := strconv.Atoi(said.Text()); err == nil {
			last = n
		}
	}
	_ = cmd.Wait()
	return last
}

func commitForEver(t *testing.T, dir string) {
	d := &desk{t: t, now: time.UnixMilli(1_800_000_000_000)}
	d.o = Options{Dir: dir, Now: func() time.Time { return d.now }, journal: 64 << 10}
	sealed(&d.o)
	d.open()
	text, _ := d.v.Note("last")
	n, _ := strconv.Atoi(string(text))
	for n++; ; n++ {
		b := Batch{Accounts: map[string][]byte{}, Notes: map[string][]byte{"last": fmt.Append(nil, n)},
			Memories: []Memory{memoryOf(n, d.now)}}
		for i := range 20 {
			b.Accounts[fmt.Sprint("account-", i)] = fmt.Append(nil, n)
		}
		err := d.v.Commit(b)
		if err == nil && n%50 == 0 {
			_, err = d.v.Renew("again")
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stdout.WriteString(strconv.Itoa(n) + "\n"); err != nil {
			return
		}
	}
}

func TestNothingIsWrittenToADiskThatIsNearlyFull(t *testing.T) {
	d := newDesk(t)
	d.commit(Batch{Accounts: map[string][]byte{"a": []byte("1")}})
	free := uint64(63 << 20)
	d.v.o.Free = func(string) (uint64, error) { return free, nil }
	before := filesOf(t, d.o.Dir)
	id := d.v.Identity().ID
	_, err := d.v.Renew("full")
	for _, err := range []error{err, d.v.Commit(Batch{Accounts: map[string][]byte{"a": []byte("2")}})} {
		if !errors.Is(err, replica.ErrNoSpace) || errors.Is(err, ErrBroken) {
			t.Errorf("got %v", err)
		}
	}
	if after := filesOf(t, d.o.Dir); !maps.EqualFunc(before, after, bytes.Equal) || d.v.Identity().ID != id {
		t.Error("something was written")
	}
	d.compare()
	free = 64 << 20
	d.commit(Batch{Accounts: map[string][]byte{"a": []byte("3")}})
	// what is there can be read on a full disk, also by a new process; a first vault is not begun on one
	d.o.Free = func(string) (uint64, error) { return 0, nil }
	d.reopen()
	d.compare()
	d.o.Dir += "2"
	if _, err := Open(d.o); !errors.Is(err, replica.ErrNoSpace) {
		t.Errorf("a new one: got %v", err)
	}
}

// A write in the middle finds the disk full, of a real file system.
func TestAFullDiskLeavesTheVaultAsItWas(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	d := newDesk(t, func(o *Options) { o.Dir, o.MinFree = filepath.Join(dir, "v"), 1 })
	n, refused := 0, 0
	fill := func(most int) bool {
		for ; most > 0 && d.commitIfThereIsRoom(n); most-- {
			n++
		}
		if most > 0 {
			refused++
		}
		return most == 0
	}
	if fill(1000) {
		t.Fatal("the disk never filled up")
	}
	fill(1)
	d.compare()
	ballast := filepath.Join(dir, "ballast")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	if !fill(10) { // there is room again, and the same process goes on
		t.Fatal("refused with room")
	}
	if err := os.WriteFile(ballast, make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	fill(1000)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	d.reopen()
	d.compare()
	t.Logf("%d batches, refused %d times", n, refused)
}

// commitIfThereIsRoom writes 30 accounts, or sees that nothing is written.
func (d *desk) commitIfThereIsRoom(n int) bool {
	d.t.Helper()
	b := Batch{Accounts: map[string][]byte{}}
	for i := range 30 {
		b.Accounts[fmt.Sprintf("%d/%d", n, i)] = make([]byte, 1000)
	}
	err := d.v.Commit(b)
	if err == nil {
		d.note(b)
		return true
	}
	if !errors.Is(err, replica.ErrNoSpace) || errors.Is(err, ErrBroken) {
		d.t.Fatalf("batch %d: %v", n, err)
	}
	d.compare()
	return false
}

// smallDisk mounts one, which only root may.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(size)); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// After a sync that failed the kernel may have dropped the pages: asked again, it would say that all is well.
func TestAFailedSyncBreaksTheVault(t *testing.T) {
	d := newDesk(t)
	d.commit(Batch{Accounts: map[string][]byte{"a": []byte("1")}, Memories: []Memory{memoryOf(1, d.now)}})
	for name, err := range map[string]error{"a sync": syscall.EIO, "a full disk found by a sync": syscall.ENOSPC,
		"a write":                         &os.PathError{Op: "write", Err: syscall.EIO},
		"another sync that finds it full": &os.PathError{Op: "sync", Err: syscall.ENOSPC}} {
		var tries int
		d.v.log.torn = true // so that it is bbolt that is to take it
		d.v.commit = func(tx *bbolt.Tx) error { tries++; _ = tx.Rollback(); return err }
		for n := range 2 {
			if got := d.v.Commit(Batch{Accounts: map[string][]byte{"a": []byte("2")}}); !errors.Is(got, ErrBroken) ||
				errors.Is(got, replica.ErrNoSpace) || errors.Is(got, replica.ErrUnknown) != (n == 0) {
				t.Errorf("%s: got %v", name, got)
			}
		}
		if _, _, err := d.v.Recall(memoryOf(1, d.now).Hash); !errors.Is(err, ErrBroken) || tries != 1 {
			t.Errorf("%s: a read after %d tries: %v", name, tries, err)
		}
		d.reopen()
		d.compare()
	}
}

func TestAPanicOfBboltIsContained(t *testing.T) {
	d := newDesk(t)
	d.v.log.torn = true
	d.v.commit = func(*bbolt.Tx) error { panic("page 7 already freed") }
	if err := d.v.Commit(Batch{Notes: map[string][]byte{"a": nil}}); !errors.Is(err, ErrBroken) ||
		!strings.Contains(err.Error(), "already freed") {
		t.Errorf("got %v", err)
	}
	d.reopen() // and it does not wait for the lock that the panic left
	d.compare()
}
