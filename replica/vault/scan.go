package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// A content is what a scan of a vault's file found, all of it verified.
type content struct {
	header  header
	format  byte
	journal journalName // zero in the first format, which had none
	key     []byte      // the one of those tried that fits
	box     box
	self    Identity
	formers []Former
	seal    seal
	eras    map[uint32][16]byte
	used    map[uint32]bool // eras that a value is sealed in
	table   *table
	first   uint64 // sequence number of the oldest memory; seal.next: there is none

	counted  seal // what was found in the buckets
	accounts map[ID]tally
	where    []byte // reused
	body     []byte // reused
}

// isDamage tells what makes a vault lost from what an operator can put right. A file that the disk cannot read is as
// good as damaged; one that may not be read is not.
func isDamage(err error) bool {
	return errors.Is(err, errPages) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EMFILE) &&
		!errors.Is(err, syscall.ENOMEM) || errors.Is(err, errBox)
}

// scan reads and verifies a file that nobody writes, and tells which of some keys fits it. ErrKey, ErrVersion: as they
// say. fs.ErrNotExist: there is no such file.
func scan(path string, keys ...[]byte) (*content, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	c := &content{eras: map[uint32][16]byte{}, used: map[uint32]bool{}, accounts: map[ID]tally{}, table: newTable()}
	w := walk{f: f, size: info.Size(), visit: func(bucket string, key, value []byte) error {
		return c.take(bucket, key, value, keys)
	}}
	if err := w.run(); err != nil {
		return nil, err
	}
	return c, c.whole()
}

// take verifies a value. The header comes first, then the eras, then what is closed with them.
func (c *content) take(bucket string, key, value []byte, keys [][]byte) error {
	if bucket == bucketSelf && string(key) == keyHeader {
		return c.takeHeader(value, keys)
	}
	if c.header == (header{}) {
		return fmt.Errorf("%w: it has no header", errBox)
	}
	c.where = append(append(c.where[:0], bucket...), key...)
	if bucket == bucketSelf && key[0] == keyEra[0] {
		return c.takeEra(key, value)
	}
	body, err := c.box.open(c.body[:0], c.where, value)
	if err != nil {
		return fmt.Errorf("%w: in bucket %q", err, bucket[:1])
	}
	c.body = body
	if era := eraOf(value); c.header.sealed && !c.used[era] {
		c.used[era] = true
	}
	switch {
	case bucket == bucketSelf:
		return c.takeSelf(key, body)
	case bucket == bucketMemories:
		return c.takeMemory(key, value, body)
	case bucket == bucketNotes:
		c.counted.notes.add(value)
	case len(bucket) == 1+len(ID{}) && bucket[:1] == bucketAccounts:
		id := ID([]byte(bucket[1:]))
		t := c.accounts[id]
		t.add(value)
		c.accounts[id] = t
	default:
		return damaged("it has a bucket %q", bucket)
	}
	return nil
}

func (c *content) takeHeader(value []byte, keys [][]byte) (err error) {
	if c.header, err = decodeHeader(value); err != nil {
		return err
	}
	c.format = value[0]
	at := slices.IndexFunc(keys, c.header.fits)
	if at < 0 {
		return c.header.keyError(keys[0])
	}
	c.key = keys[at]
	c.box = box{key: c.key, salt: c.header.salt}
	return nil
}

func (c *content) takeEra(key, value []byte) error {
	body, err := openClear(nil, c.where, value)
	if err != nil || len(body) != 16 || len(key) != len(keyEra)+4 {
		return fmt.Errorf("%w: of an era", errBox)
	}
	era := binary.BigEndian.Uint32(key[len(keyEra):])
	c.eras[era] = [16]byte(body)
	c.box.addEra(era, c.eras[era])
	return nil
}

func (c *content) takeSelf(key, body []byte) (err error) {
	switch {
	case string(key) == keyIdentity:
		c.self, err = decodeIdentity(body)
	case string(key) == keySeal:
		c.seal, err = decodeSeal(body)
	case string(key) == keyJournal:
		c.journal, err = decodeJournalName(body)
	case key[0] == keyFormer[0]:
		var f Former
		f, err = decodeFormer(key[1:], body)
		c.formers = append(c.formers, f)
	default:
		err = errBox
	}
	return err
}

func (c *content) takeMemory(key, value, body []byte) error {
	m, err := decodeMemory(body)
	if err != nil || len(key) != 8 {
		return errBox
	}
	seq := binary.BigEndian.Uint64(key)
	if c.counted.memories.n == 0 {
		c.first = seq
	}
	if c.counted.memories.n > 0 && seq != c.counted.next {
		return damaged("there is a gap in its memories")
	}
	c.table.add(&m.Hash, seq)
	c.counted.memories.add(value)
	c.counted.next = seq + 1
	return nil
}

// whole compares what was found with what was sealed, so that nothing can have vanished.
func (c *content) whole() error {
	if c.self.ID == (ID{}) || c.counted.memories.n > 0 && c.counted.next != c.seal.next ||
		(c.journal == journalName{}) != (c.format == 1) {
		return damaged("it does not say whose it is, or where it ends")
	}
	want := c.seal
	c.counted.commits, c.counted.next, c.counted.formers = want.commits, want.next, uint64(len(c.formers))
	c.counted.accounts = c.accounts[c.self.ID]
	if c.counted != want {
		return damaged("values are missing: there are %d accounts, %d memories, %d notes and %d former holders, "+
			"not %d, %d, %d and %d, or others than there were", c.counted.accounts.n, c.counted.memories.n,
			c.counted.notes.n, c.counted.formers, want.accounts.n, want.memories.n, want.notes.n, want.formers)
	}
	delete(c.accounts, c.self.ID)
	for _, f := range c.formers {
		if c.accounts[f.ID] != f.accounts {
			return damaged("accounts of the former holder %s are missing", f.ID)
		}
		delete(c.accounts, f.ID)
	}
	if len(c.accounts) > 0 {
		return damaged("it has accounts of a holder that it does not know")
	}
	if c.counted.memories.n == 0 {
		c.first = c.seal.next
	}
	slices.SortStableFunc(c.formers, func(a, b Former) int { return a.Ended.Compare(b.Ended) })
	return nil
}

// agrees compares a vault with the marker beside it. An error means that it is not the one that was here.
func (c *content) agrees(m marker) error {
	known := m.id == c.self.ID || slices.ContainsFunc(c.formers, func(f Former) bool { return f.ID == m.id })
	switch {
	case !known:
		return damaged("it belongs to %s, and the HOLDER file to %s", c.self.ID, m.id)
	case m.incarnation > c.self.Incarnation:
		return damaged("it is an old copy: incarnation %d, and %d was here", c.self.Incarnation, m.incarnation)
	}
	return nil
}
