package vault

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
)

// Identity is the present one. It changes with Renew.
func (v *Vault) Identity() Identity {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.self
}

// Formers are the identities that were given up, the oldest first.
func (v *Vault) Formers() []Former {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.Clone(v.formers)
}

// Account is a value of the present holder; nil: there is none. The caller may keep it.
func (v *Vault) Account(key string) ([]byte, error) {
	v.mu.RLock()
	bucket := bucketAccounts + string(v.self.ID[:])
	v.mu.RUnlock()
	return v.get(bucket, key)
}

// Note is a value that belongs to no identity; nil: there is none. The caller may keep it.
func (v *Vault) Note(key string) ([]byte, error) { return v.get(bucketNotes, key) }

func (v *Vault) get(bucket, key string) (value []byte, err error) {
	err = v.view(func(tx *bbolt.Tx) (err error) {
		value, err = v.valueOf(tx, place{bucket, key})
		return err
	})
	return value, err
}

// valueOf is nil if there is none.
func (v *Vault) valueOf(tx *bbolt.Tx, at place) ([]byte, error) {
	stored := v.current(tx, at)
	if stored == nil {
		return nil, nil
	}
	return v.box.open([]byte{}, []byte(at.bucket+at.key), stored)
}

func keysIn(pending map[place][]byte, bucket string) (keys []string) {
	for at := range pending {
		if at.bucket == bucket {
			keys = append(keys, at.key)
		}
	}
	return keys
}

// current is a value as it is stored, in the journal or in bbolt; nil: there is none. It is lent. v.mu is held.
func (v *Vault) current(tx *bbolt.Tx, at place) []byte {
	for _, m := range []map[place][]byte{v.pending, v.folding} {
		if stored, ok := m[at]; ok {
			return stored
		}
	}
	if b := bucketOf(tx, at.bucket); b != nil {
		return b.Get([]byte(at.key))
	}
	return nil
}

// bucketOf is nil if there is no such bucket.
func bucketOf(tx *bbolt.Tx, name string) *bbolt.Bucket {
	b := tx.Bucket([]byte(name[:1]))
	if b == nil || len(name) == 1 {
		return b
	}
	return b.Bucket([]byte(name[1:]))
}

// atOnce is how many values are read in one look, so that no reader keeps bbolt from using its pages again.
const atOnce = 256

// Accounts calls each with every account of the present or of a former holder, in the order of their keys, until it
// returns an error. Those that are committed meanwhile may be among them. each may keep the value, and may call Commit.
func (v *Vault) Accounts(id ID, each func(key string, value []byte) error) error {
	bucket := bucketAccounts + string(id[:])
	keys, err := v.keysOf(bucket)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(keys, atOnce) {
		values, err := v.valuesOf(bucket, some)
		if err != nil {
			return err
		}
		for i, key := range some {
			if values[i] == nil {
				continue // it was deleted meanwhile
			}
			if err := each(key, values[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// valuesOf are the values of some keys; nil: there is none.
func (v *Vault) valuesOf(bucket string, keys []string) ([][]byte, error) {
	values := make([][]byte, 0, len(keys))
	err := v.view(func(tx *bbolt.Tx) error {
		for _, key := range keys {
			value, err := v.valueOf(tx, place{bucket, key})
			if err != nil {
				return err
			}
			values = append(values, value)
		}
		return nil
	})
	return values, err
}

// keysOf are the keys of a bucket, in their order.
func (v *Vault) keysOf(bucket string) (keys []string, err error) {
	err = v.view(func(tx *bbolt.Tx) error {
		keys = append(keysIn(v.pending, bucket), keysIn(v.folding, bucket)...)
		b := bucketOf(tx, bucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, _ []byte) error { keys = append(keys, string(k)); return nil })
	})
	slices.Sort(keys)
	return slices.Compact(keys), err
}

// Recall finds the memory of a caller's key; false: there is none. It may be past Options.Keep: At tells.
func (v *Vault) Recall(h Hash) (m Memory, found bool, err error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.broken != nil {
		return m, false, v.broken
	}
	var few [4]uint32
	maybe := v.table.find(&h, few[:0])
	if len(maybe) == 0 {
		return m, false, nil
	}
	first := uint32(v.first)
	slices.SortFunc(maybe, func(a, b uint32) int { return cmp.Compare(b-first, a-first) }) // the newest first
	look := func(tx *bbolt.Tx) (err error) {
		for at := 0; at < len(maybe) && !found && err == nil; at++ {
			m, found, err = v.memory(tx, v.first+uint64(maybe[at]-first), h)
		}
		return err
	}
	err = guard(func() error { return v.db.View(look) })
	return m, found, err
}

// memory is the one of a sequence number, if it has the hash. One that is not there was dropped a moment ago.
func (v *Vault) memory(tx *bbolt.Tx, seq uint64, h Hash) (m Memory, found bool, err error) {
	at := place{bucketMemories, string(seqKey(seq))}
	stored := v.current(tx, at)
	if stored == nil {
		return m, false, nil
	}
	body, err := v.box.open(nil, []byte(at.bucket+at.key), stored)
	if err != nil {
		return m, false, err
	}
	if m, err = decodeMemory(body); err != nil || m.Hash != h {
		return Memory{}, false, err
	}
	return m, true, nil
}

// Stats are for metrics.
type Stats struct {
	Accounts   int // of the present holder
	Memories   int
	TableBytes int // what finding the memories takes of the process's memory
	FileBytes  int64
	Commits    uint64 // in the vault's life
}

// Stats counts.
func (v *Vault) Stats() Stats {
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := Stats{Accounts: int(v.seal.accounts.n), Memories: int(v.seal.memories.n), TableBytes: v.table.bytes(),
		Commits: v.seal.commits}
	if info, err := v.file.Stat(); err == nil {
		s.FileBytes = info.Size()
	}
	return s
}

// Check verifies the whole file, as Open does, and that what the process knows of it is what it says. Commits wait.
func (v *Vault) Check() error {
	v.writing.Lock()
	defer v.writing.Unlock()
	if err := v.usable(); err != nil {
		return err
	}
	v.behind.Lock() // nor does bbolt take anything over
	defer v.behind.Unlock()
	c, err := scan(v.path(dataFile), v.o.Key)
	if err != nil {
		return err
	}
	known := maps.Clone(v.folding)
	if known == nil {
		known = map[place][]byte{}
	}
	maps.Copy(known, v.pending)
	inLog, commits, err := v.readPending(c.seal.commits)
	switch {
	case err != nil:
		return err
	case c.seal.commits+commits != v.seal.commits || commits == 0 && (c.seal != v.seal || c.first != v.first) ||
		!maps.EqualFunc(inLog, known, bytes.Equal):
		return damaged("it is not what was committed last")
	case uint64(v.table.n) != v.seal.memories.n || commits == 0 && c.table.n != v.table.n:
		return damaged("the table has %d memories, the file %d, sealed are %d", v.table.n, c.table.n, v.seal.memories.n)
	case c.self.ID != v.self.ID || c.self.Incarnation != v.self.Incarnation || len(c.formers) != len(v.formers):
		return fmt.Errorf("%w: another holder's", errPages)
	}
	return nil
}
