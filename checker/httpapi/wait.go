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

// await waits for a revision.
func (a *API) await(ctx *fasthttp.RequestCtx, k *ask) (*index.View, trouble, bool) {
	wait, cancel := context.WithTimeout(ctx, time.Duration(k.waitMs)*time.Millisecond)
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
		wait, cancel := context.WithTimeout(ctx, time.Duration(longest)*time.Millisecond)
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
