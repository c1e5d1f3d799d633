package vault

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/sidegate/sidegate/replica"
)

// nowhere is where tests do not look.
func nowhere(string) {}

// newJournal is an empty one of some sectors.
func newJournal(t testing.TB, sectors int) *journal {
	t.Helper()
	path := filepath.Join(memoryDir(t), journalFile)
	n := journalName{[16]byte{4, 2}, sectors}
	if err := boundary(nowhere).makeJournal(path, n); err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(path, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.f.Close() })
	return j
}

// payloadOf is what a commit has; its length is anything up to some sectors.
func payloadOf(r *rand.Rand, commit uint64) []byte {
	return bytes.Repeat([]byte{byte(commit), byte(commit >> 8), 0}, r.IntN(700))
}

// A journal that goes round some times is read, after every commit, as it was written; with the last record torn in
// any way it has all but that one; and a bit that changed anywhere is damage.
func TestAJournalHasWhatWasWrittenOrIsDamaged(t *testing.T) {
	r, j := seeded(t), newJournal(t, 64)
	folded, torn, commits := uint64(0), 0, uint64(0)
	var want [][]byte
	for commits = 1; commits < 400; commits++ {
		payload := payloadOf(r, commits)
		if !j.fits(len(payload)) {
			folded, want = commits, nil // bbolt takes it, and all before
			j.rewind()
			j.isRead(t, folded, nil)
			continue
		}
		before, at := read(t, j.f.Name()), j.at
		if err := j.append(commits, payload, datasync, nowhere); err != nil {
			t.Fatal(err)
		}
		after := read(t, j.f.Name())
		for range 4 {
			if tear(r, j, at, before) {
				torn++
				j.isRead(t, folded, want)
			}
			j.put(t, after)
		}
		want = append(want, payload)
		j.isRead(t, folded, want)
		hurt := bytes.Clone(after)
		hurt[r.IntN(j.at*sectorSize)] ^= 1 << r.IntN(8)
		j.put(t, hurt)
		if got, err := j.read(folded); !isDamage(err) {
			t.Fatalf("commit %d: a bit has changed, and it has %d commits, %v", commits, len(got), err)
		}
		j.put(t, after)
	}
	if torn < 400 || folded == 0 {
		t.Errorf("only %d records were torn, the last fold was at %d", torn, folded)
	}
}

func (j *journal) put(t *testing.T, data []byte) {
	t.Helper()
	if _, err := j.f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
}

func (j *journal) isRead(t *testing.T, after uint64, want [][]byte) {
	t.Helper()
	got, err := j.read(after)
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("after %d: %d commits, %v, want %d", after, len(got), err, len(want))
	}
}

// tear puts some of the last record's sectors back to what they were; false: none.
func tear(r *rand.Rand, j *journal, at int, before []byte) (some bool) {
	for i := at; i < j.at; i++ {
		if r.IntN(2) == 0 {
			_, _ = j.f.WriteAt(before[i*sectorSize:][:sectorSize], int64(i)*sectorSize)
			some = true
		}
	}
	return some
}

// What no torn write leaves behind is damage, though every sector is whole.
func TestSectorsThatDoNotBelongTogetherAreDamage(t *testing.T) {
	for name, hurt := range map[string]func(j *journal, data []byte){
		"the first record was never written": func(_ *journal, data []byte) { clear(data[:2*sectorSize]) },
		"one in the middle is missing":       func(_ *journal, data []byte) { clear(data[2*sectorSize : 4*sectorSize]) },
		"a sector of one in the middle is missing": func(_ *journal, data []byte) {
			clear(data[3*sectorSize : 4*sectorSize])
		},
		"a sector stands in another place": func(_ *journal, data []byte) {
			copy(data[3*sectorSize:4*sectorSize], data[sectorSize:])
		},
		"it is another vault's": func(j *journal, _ []byte) { j.id[3]++ },
		"it is cut off":         func(j *journal, _ []byte) { _ = j.f.Truncate(5 * sectorSize) },
	} {
		j := newJournal(t, 8)
		for commit := range uint64(3) {
			if err := j.append(commit+11, make([]byte, 600), datasync, nowhere); err != nil {
				t.Fatal(err)
			}
		}
		j.isRead(t, 10, [][]byte{make([]byte, 600), make([]byte, 600), make([]byte, 600)})
		data := read(t, j.f.Name())
		hurt(j, data)
		if info, err := j.f.Stat(); err == nil && info.Size() == int64(len(data)) {
			j.put(t, data)
		}
		if got, err := j.read(10); !isDamage(err) {
			t.Errorf("%s: %d commits, %v", name, len(got), err)
		}
	}
}

