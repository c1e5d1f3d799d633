package vault

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// A Batch is what becomes durable together.
type Batch struct {
	// Renew is a reason to give the identity up, as the method does; Accounts are then the first ones of the new holder.
	// Empty: the identity stays.
	Renew    string
	Accounts map[string][]byte // of the present holder; nil deletes, an empty value is one
	Notes    map[string][]byte // what belongs to no identity: clocks, enrolments. nil deletes
	Memories []Memory          // of two with one hash the later is recalled
}

func (b *Batch) check() error {
	for _, m := range []map[string][]byte{b.Accounts, b.Notes} {
		for key, value := range m {
			if key == "" || len(key) > MaxKey || len(value) > MaxValue {
				return fmt.Errorf("vault: a key of %d bytes with a value of %d; the key has 1 to %d, the value up to %d",
					len(key), len(value), MaxKey, MaxValue)
			}
		}
	}
	for i := range b.Memories {
		if n := len(b.Memories[i].Answer); n > MaxAnswer {
			return fmt.Errorf("vault: an answer of %d bytes; it may have %d", n, MaxAnswer)
		}
	}
	return nil
}

// expireAtLeast is how many memories a commit drops if they are due, and twice as many as it adds: so that expiry keeps
// up with any load, and no commit waits for it.
const expireAtLeast = 64

// A forgotten memory leaves the table once its end is durable.
type forgotten struct {
	hash Hash
	seq  uint64
}

// A scratch is what one commit needs and the next can use again.
type scratch struct {
	stored []byte // bbolt reads it until the transaction ends
	where  []byte
	body   []byte
	keys   []string
	gone   []forgotten
}

// Commit makes a batch durable: all of it, or nothing with an error. replica.ErrNoSpace: nothing was written, and later
// there may be room. ErrBroken: open the vault again to see whether the batch is there. It reads the clock to drop what
// is past Options.Keep, some at each commit; an empty batch does only that. Nothing of the batch is kept or changed.
func (v *Vault) Commit(b Batch) error {
	if err := b.check(); err != nil {
		return err
	}
	v.writing.Lock()
	defer v.writing.Unlock()
	now := v.o.Now()
	isDue := v.isDue(now.UnixMilli(), len(b.Memories))
	if err := v.usable(); err != nil || b.isEmpty() && !isDue {
		return err
	}
	if err := v.room(); err != nil {
		return err
	}
	s := &v.scratch
	s.stored, s.gone = s.stored[:0], s.gone[:0]
	n := v.next(b.Renew, now)
	err := v.update(func(tx *bbolt.Tx) (err error) {
		if err := v.writeBatch(tx, &b, &n); err != nil {
			return err
		}
		if isDue {
			if n.due, err = v.expire(tx, &n.seal, now.UnixMilli(), 2*len(b.Memories)+expireAtLeast); err != nil {
				return err
			}
			n.looked = now.UnixMilli()
		}
		return v.put(tx, keySeal, n.seal.encode())
	})
	if err != nil {
		return err
	}
	v.become(n, b.Memories)
	if b.Renew == "" {
		return nil
	}
	return v.writeMarker()
}

func (b *Batch) isEmpty() bool {
	return b.Renew == "" && len(b.Accounts)+len(b.Notes)+len(b.Memories) == 0
}

// A state is what a vault knows of itself beside bbolt; the next one holds once it is durable.
type state struct {
	self    Identity
	formers []Former
	seal    seal
	due     int64 // when to look again for memories to drop, in Unix milliseconds
	looked  int64 // what time it was then
}

// next is what the vault will be after a commit, and with a reason under another name.
func (v *Vault) next(why string, now time.Time) state {
	n := v.state
	n.seal.commits++
	if why != "" {
		n.renew(why, now)
	}
	return n
}

// become takes over what has become durable.
func (v *Vault) become(n state, memories []Memory) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range memories {
		v.table.add(&memories[i].Hash, v.seal.next+uint64(i))
	}
	for i := range v.scratch.gone {
		v.table.remove(&v.scratch.gone[i].hash, v.scratch.gone[i].seq)
	}
	v.first += uint64(len(v.scratch.gone))
	v.state = n
}

