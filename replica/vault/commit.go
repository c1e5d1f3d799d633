package vault

import (
	"cmp"
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
	stored  []byte // bbolt reads it until the transaction ends
	where   []byte
	body    []byte
	keys    []string
	list    []entry // what the commit does
	payload []byte  // the same as the journal has it
	gone    []forgotten
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
	n := v.next(b.Renew, now)
	if isDue {
		n.looked = now.UnixMilli()
	}
	if err := v.compose(&b, &n, isDue); err != nil {
		return v.breakDown(err)
	}
	if b.Renew == "" {
		done, err := v.append(&n, b.Memories)
		if done || err != nil {
			return err
		}
	}
	err := v.fold(&n, b.Memories, func(tx *bbolt.Tx) error { return putAll(tx, v.scratch.list) })
	if err != nil || b.Renew == "" {
		return err
	}
	if err := v.writeMarker(); err != nil { // the other identity is there
		return unknown(v.breakDown(err))
	}
	return nil
}

// append has the journal take what was composed; false: it never fits.
func (v *Vault) append(n *state, memories []Memory) (done bool, err error) {
	s := &v.scratch
	ofSeal := place{bucketSelf, keySeal}
	s.list = append(s.list, entry{ofSeal, v.close(ofSeal, n.seal.encode())})
	s.payload = s.payload[:0]
	for _, e := range s.list {
		s.payload = appendEntry(s.payload, e)
	}
	switch {
	case !v.log.mayTake(len(s.payload)):
		return false, nil
	case !v.log.fits(len(s.payload)):
		if err := v.turn(); err != nil {
			return false, err
		}
	}
	switch err := v.log.append(n.seal.commits, s.payload, v.sync, v.o.reached); {
	case isFull(err):
		return false, noSpace(err)
	case err != nil:
		return false, unknown(v.breakDown(err))
	}
	v.become(*n, memories, false)
	return true, nil
}

// turn begins the other half of the journal. This one is for Run to take over, or for who needs it next.
func (v *Vault) turn() error {
	if err := v.settle(); err != nil {
		return err
	}
	v.mu.Lock()
	v.folding, v.pending = v.pending, map[place][]byte{}
	v.mu.Unlock()
	v.log.turn()
	select {
	case v.full <- struct{}{}:
	default:
	}
	return nil
}

// settle has bbolt take over the half of the journal that is full, the seal after its last commit with it.
func (v *Vault) settle() error {
	v.behind.Lock()
	defer v.behind.Unlock()
	v.mu.RLock()
	half := v.folding
	v.mu.RUnlock()
	if half == nil {
		return nil
	}
	v.o.reached("a half of the journal is full")
	list := inOrder(half)
	err := v.update(func(tx *bbolt.Tx) error { return putAll(tx, list) })
	if err == nil {
		v.mu.Lock()
		v.folding = nil
		v.mu.Unlock()
	}
	return err
}

// fold writes all that the journal has into bbolt, with more and a seal: whatever writes a seal there makes the
// journal's records old.
func (v *Vault) fold(n *state, memories []Memory, more func(*bbolt.Tx) error) error {
	if err := v.settle(); err != nil {
		return err
	}
	err := v.update(func(tx *bbolt.Tx) error {
		if err := putAll(tx, inOrder(v.pending)); err != nil {
			return err
		}
		if err := v.putRenewal(tx, n); err != nil {
			return err
		}
		if err := more(tx); err != nil {
			return err
		}
		return v.put(tx, keySeal, n.seal.encode())
	})
	if err != nil {
		return err
	}
	v.log.rewind()
	v.become(*n, memories, true)
	return nil
}

// foldPending makes bbolt have everything.
func (v *Vault) foldPending() error {
	if err := v.usable(); err != nil {
		return err
	}
	if v.log.at == 0 {
		return v.settle()
	}
	n := v.next("", time.Time{})
	v.scratch.gone = v.scratch.gone[:0]
	return v.fold(&n, nil, func(*bbolt.Tx) error { return nil })
}

// inOrder is what the journal has, in the order of buckets and keys.
func inOrder(pending map[place][]byte) []entry {
	list := make([]entry, 0, len(pending))
	for at, stored := range pending {
		list = append(list, entry{at, stored})
	}
	slices.SortFunc(list, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.bucket, y.bucket), cmp.Compare(x.key, y.key))
	})
	return list
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

