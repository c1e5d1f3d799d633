package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
)

// sumsFile lists the files of a generation that was closed in order, with their checksums. Badger ends the process,
// from goroutines of its own, when it opens files that are damaged in certain ways, so they are looked at before it is
// let near them. After a crash there is no list; then the marker heals what cannot be opened.
const sumsFile = "SUMS"

// sums reads every file of a directory.
func sums(dir string) ([]byte, error) {
	var out bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		sum, size, err := sumOf(path)
		fmt.Fprintf(&out, "%016x %d %s\n", sum, size, e.Name())
		return err
	})
	return out.Bytes(), err
}

func sumOf(path string) (sum uint64, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	d := xxhash.New()
	size, err = io.Copy(d, f)
	return d.Sum64(), size, err
}

// writeSums lists a generation that has been closed.
func (s *Store) writeSums() error {
	list, err := sums(s.generationPath(s.head.Generation))
	if err != nil {
		return fmt.Errorf("checksums: %w", err)
	}
	return writeFile(s.path(sumsFile), seal([]byte(sumsFile), append([]byte{1}, list...)))
}

// checkSums holds a generation against its list, if there is one, and takes the list away: it is about to change.
func (s *Store) checkSums() error {
	data, err := os.ReadFile(s.path(sumsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	want, err := open([]byte(sumsFile), data, 1)
	if err != nil {
		return err
	}
	got, err := sums(s.generationPath(s.head.Generation))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("its files are not what they were when it was closed")
	}
	return os.Remove(s.path(sumsFile))
}
