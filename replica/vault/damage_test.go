package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// filled is a closed vault with deep trees, free pages, notes, and a former holder.
func filled(t *testing.T, change ...func(*Options)) *desk {
	r, d := seeded(t), newDesk(t, change...)
	for n := range 3 {
		d.commit(randomBatch(r, n, d.now))
	}
	if _, err := d.v.Renew("before"); err != nil {
		t.Fatal(err)
	}
	d.accounts = map[string]string{}
	for n := range 40 {
		d.commit(randomBatch(r, 10+n, d.now))
	}
	d.close()
	return d
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// filesOf are those of a vault that is closed, or was killed.
func filesOf(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{dataFile, journalFile, holderFile} {
		files[name] = read(t, filepath.Join(dir, name))
	}
	return files
}

// fresh makes a directory with these files.
func fresh(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700))
	for name, data := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// judge opens a damaged vault: all of it is there and can be written on, or it is lost, by name and file. It tells
// which.
func (d *desk) judge(data []byte) (lost bool, err error) {
	id := marker{}
	if m, err := decodeMarker(mustRead(d.o.Dir, holderFile)); err == nil {
		id = m
	}
	v, err := Open(d.o)
	if err != nil {
		return false, err
	}
	defer v.Close()
	loss, lost := v.Lost()
	w := d.want
	if lost {
		kept, err := os.ReadFile(loss.KeptIn)
		if loss.ID != id.id || err != nil || !bytes.Equal(kept, data) {
			return true, fmt.Errorf("it says %+v of %s, and keeps %d bytes of %d, %w", loss, id.id, len(kept), len(data), err)
		}
		if f := v.Formers(); len(f) != 1 || f[0].ID != id.id || !f[0].Lost || v.Identity().ID == id.id {
			return true, fmt.Errorf("the new holder knows %+v of %s", f, id.id)
		}
		w = want{map[string]string{}, map[string]string{}, nil}
	}
	err = v.Commit(Batch{Accounts: map[string][]byte{"zz": []byte("new")}, Memories: []Memory{memoryOf(7777, d.now)}})
	w = w.clone()
	if w.accounts["zz"], w.memories = "new", append(w.memories, memoryOf(7777, d.now)); err != nil {
		return lost, err
	}
	if diff := difference(v, w); diff != "" {
		return lost, errors.New(diff)
	}
	return lost, v.Check()
}

func mustRead(dir, name string) []byte {
	data, _ := os.ReadFile(filepath.Join(dir, name))
	return data
}

func TestADamagedVaultIsWholeOrLost(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		d := filled(t, change...)
		good := filesOf(t, d.o.Dir)
		high := highWater(t, good[dataFile])
		good[dataFile] = good[dataFile][:high] // what is beyond was never written
		r := seeded(t)
		d.o.Dir = filepath.Join(memoryDir(t), "hurt")
		lost := 0
		const rounds = 600
		for n := range rounds {
			hurt := bytes.Clone(good[dataFile])
			what := hurtBytes(r, n, &hurt)
			fresh(t, d.o.Dir, map[string][]byte{dataFile: hurt, journalFile: good[journalFile], holderFile: good[holderFile]})
			isLost, err := d.judge(hurt)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if isLost {
				lost++
			}
		}
		t.Logf("%d of %d damages noticed, in %d bytes", lost, rounds, high)
		if lost < rounds/3 {
			t.Errorf("only %d of %d damages were noticed", lost, rounds)
		}
	})
}

func highWater(t *testing.T, data []byte) int64 {
	t.Helper()
	m, err := (&walk{f: bytes.NewReader(data), size: int64(len(data))}).meta()
	if err != nil {
		t.Fatal(err)
	}
	return int64(m.high) * pageSize
}

// hurtBytes damages a file: a bit, the head of a page, the page of another place, zeros, or the end.
func hurtBytes(r *rand.Rand, n int, data *[]byte) string {
	b := *data
	at := r.IntN(len(b))
	page := r.IntN(len(b) / pageSize)
	switch n % 6 {
	case 0:
		b[at] ^= 1 << r.IntN(8)
	case 1: // the head of a page, and its first elements
		at = page*pageSize + r.IntN(64)
		b[at] ^= 1 << r.IntN(8)
	case 2:
		at = page*pageSize + r.IntN(300)
		binary.LittleEndian.PutUint32(b[at:], r.Uint32()>>r.IntN(32))
	case 3: // a page that was not written, and shows what was there before
		at = page * pageSize
		from := r.IntN(len(b)/pageSize) * pageSize
		copy(b[at+8:at+pageSize], b[from+8:from+pageSize])
	case 4:
		clear(b[at:min(len(b), at+r.IntN(2*pageSize))])
	case 5:
		*data = b[:at]
	}
	return fmt.Sprintf("damage %d at %d (page %d)", n%6, at, at/pageSize)
}