// isDue tells whether to look for memories to drop: some are past their time, there are too many, or the clock was
// put back. A thousandth more than the most is borne, and a second of what is past: dropping whole pages costs less.
func (v *Vault) isDue(now int64, more int) bool {
	n := v.seal.memories.n + uint64(more)
	most := uint64(v.o.MaxMemories)
	return n > 0 && (now >= v.due || now < v.looked) || n > most+most/1024
}

func (v *Vault) writeBatch(tx *bbolt.Tx, b *Batch, n *state) error {
	next := &n.seal
	if b.Renew != "" {
		if err := v.putRenewal(tx, n); err != nil {
			return err
		}
	}
	own := bucketAccounts + string(n.self.ID[:])
	accounts, err := tx.Bucket([]byte(bucketAccounts)).CreateBucketIfNotExists(n.self.ID[:])
	if err != nil {
		return err
	}
	if err := v.putAll(accounts, own, b.Accounts, &next.accounts); err != nil {
		return err
	}
	if err := v.putAll(tx.Bucket([]byte(bucketNotes)), bucketNotes, b.Notes, &next.notes); err != nil {
		return err
	}
	memories := tx.Bucket([]byte(bucketMemories))
	memories.FillPercent = 1 // they come in order, so no page is ever split for one in its middle
	s := &v.scratch
	for i := range b.Memories {
		key := seqKey(next.next)
		next.next++
		s.body = b.Memories[i].encode(s.body[:0])
		stored := v.close(bucketMemories, string(key), s.body)
		if err := memories.Put(key, stored); err != nil {
			return err
		}
		next.memories.add(stored)
	}
	return nil
}

// putAll writes values in the order of their keys, and keeps the tally of their bucket.
func (v *Vault) putAll(b *bbolt.Bucket, name string, values map[string][]byte, t *tally) error {
	s := &v.scratch
	s.keys = slices.AppendSeq(s.keys[:0], maps.Keys(values))
	slices.Sort(s.keys)
	for _, key := range s.keys {
		if old := b.Get([]byte(key)); old != nil {
			t.drop(old)
		}
		if values[key] == nil {
			if err := b.Delete([]byte(key)); err != nil {
				return err
			}
			continue
		}
		stored := v.close(name, key, values[key])
		if err := b.Put([]byte(key), stored); err != nil {
			return err
		}
		t.add(stored)
	}
	clear(s.keys)
	return nil
}

// close seals a value into the scratch, where it stays for the rest of the transaction.
func (v *Vault) close(bucket, key string, body []byte) []byte {
	s := &v.scratch
	s.where = append(append(s.where[:0], bucket...), key...)
	at := len(s.stored)
	s.stored = v.box.seal(s.stored, s.where, body)
	return s.stored[at:len(s.stored):len(s.stored)]
}

// expire drops the oldest memories, as many as are due but not more than most, and tells when to look again.
func (v *Vault) expire(tx *bbolt.Tx, next *seal, now int64, most int) (due int64, err error) {
	memories := tx.Bucket([]byte(bucketMemories))
	s, limit := &v.scratch, uint64(v.o.MaxMemories)
	soon := now + 1000
	for seq := v.first; next.memories.n > 0; seq++ {
		if len(s.gone) == most {
			return math.MinInt64, nil
		}
		key := seqKey(seq)
		stored := memories.Get(key)
		s.where = append(append(s.where[:0], bucketMemories...), key...)
		if s.body, err = v.box.open(s.body[:0], s.where, stored); err != nil {
			return 0, err
		}
		m, err := decodeMemory(s.body)
		if err != nil {
			return 0, err
		}
		if end := m.At + v.o.Keep.Milliseconds(); end > now && next.memories.n <= limit {
			return max(end, soon), nil
		}
		next.memories.drop(stored)
		s.gone = append(s.gone, forgotten{m.Hash, seq})
		if err := memories.Delete(key); err != nil {
			return 0, err
		}
	}
	return soon, nil
}
