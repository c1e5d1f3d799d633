package hub

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// patience is how long a request waits for the hub's own view to catch up with the log.
const patience = 10 * time.Second

// get reads a document; ok is false if it does not exist, and the entry then may still remember commands.
func get(ctx context.Context, log replica.Log, key string) (e replica.Entry, ok bool, err error) {
	e, err = log.Get(ctx, key)
	switch {
	case errors.Is(err, replica.ErrNotFound):
		return replica.Entry{}, false, nil
	case err != nil:
		return e, false, logFault(err)
	}
	return e, !e.Deleted(), nil
}

// logFault tells the faults that a log reports by name from those of reaching it.
func logFault(err error) error {
	for _, known := range []error{replica.ErrConflict, replica.ErrUnknown, replica.ErrKey, replica.ErrNoSpace} {
		if err == nil || errors.Is(err, known) {
			return err
		}
	}
	return unavailable(err)
}

// wait answers a view of at least a revision.
func (h *Hub) wait(ctx context.Context, rev uint64) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := h.shelf.wait(ctx, rev)
	if err != nil {
		return nil, &problem{Status: http.StatusServiceUnavailable, Code: "catching_up", cause: err,
			Detail: "the hub has not caught up with the log yet; try again"}
	}
	return v, nil
}

// fresh answers a view of everything that was written before the call, by any hub.
func (h *Hub) fresh(ctx context.Context) (*view, error) {
	_, head, err := h.docs.Head(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	return h.wait(ctx, head)
}

// recent answers a view of everything that this hub has written.
func (h *Hub) recent(ctx context.Context) (*view, error) { return h.wait(ctx, h.written.Load()) }

// wrote notes what this hub has written.
func (h *Hub) wrote(rev uint64) {
	for {
		old := h.written.Load()
		if old >= rev || h.written.CompareAndSwap(old, rev) {
			return
		}
	}
}

// put writes to the documents.
func (h *Hub) put(ctx context.Context, id replica.CommandID, puts ...replica.Put) (uint64, error) {
	rev, err := h.docs.Put(ctx, id, puts...)
	if err != nil {
		h.metrics.failedPuts.Inc()
		return 0, logFault(err)
	}
	h.wrote(rev)
	return rev, nil
}
