package hub

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// read cuts the body into chunks of lines, and gives each to the parsers and, in order, to the queue.
func (im *importer) read(ctx context.Context, work, queue chan<- *chunk) error {
	in := bufio.NewReaderSize(im.body, 64<<10)
	next := &chunk{first: 1, ready: make(chan struct{})}
	size, n := 0, 0
	for {
		line, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return badRequest("the body could not be read after line %d; what came before may have been imported, "+
				"and sending it again does no harm", n)
		}
		if err == nil || line == nil || len(line) > 0 {
			n++
			size += len(line)
			next.raw = append(next.raw, line)
		}
		if len(next.raw) > 0 && (err != nil || len(next.raw) == chunkLines || size > chunkBytes) {
			if !send(ctx, next, queue) || !send(ctx, next, work) {
				return ctx.Err()
			}
			next, size = &chunk{first: n + 1, ready: make(chan struct{})}, 0
		}
		if err != nil {
			im.doc.Lines = n
			return nil
		}
	}
}

func send(ctx context.Context, ch *chunk, to chan<- *chunk) bool {
	select {
	case to <- ch:
		return true
	case <-ctx.Done():
		return false
	}
}

// readLine reads a line without its end; nil if it is too long, empty if it is blank.
func readLine(in *bufio.Reader) (line []byte, err error) {
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine+2; !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if long {
			return nil, err
		}
		return append([]byte{}, bytes.TrimSpace(line)...), err
	}
}

// fail notes a line that was not imported.
func (im *importer) fail(l importLine) {
	var faults catalog.Faults
	if errors.As(l.err, &faults) {
		for i := range faults {
			faults[i].Line = 0 // within the line itself, always 1
		}
	}
	p := problemOf(l.err)
	im.mu.Lock()
	defer im.mu.Unlock()
	im.doc.Failed++
	if len(im.doc.Errors) >= maxErrors {
		im.doc.LeftOff++
		return
	}
	im.doc.Errors = append(im.doc.Errors, lineError{l.n, l.customer.ID, p.Code, p.Detail, p.Faults})
}

// succeed notes lines that were imported.
func (im *importer) succeed(rev uint64, became tally) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.doc.Revision = max(im.doc.Revision, rev)
	im.doc.Created += became.created
	im.doc.Updated += became.updated
	im.doc.Same += became.same
}

func (im *importer) sortErrors() {
	slices.SortFunc(im.doc.Errors, func(a, b lineError) int { return cmp.Compare(a.Line, b.Line) })
}

// put writes an entry of lines. Of customers that may consume less by theirs the books are written first.
func (im *importer) put(ctx context.Context, v *view, lines []importLine, puts []replica.Put) (uint64, error) {
	if im.h.counter == nil {
		return im.h.put(ctx, counting.NewCommand(), puts...)
	}
	names, now := v.names.Clone(), im.h.now().UnixMilli()
	var cuts []counting.Cut
	var ids []string
	for i := range lines {
		c := &lines[i].customer
		at, exists := v.cards.Get(card{id: c.ID})
		if !exists {
			continue
		}
		next, err := holdingOf(names, c)
		if err != nil {
			return 0, err
		}
		old := holding{record: v.index.Record([]byte(c.ID))}
		cuts = append(cuts, v.cut(held{id: c.ID, rev: at.rev}, old, next, now)...)
		ids = append(ids, c.ID)
	}
	rev, err := im.h.putCut(ctx, counting.NewCommand(), cuts, puts)
	if err == nil {
		im.h.follow(ctx, rev, ids...)
	}
	return rev, err
}
