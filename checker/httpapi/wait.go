package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker/index"
)

// Waiting for a revision, in milliseconds.
const (
	defaultWait = 100
	maxWait     = 30_000
)

// A life is a context that ends when the server does. A RequestCtx itself must not be what other contexts come from: it
// serves the next request while their timers may still look at it.
type life struct{ done <-chan struct{} }

func lifeOf(ctx *fasthttp.RequestCtx) context.Context { return life{ctx.Done()} }

// Deadline says that there is none.
func (l life) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is closed when the server stops.
func (l life) Done() <-chan struct{} { return l.done }

// Err tells whether the server stops.
func (l life) Err() error {
	select {
	case <-l.done:
		return context.Canceled
	default:
		return nil
	}
}

// Value is nil.
func (l life) Value(any) any { return nil }

// await waits for a revision.
func (a *API) await(ctx *fasthttp.RequestCtx, k *ask) (*index.View, trouble, bool) {
	wait, cancel := context.WithTimeout(lifeOf(ctx), time.Duration(k.waitMs)*time.Millisecond)
	defer cancel()
	err := a.o.Source.Index().Wait(wait, k.minRevision)
	view := a.o.Source.Index().Load()
	switch {
	case err == nil:
		return view, trouble{}, true
	case ctx.Err() != nil:
		return nil, stopping, false
	}
	return nil, notReached(view, k), false
}

func notReached(view *index.View, k *ask) trouble {
	return trouble{status: 409, code: "revision_not_reached", detail: fmt.Sprintf(
		"this sidecar is at revision %d and did not reach %d within %d ms; ask again, or with a larger wait_ms",
		view.Revision(), k.minRevision, k.waitMs)}
}

// awaitAll waits until every item has its revision or has waited for as long as it wants to, and answers one view for
// all. The item that asks for the highest revision waits first: with that one there, all others have theirs. An item
// that waits no longer than one before it has nothing left to wait for.
func (a *API) awaitAll(ctx *fasthttp.RequestCtx, items []bulkItem) (*index.View, trouble, bool) {
	view, t, ok := a.view(ctx, &ask{})
	if !ok {
		return nil, t, false
	}
	var early []*ask
	for i := range items {
		if k := &items[i].ask; items[i].trouble.status == 0 && k.minRevision > view.Revision() {
			early = append(early, k)
		}
	}
	slices.SortFunc(early, func(x, y *ask) int { return cmp.Compare(y.minRevision, x.minRevision) })
	var waits []context.Context
	var revisions []uint64
	longest := int64(-1)
	for _, k := range early {
		if k.waitMs <= longest {
			continue
		}
		longest = k.waitMs
		wait, cancel := context.WithTimeout(lifeOf(ctx), time.Duration(longest)*time.Millisecond)
		defer cancel()
		waits, revisions = append(waits, wait), append(revisions, k.minRevision)
	}
	for i, wait := range waits {
		if a.o.Source.Index().Wait(wait, revisions[i]) == nil {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, stopping, false
	}
	return a.o.Source.Index().Load(), trouble{}, true
}