// become takes over what has become durable: in bbolt all of it, or in the journal what was composed.
func (v *Vault) become(n state, memories []Memory, inBolt bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if inBolt {
		clear(v.pending)
	} else {
		v.keepPending()
	}
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

// compose seals what a batch writes into the scratch, adds what is due to be dropped, and keeps the tallies.
func (v *Vault) compose(b *Batch, n *state, isDue bool) error {
	s := &v.scratch
	s.stored, s.list, s.gone = s.stored[:0], s.list[:0], s.gone[:0]
	return v.view(func(tx *bbolt.Tx) error {
		v.add(tx, bucketAccounts+string(n.self.ID[:]), b.Accounts, &n.seal.accounts)
		v.add(tx, bucketNotes, b.Notes, &n.seal.notes)
		for i := range b.Memories {
			at := place{bucketMemories, string(seqKey(n.seal.next))}
			n.seal.next++
			s.body = b.Memories[i].encode(s.body[:0])
			stored := v.close(at, s.body)
			s.list = append(s.list, entry{at, stored})
			n.seal.memories.add(stored)
		}
		if !isDue {
			return nil
		}
		return v.expire(tx, n, 2*len(b.Memories)+expireAtLeast)
	})
}

// add composes values in the order of their keys, and keeps the tally of their bucket.
func (v *Vault) add(tx *bbolt.Tx, bucket string, values map[string][]byte, t *tally) {
	s := &v.scratch
	s.keys = slices.AppendSeq(s.keys[:0], maps.Keys(values))
	slices.Sort(s.keys)
	for _, key := range s.keys {
		e := entry{place: place{bucket, key}}
		if old := v.current(tx, e.place); old != nil {
			t.drop(old)
		}
		if values[key] != nil {
			e.stored = v.close(e.place, values[key])
			t.add(e.stored)
		}
		s.list = append(s.list, e)
	}
	clear(s.keys)
}

// putAll writes entries into bbolt.
func putAll(tx *bbolt.Tx, list []entry) error {
	var b *bbolt.Bucket
	last := ""
	for _, e := range list {
		if e.bucket != last {
			var err error
			if b, err = bucketFor(tx, e.bucket); err != nil {
				return err
			}
			last = e.bucket
		}
		if e.stored == nil {
			if err := b.Delete([]byte(e.key)); err != nil {
				return err
			}
			continue
		}
		if err := b.Put([]byte(e.key), e.stored); err != nil {
			return err
		}
	}
	return nil
}

// bucketFor finds or makes a bucket to write to.
func bucketFor(tx *bbolt.Tx, name string) (*bbolt.Bucket, error) {
	b := tx.Bucket([]byte(name[:1]))
	if len(name) > 1 {
		return b.CreateBucketIfNotExists([]byte(name[1:]))
	}
	if name == bucketMemories {
		b.FillPercent = 1 // they come in order, so no page is ever split for one in its middle
	}
	return b, nil
}

// keepPending notes what the journal has taken.
func (v *Vault) keepPending() {
	for _, e := range v.scratch.list {
		if e.stored == nil {
			v.pending[e.place] = nil
			continue
		}
		v.pending[e.place] = append(v.pending[e.place][:0], e.stored...)
	}
}

// close seals a value into the scratch, where it stays for the rest of the commit.
func (v *Vault) close(at place, body []byte) []byte {
	s := &v.scratch
	s.where = append(append(s.where[:0], at.bucket...), at.key...)
	from := len(s.stored)
	s.stored = v.box.seal(s.stored, s.where, body)
	return s.stored[from:len(s.stored):len(s.stored)]
}

// expire drops the oldest memories of before this commit, as many as are due but not more than most, and notes when to
// look again.
func (v *Vault) expire(tx *bbolt.Tx, n *state, most int) (err error) {
	s, limit := &v.scratch, uint64(v.o.MaxMemories)
	soon := n.looked + 1000
	n.due = soon
	for seq := v.first; seq < v.seal.next; seq++ {
		if len(s.gone) == most {
			n.due = math.MinInt64
			return nil
		}
		at := place{bucketMemories, string(seqKey(seq))}
		stored := v.current(tx, at)
		s.where = append(append(s.where[:0], at.bucket...), at.key...)
		if s.body, err = v.box.open(s.body[:0], s.where, stored); err != nil {
			return err
		}
		m, err := decodeMemory(s.body)
		if err != nil {
			return err
		}
		if end := m.At + v.o.Keep.Milliseconds(); end > n.looked && n.seal.memories.n <= limit {
			n.due = max(end, soon)
			return nil
		}
		n.seal.memories.drop(stored)
		s.gone = append(s.gone, forgotten{m.Hash, seq})
		s.list = append(s.list, entry{place: at})
	}
	return nil
}
