package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// Sizes of an import.
const (
	chunkLines = replica.MaxPuts - 1 // one put each, and the comparison of the catalogue
	chunkBytes = 4 << 20
	maxLine    = 1 << 20
	importers  = 4    // entries under way at the same time
	maxErrors  = 1000 // that are answered; the rest is counted
	retries    = 4    // of a whole entry, before its lines are written one by one
)

// A lineError says why a line was not imported.
type lineError struct {
	Line   int            `json:"line"`
	ID     string         `json:"id,omitempty"`
	Code   string         `json:"code"`
	Detail string         `json:"detail"`
	Faults catalog.Faults `json:"faults,omitempty"`
}

// An importDoc is what became of an import.
type importDoc struct {
	Revision uint64      `json:"revision"`
	DryRun   bool        `json:"dry_run"`
	Lines    int         `json:"lines"`
	Created  int         `json:"created"`
	Updated  int         `json:"updated"`
	Same     int         `json:"unchanged"` // customers that are what the line says already
	Failed   int         `json:"failed"`
	Errors   []lineError `json:"errors"`
	LeftOff  int         `json:"errors_left_off"` // errors beyond those listed
}

// A chunk is some lines on their way through an import.
type chunk struct {
	first int // number of the first line
	raw   [][]byte
	lines []importLine
	ready chan struct{} // closed when lines are there
}

// An importLine is one customer.
type importLine struct {
	n        int
	customer catalog.Customer
	whole    bool   // its subscriptions are given, so that those it has are replaced
	checked  uint64 // revision of the catalogue that it was held against
	err      error
}

// An importer reads, parses and writes at the same time, each in its own goroutines, which end with Run.
type importer struct {
	h    *Hub
	c    *call
	dry  bool
	seen map[uint64]bool // hashes of the ids so far
	sum  hash.Hash       // of the body so far
	body io.Reader
	key  string // document that remembers the import; empty: the caller gave no key

	mu  sync.Mutex
	doc importDoc
}

func (h *Hub) postImport(c *call) error {
	dry, err := c.flag("dry_run")
	if err != nil {
		return err
	}
	v, err := h.fresh(c.r.Context())
	if err != nil {
		return err
	}
	im := &importer{h: h, c: c, dry: dry, seen: map[uint64]bool{}, sum: sha256.New(), body: c.r.Body,
		doc: importDoc{DryRun: dry, Revision: v.rev, Errors: []lineError{}}}
	done, err := im.replayed()
	if err != nil || done {
		return err
	}
	if err := im.Run(c.r.Context()); err != nil {
		return err
	}
	h.metrics.imported.Add(im.doc.Created + im.doc.Updated)
	im.sortErrors()
	if err := im.remember(); err != nil {
		return err
	}
	return c.answer(im.doc)
}

// Run imports the whole body.
func (im *importer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	work, queue, out := make(chan *chunk), make(chan *chunk, 2*importers), make(chan *chunk)
	group.Go(func() error {
		defer close(work)
		defer close(queue)
		return im.read(ctx, work, queue)
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error { return each(work, im.parse) })
	}
	group.Go(func() error { // back into the order of the lines, so that the second of two is the one refused
		defer close(out)
		return each(queue, func(ch *chunk) error { return im.pass(ctx, ch, out) })
	})
	for range importers {
		group.Go(func() error { return each(out, func(ch *chunk) error { return im.write(ctx, ch.lines) }) })
	}
	return group.Wait()
}

// each does something with every chunk until there is none or it fails.
func each(chunks <-chan *chunk, do func(*chunk) error) error {
	for ch := range chunks {
		if err := do(ch); err != nil {
			return err
		}
	}
	return nil
}

