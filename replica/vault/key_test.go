package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/replica"
)

func TestAKeyIsReadAsHexOrBase64(t *testing.T) {
	key := HashOf([]byte("a"))
	want := append(key[:], bytes.Repeat([]byte{0xfb, 0xff}, 8)...)
	std, url := base64.StdEncoding, base64.URLEncoding
	for _, text := range []string{hex.EncodeToString(want), strings.ToUpper(hex.EncodeToString(want)),
		std.EncodeToString(want), url.EncodeToString(want), "  " + hex.EncodeToString(want) + "\r\n",
		strings.TrimRight(std.EncodeToString(want), "="), strings.TrimRight(url.EncodeToString(want), "=") + "\n"} {
		if got, err := ParseKey(text); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: got %x, %v", text, got, err)
		}
	}
	for text, why := range map[string]string{
		"":                                     "empty",
		" \n":                                  "empty",
		"secret!":                              "neither",
		hex.EncodeToString(want[:31]):          "62 characters",
		std.EncodeToString(want[:16]):          "16 bytes",
		strings.Repeat("0", 64):                "one byte 32 times",
		hex.EncodeToString(want)[:63] + "g":    "48 bytes",
		std.EncodeToString(want)[:20] + "****": "neither",
	} {
		if _, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: got %v, want %q", text, err, why)
		} else if len(text) > 8 && strings.Contains(err.Error(), text[4:8]) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}

// pad makes a key as long as one must be.
func pad(k []byte) []byte {
	if k == nil {
		return nil
	}
	return append(bytes.Clone(k), "zz"...)[:KeySize]
}

func TestAKeyThatDoesNotFitChangesNothing(t *testing.T) {
	other := bytes.Repeat([]byte("xy"), 16)
	for name, tc := range map[string]struct {
		is, with []byte
		old      []byte
		rekey    bool
		why      string
	}{
		"none for an encrypted one":      {other, nil, nil, false, "no key is given"},
		"another":                        {other, other[1:], nil, false, "another key"},
		"one for an open one":            {nil, other, nil, false, "leave the key out"},
		"an old key that was never its":  {other, other[1:], other[2:], true, "another key"},
		"no old key, though it had one":  {other, other[1:], nil, true, "another key"},
		"an old key, though it had none": {nil, other, other[1:], true, "not encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			d := filled(t, func(o *Options) { o.Key = tc.is })
			files := filesOf(t, d.o.Dir)
			d.o.Key, d.o.OldKey, d.o.Rekey = pad(tc.with), pad(tc.old), tc.rekey
			d.refused(ErrKey, files)
			if _, err := Open(d.o); !strings.Contains(fmt.Sprint(err), tc.why) {
				t.Errorf("got %v, want %q", err, tc.why)
			}
			d.o.Key, d.o.Rekey = tc.is, false
			d.open()
			d.compare()
		})
	}
}

func TestAVaultIsRewrittenUnderAnotherKey(t *testing.T) {
	d := filled(t)
	id, keys := d.v.self, [][]byte{bytes.Repeat([]byte("1a"), 16), bytes.Repeat([]byte("2b"), 16), nil}
	formers := d.v.Formers()
	for _, key := range keys {
		d.o.OldKey, d.o.Key, d.o.Rekey = d.o.Key, key, true
		for range 2 { // with the same flags again nothing is to do
			d.open()
			d.compare()
			if got := d.v.Identity(); got.ID != id.ID || !got.Private.Equal(id.Private) {
				t.Errorf("the holder is %s, was %s", got.ID, id.ID)
			}
			n := 0
			err := d.v.Accounts(formers[0].ID, func(string, []byte) error { n++; return nil })
			if err != nil || n != int(formers[0].accounts.n) {
				t.Errorf("%d accounts of the former holder, %v, want %d", n, err, formers[0].accounts.n)
			}
			d.commit(Batch{Notes: map[string][]byte{"key": key}})
			d.close()
		}
		if left, _ := filepath.Glob(filepath.Join(d.o.Dir, "*"+unfinished)); left != nil {
			t.Errorf("left behind: %v", left)
		}
		d.o.Rekey = false
		d.open()
		d.compare()
		d.close()
	}
}

