package httpapi

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/meter"
)

var (
	notMetered = trouble{status: 400, code: "feature_not_metered", field: "feature",
		detail: "only metered features are consumed; ask /v1/check"}
	notCounting = trouble{status: 503, code: "overloaded", detail: "this sidecar does not count; give it a data directory"}
	keyReused   = trouble{status: 422, code: "idempotency_key_reused", field: "idempotency_key",
		detail: "this key was used for another request; choose a new one"}
	storageFull = trouble{status: 507, code: "storage_full",
		detail: "nothing was counted, for the disk is full; make room in the data directory, checks go on meanwhile"}
	neverHadRoom = trouble{status: 507, code: "storage_full", detail: "nothing is counted, for the disk was full when " +
		"this sidecar started; make room in the data directory and restart, checks go on meanwhile"}
	outcomeUnknown = trouble{status: 500, code: "outcome_unknown", detail: "the disk failed while this was written; " +
		"whether it was counted shows once this sidecar was restarted, so repeat it then, with the same idempotency_key"}
	storageFailed = trouble{status: 503, code: "storage_failed", detail: "nothing was counted, for the disk has failed; " +
		"look at the disk and restart this sidecar, checks go on meanwhile"}
	notNow = trouble{status: 503, code: "overloaded", detail: "nothing was counted; ask again in a moment"}
)

// consume takes units of a metered feature.
func (a *API) consume(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	view, t, ok := a.demand(ctx, w, query)
	if !ok {
		return t, false
	}
	if t, ok := w.takeKey(ctx); !ok {
		return t, false
	}
	res, err := a.o.Meter.Consume(lifeOf(ctx), a.request(w, view))
	if err != nil {
		return uncounted(err), false
	}
	a.told(w, view, &res)
	return trouble{}, true
}

// demand reads what is asked for, and finds what the customer holds of it.
func (a *API) demand(ctx *fasthttp.RequestCtx, w *work, query []byte) (*index.View, trouble, bool) {
	if !ctx.IsPost() {
		return nil, wrongMethod(ctx, fasthttp.MethodPost), false
	}
	if t, ok := a.counts(); !ok {
		return nil, t, false
	}
	if t, ok := a.read(ctx, w, query); !ok {
		return nil, t, false
	}
	view, t, ok := a.view(ctx, &w.ask)
	if !ok {
		return nil, t, false
	}
	if t, ok := a.hold(w, view, a.o.Now().UnixMilli()); !ok {
		return nil, t, false
	}
	if f := w.held.Feature; f != nil && f.Type != checker.Metered {
		return nil, notMetered, false
	}
	return view, trouble{}, true
}

// counts tells whether there is a meter.
func (a *API) counts() (trouble, bool) {
	switch {
	case a.o.Meter != nil:
		return trouble{}, true
	case a.o.NoRoom:
		return neverHadRoom, false
	}
	return notCounting, false
}

// keyHeader is where other APIs have the key.
const keyHeader = "Idempotency-Key"

// takeKey reads the header for the key, quoted or not. An empty key is none, and whoever sends one relies on it.
func (w *work) takeKey(ctx *fasthttp.RequestCtx) (trouble, bool) {
	switch given := ctx.Request.Header.PeekAll(keyHeader); len(given) {
	case 0:
	case 1:
		if !w.ask.first(fieldKey) {
			return badRequest("idempotency_key", "it stands in the body and in the header; keep one of them"), false
		}
		if t, ok := w.ask.set(fieldKey, bytes.Clone(bytes.Trim(given[0], `"`))); !ok {
			t.field = keyHeader
			return t, false
		}
		if len(w.ask.key) == 0 {
			return badRequest(keyHeader, emptyKey), false
		}
	default:
		return badRequest(keyHeader, "it stands twice"), false
	}
	if w.ask.key != nil && len(w.ask.key) == 0 {
		return badRequest("idempotency_key", emptyKey), false
	}
	return trouble{}, true
}

const emptyKey = "it is empty; give 1 to 256 bytes, or leave it out to have every request counted"

// unkeyed refuses the header where it would not be honoured: who sends it relies on it.
func unkeyed(ctx *fasthttp.RequestCtx, instead string) (trouble, bool) {
	if len(ctx.Request.Header.PeekAll(keyHeader)) > 0 {
		return badRequest(keyHeader, "this call takes none; "+instead), false
	}
	return trouble{}, true
}

// request is what the meter is asked.
func (a *API) request(w *work, view *index.View) *meter.Request {
	k := &w.ask
	r := &meter.Request{Customer: string(k.customer), Feature: string(k.feature), Held: &w.held, Ask: &k.Ask,
		Recent: k.minRevision > 0}
	if len(k.key) == 0 {
		return r
	}
	// What this sidecar assumes is no part of it: that changes with the app's next version.
	payload := fmt.Appendf(nil, "%q %q %q %q %q %q %d", k.customer, k.feature, k.User, k.Device,
		k.named(fieldEnvironment, k.Environment), k.named(fieldVersion, k.Version), k.Quantity)
	r.Keyed, r.Key, r.Payload = true, hash16(k.key), hash16(payload)
	r.Render = func(d *checker.Decision) []byte {
		out := appendDecision(nil, answered{k, &w.held, d, view.Revision()})
		return appendInt(out, `,"consumed":`, k.Quantity)
	}
	return r
}

func hash16(text []byte) [16]byte {
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16])
}

// told writes what became of a consumption.
func (a *API) told(w *work, view *index.View, res *meter.Result) {
	if res.Replayed != nil {
		w.out = append(append(w.out, res.Replayed...), `,"replayed":true}`...)
		return
	}
	a.metrics.count(w.api, res.Decision.Reason)
	out := appendDecision(w.out, answered{&w.ask, &w.held, &res.Decision, view.Revision()})
	out = appendInt(out, `,"consumed":`, res.Consumed)
	if res.RetryAfter > 0 {
		out = strconv.AppendInt(append(out, `,"retry_after_ms":`...), res.RetryAfter.Milliseconds(), 10)
	}
	w.out = append(out, '}')
}

// uncounted says why nothing was counted, or that nobody knows.
func uncounted(err error) trouble {
	switch {
	case errors.Is(err, meter.ErrKeyReused):
		return keyReused
	case errors.Is(err, replica.ErrNoSpace):
		return storageFull
	case errors.Is(err, replica.ErrUnknown):
		return outcomeUnknown
	case errors.Is(err, replica.ErrBroken):
		return storageFailed
	case errors.Is(err, meter.ErrTooMany):
		return badRequest("quantity", err.Error())
	}
	return notNow
}
