package stream_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
)

// small mounts a disk of its own.
func small(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small disk cannot be mounted here (it takes root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// occupy takes up space, and answers what gives it back.
func occupy(t *testing.T, path string, size int64) (free func()) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestANearlyFullDiskRefusesWritesUntilThereIsRoom(t *testing.T) {
	disk := small(t, "100m")
	dir := filepath.Join(disk, "nats")
	e, err := stream.Embed(stream.EmbedOptions{Listen: "127.0.0.1:0", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Shutdown()
	s, err := stream.Open(t.Context(), stream.Options{URL: e.URL(), Name: "docs", Create: true, Room: e.Room})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, document("customer/default/a", "1"))
	free := occupy(t, filepath.Join(disk, "filler"), 60<<20)
	_, err = s.Put(t.Context(), replica.CommandID{1}, document("customer/default/b", "1"))
	if !errors.Is(err, replica.ErrNoSpace) || !strings.Contains(err.Error(), "MiB are free in "+dir) {
		t.Errorf("got %v, want that the disk is nearly full, and which", err)
	}
	if _, err := s.Get(t.Context(), "customer/default/a"); err != nil {
		t.Errorf("a read: %v", err)
	}
	if _, err := stream.Open(t.Context(), stream.Options{URL: e.URL(), Name: "books", Create: true,
		Room: e.Room}); !errors.Is(err, replica.ErrNoSpace) {
		t.Errorf("a new log: got %v, want that the disk is nearly full", err)
	}
	free()
	put(t, s, document("customer/default/c", "1"))
}

func TestALogThatHasReachedItsSizeSaysSo(t *testing.T) {
	l := newLab(t)
	s := l.open(t, stream.Options{MaxBytes: 10_000})
	put(t, s, document("customer/default/a", "1"))
	_, err := s.Put(t.Context(), replica.CommandID{1}, document("customer/default/b", strings.Repeat("x", 20_000)))
	if !errors.Is(err, replica.ErrNoSpace) {
		t.Errorf("got %v, want %v", err, replica.ErrNoSpace)
	}
	put(t, s, document("customer/default/c", "1"))
}
