package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/sidegate/sidegate/replica"
)

// Options say where the snapshot is kept.
type Options struct {
	Dir    string       // made if missing
	Logger *slog.Logger // nil: silent
	// Free answers the bytes that are free where dir is; nil asks the system.
	Free    func(dir string) (uint64, error)
	MinFree uint64 // below it nothing is written; 0: 64 MiB
	Now     func() time.Time
}

// A Store is a snapshot on disk. Use it from one goroutine at a time.
type Store struct {
	o      Options
	lock   *os.File
	db     *badger.DB // nil: there is none yet
	head   head       // as the HEAD file says; Generation 0: there is no file
	cursor head       // as committed
	synced time.Time  // when HEAD was last written
}

const (
	headFile   = "HEAD"
	markerFile = "OPENING"
	lockFile   = "LOCK"
	aside      = "quarantine"

	// headEvery is how far HEAD may lag behind what is committed.
	headEvery = 10 * time.Second
	// attempts is how often a directory may crash the process before it is set aside.
	attempts = 3
	// largeCommit is how many documents are committed in one transaction at most.
	largeCommit = 1000
)

// Open takes a directory. It reads nothing yet; Load does. ErrNoSpace: the disk is too full to open anything.
func Open(o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.Now == nil {
		return nil, errors.New("disk: options without a clock")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(o.Dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s is in use by another process; give each its own", o.Dir),
			lock.Close())
	}
	s := &Store{o: o, lock: lock}
	if err := s.room(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// room is ErrNoSpace when the disk is nearly full.
func (s *Store) room() error {
	free, err := s.o.Free(s.o.Dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", s.o.Dir, err)
	}
	if free < s.o.MinFree {
		return fmt.Errorf("%w: %d MiB are free, %d are kept free", replica.ErrNoSpace, free>>20, s.o.MinFree>>20)
	}
	return nil
}

func (s *Store) path(name string) string { return filepath.Join(s.o.Dir, name) }

func (s *Store) generationPath(n uint64) string { return s.path("gen-" + strconv.FormatUint(n, 10)) }

// Close writes HEAD and lets the directory go.
func (s *Store) Close() error {
	var err error
	if s.db != nil && s.room() != nil {
		// Badger would write its memory into a mapped file, and die of it. What it has not written is in its log.
		s.o.Logger.Error("the disk is nearly full: the snapshot is left as a crash would leave it")
		return s.lock.Close()
	}
	if s.db != nil {
		err = errors.Join(s.writeHead(), s.db.Close())
		s.db = nil
		if err == nil {
			err = s.writeSums()
		}
	}
	return errors.Join(err, s.lock.Close())
}

// Load yields what is stored. See replica.Store.
func (s *Store) Load(ctx context.Context, begin func(replica.Cursor) error, each func(replica.StoredDoc) error) error {
	data, err := os.ReadFile(s.path(headFile))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.Join(replica.ErrNotFound, s.sweep(0))
	}
	if err != nil {
		return fmt.Errorf("head file: %w", err)
	}
	if s.head, err = decodeHead([]byte(headFile), data); err != nil {
		return s.setAside(err)
	}
	if err := s.sweep(s.head.Generation); err != nil {
		return err
	}
	if err := errors.Join(s.mark(), s.checkSums()); err != nil {
		return s.setAside(err)
	}
	err = s.scan(ctx, begin, each)
	if err != nil && ctx.Err() == nil && !errors.Is(err, errCaller) {
		return s.setAside(err)
	}
	return errors.Join(err, os.Remove(s.path(markerFile)))
}

// mark notes that the directory is being opened. An error means that it was too often, and never to the end.
func (s *Store) mark() error {
	tried := 0
	if data, err := os.ReadFile(s.path(markerFile)); err == nil {
		tried, _ = strconv.Atoi(strings.TrimSpace(string(data)))
	}
	if tried >= attempts {
		return fmt.Errorf("the process ended %d times while it was opened", tried)
	}
	return writeFile(s.path(markerFile), []byte(strconv.Itoa(tried+1)))
}

// sweep removes what a crash left behind: every generation but the one in use.
func (s *Store) sweep(keep uint64) error {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path := s.path(e.Name()); strings.HasPrefix(e.Name(), "gen-") && path != s.generationPath(keep) {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("old generation: %w", err)
			}
		}
	}
	return nil
}

