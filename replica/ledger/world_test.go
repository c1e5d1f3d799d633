package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// A world is everything around the rules in small: a log with one book, hubs that write it by compare-and-swap,
// holders with durable accounts, and messages that come any number of times, in any order, or never. Books, accounts
// and messages are kept as their encodings, as they would be in life, so two worlds never share what one may change.
// Nothing that a world points to is ever written again, so a copy of the struct is another world.
type world struct {
	set   *setting
	now   int64
	log   string // the book
	spare string // a backup of the log; empty: none was made
	hubs  []hub
	folk  []person
	mail  []letter // sorted, none twice
	truth truth
	spent [kinds]int8 // how often each kind of move was made
}

// A hub has what it last read of the log.
type hub struct {
	book  string
	fresh bool // the log has still that
}

// A person is a holder, and what it truly did.
type person struct {
	id         HolderID
	kept, mind string  // the account: durable, and in memory
	sure, true []tally // what was consumed: by kept, by mind
	clock      int64   // it never goes back
	lag        int64   // of its clock behind the hubs'; negative: ahead
	chunk      chunk
	dead       bool // it does not come back
	retired    bool // the hubs do not listen to it any more
	named      int  // how many reservations it made
}

// A chunk is rights that are being consumed from memory.
type chunk struct {
	span    Span
	src     Source
	n, used int64
}

// A tally is what was consumed, as whoever consumed was told.
type tally struct {
	start int64
	src   Source
	Vector
}

// truth is what no part of the world knows.
type truth struct {
	ceiling int64   // the most that was ever allowed in a period
	amounts []tally // of grants, the largest ever
	epoch   uint64
	lasts   int64   // no standing right was asked for beyond this
	past    []tally // what was folded away
	counted bool    // what was used can be told exactly: nobody was fenced, nothing was forgotten and then rolled back
	unruled bool    // a log that was rolled back had another calendar, by which holders may have counted
}

// A setting is what happens in a world.
type setting struct {
	name     string
	terms    []conditions // the first is in force from the beginning
	grants   []Grant
	folk     int
	hubs     int
	skew     []int64 // of the hubs' clocks
	amounts  []int64
	asks     []want
	tick     int64
	lags     []int64
	split    bool // durable steps are steps of their own
	auto     bool // whatever is durable is reported at once, with every ask; else reporting is a move
	budget   [kinds]int8
	only     [kinds]int8 // which holder may do it, from 1; 0: all
	most     int         // states; 0: all
	start    int64
	sampling int // one state in so many is drained
}

// A want is what a holder asks for, in its open period or the next. Until counts ticks from the open one's end.
type want struct {
	Ask
	next bool
}

// conditions are what is in force.
type conditions struct {
	Terms
	rule Rule
}

// A letter is a message: 'u' up to the hubs, 'a' an award, 'c' what the hub has in its book; then who, then the rest.
type letter string

func newWorld(set *setting) world {
	w := world{set: set, now: set.start}
	b := &Book{}
	b.SetTerms(set.terms[0].Terms, set.terms[0].rule, set.start)
	w.log = string(AppendBook(nil, b))
	for range max(1, set.hubs) {
		w.hubs = append(w.hubs, hub{w.log, true})
	}
	for range set.folk {
		w.join()
	}
	w.truth.ceiling, w.truth.counted = b.Terms.ceiling(), true
	w.speak(nil)
	return w
}

// join adds a holder with an empty vault.
func (w *world) join() {
	a := NewAccount()
	a.Epoch = w.truth.epoch
	p := person{id: HolderID{byte(len(w.folk) + 1)}, kept: string(AppendAccount(nil, &a)), clock: w.now}
	p.mind = p.kept
	w.folk = append(w.folk, p)
}

func bookOf(s string) *Book {
	b, err := DecodeBook([]byte(s))
	if err != nil {
		panic(err)
	}
	return b
}

func accountOf(s string) *Account {
	a, err := DecodeAccount([]byte(s))
	if err != nil {
		panic(err)
	}
	return a
}

