package hub

import (
	"context"
	"errors"

	"github.com/sidegate/sidegate/replica"
)

// A bookWrite is one that the books have.
type bookWrite struct {
	rev   uint64
	again bool // it was done before, by a request with the same key
}

// changeBook writes what becomes of a document of the books by one request, and waits until this hub knows it. decide
// is given the document; it may be deleted, or not exist. It is asked again if somebody else was faster. The body must
// have been read.
func (h *Hub) changeBook(c *call, key string, decide func(e replica.Entry, exists bool) ([]replica.Put, error),
) (w bookWrite, err error) {
	cmd, err := c.command()
	if err != nil {
		return bookWrite{}, err
	}
	for range attempts {
		if w, err = h.changeBookOnce(c, cmd, key, decide); !errors.Is(err, replica.ErrConflict) {
			break
		}
	}
	return w, err
}

func (h *Hub) changeBookOnce(c *call, cmd command, key string,
	decide func(e replica.Entry, exists bool) ([]replica.Put, error)) (bookWrite, error) {
	ctx := c.r.Context()
	e, exists, err := get(ctx, h.books, key)
	if err != nil {
		return bookWrite{}, err
	}
	if rev, ok, err := cmd.done(e.Recent); ok || err != nil {
		return bookWrite{rev, true}, err
	}
	if err := c.precondition(liveRev(e)); err != nil {
		return bookWrite{}, err
	}
	puts, err := decide(e, exists)
	if err != nil {
		return bookWrite{}, err
	}
	rev, err := h.putBooks(ctx, cmd, puts...)
	return bookWrite{rev, false}, err
}

// putBooks writes to the books, and waits until this hub has read it.
func (h *Hub) putBooks(ctx context.Context, cmd command, puts ...replica.Put) (uint64, error) {
	rev, err := h.books.Put(ctx, cmd.id, puts...)
	if err == nil {
		err = h.keys.wait(ctx, rev)
	}
	if err != nil {
		return 0, logFault(err)
	}
	return rev, nil
}
