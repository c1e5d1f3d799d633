package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Badger dies of a full disk when it writes its memory out, which closing it would make it do.
func TestAStopOnAFullDiskTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	s, _ := begun(t, dir, 10)
	s.o.Free = func(string) (uint64, error) { return 0, nil }
	before := listed(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after := listed(t, dir); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
}

// listed are the files of a directory, with their sizes.
func listed(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	if err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			fmt.Fprintln(&out, path, info.Size())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
