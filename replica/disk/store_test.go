package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
)

func at(dir string) Options {
	return Options{Dir: dir, Now: time.Now}
}

func open1(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(at(dir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func doc(key, value string, rev uint64) replica.StoredDoc {
	return replica.StoredDoc{Key: key, Rev: rev, Value: []byte(value), Record: []byte("rec:" + value),
		Hash: replica.DocHash(key, []byte(value))}
}

// A model is what a store should hold.
type model map[string]replica.StoredDoc

func (m model) cursor(rev uint64) replica.Cursor {
	c := replica.Cursor{Lineage: replica.Lineage{Log: "docs", Created: 7, Nonce: "n"}, Rev: rev, At: 5,
		Names: checker.NewNames().Export()}
	for _, d := range m {
		c.Digest += d.Hash
		c.Count++
	}
	return c
}

func load(t testing.TB, s *Store) (model, replica.Cursor, error) {
	t.Helper()
	got := model{}
	var cur replica.Cursor
	err := s.Load(t.Context(), func(c replica.Cursor) error { cur = c; return nil }, func(d replica.StoredDoc) error {
		d.Value, d.Record = bytes.Clone(d.Value), bytes.Clone(d.Record)
		got[d.Key] = d
		return nil
	})
	return got, cur, err
}

func equal(a, b model) bool {
	return maps.EqualFunc(a, b, func(x, y replica.StoredDoc) bool {
		return x.Rev == y.Rev && x.Hash == y.Hash && bytes.Equal(x.Value, y.Value) && bytes.Equal(x.Record, y.Record)
	})
}

// begun is a store with a first generation of n documents.
func begun(t testing.TB, dir string, n int) (*Store, model) {
	t.Helper()
	s, m := open1(t, dir), model{}
	if _, _, err := load(t, s); !errors.Is(err, replica.ErrNotFound) {
		t.Fatalf("an empty directory: got %v", err)
	}
	g, err := s.Renew()
	if err != nil {
		t.Fatal(err)
	}
	var docs []replica.StoredDoc
	for i := range n {
		d := doc(fmt.Sprintf("customer/c%d", i), strings.Repeat("v", i%50+1), uint64(i+1))
		m[d.Key] = d
		docs = append(docs, d)
	}
	if err := errors.Join(g.Add(docs), g.Switch(m.cursor(uint64(n)))); err != nil {
		t.Fatal(err)
	}
	return s, m
}

func TestWhatIsCommittedIsLoaded(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s, m := begun(t, dir, 100)
	rev := uint64(100)
	for range 20 {
		for range r.IntN(10) {
			docs := m.change(r, rev)
			rev += uint64(len(docs))
			if err := s.Commit(docs, m.cursor(rev)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open1(t, dir)
		got, cur, err := load(t, s)
		if err != nil || !equal(got, m) || cur.Rev != rev || cur.Open || cur.Count != len(m) {
			t.Fatalf("got %d documents at %d, %v, want %d at %d", len(got), cur.Rev, err, len(m), rev)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// change replaces and deletes some documents, from the revision after rev on.
func (m model) change(r *rand.Rand, rev uint64) (docs []replica.StoredDoc) {
	for range r.IntN(2 * largeCommit / 10) {
		rev++
		d := doc(fmt.Sprintf("customer/c%d", r.IntN(300)), fmt.Sprint(r.Uint64()), rev)
		if m[d.Key] = d; r.IntN(5) == 0 {
			delete(m, d.Key)
			d = replica.StoredDoc{Key: d.Key, Rev: rev}
		}
		docs = append(docs, d)
	}
	return docs
}

func TestLargeCommitsAreWhole(t *testing.T) {
	dir := t.TempDir()
	s, m := begun(t, dir, 1)
	var docs []replica.StoredDoc
	for i := range 3 * largeCommit {
		d := doc(fmt.Sprintf("customer/x%d", i), strings.Repeat("y", 300), 5)
		m[d.Key] = d
		docs = append(docs, d)
	}
	if err := errors.Join(s.Commit(docs, m.cursor(5)), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open1(t, dir)
	if got, cur, err := load(t, s); err != nil || !equal(got, m) || cur.Open {
		t.Errorf("got %d, %v, want %d", len(got), err, len(m))
	}
	// A commit that stops half way leaves a snapshot that says so.
	torn := s.cursor
	torn.Torn = true
	if err := errors.Join(s.transact(nil, torn, nil), writeAll(s.db, docs[:10]), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open1(t, dir)
	if _, cur, err := load(t, s); err != nil || !cur.Open {
		t.Errorf("half a commit: got %+v, %v", cur, err)
	}
	_ = s.Close()
}

func TestANewGenerationReplacesTheOldOne(t *testing.T) {
	dir := t.TempDir()
	s, _ := begun(t, dir, 10)
	g, err := s.Renew()
	if err != nil {
		t.Fatal(err)
	}
	g.Abort()
	if g, err = s.Renew(); err != nil {
		t.Fatal(err)
	}
	m := model{"customer/new": doc("customer/new", "v", 20)}
	if err := errors.Join(g.Add([]replica.StoredDoc{m["customer/new"]}), g.Switch(m.cursor(20)), s.Close()); err != nil {
		t.Fatal(err)
	}
	g.Abort()
	s = open1(t, dir)
	if got, cur, err := load(t, s); err != nil || !equal(got, m) || cur.Rev != 20 {
		t.Errorf("got %v at %d, %v", got, cur.Rev, err)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "gen-*")); len(found) != 1 {
		t.Errorf("generations left: %v", found)
	}
	_ = s.Close()
}

// Every file of a stopped snapshot is damaged in turn. Either nothing of it is served, or exactly what was written.
func TestDamageIsNeverServed(t *testing.T) {
	dir := t.TempDir()
	s, m := begun(t, dir, 3000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var files []string
	if err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != lockFile && e.Name() != "LOCK" {
			files = append(files, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for _, path := range files {
		name, _ := filepath.Rel(dir, path)
		for _, hurt := range []func([]byte) []byte{
			func(b []byte) []byte { b[r.IntN(len(b))] ^= 1 << r.IntN(8); return b },
			func(b []byte) []byte { return b[:r.IntN(len(b))] },
			func([]byte) []byte { return nil },
		} {
			if servedOrRefused(t, m, hurtCopy(t, dir, name, hurt), name) {
				refused++
			}
		}
	}
	t.Logf("%d files, %d damages refused", len(files), refused)
	if refused < 4 {
		t.Errorf("only %d damages were noticed", refused)
	}
}

// hurtCopy copies a directory and damages one of the files, unless it is empty.
func hurtCopy(t *testing.T, dir, name string, hurt func([]byte) []byte) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	err := os.CopyFS(copied, os.DirFS(dir))
	data, failed := os.ReadFile(filepath.Join(dir, name))
	if err = errors.Join(err, failed); err == nil && len(data) > 0 {
		err = os.WriteFile(filepath.Join(copied, name), hurt(data), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

// servedOrRefused tells whether a directory was refused as damaged. One that is not must serve all that was written.
func servedOrRefused(t *testing.T, m model, dir, name string) bool {
	t.Helper()
	s := open1(t, dir)
	defer func() { _ = s.Close() }()
	got, _, err := load(t, s)
	if errors.Is(err, replica.ErrDamaged) {
		if _, _, err := load(t, s); !errors.Is(err, replica.ErrNotFound) {
			t.Errorf("%s: set aside, yet still there: %v", name, err)
		}
		return true
	}
	if err != nil || !equal(got, m) {
		t.Errorf("%s: served %d of %d documents, %v", name, len(got), len(m), err)
	}
	return false
}

func TestADirectoryThatCrashesTheProcessIsSetAside(t *testing.T) {
	dir := t.TempDir()
	s, _ := begun(t, dir, 10)
	if err := errors.Join(s.Close(), os.WriteFile(filepath.Join(dir, markerFile), []byte("3"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s = open1(t, dir)
	if _, _, err := load(t, s); !errors.Is(err, replica.ErrDamaged) {
		t.Errorf("got %v", err)
	}
	_ = s.Close()
}

func TestTwoProcessesDoNotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	s := open1(t, dir)
	if _, err := Open(at(dir)); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v", err)
	}
	_ = s.Close()
}

func TestNothingIsWrittenToADiskThatIsNearlyFull(t *testing.T) {
	dir := t.TempDir()
	s, m := begun(t, dir, 10)
	free := uint64(10 << 20)
	s.o.Free = func(string) (uint64, error) { return free, nil }
	err := s.Commit([]replica.StoredDoc{doc("customer/x", "v", 11)}, m.cursor(11))
	if !errors.Is(err, replica.ErrNoSpace) {
		t.Errorf("commit: got %v", err)
	}
	if _, err := s.Renew(); !errors.Is(err, replica.ErrNoSpace) {
		t.Errorf("renew: got %v", err)
	}
	free = 1 << 30
	m["customer/x"] = doc("customer/x", "v", 11)
	if err := errors.Join(s.Commit([]replica.StoredDoc{m["customer/x"]}, m.cursor(11)), s.Close()); err != nil {
		t.Errorf("with room again: got %v", err)
	}
	s = open1(t, dir)
	if got, _, err := load(t, s); err != nil || !equal(got, m) {
		t.Errorf("got %d, %v", len(got), err)
	}
	_ = s.Close()
}

func TestAStopOfTheLoadIsNotDamage(t *testing.T) {
	dir := t.TempDir()
	s, _ := begun(t, dir, 3000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open1(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	none := func(replica.Cursor) error { return nil }
	if err := s.Load(ctx, none, func(replica.StoredDoc) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, headFile)); err != nil {
		t.Error(err)
	}
}

// The child commits until it is killed.
func TestAKilledProcessLeavesAUsableSnapshot(t *testing.T) {
	if dir := os.Getenv("SIDEGATE_DISK_CHILD"); dir != "" {
		commitForEver(t, dir)
		return
	}
	dir := t.TempDir()
	s, _ := begun(t, dir, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	last := uint64(50)
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=TestAKilledProcessLeavesAUsableSnapshot")
		cmd.Env = append(os.Environ(), "SIDEGATE_DISK_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1+round*40) // one byte a commit: killed after more and more of them
		for n := 0; n < len(buf); {
			k, err := out.Read(buf[n:])
			if err != nil {
				t.Fatalf("the child ended: %v", err)
			}
			n += k
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s := open1(t, dir)
		got, cur, err := load(t, s)
		if err != nil || cur.Rev < last {
			t.Fatalf("round %d: %d documents at %d after %d, %v", round, len(got), cur.Rev, last, err)
		}
		last = cur.Rev
		_ = s.Close()
	}
}

func commitForEver(t *testing.T, dir string) {
	s := open1(t, dir)
	m, cur, err := load(t, s)
	if err != nil {
		t.Fatal(err)
	}
	for rev := cur.Rev + 1; ; rev++ {
		d := doc(fmt.Sprintf("customer/c%d", rev%200), fmt.Sprint(rev), rev)
		m[d.Key] = d
		if err := s.Commit([]replica.StoredDoc{d}, m.cursor(rev)); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
			return
		}
	}
}
