package disk

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/sidegate/sidegate/replica"
)

const (
	memTable = 8 << 20
	// maxTxn is how many bytes are committed in one transaction; Badger takes 15 % of a memtable.
	maxTxn = memTable / 10
)

// errCaller marks an error that is not the disk's.
var errCaller = errors.New("the snapshot was not taken")

// openBadger opens a directory with options for little memory: no caches (the index is in memory already), one small
// memtable, no compression, values beside their keys.
func openBadger(dir string) (db *badger.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("badger: %v", p)
		}
	}()
	o := badger.DefaultOptions(dir).
		WithLogger(nil).
		WithMemTableSize(memTable).
		WithNumMemtables(2).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(6).
		WithNumCompactors(2).
		WithNumGoroutines(1).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithCompression(options.None).
		WithValueThreshold(memTable / 16).
		WithValueLogFileSize(16 << 20).
		WithBaseTableSize(4 << 20).
		WithDetectConflicts(false).
		WithMetricsEnabled(false)
	return badger.Open(o)
}

// scan opens the generation that HEAD names, and yields and verifies everything in it.
func (s *Store) scan(
	ctx context.Context, begin func(replica.Cursor) error, each func(replica.StoredDoc) error,
) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("badger: %v", p)
		}
	}()
	if s.db, err = openBadger(s.generationPath(s.head.Generation)); err != nil {
		return err
	}
	return s.db.View(func(txn *badger.Txn) error {
		names, err := s.readCursor(txn)
		if err != nil {
			return err
		}
		if err := begin(s.cursor.cursor(names)); err != nil {
			return fmt.Errorf("%w: %w", errCaller, err)
		}
		return s.walk(ctx, txn, each)
	})
}

// readCursor reads cursor and names, and holds the cursor against HEAD.
func (s *Store) readCursor(txn *badger.Txn) ([]byte, error) {
	value, err := read(txn, cursorKey)
	if err != nil {
		return nil, fmt.Errorf("cursor: %w", err)
	}
	if s.cursor, err = decodeHead(cursorKey, value); err != nil {
		return nil, err
	}
	if s.cursor.Revision < s.head.Revision || s.cursor.Nonce != s.head.Nonce {
		return nil, fmt.Errorf("the snapshot is at revision %d, but was known to be at %d", s.cursor.Revision,
			s.head.Revision)
	}
	if value, err = read(txn, namesKey); err != nil {
		return nil, fmt.Errorf("names: %w", err)
	}
	return open(namesKey, value, namesVersion)
}

func read(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

// walk yields the documents and holds them against the cursor's digest.
func (s *Store) walk(ctx context.Context, txn *badger.Txn, each func(replica.StoredDoc) error) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = []byte{docPrefix}
	o.PrefetchValues = false
	it := txn.NewIterator(o)
	defer it.Close()
	var digest uint64
	count := 0
	for it.Rewind(); it.Valid(); it.Next() {
		err := it.Item().Value(func(value []byte) error {
			doc, err := decodeDoc(it.Item().Key(), value)
			if err != nil {
				return err
			}
			if doc.Hash != 0 {
				digest += doc.Hash
				count++
			}
			if count%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if err := each(doc); err != nil {
				return fmt.Errorf("%w: %w", errCaller, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !s.cursor.Torn && (digest != s.cursor.Digest || count != s.cursor.Count) {
		return fmt.Errorf("it holds %d documents that do not add up to the %d that were written", count, s.cursor.Count)
	}
	return nil
}