// killed is a vault whose process was killed: some of what was committed is in the journal only, in one half or both.
// oldest is where its first record begins.
func killed(t *testing.T, both bool, change ...func(*Options)) (d *desk, files map[string][]byte, oldest int) {
	r, d := seeded(t), newDesk(t, change...)
	n := 0
	for last, inHalf := -1, 0; n < 10 || inHalf < 3; n++ {
		d.commit(randomBatch(r, n, d.now))
		if inHalf++; d.v.log.half != last {
			last, inHalf = d.v.log.half, 1
		}
	}
	if err := d.v.settle(); err != nil {
		t.Fatal(err)
	}
	d.idle()
	half := d.v.log.half
	d.v.commit = func(tx *bbolt.Tx) error {
		return errors.Join(&os.PathError{Op: "write", Err: syscall.ENOSPC}, tx.Rollback())
	}
	for ; both && d.v.log.half == half; n++ {
		d.commit(randomBatch(r, n, d.now))
	}
	if err := d.v.Check(); err != nil {
		t.Error(err)
	}
	files = filesOf(t, d.o.Dir)
	d.close()
	fresh(t, d.o.Dir, files)
	return d, files, half * d.v.log.size / 2 * sectorSize
}

func TestAKilledVaultHasWhatItsJournalHas(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		for _, both := range []bool{true, false} {
			d, _, _ := killed(t, both, change...)
			d.reopen2()
			d.compare()
			d.commit(Batch{Accounts: map[string][]byte{"later": []byte("1")}})
			d.reopen()
			d.compare()
		}
	})
}

func TestAKilledVaultIsRewrittenUnderAnotherKey(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		d, _, _ := killed(t, true, change...)
		d.o.OldKey, d.o.Key, d.o.Rekey = d.o.Key, bytes.Repeat([]byte("9z"), 16), true
		d.reopen2()
		d.compare()
		if log := read(t, filepath.Join(d.o.Dir, journalFile)); !bytes.Equal(log, make([]byte, len(log))) {
			t.Error("the journal shows what was in it before the vault had this key")
		}
	})
}

// reopen2 opens a vault that was closed by force.
func (d *desk) reopen2() {
	d.t.Helper()
	d.open()
	if loss, ok := d.v.Lost(); ok {
		d.t.Fatalf("lost: %+v", loss)
	}
}

// A journal that is damaged, missing, another vault's or that of another time loses the vault. It is kept beside it.
func TestADamagedJournalLosesTheVault(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		d, files, oldest := killed(t, true, change...)
		_, other, _ := killed(t, true, change...)
		good := files[journalFile]
		for name, hurt := range map[string]func([]byte) []byte{
			"it is gone":      func([]byte) []byte { return nil },
			"it is empty":     func([]byte) []byte { return []byte{} },
			"it is another's": func([]byte) []byte { return other[journalFile] },
			"a bit":           func(b []byte) []byte { b[4000] ^= 4; return b },
			"its first record is missing": func(b []byte) []byte {
				clear(b[oldest:][:sectorSize])
				return b
			},
			"the older half is missing": func(b []byte) []byte { clear(b[oldest:][:len(b)/2]); return b },
		} {
			bad := hurt(bytes.Clone(good))
			fresh(t, d.o.Dir, files)
			path := filepath.Join(d.o.Dir, journalFile)
			err := os.WriteFile(path, bad, 0o600)
			if bad == nil {
				err = os.Remove(path)
			}
			lost, err2 := d.judge(files[dataFile])
			if err := errors.Join(err, err2); !lost || err != nil {
				t.Errorf("%s: lost %v, %v", name, lost, err)
			}
			kept, _ := filepath.Glob(filepath.Join(d.o.Dir, dataFile+asideMark+"*.log"))
			if (len(kept) == 1) != (bad != nil) || bad != nil && !bytes.Equal(read(t, kept[0]), bad) {
				t.Errorf("%s: kept %v", name, kept)
			}
		}
	})
}

