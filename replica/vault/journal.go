package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"syscall"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"
)

// A journal takes a commit in one write and one sync, where bbolt needs two of each and touches a page for every
// account. It has two halves: while bbolt takes what one has, commits go to the other. It is as long as it ever gets
// from the start and is overwritten, so that a sync has no size and no blocks to write down.
//
// Its sectors are what a disk writes whole or not at all. Each has a sum, the number of the commit it belongs to, and
// its place in the commit's record. So a sector that was not written any more when the power went (it has what an older
// commit wrote, or zeros) is told from a damaged one (it has neither).
type journal struct {
	journalName
	f    *os.File
	half int    // that is written, 0 or 1
	at   int    // sector of the next record, in its half
	torn bool   // a record could not be written whole; the next commit must not need the journal
	buf  []byte // reused
}

// A journalName is what a vault knows its journal by.
type journalName struct {
	id   [16]byte // in every sum: another vault's journal is damage
	size int      // in sectors
}

const (
	sectorSize = 512
	sectorHead = 8 + 8 + 2 + 2 // sum, commit, place in the record, sectors of the record
	sectorBody = sectorSize - sectorHead
	// journalSize is how long a journal is, in bytes. A longer one is folded seldom, and then for longer.
	journalSize = 8 << 20
)

// sectorsOf is how many sectors a payload takes, with its length before it.
func sectorsOf(payload int) int { return (4 + payload + sectorBody - 1) / sectorBody }

func newJournalName(size int) journalName {
	n := journalName{size: size / sectorSize}
	random(n.id[:])
	return n
}

func (n journalName) encode() []byte {
	return binary.LittleEndian.AppendUint32(n.id[:], uint32(n.size))
}

func decodeJournalName(body []byte) (n journalName, err error) {
	if len(body) != 16+4 {
		return n, errBox
	}
	return journalName{[16]byte(body), int(binary.LittleEndian.Uint32(body[16:]))}, nil
}

// makeJournal puts an empty journal at a path, in the place of one that is there.
func (reached boundary) makeJournal(path string, n journalName) error {
	f, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(make([]byte, n.size*sectorSize))
		reached("a new journal is written")
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = reached.rename(path+unfinished, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("making the journal: %w", noSpace(err)), removeIfThere(path+unfinished))
	}
	return nil
}

// openJournal opens one that was read to its end, which is to be written from its beginning.
func openJournal(path string, n journalName) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	return &journal{journalName: n, f: f}, err
}

// mayTake tells whether a payload can be appended to an empty half.
func (j *journal) mayTake(payload int) bool {
	return !j.torn && sectorsOf(payload) <= min(j.size/2, math.MaxUint16)
}

// fits tells whether it can be appended now.
func (j *journal) fits(payload int) bool { return j.at+sectorsOf(payload) <= j.size/2 }

// turn begins the other half, once all that it has is in bbolt.
func (j *journal) turn() { j.half, j.at = 1-j.half, 0 }

// append makes a commit durable. An error of the write says that it is not there; one of the sync says nothing.
func (j *journal) append(commit uint64, payload []byte, sync func(*os.File) error, reached boundary) error {
	n, first := sectorsOf(len(payload)), j.half*(j.size/2)+j.at
	j.buf = append(j.buf[:0], make([]byte, n*sectorSize)...)
	rest := payload
	for i := range n {
		s := j.buf[i*sectorSize:][:sectorSize]
		binary.LittleEndian.PutUint64(s[8:], commit)
		binary.LittleEndian.PutUint16(s[16:], uint16(i))
		binary.LittleEndian.PutUint16(s[18:], uint16(n))
		body := s[sectorHead:]
		if i == 0 {
			binary.LittleEndian.PutUint32(body, uint32(len(payload)))
			body = body[4:]
		}
		rest = rest[copy(body, rest):]
		binary.LittleEndian.PutUint64(s, j.sum(first+i, s))
	}
	if _, err := j.f.WriteAt(j.buf, int64(first)*sectorSize); err != nil {
		j.torn = true
		return err
	}
	reached("a record is written")
	if err := sync(j.f); err != nil {
		return &os.PathError{Op: "sync", Path: j.f.Name(), Err: err}
	}
	reached("a record is synced")
	j.at += n
	return nil
}

// rewind begins the half anew, once all commits up to here are in bbolt: they are older than its seal.
func (j *journal) rewind() { j.at, j.torn = 0, false }

func (j *journal) sum(at int, sector []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(j.id[:])
	_, _ = d.Write(binary.LittleEndian.AppendUint64(nil, uint64(at)))
	_, _ = d.Write(sector[8:])
	return d.Sum64()
}

func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// A sector is one that was read. commit 0: it was never written.
type sector struct {
	commit   uint64
	index, n int
	body     []byte
}

// sectors reads and verifies all of a journal.
func (j *journal) sectors() ([]sector, error) {
	data := make([]byte, j.size*sectorSize)
	if _, err := io.ReadFull(io.NewSectionReader(j.f, 0, int64(len(data))), data); err != nil {
		return nil, damaged("its journal: %w", err)
	}
	all, never := make([]sector, j.size), string(make([]byte, sectorSize))
	for i := range all {
		s := data[i*sectorSize:][:sectorSize]
		if string(s) == never {
			continue
		}
		if binary.LittleEndian.Uint64(s) != j.sum(i, s) {
			return nil, damaged("sector %d of its journal fails its check", i)
		}
		all[i] = sector{binary.LittleEndian.Uint64(s[8:]), int(binary.LittleEndian.Uint16(s[16:])),
			int(binary.LittleEndian.Uint16(s[18:])), s[sectorHead:]}
	}
	return all, nil
}