// pass hands a chunk on once it is parsed.
func (im *importer) pass(ctx context.Context, ch *chunk, out chan<- *chunk) error {
	select {
	case <-ch.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	im.distinct(ch)
	select {
	case out <- ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// parse reads the lines of a chunk and holds them against the catalogue.
func (im *importer) parse(ch *chunk) error {
	defer close(ch.ready)
	v, _ := im.h.shelf.load()
	ch.lines = make([]importLine, 0, len(ch.raw))
	for i, raw := range ch.raw {
		if raw == nil {
			ch.lines = append(ch.lines, importLine{n: ch.first + i, err: refuse(http.StatusRequestEntityTooLarge,
				"line_too_long", "the line has more than %d bytes", maxLine)})
			continue
		}
		if len(raw) == 0 {
			continue
		}
		l := importLine{n: ch.first + i}
		if n, err := catalog.ParseJSON(raw); err != nil {
			l.err = err
		} else if l.customer, err = catalog.ReadImport(n, im.h.now()); err != nil {
			l.err = err
		} else {
			l.whole = l.customer.Subscriptions != nil
			l.customer.Group = groupOf(l.customer.Group)
			l.checked, l.err = v.catRev, v.vet(catalog.Uses{}, l.customer)
		}
		ch.lines = append(ch.lines, l)
	}
	ch.raw = nil
	return nil
}

// distinct refuses what stood in an earlier line already.
func (im *importer) distinct(ch *chunk) {
	for i := range ch.lines {
		l := &ch.lines[i]
		if l.customer.ID == "" {
			continue
		}
		hash := replica.DocHash(l.customer.ID, []byte{})
		if l.err == nil && im.seen[hash] {
			l.err = refuse(http.StatusBadRequest, "duplicate_id",
				"customer %q stands in an earlier line already; put everything of a customer into one line", l.customer.ID)
		}
		im.seen[hash] = true
	}
}

// write writes the lines without a fault, in as few entries as they fit in, and notes the others.
func (im *importer) write(ctx context.Context, lines []importLine) error {
	v, _ := im.h.shelf.load()
	good, single := make([]importLine, 0, len(lines)), []importLine(nil)
	for _, l := range lines {
		_, exists := v.cards.Get(card{id: l.customer.ID})
		_, granted := v.grants.Get(l.customer.ID)
		switch {
		case l.err != nil:
			im.fail(l)
		case exists && (!l.whole || granted) && !im.dry:
			single = append(single, l) // what it keeps has to be read
		default:
			good = append(good, l)
		}
	}
	good, err := im.writeMany(ctx, good)
	if err != nil {
		return err
	}
	for _, l := range append(single, good...) {
		if err := im.writeOne(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// writeMany writes lines entry by entry, and answers those that others kept it from writing.
func (im *importer) writeMany(ctx context.Context, good []importLine) ([]importLine, error) {
	v, _ := im.h.shelf.load()
	good = im.vetAgain(v, good)
	for tries := 0; len(good) > 0 && tries < retries; {
		n, became, puts, err := entry(v, good, im.h.now())
		if err != nil {
			return nil, err
		}
		rev := v.rev
		if !im.dry && len(puts) > 1 {
			rev, err = im.put(ctx, v, good[:n], puts)
		}
		if err == nil {
			im.succeed(rev, became)
			good = good[n:]
			continue
		}
		if !errors.Is(err, replica.ErrConflict) && !errors.Is(err, replica.ErrUnknown) {
			return nil, err
		}
		tries++
		if v, err = im.h.fresh(ctx); err != nil {
			return nil, err
		}
		good = im.vetAgain(v, good)
	}
	return good, nil
}

// vetAgain answers the lines that also pass under the view's catalogue, if that is another one than they were held
// against.
func (im *importer) vetAgain(v *view, lines []importLine) []importLine {
	good := lines[:0]
	for _, l := range lines {
		if l.checked != v.catRev {
			l.checked, l.err = v.catRev, v.vet(catalog.Uses{}, l.customer)
		}
		if l.err != nil {
			im.fail(l)
			continue
		}
		good = append(good, l)
	}
	return good
}

// A tally counts what became of lines.
type tally struct{ created, updated, same int }

// entry says what has to be written for the first n lines, as many as fit, by what the view knows of their customers.
func entry(v *view, lines []importLine, now time.Time) (n int, became tally, puts []replica.Put, err error) {
	names := v.names.Clone()
	puts = append(make([]replica.Put, 0, len(lines)+1), replica.Put{Key: replica.KindCatalog, Expect: v.catRev})
	for n = range lines {
		cu := held{id: lines[n].customer.ID}
		c, ok := v.cards.Get(card{id: cu.id})
		if ok {
			cu.exists, cu.rev, cu.home, cu.doc.Group = true, c.rev, c.home, c.group
			if c.group == "" {
				cu.home = c.rev
			}
			if err := stamp(names, v.index.Record([]byte(cu.id)), &lines[n].customer, now); err != nil {
				return 0, tally{}, nil, err
			}
		}
		more := cu.puts(&lines[n].customer)
		if len(puts)+len(more) > replica.MaxPuts {
			return n, became, puts, nil
		}
		hash, _ := v.index.DocHash([]byte(cu.id))
		switch {
		case ok && hash == replica.DocHash(more[0].Key, more[0].Value):
			became.same++
			continue
		case ok:
			became.updated++
		default:
			became.created++
		}
		puts = append(puts, more...)
	}
	return len(lines), became, puts, nil
}

// writeOne writes one line by what the log itself says of the customer.
func (im *importer) writeOne(ctx context.Context, l importLine) error {
	last := error(replica.ErrConflict)
	for range attempts {
		v, err := im.h.fresh(ctx)
		if err != nil {
			return err
		}
		cu, err := im.h.customer(ctx, l.customer.ID)
		if err != nil {
			return err
		}
		if l.err = v.vet(cu.doc.Uses(), l.customer); l.err != nil {
			im.fail(l)
			return nil
		}
		next := l.customer
		next.Grants = cu.doc.Grants
		if !l.whole {
			next.Subscriptions = cu.doc.Subscriptions
		}
		if err := im.h.stamp(v, cu, &next); err != nil {
			return err
		}
		same := next.Group == cu.doc.Group && bytes.Equal(catalog.EncodeCustomer(next), catalog.EncodeCustomer(cu.doc))
		if cu.exists && same {
			im.succeed(cu.rev, tally{same: 1})
			return nil
		}
		puts := append(cu.puts(&next), replica.Put{Key: replica.KindCatalog, Expect: v.catRev})
		cuts, err := im.h.cuts(v, cu, &next)
		if err != nil {
			return err
		}
		rev, err := im.h.putCut(ctx, counting.NewCommand(), cuts, puts)
		if err == nil && cu.exists {
			im.h.follow(ctx, rev, cu.id)
			im.succeed(rev, tally{updated: 1})
			return nil
		}
		if err == nil {
			im.succeed(rev, tally{created: 1})
			return nil
		}
		if !errors.Is(err, replica.ErrConflict) && !errors.Is(err, replica.ErrUnknown) {
			return err
		}
		last = err
	}
	l.err = last
	im.fail(l)
	return nil
}