// setAside moves what is damaged out of the way, where an operator can look at it, and starts empty.
func (s *Store) setAside(why error) error {
	if s.db != nil {
		quietly(func() { _ = s.db.Close() })
		s.db = nil
	}
	s.o.Logger.Error("the stored snapshot is set aside and fetched again", "why", why, "kept_in", s.path(aside))
	err := errors.Join(os.RemoveAll(s.path(aside)), os.Mkdir(s.path(aside), 0o700))
	for _, name := range []string{headFile, filepath.Base(s.generationPath(s.head.Generation)), markerFile,
		sumsFile} {
		if e := os.Rename(s.path(name), filepath.Join(s.path(aside), name)); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	s.head, s.cursor = head{}, head{}
	if err != nil {
		return fmt.Errorf("setting a damaged snapshot aside: %w", err)
	}
	return fmt.Errorf("%w: %w", replica.ErrDamaged, why)
}

// quietly runs what may panic on damaged files.
func quietly(f func()) {
	defer func() { _ = recover() }()
	f()
}

// Commit writes documents and cursor. See replica.Store.
func (s *Store) Commit(docs []replica.StoredDoc, cur replica.Cursor) error {
	if s.db == nil {
		return errors.New("disk: a commit without a generation")
	}
	if err := s.room(); err != nil {
		return err
	}
	next := headOf(cur)
	if len(docs) > largeCommit || sizeOf(docs) > maxTxn {
		torn := s.cursor
		torn.Torn = true
		if err := s.transact(nil, torn, nil); err != nil {
			return err
		}
		if err := writeAll(s.db, docs); err != nil {
			return err
		}
		docs = nil
	}
	if err := s.transact(docs, next, cur.Names); err != nil {
		return err
	}
	s.cursor = next
	if s.o.Now().Sub(s.synced) < headEvery {
		return nil
	}
	return s.writeHead()
}

func sizeOf(docs []replica.StoredDoc) int {
	n := 0
	for i := range docs {
		n += len(docs[i].Key) + len(docs[i].Value) + len(docs[i].Record) + 64
	}
	return n
}

// transact is one Badger transaction.
func (s *Store) transact(docs []replica.StoredDoc, cursor head, names []byte) error {
	err := s.db.Update(func(txn *badger.Txn) error {
		for _, doc := range docs {
			if err := set(txn, doc); err != nil {
				return err
			}
		}
		if names != nil {
			if err := txn.Set(namesKey, sealNames(names)); err != nil {
				return err
			}
		}
		return txn.Set(cursorKey, encodeHead(cursorKey, cursor))
	})
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

func sealNames(names []byte) []byte {
	return seal(namesKey, append([]byte{namesVersion}, names...))
}

func set(txn *badger.Txn, doc replica.StoredDoc) error {
	key := docKey(doc.Key)
	if doc.Value == nil {
		return txn.Delete(key)
	}
	return txn.Set(key, encodeDoc(key, doc))
}

// writeAll writes any number of documents, in as many transactions as it takes.
func writeAll(db *badger.DB, docs []replica.StoredDoc) error {
	batch := db.NewWriteBatch()
	defer batch.Cancel()
	for _, doc := range docs {
		key := docKey(doc.Key)
		var err error
		if doc.Value == nil {
			err = batch.Delete(key)
		} else {
			err = batch.Set(key, encodeDoc(key, doc))
		}
		if err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	return batch.Flush()
}

// writeHead makes what is committed durable, then says so.
func (s *Store) writeHead() error {
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	next := s.cursor
	next.Generation, next.Torn = s.head.Generation, false
	if err := writeFile(s.path(headFile), encodeHead([]byte(headFile), next)); err != nil {
		return fmt.Errorf("head file: %w", err)
	}
	s.head, s.synced = next, s.o.Now()
	return nil
}

// writeFile replaces a file as one step, durably.
func writeFile(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
