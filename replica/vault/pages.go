package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// bbolt maps its file and believes it: on a damaged one it panics, recurses without end or reads what lies beside the
// mapping. So the file is walked here before bbolt sees it, with ordinary reads and every length checked. Each page
// must be reached once, or free; both metas must be whole, because bbolt falls back to the older one in silence, and
// with it to the state before the last commit. A meta is 80 bytes within one sector, which no crash tears.

const (
	pageSize   = 4096
	pageHead   = 16
	elementLen = 16
	bucketHead = 16
	deepest    = 64
	noFreelist = ^uint64(0)
	boltMagic  = 0xED0CDAED
	boltFormat = 2
	metaLen    = 56 // without its checksum
)

const (
	flagBranch   = 1
	flagLeaf     = 2
	flagFreelist = 16
	flagBucket   = 1 // of an element
)

// errPages is damage of the file's structure.
var errPages = errors.New("the database is damaged")

func damaged(what string, args ...any) error {
	return fmt.Errorf("%w: "+what, append([]any{errPages}, args...)...)
}

// A walk goes through a bbolt file that nobody writes, and calls visit with every key and value in the buckets' order.
type walk struct {
	f     io.ReaderAt
	size  int64
	visit func(bucket string, key, value []byte) error // slices are good until it returns
	high  uint64                                       // pages in use are below
	seen  []uint64                                     // a bit a page
	bufs  [deepest][]byte                              // pages on the way down
}

// A span is where a page must lie: its first key is low, and its keys are below high. bbolt finds a page in its parent
// by its first key, so that one that is only near would be entered a second time by the next commit.
type span struct {
	bucket    string // "" is the root
	low, high []byte // nil: without bound
	depth     int
}

// fits tells whether a key may be the i-th of a page, after the last.
func (s *span) fits(i int, key, last []byte) bool {
	order := bytes.Compare(key, last)
	if s.high != nil && bytes.Compare(key, s.high) >= 0 {
		return false
	}
	return i > 0 && order > 0 || i == 0 && (s.low == nil || order == 0)
}

type meta struct{ root, freelist, high, txid uint64 }

func (w *walk) run() error {
	m, err := w.meta()
	if err != nil {
		return err
	}
	if m.high > uint64(w.size)/pageSize {
		return damaged("it is cut off: %d bytes of %d pages", w.size, m.high)
	}
	w.high, w.seen = m.high, make([]uint64, m.high/64+1)
	w.seen[0] = 3 // the heads
	if err := w.page(m.root, span{}); err != nil {
		return err
	}
	if m.freelist == noFreelist {
		return nil
	}
	return w.freelist(m.freelist)
}

// meta is the newer one.
func (w *walk) meta() (meta, error) {
	var both [2]meta
	for i := range both {
		m, err := w.metaAt(int64(i))
		if err != nil {
			return m, err
		}
		both[i] = m
	}
	newer, older := both[0], both[1]
	if older.txid > newer.txid {
		newer, older = older, newer
	}
	if newer.txid != older.txid+1 {
		return meta{}, damaged("its two heads do not follow each other")
	}
	return newer, nil
}

func (w *walk) metaAt(i int64) (m meta, err error) {
	var buf [pageHead + metaLen + 8]byte
	if _, err := w.f.ReadAt(buf[:], i*pageSize); err != nil {
		return m, damaged("head %d: %w", i, err)
	}
	b := buf[pageHead:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaLen])
	if binary.NativeEndian.Uint32(b) != boltMagic || sum.Sum64() != word(b, metaLen) {
		return m, damaged("head %d fails its check", i)
	}
	if v := binary.NativeEndian.Uint32(b[4:]); v != boltFormat {
		return m, fmt.Errorf("%w: its database has version %d, known is %d", ErrVersion, v, boltFormat)
	}
	if binary.NativeEndian.Uint32(b[8:]) != pageSize {
		return m, damaged("its pages have another size")
	}
	return meta{root: word(b, 16), freelist: word(b, 32), high: word(b, 40), txid: word(b, 48)}, nil
}

func word(b []byte, at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }

// read takes a page with its overflow into the buffer of a depth, and notes that it was reached.
func (w *walk) read(id uint64, depth int) ([]byte, error) {
	if depth >= deepest {
		return nil, damaged("its pages nest without end")
	}
	if err := w.mark(id); err != nil {
		return nil, err
	}
	if w.bufs[depth] == nil {
		w.bufs[depth] = make([]byte, pageSize)
	}
	buf := w.bufs[depth][:pageSize]
	if _, err := w.f.ReadAt(buf, int64(id)*pageSize); err != nil {
		return nil, damaged("page %d: %w", id, err)
	}
	if word(buf, 0) != id {
		return nil, damaged("page %d is another one", id)
	}
	more := uint64(binary.NativeEndian.Uint32(buf[12:]))
	if more == 0 {
		return buf, nil
	}
	for n := uint64(1); n <= more; n++ {
		if err := w.mark(id + n); err != nil {
			return nil, err
		}
	}
	buf = slices.Grow(buf, int(more)*pageSize)[:(more+1)*pageSize]
	w.bufs[depth] = buf
	if _, err := w.f.ReadAt(buf[pageSize:], int64(id+1)*pageSize); err != nil {
		return nil, damaged("page %d: %w", id, err)
	}
	return buf, nil
}