func TestRekeyingNeedsRoomForACopy(t *testing.T) {
	d := filled(t)
	d.o.Key, d.o.Rekey = bytes.Repeat([]byte("1a"), 16), true
	d.o.Free = func(string) (uint64, error) { return 64<<20 + 100, nil }
	d.refused(replica.ErrNoSpace, filesOf(t, d.o.Dir))
	// half of a copy is left by a crash
	d.o.Free = nil
	if err := os.WriteFile(filepath.Join(d.o.Dir, dataFile+unfinished), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.compare()
}

func TestAnEncryptedVaultShowsNothing(t *testing.T) {
	for _, secret := range []bool{true, false} {
		d := newDesk(t, func(o *Options) {
			if secret {
				sealed(o)
			}
		})
		m := memoryOf(1, d.now)
		m.Answer = []byte("SECRET-ANSWER")
		d.commit(Batch{Accounts: map[string][]byte{"a": []byte("SECRET-ACCOUNT")}, Memories: []Memory{m},
			Notes: map[string][]byte{"n": []byte("SECRET-NOTE")}})
		seed, log := d.v.Identity().Private.Seed(), read(t, filepath.Join(d.o.Dir, journalFile)) // nothing is folded yet
		d.close()
		files := filesOf(t, d.o.Dir)
		for name, text := range map[string][]byte{"account": []byte("SECRET-ACC"), "answer": []byte("SECRET-ANS"),
			"note": []byte("SECRET-N")} {
			if bytes.Contains(log, text) == secret || bytes.Contains(files[dataFile], text) == secret {
				t.Errorf("encrypted %v: the %s is in vault.log or vault.db: %v", secret, name, secret)
			}
		}
		for name, data := range files {
			if secret && (bytes.Contains(data, []byte("SECRET")) || bytes.Contains(data, seed)) {
				t.Errorf("%s shows a secret", name)
			}
		}
		if bytes.Contains(files[dataFile], seed) == secret {
			t.Errorf("encrypted %v: the private key is in vault.db: %v", secret, secret)
		}
	}
}

// Two values under one nonce would give both away. A copy that is put back repeats the number of its era, not its key.
func TestNoNonceIsUsedTwice(t *testing.T) {
	d := newDesk(t, sealed)
	r := seeded(t)
	dir := d.o.Dir
	d.commit(randomBatch(r, 0, d.now))
	d.close()
	files := filesOf(t, dir)
	used := map[string]bool{}
	stream := map[string]bool{}
	for run := range 3 {
		fresh(t, dir, files)
		d.open()
		before := d.v.box.count
		d.commit(Batch{Accounts: map[string][]byte{"same": []byte("the same text, sixteen and more")}})
		d.commit(Batch{Accounts: map[string][]byte{"same": []byte("the same text, sixteen and more")}})
		if d.v.box.count < before+4 {
			t.Errorf("two commits used %d nonces", d.v.box.count-before)
		}
		d.close()
		c := collect(t, dir, d.o.Key)
		for where, stored := range c {
			nonce := fmt.Sprintf("%d %x", run, stored[1:1+nonceSize])
			if used[nonce] && stored[0] == boxSealed && eraOf(stored) == d.v.box.era {
				t.Errorf("nonce %s is used twice, for %q too", nonce, where)
			}
			used[nonce] = true
		}
		stream[string(c["a"+string(d.v.self.ID[:])+"same"][1+nonceSize:])] = true
	}
	if len(stream) != 3 {
		t.Errorf("%d different ciphertexts of 3: copies share a subkey", len(stream))
	}
}

// collect is every sealed value of a file, by its place.
func collect(t *testing.T, dir string, key []byte) map[string][]byte {
	t.Helper()
	data := read(t, filepath.Join(dir, dataFile))
	all := map[string][]byte{}
	w := walk{f: bytes.NewReader(data), size: int64(len(data)), visit: func(bucket string, key, value []byte) error {
		if eraOf(value) != 0 {
			all[bucket+string(key)] = bytes.Clone(value)
		}
		return nil
	}}
	if err := w.run(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAMovedValueDoesNotOpen(t *testing.T) {
	clear, closed := box{}, box{key: bytes.Repeat([]byte("1a"), 16), era: 3}
	closed.addEra(3, [16]byte{1})
	for name, b := range map[string]*box{"clear": &clear, "sealed": &closed} {
		stored := b.seal([]byte("before"), []byte("here"), []byte("body"))[len("before"):]
		if body, err := b.open([]byte("x"), []byte("here"), stored); err != nil || string(body) != "xbody" {
			t.Errorf("%s: got %q, %v", name, body, err)
		}
		for n := range stored {
			bad := bytes.Clone(stored)
			bad[n] ^= 0x10
			if _, err := b.open(nil, []byte("here"), bad); !errors.Is(err, errBox) {
				t.Errorf("%s, byte %d: got %v", name, n, err)
			}
			if _, err := b.open(nil, []byte("here"), stored[:n]); !errors.Is(err, errBox) {
				t.Errorf("%s, cut at %d: got %v", name, n, err)
			}
		}
		if _, err := b.open(nil, []byte("there"), stored); !errors.Is(err, errBox) {
			t.Errorf("%s: moved, it opens: %v", name, err)
		}
	}
}

// Each start begins an era, and the file would keep all their nonces.
func TestErasThatNothingIsSealedInAreDropped(t *testing.T) {
	d := newDesk(t, sealed)
	d.commit(Batch{Accounts: map[string][]byte{"old": []byte("one")}})
	for range 10 {
		d.reopen()
	}
	d.close()
	c, err := scan(filepath.Join(d.o.Dir, dataFile), d.o.Key)
	if err != nil || len(c.eras) > 4 {
		t.Errorf("%d eras are kept, %v", len(c.eras), err)
	}
}
