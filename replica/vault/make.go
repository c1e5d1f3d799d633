package vault

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sidegate/sidegate/replica"
)

// beginning writes the buckets and all records of a new file but the identity and the seal, and begins an era in it.
// The salt is new, so the era may have a number that was there before.
func (w *writer) beginning(b *box, h header, era uint32) error {
	for _, name := range []string{bucketSelf, bucketAccounts, bucketMemories, bucketNotes} {
		if _, err := w.bucket(name); err != nil {
			return err
		}
	}
	if err := w.put(bucketSelf, []byte(keyHeader), h.encode()); err != nil {
		return err
	}
	var nonce [16]byte
	random(nonce[:])
	b.salt, b.era = h.salt, era
	b.addEra(era, nonce)
	key, clear := eraKey(era), box{}
	return w.put(bucketSelf, key, clear.seal(nil, selfKey(string(key)), nonce[:]))
}

// end writes whose file it is, which journal is its, and what is in it.
func (w *writer) end(b *box, c *content) error {
	put := func(key string, body []byte) error {
		return w.put(bucketSelf, []byte(key), b.seal(nil, selfKey(key), body))
	}
	for _, f := range c.formers {
		if err := put(keyFormer+string(f.ID[:]), f.encode()); err != nil {
			return err
		}
	}
	if err := put(keyIdentity, c.self.encode()); err != nil {
		return err
	}
	if err := put(keyJournal, c.journal.encode()); err != nil {
		return err
	}
	return put(keySeal, c.seal.encode())
}

// make writes a vault that holds an identity and nothing else.
func (v *Vault) make(formers []Former, incarnation uint64) error {
	if err := v.room(); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(v.o.Dir)); err != nil { // the directory may be new
		return err
	}
	c := content{self: newIdentity(incarnation, v.o.Now()), formers: formers, journal: newJournalName(v.o.journal),
		seal: seal{formers: uint64(len(formers))}}
	if err := v.o.reached.makeJournal(v.path(journalFile), c.journal); err != nil {
		return err
	}
	b := box{key: v.o.Key}
	return v.write(func(w *writer) error {
		if err := w.beginning(&b, newHeader(v.o.Key), uint32(incarnation)); err != nil {
			return err
		}
		return w.end(&b, &c)
	})
}

// rekey writes all values anew under Options.Key. Until the new file is whole the old one stays, and a crash leaves it.
func (v *Vault) rekey(old *content) (*content, error) {
	info, err := os.Stat(v.path(dataFile))
	if err != nil {
		return nil, err
	}
	if free, err := v.o.Free(v.o.Dir); err != nil || free < v.o.MinFree+uint64(info.Size()) {
		return nil, fmt.Errorf("%w: a second copy of the vault must fit while it gets another key: %v",
			replica.ErrNoSpace, err)
	}
	f, err := os.Open(v.path(dataFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if old.format == 1 {
		old.journal = newJournalName(v.o.journal)
	}
	// What it has is in bbolt by now. It is in the old key, or in the clear, and goes before the new file comes.
	if err := v.o.reached.makeJournal(v.path(journalFile), old.journal); err != nil {
		return nil, err
	}
	c := copying{old: old, box: box{key: v.o.Key}, accounts: map[ID]tally{}}
	c.seal.commits, c.seal.next, c.seal.formers = old.seal.commits, old.seal.next, old.seal.formers
	err = v.write(func(w *writer) error {
		c.to = w
		if err := w.beginning(&c.box, newHeader(v.o.Key), uint32(old.self.Incarnation)); err != nil {
			return err
		}
		through := walk{f: f, size: info.Size(), visit: c.take}
		if err := through.run(); err != nil {
			return err
		}
		c.seal.accounts = c.accounts[old.self.ID]
		for i := range old.formers {
			old.formers[i].accounts = c.accounts[old.formers[i].ID]
		}
		return w.end(&c.box, &content{self: old.self, formers: old.formers, journal: old.journal, seal: c.seal})
	})
	if err != nil {
		return nil, err
	}
	v.o.Logger.Info("the vault was rewritten under another key", "dir", v.o.Dir, "encrypted", v.o.Key != nil)
	return scan(v.path(dataFile), v.o.Key)
}

// A copying closes every value of one file anew for another.
type copying struct {
	old      *content
	box      box
	to       *writer
	seal     seal
	accounts map[ID]tally
	where    []byte
	body     []byte
}

func (c *copying) take(bucket string, key, value []byte) (err error) {
	if bucket == bucketSelf {
		return nil
	}
	c.where = append(append(c.where[:0], bucket...), key...)
	if c.body, err = c.old.box.open(c.body[:0], c.where, value); err != nil {
		return err
	}
	stored := c.box.seal(nil, c.where, c.body)
	switch bucket {
	case bucketMemories:
		c.seal.memories.add(stored)
	case bucketNotes:
		c.seal.notes.add(stored)
	default:
		id := ID([]byte(bucket[len(bucketAccounts):]))
		t := c.accounts[id]
		t.add(stored)
		c.accounts[id] = t
	}
	return c.to.put(bucket, key, stored)
}