// read lists the payloads of the commits that came after one, in their order. The last record may be torn: it was
// never acknowledged. Anything else that is missing is damage.
func (j *journal) read(after uint64) (payloads [][]byte, err error) {
	all, err := j.sectors()
	if err != nil {
		return nil, err
	}
	halves := [][]sector{all[:j.size/2], all[j.size/2:]}
	if halves[1][0].commit == after+1 {
		slices.Reverse(halves)
	}
	next := after + 1
	for _, half := range halves {
		for len(half) > 0 && half[0].commit == next {
			record, err := recordAt(half, next)
			if err != nil {
				return nil, err
			}
			if record == nil {
				break
			}
			payloads = append(payloads, record)
			half = half[half[0].n:]
			next++
		}
	}
	for _, s := range all {
		if s.commit > next {
			return nil, damaged("commit %d is missing in its journal, and %d is there", next, s.commit)
		}
	}
	return payloads, nil
}

// recordAt puts the sectors of a record together; nil: one was not written.
func recordAt(from []sector, commit uint64) ([]byte, error) {
	n := from[0].n
	if n == 0 || n > len(from) || from[0].index != 0 {
		return nil, damaged("a record of its journal has no beginning or no end")
	}
	var payload []byte
	for i, s := range from[:n] {
		if s.commit < commit {
			return nil, nil
		}
		if s.commit != commit || s.index != i || s.n != n {
			return nil, damaged("a record of its journal is mixed with another")
		}
		payload = append(payload, s.body...)
	}
	size := int(binary.LittleEndian.Uint32(payload))
	if sectorsOf(size) != n {
		return nil, damaged("a record of its journal has another length")
	}
	return payload[4:][:size], nil
}

// An entry is what a commit does to one key.
type entry struct {
	place
	stored []byte // nil: it is deleted
}

// A place is where a value stands.
type place struct{ bucket, key string }

// appendEntry appends an entry to a payload: the length and the bytes of bucket, key and value; a length one more of
// the value, and 0 if it is deleted.
func appendEntry(out []byte, e entry) []byte {
	out = append(binary.AppendUvarint(out, uint64(len(e.bucket))), e.bucket...)
	out = append(binary.AppendUvarint(out, uint64(len(e.key))), e.key...)
	if e.stored == nil {
		return append(out, 0)
	}
	return append(binary.AppendUvarint(out, uint64(len(e.stored))+1), e.stored...)
}

// entriesOf reads a payload.
func entriesOf(payload []byte) (list []entry, err error) {
	take := func(less uint64) []byte {
		n, size := binary.Uvarint(payload)
		if size <= 0 || n < less || n-less > uint64(len(payload)-size) {
			err = damaged("a record of its journal is not a list of values")
			return nil
		}
		part := payload[size:][:n-less]
		payload = payload[size+len(part):]
		return part
	}
	for len(payload) > 0 && err == nil {
		e := entry{place: place{bucket: string(take(0)), key: string(take(0))}}
		if err == nil && len(payload) > 0 && payload[0] == 0 {
			payload = payload[1:]
		} else if err == nil {
			e.stored = take(1)
		}
		list = append(list, e)
	}
	return list, err
}

// replay folds what the journal of a vault that was not closed has into bbolt, and scans it again.
func (v *Vault) replay(c *content) (*content, error) {
	if c.format == 1 {
		return c, nil
	}
	j, err := openJournal(v.path(journalFile), c.journal)
	if errors.Is(err, fs.ErrNotExist) {
		return c, damaged("its journal is gone")
	}
	if err != nil {
		return c, err
	}
	payloads, err := j.read(c.seal.commits)
	if err = errors.Join(err, j.f.Close()); err != nil || len(payloads) == 0 {
		return c, err
	}
	if err := v.openBolt(); err != nil {
		return c, err
	}
	err = guard(func() error {
		return v.db.Update(func(tx *bbolt.Tx) error { return putPayloads(tx, payloads) })
	})
	if isFull(err) {
		err = noSpace(err)
	}
	if err = errors.Join(err, v.closeBolt(err == nil)); err != nil {
		return c, err
	}
	v.o.reached("the journal was replayed")
	last := c.seal.commits + uint64(len(payloads))
	if c, err = v.scan(); err == nil && c.seal.commits != last {
		err = damaged("its journal ends with another commit than it says")
	}
	return c, err
}

func putPayloads(tx *bbolt.Tx, payloads [][]byte) error {
	for _, p := range payloads {
		list, err := entriesOf(p)
		if err == nil {
			err = putAll(tx, list)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readPending is what the journal has that bbolt does not, if it was to be read again after a commit, and of how many
// commits.
func (v *Vault) readPending(after uint64) (map[place][]byte, uint64, error) {
	payloads, err := v.log.read(after)
	all := map[place][]byte{}
	for _, p := range payloads {
		list, err := entriesOf(p)
		if err != nil {
			return nil, 0, err
		}
		for _, e := range list {
			all[e.place] = e.stored
		}
	}
	return all, uint64(len(payloads)), err
}
