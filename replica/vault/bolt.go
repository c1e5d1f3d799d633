package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/sidegate/sidegate/replica"
)

// boltOptions leave the list of free pages out of the file: after many memories expired it has hundreds of thousands of
// entries, and every commit would write them all. Opening finds them by walking the pages.
func boltOptions(file **os.File) *bbolt.Options {
	return &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
		NoStatistics: true, PageSize: pageSize, InitialMmapSize: 16 << 20,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			*file = f
			return f, err
		}}
}

func (v *Vault) openBolt() error {
	return guard(func() error {
		db, err := bbolt.Open(v.path(dataFile), 0o600, boltOptions(&v.file))
		if err != nil {
			v.file = nil // bbolt closed it
			return err
		}
		v.db = db
		return nil
	})
}

// closeBolt closes bbolt. Its own Close could wait for ever for a lock that a panic left behind, so one that failed
// leaves its map behind, which holds the file's lock unless it is taken off.
func (v *Vault) closeBolt(isWell bool) (err error) {
	if v.db != nil && isWell {
		err = guard(v.db.Close)
	} else if v.file != nil {
		err = errors.Join(syscall.Flock(int(v.file.Fd()), syscall.LOCK_UN), v.file.Close())
	}
	v.db, v.file = nil, nil
	return err
}

// update is one durable transaction. After replica.ErrNoSpace the vault is as it was; an error of do itself changes
// nothing either. Any other failure breaks the vault.
func (v *Vault) update(do func(*bbolt.Tx) error) error {
	if err := v.usable(); err != nil {
		return err
	}
	var refused error
	err := guard(func() error {
		tx, err := v.db.Begin(true)
		if err != nil {
			return err
		}
		if refused = do(tx); refused != nil {
			return tx.Rollback()
		}
		v.o.reached("before bbolt commits")
		if err := v.commit(tx); err != nil {
			return err
		}
		v.o.reached("bbolt has committed")
		return nil
	})
	switch {
	case err == nil && isDamage(refused):
		err = refused
	case err == nil:
		return refused
	case isFull(err):
		return noSpace(err)
	}
	return unknown(v.breakDown(err))
}

// unknown says of a failed write that it may be there all the same.
func unknown(err error) error { return fmt.Errorf("%w: %w", replica.ErrUnknown, err) }

// isFull tells a write that found no room from everything else that can go wrong. A sync that finds none is not meant:
// then it is not known what was written.
func isFull(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Op == "write" && (at.Err == syscall.ENOSPC || at.Err == syscall.EDQUOT)
}

func (v *Vault) breakDown(why error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.broken = fmt.Errorf("%w: %w", ErrBroken, why)
	v.o.Logger.Error("the vault failed and refuses everything until the process is started again; look at the disk",
		"dir", v.o.Dir, "why", why)
	return v.broken
}

func (v *Vault) usable() error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.broken
}

// view is a look at what is committed.
func (v *Vault) view(do func(*bbolt.Tx) error) error {
	v.mu.RLock() // Close waits for it
	defer v.mu.RUnlock()
	if v.broken != nil {
		return v.broken
	}
	return guard(func() error { return v.db.View(do) })
}

// A writer fills a new file, in bucket and key order, and without a sync but the last.
type writer struct {
	db   *bbolt.DB
	file *os.File
	tx   *bbolt.Tx
	n    int // values in this transaction
}

const writerBatch = 20_000 // values

func newWriter(path string) (*writer, error) {
	w := &writer{}
	o := boltOptions(&w.file)
	o.NoSync, o.NoGrowSync = true, true
	db, err := bbolt.Open(path, 0o600, o)
	if err != nil {
		return nil, err
	}
	w.db = db
	if w.tx, err = db.Begin(true); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return w, nil
}

// bucket is the one of that name; a name of an account's bucket has two parts.
func (w *writer) bucket(name string) (b *bbolt.Bucket, err error) {
	if b, err = w.tx.CreateBucketIfNotExists([]byte(name[:1])); err == nil && len(name) > 1 {
		b, err = b.CreateBucketIfNotExists([]byte(name[1:]))
	}
	if err == nil {
		b.FillPercent = 1
	}
	return b, err
}

func (w *writer) put(name string, key, stored []byte) error {
	b, err := w.bucket(name)
	if err != nil {
		return err
	}
	if err := b.Put(key, stored); err != nil {
		return err
	}
	if w.n++; w.n < writerBatch {
		return nil
	}
	if err := w.tx.Commit(); err != nil {
		return err
	}
	w.n = 0
	w.tx, err = w.db.Begin(true)
	return err
}

// finish makes the file durable.
func (w *writer) finish() error {
	if err := w.tx.Commit(); err != nil {
		return err
	}
	return errors.Join(w.db.Sync(), w.file.Sync(), w.db.Close())
}

// write makes a new file and puts it in the place of the vault's, in one step.
func (v *Vault) write(fill func(*writer) error) error {
	path := v.path(dataFile + unfinished)
	err := guard(func() error {
		w, err := newWriter(path)
		if err != nil {
			return err
		}
		if err := fill(w); err != nil {
			return errors.Join(err, w.tx.Rollback(), w.db.Close())
		}
		v.o.reached("a new database is written")
		return w.finish()
	})
	if err == nil {
		err = v.o.reached.rename(path, v.path(dataFile))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing a new vault: %w", noSpace(err)), os.Remove(path))
	}
	return nil
}

// guard turns what bbolt does on a file that was damaged under its hands into an error: panics, and faults of its map.
func guard(f func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPages, p)
		}
	}()
	return f()
}