// key is a hash of all that can make a difference.
func (w *world) key(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	put := func(s string) { h.WriteString(s); h.WriteByte(0xff) }
	num := func(ns ...int64) {
		for _, n := range ns {
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], uint64(n))
			h.Write(b[:])
		}
	}
	put(w.log)
	put(w.spare)
	put(fmt.Sprint(w.truth.unruled))
	num(w.now, w.truth.ceiling, int64(w.truth.epoch), w.truth.lasts)
	for _, b := range w.hubs {
		put(b.book)
		put(fmt.Sprint(b.fresh))
	}
	for i := range w.folk {
		p := &w.folk[i]
		put(p.kept)
		put(p.mind)
		num(p.clock, p.lag, p.chunk.n, p.chunk.used, p.chunk.span.Start, int64(p.chunk.src.Kind), int64(p.named))
		put(p.chunk.src.Grant)
		put(fmt.Sprint(p.dead, p.retired))
		hashTallies(put, num, p.sure)
		hashTallies(put, num, p.true)
	}
	for _, l := range w.mail {
		put(string(l))
	}
	hashTallies(put, num, w.truth.amounts)
	hashTallies(put, num, w.truth.past)
	for _, n := range w.spent {
		h.WriteByte(byte(n))
	}
	return h.Sum64()
}

func hashTallies(put func(string), num func(...int64), list []tally) {
	for _, t := range list {
		put(t.src.Grant)
		num(t.start, int64(t.src.Kind), t.Granted, t.Used, t.Released, t.Refunded, t.Doubt)
	}
	put(".")
}

// plus adds to a tally, in a list that nobody else has.
func plus(list []tally, start int64, src Source, v Vector) []tally {
	list = slices.Clone(list)
	i, ok := slices.BinarySearchFunc(list, tally{start: start, src: src}, tallyOrder)
	if !ok {
		list = slices.Insert(list, i, tally{start: start, src: src})
	}
	list[i].Vector = list[i].Plus(v)
	return list
}

func tallyOrder(x, y tally) int {
	return strings.Compare(x.place(), y.place())
}

func (t tally) place() string {
	var b [9]byte
	binary.BigEndian.PutUint64(b[:], uint64(t.start))
	b[8] = byte(t.src.Kind)
	return string(b[:]) + t.src.Grant
}

// of finds a tally.
func of(list []tally, start int64, src Source) Vector {
	i, ok := slices.BinarySearchFunc(list, tally{start: start, src: src}, tallyOrder)
	if !ok {
		return Vector{}
	}
	return list[i].Vector
}

// post puts a letter into the mail, where it stays.
func (w *world) post(l letter) {
	i, ok := slices.BinarySearch(w.mail, l)
	if ok {
		return
	}
	w.mail = slices.Insert(slices.Clone(w.mail), i, l)
}

// up is a report with an ask. An ask without a period asks for nothing.
func up(who int, r Report, a Ask) letter {
	b := []byte{'u', byte(who)}
	for _, n := range []int64{int64(a.Epoch), a.Period, a.Target, a.Standing, a.Until} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return letter(AppendReport(b, &r))
}

func down(sort byte, who int, w Award) letter {
	return letter(AppendAward([]byte{sort, byte(who)}, &w))
}

func (l letter) who() int { return int(l[1]) }

func (l letter) open(id HolderID) (Report, Ask) {
	var ns [5]int64
	for i := range ns {
		ns[i] = int64(binary.BigEndian.Uint64([]byte(l[2+8*i:])))
	}
	r, err := DecodeReport([]byte(l[2+8*len(ns):]))
	if err != nil {
		panic(err)
	}
	return *r, Ask{Holder: id, Epoch: uint64(ns[0]), Period: ns[1], Target: ns[2], Standing: ns[3], Until: ns[4]}
}

func (l letter) award() Award {
	w, err := DecodeAward([]byte(l[2:]))
	if err != nil {
		panic(err)
	}
	return *w
}

func (l letter) String() string {
	switch l[0] {
	case 'u':
		r, a := l.open(HolderID{})
		s := fmt.Sprintf("report of %d: epoch %d standing %v forgot %d", l[1], r.Epoch, r.Standing, r.Forgot)
		for _, o := range r.Lines {
			s += fmt.Sprint(" ", o.Span, o.Source, o.Vector)
		}
		return s + fmt.Sprintf(", asking %d of %d, standing %d until %d", a.Target, a.Period, a.Standing, a.Until)
	case 'c':
		return "confirmation to " + told(l)
	}
	return "award to " + told(l)
}

func told(l letter) string {
	w := l.award()
	s := fmt.Sprintf("%d: epoch %d turn %d %v standing %v", l[1], w.Epoch, w.Turn, w.Span, w.Standing)
	for _, o := range w.Lines {
		s += fmt.Sprint(" ", o.Source, o.Vector)
	}
	return s
}

// ids are all holders that ever were, but for those that were destroyed: what a hub that lost its log finds elsewhere.
func (w *world) ids() []HolderID {
	var ids []HolderID
	for i := range w.folk {
		if p := &w.folk[i]; !p.dead && !p.retired {
			ids = append(ids, w.folk[i].id)
		}
	}
	return ids
}
