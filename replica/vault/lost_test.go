package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

func TestALostVaultIsSaidToBeLost(t *testing.T) {
	for name, hurt := range map[string]func(db, holder string) error{
		"the database is gone":  func(db, _ string) error { return os.Remove(db) },
		"the database is empty": func(db, _ string) error { return os.Truncate(db, 0) },
		"both are damaged":      func(db, h string) error { return errors.Join(os.Truncate(db, 9), os.Truncate(h, 9)) },
		"it is another file":    func(db, _ string) error { return os.WriteFile(db, []byte("hello"), 0o600) },
	} {
		d := filled(t)
		m, _ := decodeMarker(read(t, filepath.Join(d.o.Dir, holderFile)))
		if err := hurt(filepath.Join(d.o.Dir, dataFile), filepath.Join(d.o.Dir, holderFile)); err != nil {
			t.Fatal(err)
		}
		d.open()
		loss, lost := d.v.Lost()
		want := m.id
		if name == "both are damaged" {
			want = ID{}
		}
		if !lost || loss.ID != want || loss.Why == "" || (loss.KeptIn == "") != (name == "the database is gone") {
			t.Errorf("%s: got %v, %+v", name, lost, loss)
		}
		if id := d.v.Identity(); want != (ID{}) && id.Incarnation != m.incarnation+1 {
			t.Errorf("%s: incarnation %d after %d", name, id.Incarnation, m.incarnation)
		}
		d.want = want0()
		d.compare()
		d.reopen() // and says so once
		d.compare()
	}
}

func want0() want { return want{map[string]string{}, map[string]string{}, nil} }

// A vault that was put back from a copy would spend again what was spent since.
func TestAnOldCopyIsLost(t *testing.T) {
	d := filled(t)
	old := read(t, filepath.Join(d.o.Dir, dataFile))
	d.open()
	d.commit(Batch{Accounts: map[string][]byte{"spent": []byte("5")}})
	d.close()
	if err := os.WriteFile(filepath.Join(d.o.Dir, dataFile), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if lost, err := d.judge(old); !lost || err != nil {
		t.Errorf("lost %v, %v", lost, err)
	}
}

func TestAnotherHoldersVaultIsLost(t *testing.T) {
	d, other := filled(t), filled(t)
	data := read(t, filepath.Join(other.o.Dir, dataFile))
	if err := os.WriteFile(filepath.Join(d.o.Dir, dataFile), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if lost, err := d.judge(data); !lost || err != nil {
		t.Errorf("lost %v, %v", lost, err)
	}
}

func TestAHolderFileIsMadeAnewFromTheVault(t *testing.T) {
	d := filled(t)
	path := filepath.Join(d.o.Dir, holderFile)
	good := read(t, path)
	for n := range len(good) + 1 {
		bad := bytes.Clone(good)
		if n < len(bad) {
			bad[n] ^= 4
		} else {
			bad = nil
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if n%23 != 0 && n < len(good) { // every byte is checked; opening for each would take long
			if _, err := decodeMarker(bad); !errors.Is(err, errMarker) {
				t.Fatalf("byte %d: %v", n, err)
			}
			continue
		}
		d.open()
		if loss, lost := d.v.Lost(); lost {
			t.Fatalf("byte %d: %+v", n, loss)
		}
		d.compare()
		d.close()
		if m, err := decodeMarker(read(t, path)); err != nil || m.id != d.v.self.ID {
			t.Errorf("byte %d: then %+v, %v", n, m, err)
		}
	}
}

// A replacement that stops half way is taken up, and the loss is still told.
func TestALossIsToldAlsoAfterACrash(t *testing.T) {
	d := filled(t)
	holder := read(t, filepath.Join(d.o.Dir, holderFile))
	m, _ := decodeMarker(holder)
	if err := os.Truncate(filepath.Join(d.o.Dir, dataFile), 5000); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.close()
	// as if the process had ended before the HOLDER file was written
	if err := os.WriteFile(filepath.Join(d.o.Dir, holderFile), holder, 0o600); err != nil {
		t.Fatal(err)
	}
	d.open()
	if loss, lost := d.v.Lost(); !lost || loss.ID != m.id || !strings.Contains(loss.Why, "cut off") {
		t.Errorf("got %v, %+v", lost, loss)
	}
	d.reopen()
}

func TestFilesThatMayNotBeReadAreNotLost(t *testing.T) {
	for _, err := range []error{damaged("head: %w", fs.ErrPermission), fs.ErrNotExist, ErrKey, ErrVersion} {
		if isDamage(err) {
			t.Errorf("%v is taken for damage", err)
		}
	}
}

func TestANewerFormatIsRefusedAndKept(t *testing.T) {
	newer := func(data []byte, where string) []byte {
		body := bytes.Clone(data[:len(data)-sumSize])
		body[0] = format + 1
		return binary.LittleEndian.AppendUint64(body, checksum([]byte(where), body))
	}
	d := filled(t)
	holder := read(t, filepath.Join(d.o.Dir, holderFile))
	text := strings.Replace(string(holder[:bytes.LastIndex(holder, []byte("check "))]), fmt.Sprint("vault ", format),
		fmt.Sprint("vault ", format+1), 1)
	next := fmt.Appendf(nil, "%scheck %016x\n", text, checksum([]byte(holderFile), []byte(text)))
	files := filesOf(t, d.o.Dir)
	files[holderFile] = next
	d.refused(ErrVersion, files)

	db, err := bbolt.Open(filepath.Join(d.o.Dir, dataFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketSelf))
		return b.Put([]byte(keyHeader), newer(b.Get([]byte(keyHeader)), bucketSelf+keyHeader))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	files = filesOf(t, d.o.Dir)
	files[holderFile] = holder
	d.refused(ErrVersion, files)
}

// refused wants Open to fail with want, and to leave these files as they are.
func (d *desk) refused(want error, files map[string][]byte) {
	d.t.Helper()
	fresh(d.t, d.o.Dir, files)
	v, err := Open(d.o)
	if err == nil {
		_ = v.Close()
	}
	if !errors.Is(err, want) {
		d.t.Errorf("got %v, want %v", err, want)
	}
	for name, data := range files {
		if !bytes.Equal(mustRead(d.o.Dir, name), data) {
			d.t.Errorf("%s was changed", name)
		}
	}
	left, _ := filepath.Glob(filepath.Join(d.o.Dir, "*"))
	if len(left) != len(files)+1 {
		d.t.Errorf("files afterwards: %v", left)
	}
}
