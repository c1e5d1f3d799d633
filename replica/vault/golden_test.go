package vault

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The encodings are frozen: what a version wrote, the next one reads.
func TestEncodingsAreFrozen(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_123).UTC()
	key := bytes.Repeat([]byte{7}, KeySize)
	salt, nonce := [16]byte{1, 2, 3}, [16]byte{9, 8, 7}
	id := Identity{ID: ID{0xaa, 0xbb}, Incarnation: 5, Nonce: nonce, Since: at}.withSeed(bytes.Repeat([]byte{3}, 32))
	f := Former{ID: ID{0xcc}, Public: id.Public, Incarnation: 4, Ended: at, Why: "fenced", Lost: true,
		accounts: tally{2, 3}}
	s := seal{1, 2, 3, tally{4, 5}, tally{6, 7}, tally{8, 9}}
	m := Memory{Hash: HashOf([]byte("key")), Payload: HashOf([]byte("ask")), Answer: []byte("{}"), At: 77}
	clear, closed := box{}, box{key: key, salt: salt, era: 5, count: 258}
	closed.addEra(5, nonce)
	var out strings.Builder
	line := func(name string, data []byte) { fmt.Fprintf(&out, "%s %x\n", name, data) }
	line("header-clear", header{salt: salt}.encode())
	line("header-sealed", header{sealed: true, salt: salt, check: checkOf(key, salt)}.encode())
	line("identity", id.encode())
	line("former", f.encode())
	line("seal", s.encode())
	line("memory", m.encode(nil))
	line("era-key", eraKey(5))
	line("memory-key", seqKey(258))
	line("box-clear", clear.seal(nil, []byte("awhere"), []byte("body")))
	line("box-sealed", closed.seal(nil, []byte("awhere"), []byte("body")))
	line("box-sealed-next", closed.seal(nil, []byte("awhere"), []byte("body")))
	payload := appendEntry(appendEntry(nil, entry{place{"a", "key"}, []byte("stored")}), entry{place{"n", "gone"}, nil})
	line("journal-name", journalName{[16]byte{4, 2}, 8192}.encode())
	line("journal-payload", payload)
	line("journal-record", record(t, payload))
	fmt.Fprintf(&out, "HOLDER\n%s", marker{id.ID, id.Public, 5}.encode())
	golden(t, "encodings.txt", []byte(out.String()))

	gotID, err := decodeIdentity(id.encode())
	gotF, err2 := decodeFormer(f.ID[:], f.encode())
	gotS, err3 := decodeSeal(s.encode())
	gotM, err4 := decodeMemory(m.encode(nil))
	gotH, err5 := decodeHeader(header{sealed: true, salt: salt, check: [16]byte{5}}.encode())
	gotMark, err6 := decodeMarker(marker{id.ID, id.Public, 5}.encode())
	if err := errors.Join(err, err2, err3, err4, err5, err6); err != nil {
		t.Error(err)
	}
	same := fmt.Sprintf("%+v %+v %+v %+v %+v %+v", id, f, s, m, header{true, salt, [16]byte{5}},
		marker{id.ID, id.Public, 5})
	if got := fmt.Sprintf("%+v %+v %+v %+v %+v %+v", gotID, gotF, gotS, gotM, gotH, gotMark); got != same {
		t.Errorf("read back:\n%s\nwant\n%s", got, same)
	}
}

// record is what the third sector of a journal has after a commit.
func record(t *testing.T, payload []byte) []byte {
	t.Helper()
	j := newJournal(t, 8)
	j.at = 3
	if err := j.append(258, payload, datasync, nowhere); err != nil {
		t.Fatal(err)
	}
	return read(t, j.f.Name())[3*sectorSize : 4*sectorSize]
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, got, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// Vaults that each version wrote, in the clear and encrypted: all that is in them is still read. Since the second some
// of it is in the journal.
func TestVaultsOfEveryVersionOpen(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		name := "clear"
		if len(change) > 0 {
			name = "sealed"
		}
		d := newDesk(t, change...)
		d.commit(Batch{Accounts: map[string][]byte{"old": []byte("1")}})
		if _, err := d.v.Renew("fenced"); err != nil {
			t.Fatal(err)
		}
		d.accounts = map[string]string{}
		d.commit(Batch{Accounts: map[string][]byte{"acme/ci-minutes": []byte("2"), "empty": {}},
			Notes: map[string][]byte{"clock": []byte("3")}, Memories: []Memory{memoryOf(1, d.now), memoryOf(2, d.now)}})
		if *update {
			pack(t, d.o.Dir, name+"2")
		}
		for version, files := range map[int][]string{1: {dataFile, holderFile}, 2: {dataFile, journalFile, holderFile}} {
			d.close()
			d.opensGolden(name+[]string{"", "", "2"}[version], files)
		}
	})
}

func (d *desk) opensGolden(name string, files []string) {
	t, all := d.t, map[string][]byte{}
	t.Helper()
	for _, file := range files {
		all[file] = unpack(t, filepath.Join("testdata", name+"."+file+".gz"))
	}
	fresh(t, d.o.Dir, all)
	d.open()
	d.compare()
	id, f := d.v.Identity(), d.v.Formers()
	sum := ed25519.Sign(id.Private, []byte("m"))
	if _, lost := d.v.Lost(); lost || id.Incarnation != 2 || len(f) != 1 || f[0].Why != "fenced" ||
		!ed25519.Verify(id.Public, []byte("m"), sum) {
		t.Errorf("%s: got %v, %+v, %+v", name, lost, id, f)
	}
	var old []string
	if err := d.v.Accounts(f[0].ID, func(k string, value []byte) error {
		old = append(old, k+"="+string(value))
		return nil
	}); err != nil || fmt.Sprint(old) != "[old=1]" {
		t.Errorf("%s: former accounts: %v, %v", name, old, err)
	}
}

func pack(t *testing.T, dir, name string) {
	t.Helper()
	for file, data := range filesOf(t, dir) {
		if file == dataFile {
			data = data[:highWater(t, data)]
		}
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, err := w.Write(data)
		path := filepath.Join("testdata", name+"."+file+".gz")
		if err = errors.Join(err, w.Close(), os.WriteFile(path, out.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func unpack(t testing.TB, path string) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
