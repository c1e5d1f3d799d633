package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/sidegate/sidegate/checker"
)

// Versions of the encodings, in their first byte: the newest that there is. What an older one can say is written by
// that one, so that programs of before read it.
const (
	bookVersion    = 2 // since 2: Retired
	accountVersion = 1
	reportVersion  = 1
	askVersion     = 1
	awardVersion   = 1
	totalsVersion  = 2 // since 2: Short
)

// ErrDamaged is wrapped by errors of bytes that are not what a ledger wrote; ErrNewer by those that a newer version
// did.
var (
	ErrDamaged = errors.New("the bytes are not a ledger's")
	ErrNewer   = errors.New("the ledger's bytes are of a newer version; update this program")
)

// AppendBook appends the encoding of a book to dst.
func AppendBook(dst []byte, b *Book) []byte {
	version := byte(1)
	if slices.ContainsFunc(b.Holders, func(h Holder) bool { return h.Trust == Retired }) {
		version = bookVersion
	}
	return write(dst, version, b, (*codec).book)
}

// DecodeBook reads a book.
func DecodeBook(data []byte) (*Book, error) { return read(data, bookVersion, (*codec).book) }

// AppendAccount appends the encoding of an account to dst.
func AppendAccount(dst []byte, a *Account) []byte {
	return write(dst, accountVersion, a, (*codec).account)
}

// DecodeAccount reads an account.
func DecodeAccount(data []byte) (*Account, error) {
	return read(data, accountVersion, (*codec).account)
}

// AppendReport appends the encoding of a report to dst.
func AppendReport(dst []byte, r *Report) []byte { return write(dst, reportVersion, r, (*codec).report) }

// DecodeReport reads a report.
func DecodeReport(data []byte) (*Report, error) { return read(data, reportVersion, (*codec).report) }

// AppendAsk appends the encoding of an ask to dst.
func AppendAsk(dst []byte, a *Ask) []byte { return write(dst, askVersion, a, (*codec).ask) }

// DecodeAsk reads an ask.
func DecodeAsk(data []byte) (*Ask, error) { return read(data, askVersion, (*codec).ask) }

// AppendAward appends the encoding of an award to dst.
func AppendAward(dst []byte, w *Award) []byte { return write(dst, awardVersion, w, (*codec).award) }

// DecodeAward reads an award.
func DecodeAward(data []byte) (*Award, error) { return read(data, awardVersion, (*codec).award) }

// A codec walks through a value once, writing it to b or reading it from b. So what is read is what was written.
type codec struct {
	b       []byte
	at      int // how much of b was read or written
	version byte
	reading bool
	bad     bool
}

func write[T any](dst []byte, version byte, v *T, walk func(*codec, *T)) []byte {
	c := codec{b: dst[:cap(dst)], at: len(dst), version: version}
	c.append(version)
	walk(&c, v)
	return c.b[:c.at]
}

// grow makes room to write n bytes. What there is of it is used up first, so that b rarely becomes another slice.
func (c *codec) grow(n int) {
	if len(c.b)-c.at < n {
		c.b = slices.Grow(c.b[:c.at], n)
		c.b = c.b[:cap(c.b)]
	}
}

func (c *codec) append(v ...byte) {
	c.grow(len(v))
	c.at += copy(c.b[c.at:], v)
}

func read[T any](data []byte, version byte, walk func(*codec, *T)) (*T, error) {
	switch {
	case len(data) == 0 || data[0] == 0:
		return nil, ErrDamaged
	case data[0] > version:
		return nil, fmt.Errorf("%w: version %d, this program reads up to %d", ErrNewer, data[0], version)
	}
	c, v := codec{b: data, at: 1, version: data[0], reading: true}, new(T)
	walk(&c, v)
	if c.bad || c.at != len(data) {
		return nil, ErrDamaged
	}
	return v, nil
}

// left is what was not read yet.
func (c *codec) left() []byte { return c.b[c.at:] }

// spoil says that the bytes are damaged; from then on there are none left.
func (c *codec) spoil() { c.bad, c.at = true, len(c.b) }

// put writes a number. Most have one byte.
func (c *codec) put(v uint64) {
	if v < 0x80 && c.at < len(c.b) {
		c.b[c.at] = byte(v)
		c.at++
		return
	}
	c.grow(binary.MaxVarintLen64)
	c.at += binary.PutUvarint(c.b[c.at:], v)
}

// get reads one.
func (c *codec) get() uint64 {
	if c.at < len(c.b) && c.b[c.at] < 0x80 {
		c.at++
		return uint64(c.b[c.at-1])
	}
	v, n := binary.Uvarint(c.left())
	if n <= 0 {
		c.spoil()
		return 0
	}
	c.at += n
	return v
}

func (c *codec) uint(v *uint64) {
	if c.reading {
		*v = c.get()
		return
	}
	c.put(*v)
}

// int is any number; small ones, negative too, are short.
func (c *codec) int(v *int64) {
	if c.reading {
		u := c.get()
		*v = int64(u>>1) ^ -int64(u&1)
		return
	}
	c.put(uint64(*v)<<1 ^ uint64(*v>>63))
}