func (w *walk) mark(id uint64) error {
	if id < 2 || id >= w.high {
		return damaged("page %d is outside", id)
	}
	if w.seen[id/64]&(1<<(id%64)) != 0 {
		return damaged("page %d is used twice", id)
	}
	w.seen[id/64] |= 1 << (id % 64)
	return nil
}

func (w *walk) page(id uint64, s span) error {
	buf, err := w.read(id, s.depth)
	if err != nil {
		return err
	}
	return w.node(buf, s)
}

// node goes through the elements of a page, or of a bucket that lies within its parent's.
func (w *walk) node(buf []byte, s span) error {
	count := int(binary.NativeEndian.Uint16(buf[10:]))
	flags := binary.NativeEndian.Uint16(buf[8:])
	isLeaf := flags == flagLeaf
	if !isLeaf && (flags != flagBranch || count == 0) || pageHead+count*elementLen > len(buf) {
		return damaged("a page in bucket %q is of no known sort", s.bucket)
	}
	last := s.low
	var child uint64 // the page below the last key
	for i := range count {
		e, err := elementAt(buf, pageHead+i*elementLen, isLeaf)
		if err != nil {
			return err
		}
		if !s.fits(i, e.key, last) {
			return damaged("keys in bucket %q are out of order", s.bucket)
		}
		if isLeaf {
			err = w.element(e, s)
		} else if i > 0 {
			err = w.page(child, span{s.bucket, last, e.key, s.depth + 1})
		}
		if err != nil {
			return err
		}
		last, child = e.key, e.page
	}
	if isLeaf {
		return nil
	}
	return w.page(child, span{s.bucket, last, s.high, s.depth + 1})
}

// An item is a key of a page, with what belongs to it.
type item struct {
	bucket     bool
	key, value []byte
	page       uint64 // of a branch
}

func elementAt(buf []byte, at int, isLeaf bool) (e item, err error) {
	u32 := func(i int) uint64 { return uint64(binary.NativeEndian.Uint32(buf[at+4*i:])) }
	flags, pos, klen, vlen := u32(0), u32(1), u32(2), u32(3)
	if !isLeaf {
		flags, pos, klen, vlen = 0, u32(0), u32(1), 0
		e.page = word(buf, at+8)
	}
	from := uint64(at) + pos
	if flags > flagBucket || klen == 0 || pos < elementLen || from+klen+vlen > uint64(len(buf)) {
		return e, damaged("an element lies outside its page")
	}
	e.bucket = flags == flagBucket
	e.key, e.value = buf[from:from+klen], buf[from+klen:from+klen+vlen]
	return e, nil
}

// element is a key with its value, or a bucket: at the root there are only buckets, in that of the accounts too.
func (w *walk) element(e item, s span) error {
	if e.bucket != (s.bucket == "" || s.bucket == bucketAccounts) {
		return damaged("bucket %q has an element of the wrong sort", s.bucket)
	}
	if !e.bucket {
		return w.visit(s.bucket, e.key, e.value)
	}
	if len(e.value) < bucketHead {
		return damaged("bucket %q has no root", e.key)
	}
	inner := span{bucket: s.bucket + string(e.key), depth: s.depth + 1}
	if root := word(e.value, 0); root != 0 {
		return w.page(root, inner)
	}
	inline := e.value[bucketHead:]
	if len(inline) < pageHead || word(inline, 0) != 0 || binary.NativeEndian.Uint32(inline[12:]) != 0 ||
		binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		return damaged("bucket %q is not a page", e.key)
	}
	return w.node(inline, inner)
}

// freelist must have every page that was not reached, and no other.
func (w *walk) freelist(id uint64) error {
	buf, err := w.read(id, 0)
	if err != nil {
		return err
	}
	at, count := pageHead, uint64(binary.NativeEndian.Uint16(buf[10:]))
	if count == 0xffff {
		at, count = at+8, word(buf, at)
	}
	if binary.NativeEndian.Uint16(buf[8:]) != flagFreelist || count > uint64(len(buf)-at)/8 {
		return damaged("its list of free pages is not one")
	}
	for ; count > 0; count, at = count-1, at+8 {
		if err := w.mark(word(buf, at)); err != nil {
			return err
		}
	}
	for id := range w.high {
		if w.seen[id/64]&(1<<(id%64)) == 0 {
			return damaged("page %d is neither used nor free", id)
		}
	}
	return nil
}