// A write that the journal has no room for is refused, and what comes after it is written by bbolt. One that fails, and
// a sync that fails, break the vault.
func TestAJournalThatCannotBeWritten(t *testing.T) {
	d := newDesk(t)
	d.commit(Batch{Accounts: map[string][]byte{"a": []byte("1")}, Memories: []Memory{memoryOf(1, d.now)}})
	one := Batch{Accounts: map[string][]byte{"a": []byte("2")}}
	good := d.v.log.f
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.v.log.f = full
	if err := d.v.Commit(one); !errors.Is(err, replica.ErrNoSpace) || errors.Is(err, ErrBroken) {
		t.Errorf("a full disk: got %v", err)
	}
	d.v.log.f = good
	d.compare()
	d.commit(Batch{Accounts: map[string][]byte{"b": []byte("1")}})
	if d.v.log.at != 0 {
		t.Error("after half a record another one was written")
	}
	d.commit(Batch{Accounts: map[string][]byte{"a": []byte("3")}})
	d.reopen()
	d.compare()
	for name, fail := range map[string]func(){
		"a sync": func() { d.v.sync = func(*os.File) error { return syscall.EIO } },
		"a sync that finds the disk full": func() {
			d.v.sync = func(*os.File) error { return syscall.ENOSPC }
		},
		"a write": func() { _ = d.v.log.f.Close() },
	} {
		d.commit(Batch{Notes: map[string][]byte{"n": []byte(name)}}) // the first one looks for memories to drop
		fail()
		for n := range 2 { // of the first it is not known whether it is there; the second was not tried
			if got := d.v.Commit(one); !errors.Is(got, ErrBroken) || errors.Is(got, replica.ErrNoSpace) ||
				errors.Is(got, replica.ErrUnknown) != (n == 0) {
				t.Errorf("%s: got %v", name, got)
			}
		}
		if _, _, err := d.v.Recall(memoryOf(1, d.now).Hash); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: a read: %v", name, err)
		}
		_ = d.v.Close()
		d.reopen2()
		d.accounts["a"] = value(t, d.v, "a") // it is there or not; the rest is
		d.compare()
	}
}

func value(t *testing.T, v *Vault, key string) string {
	t.Helper()
	got, err := v.Account(key)
	if s := string(got); err != nil || s != "2" && s != "3" {
		t.Errorf("got %q, %v", got, err)
	}
	return string(got)
}

// What writes into bbolt itself comes after the half that bbolt is to take: else that one would bring old values back.
func TestBboltTakesCommitsInTheirOrder(t *testing.T) {
	slow, yields := make(chan struct{}), 100_000
	slowly := func(where string) {
		if where != "a half of the journal is full" {
			return
		}
		close(slow)
		for range yields { // a renewal that does not wait is done meanwhile
			runtime.Gosched()
		}
	}
	r, d := seeded(t), newDesk(t, func(o *Options) { o.reached = slowly })
	for n := 0; d.v.log.half == 0; n++ {
		d.commit(randomBatch(r, n, d.now))
	}
	<-slow
	d.o.reached = nil
	if _, err := d.v.Renew("meanwhile"); err != nil {
		t.Fatal(err)
	}
	d.accounts = map[string]string{}
	d.commit(Batch{Accounts: map[string][]byte{"a": []byte("1")}})
	d.compare()
	d.reopen()
	d.compare()
}

// Garbage in a payload is an error and not a crash.
func FuzzEntries(f *testing.F) {
	f.Add(appendEntry(appendEntry(nil, entry{place{"a", "k"}, []byte("v")}), entry{place{"n", ""}, nil}))
	f.Add([]byte{1, 'a', 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		list, err := entriesOf(payload)
		if err != nil {
			return
		}
		var again []byte
		for _, e := range list {
			again = appendEntry(again, e)
		}
		if same, err := entriesOf(again); err != nil || fmt.Sprint(same) != fmt.Sprint(list) {
			t.Errorf("%v is read again as %v, %v", list, same, err)
		}
	})
}