func (c *codec) bool(v *bool) {
	u := uint64(0)
	if *v {
		u = 1
	}
	c.uint(&u)
	c.bad = c.bad || u > 1
	if c.reading { // what is written may be read by others meanwhile
		*v = u == 1
	}
}

// small is a number of one byte, below a bound.
func small[T ~uint8](c *codec, v *T, bound T) {
	u := uint64(*v)
	c.uint(&u)
	if u >= uint64(bound) {
		c.bad, u = true, 0
	}
	if c.reading {
		*v = T(u)
	}
}

func (c *codec) fixed(v []byte) {
	if !c.reading {
		c.append(v...)
		return
	}
	if len(c.left()) < len(v) {
		c.spoil()
		return
	}
	c.at += copy(v, c.left())
}

func (c *codec) text(v *string) {
	n := uint64(len(*v))
	c.uint(&n)
	if !c.reading {
		c.grow(len(*v))
		c.at += copy(c.b[c.at:], *v)
		return
	}
	if n > uint64(len(c.left())) {
		c.spoil()
		return
	}
	*v = string(c.left()[:n])
	c.at += int(n)
}

// list walks through the items of a list.
func list[T any](c *codec, v *[]T, each func(*codec, *T)) {
	n := uint64(len(*v))
	c.uint(&n)
	if c.reading && n > uint64(len(c.left())) { // an item has a byte at least
		c.spoil()
		return
	}
	if !c.reading {
		for i := range *v {
			each(c, &(*v)[i])
		}
		return
	}
	*v = slices.Grow(*v, int(min(n, trustedItems)))
	for ; n > 0 && !c.bad; n-- {
		*v = append(*v, *new(T))
		each(c, &(*v)[len(*v)-1])
	}
}

// trustedItems is how long a list may be by what is said of it, before it is seen.
const trustedItems = 1024

func (c *codec) vector(v *Vector) {
	for _, n := range []*int64{&v.Granted, &v.Used, &v.Released, &v.Refunded, &v.Doubt} {
		c.int(n)
	}
}

func (c *codec) span(s *Span) {
	c.int(&s.Start)
	c.int(&s.End)
}

func (c *codec) source(s *Source) {
	small(c, &s.Kind, Unbacked+1)
	if s.Kind == Topup {
		c.text(&s.Grant)
	}
}

func (c *codec) rule(r *Rule) {
	small(c, &r.Per, checker.Never+1)
	c.bool(&r.Anchored)
	c.int(&r.Anchor)
	c.int(&r.From)
}

func (c *codec) calendar(v *Calendar) { list(c, (*[]Rule)(v), (*codec).rule) }

func (c *codec) standing(s *Standing) {
	for _, n := range []*int64{&s.Granted, &s.Released, &s.From, &s.Until} {
		c.int(n)
	}
}

func (c *codec) fund(f *Fund) {
	c.text(&f.Grant)
	c.int(&f.Priority)
	c.int(&f.Until)
}

func (c *codec) report(r *Report) {
	c.fixed(r.Holder[:])
	c.uint(&r.Epoch)
	c.standing(&r.Standing)
	c.int(&r.Forgot)
	list(c, &r.Lines, func(c *codec, l *Reported) {
		c.span(&l.Span)
		c.source(&l.Source)
		c.vector(&l.Vector)
	})
}

func (c *codec) ask(a *Ask) {
	c.fixed(a.Holder[:])
	c.uint(&a.Epoch)
	for _, n := range []*int64{&a.Period, &a.Target, &a.Standing, &a.Until} {
		c.int(n)
	}
}

func (c *codec) award(w *Award) {
	c.uint(&w.Epoch)
	c.uint(&w.Turn)
	c.calendar(&w.Calendar)
	c.span(&w.Span)
	list(c, &w.Lines, func(c *codec, l *Line) {
		c.fixed(l.Holder[:])
		c.source(&l.Source)
		c.vector(&l.Vector)
	})
	c.standing(&w.Standing)
	list(c, &w.Funds, (*codec).fund)
}

func (c *codec) account(a *Account) {
	c.uint(&a.Epoch)
	c.uint(&a.Turn)
	c.calendar(&a.Calendar)
	c.standing(&a.Standing)
	list(c, &a.Funds, (*codec).fund)
	c.int(&a.Forgot)
	list(c, &a.Entries, func(c *codec, e *Entry) {
		c.span(&e.Span)
		c.source(&e.Source)
		c.vector(&e.Vector)
		c.vector(&e.Known)
		c.int(&e.Reserved)
		c.int(&e.Chunk)
	})
	list(c, &a.Reservations, (*codec).reservation)
}

func (c *codec) reservation(r *Reservation) {
	c.text(&r.ID)
	c.span(&r.Span)
	list(c, &r.Parts, func(c *codec, p *Part) {
		c.source(&p.Source)
		c.int(&p.Units)
	})
	c.int(&r.Expires)
	c.bool(&r.Ended)
	c.int(&r.Counted)
	c.bool(&r.Back)
}