// The newer head decides what was committed last. bbolt would fall back to the older one, and be a commit behind.
func TestALostHeadIsNotTheStateBefore(t *testing.T) {
	for page := range int64(4) {
		d := filled(t)
		data := read(t, filepath.Join(d.o.Dir, dataFile))
		switch head, other := data[:pageSize], data[pageSize:2*pageSize]; page {
		case 0, 1:
			data[page*pageSize+70]++
		case 2: // a head that was never written, and shows what the other did
			copy(head, other)
		case 3:
			copy(other, head)
		}
		if err := os.WriteFile(filepath.Join(d.o.Dir, dataFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if lost, err := d.judge(data); !lost || err != nil {
			t.Errorf("damage %d: lost %v, %v", page, lost, err)
		}
	}
}

// bbolt's own tools store the list of free pages. One with a gap or a page too many would let bbolt overwrite a page.
func TestAListOfFreePagesMustBeWhole(t *testing.T) {
	d := filled(t)
	path := filepath.Join(d.o.Dir, dataFile)
	db, err := bbolt.Open(path, 0o600, nil)
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	good := read(t, path)
	m, err := (&walk{f: bytes.NewReader(good), size: int64(len(good))}).meta()
	if err != nil || m.freelist == noFreelist {
		t.Fatalf("no list, %v", err)
	}
	files := filesOf(t, d.o.Dir)
	for name, hurt := range map[string]func(page []byte){
		"":                  func([]byte) {},
		"one is missing":    func(p []byte) { p[10]-- },
		"one is twice":      func(p []byte) { copy(p[pageHead+8:], p[pageHead:pageHead+8]) },
		"the head is in it": func(p []byte) { clear(p[pageHead : pageHead+8]) },
		"there are many":    func(p []byte) { p[10], p[11] = 0xff, 0xff },
	} {
		data := bytes.Clone(good)
		hurt(data[m.freelist*pageSize:])
		files[dataFile] = data
		fresh(t, d.o.Dir, files)
		if lost, err := d.judge(data); lost != (name != "") || err != nil {
			t.Errorf("%q: lost %v, %v", name, lost, err)
		}
	}
}

// A key of a branch that lies before the first key below it leaves everything to be found, until a commit enters the
// page below a second time.
func TestAKeyOfABranchIsTheFirstBelowIt(t *testing.T) {
	d := filled(t)
	files := filesOf(t, d.o.Dir)
	good := files[dataFile]
	tried := 0
	for at := int64(0); at < highWater(t, good); at += pageSize {
		page := good[at:]
		if count := binary.NativeEndian.Uint16(page[10:]); binary.NativeEndian.Uint16(page[8:]) != flagBranch || count < 2 {
			continue
		}
		e, err := elementAt(page[:pageSize], pageHead+elementLen, false)
		if err != nil {
			continue // a page that is not used any more
		}
		data := bytes.Clone(good)
		key := data[at+int64(pageHead+elementLen)+int64(binary.NativeEndian.Uint32(page[pageHead+elementLen:])):]
		key[len(e.key)-1]--
		files[dataFile] = data
		fresh(t, d.o.Dir, files)
		lost, err := d.judge(data)
		if err != nil {
			t.Errorf("page %d: %v", at/pageSize, err)
		}
		if lost {
			tried++
		}
	}
	if tried == 0 {
		t.Error("no branch was tried that is in use")
	}
}

// A page that is damaged under an open vault breaks it, and does not end the process.
func TestDamageUnderAnOpenVaultIsAnError(t *testing.T) {
	d := newDesk(t)
	r := seeded(t)
	for n := range 20 {
		d.commit(randomBatch(r, n, d.now))
	}
	d.idle() // or bbolt may write good pages over it, for the journal; it has not got what is read
	size := int64(len(read(t, filepath.Join(d.o.Dir, dataFile))))
	junk := bytes.Repeat([]byte{0xee}, int(size)-2*pageSize)
	if _, err := d.v.file.WriteAt(junk, 2*pageSize); err != nil {
		t.Fatal(err)
	}
	if value, err := d.v.Account("of nobody"); err == nil {
		t.Errorf("got %q", value)
	}
	if _, _, err := d.v.Recall(d.memories[0].Hash); err == nil {
		t.Error("a memory was read")
	}
	if err := d.v.Commit(Batch{Accounts: map[string][]byte{"a": []byte("b")}}); !errors.Is(err, ErrBroken) {
		t.Errorf("commit: got %v", err)
	}
	if err := d.v.Commit(Batch{}); !errors.Is(err, ErrBroken) {
		t.Errorf("and again: got %v", err)
	}
	d.close()
	d.open()
	if _, lost := d.v.Lost(); !lost {
		t.Error("it is not lost")
	}
}

// The file is cut off under the map, so that reading faults.
func TestAFaultOfTheMapIsAnError(t *testing.T) {
	d := newDesk(t)
	r := seeded(t)
	for n := range 20 {
		d.commit(randomBatch(r, n, d.now))
	}
	d.idle() // or bbolt may write pages again, for the journal; it has not got what is read
	if err := os.Truncate(filepath.Join(d.o.Dir, dataFile), 2*pageSize); err != nil {
		t.Fatal(err)
	}
	if _, err := d.v.Account("of nobody"); err == nil {
		t.Error("an account was read")
	}
	d.close()
}
