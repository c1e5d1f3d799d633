package httpapi

import (
	"bytes"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica/meter"
)

const (
	reservations = "/v1/reservations"
	// maxTTL is how long units may be set aside.
	maxTTL = 7 * 24 * time.Hour
)

var (
	noReservation = trouble{status: 404, code: "reservation_not_found",
		detail: "there is no such reservation here; it may have been settled long ago"}
	stillOpen = trouble{status: 409, code: "reservation_open",
		detail: "it is reserved, not committed, so that there is nothing to take back; let it go by DELETE instead"}
)

// reserve sets units aside.
func (a *API) reserve(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	const instead = "a reservation that is made twice runs out by itself, or release the one that you do not need"
	view, t, ok := a.demand(ctx, w, query)
	if t.field == fieldNames[fieldKey] {
		t.detail = "this call takes none; " + instead
	}
	if !ok {
		return t, false
	}
	if t, ok := unkeyed(ctx, instead); !ok {
		return t, false
	}
	ttl, t, ok := w.ask.life()
	if !ok {
		return t, false
	}
	res, made, err := a.o.Meter.Reserve(lifeOf(ctx), a.request(w, view), ttl)
	if err != nil {
		return uncounted(err), false
	}
	res.Consumed = 0
	a.told(w, view, &res)
	if made.ID == "" {
		return trouble{}, true
	}
	w.out = appendString(append(w.out[:len(w.out)-1], `,"reservation":`...), made.ID)
	w.out = append(appendTime(append(w.out, `,"reserved_until":`...), made.Expires), '}')
	ctx.SetStatusCode(fasthttp.StatusCreated)
	return trouble{}, true
}

// life is how long units are set aside.
func (k *ask) life() (time.Duration, trouble, bool) {
	d, err := catalog.ParseDuration(string(k.ttl))
	if ttl := time.Duration(d); err == nil && ttl >= time.Second && ttl <= maxTTL {
		return ttl, trouble{}, true
	}
	return 0, badRequest("ttl", "it must be a duration from 1s to 7d, such as 10m"), false
}

// commit counts units of a reservation.
func (a *API) commit(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	id, t, ok := a.reservation(ctx, w, query, fasthttp.MethodPost)
	if !ok {
		return t, false
	}
	s := scanner{b: ctx.Request.Body(), w: w}
	if t, ok = s.ask(&w.ask); !ok {
		return t, false
	}
	switch {
	case !s.end():
		return s.trouble(), false
	case w.ask.seen == 0:
		return badRequest("quantity", "it is missing"), false
	}
	replayed, err := a.o.Meter.Commit(id, w.ask.Quantity)
	if err != nil {
		return unsettled(err), false
	}
	w.settled(id, `,"consumed":`, w.ask.Quantity, replayed)
	return trouble{}, true
}

// cancel lets a reservation go.
func (a *API) cancel(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	id, t, ok := a.reservation(ctx, w, query, fasthttp.MethodDelete)
	if !ok {
		return t, false
	}
	replayed, err := a.o.Meter.Cancel(id)
	if err != nil {
		return unsettled(err), false
	}
	w.settled(id, `,"consumed":`, 0, replayed)
	return trouble{}, true
}

// refund takes back what a reservation consumed.
func (a *API) refund(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	id, t, ok := a.reservation(ctx, w, query, fasthttp.MethodPost)
	if !ok {
		return t, false
	}
	s := scanner{b: ctx.Request.Body(), w: w}
	if s.peek() != 0 {
		if t, ok = s.ask(&w.ask); !ok && t.field != "" {
			t.detail = "a refund takes back all that was consumed; its body is empty or {}"
		}
		if !ok {
			return t, false
		}
	}
	if !s.end() {
		return s.trouble(), false
	}
	units, replayed, err := a.o.Meter.Refund(id)
	if err != nil {
		return unsettled(err), false
	}
	w.settled(id, `,"refunded":`, units, replayed)
	return trouble{}, true
}

// reservation is the one that the path names, if the method is right.
func (a *API) reservation(ctx *fasthttp.RequestCtx, w *work, query []byte, method string) (string, trouble, bool) {
	if string(ctx.Method()) != method {
		return "", wrongMethod(ctx, method), false
	}
	if t, ok := a.counts(); !ok {
		return "", t, false
	}
	if t, ok := emptyQuery(query); !ok {
		return "", t, false
	}
	if t, ok := unkeyed(ctx, "the reservation is settled once; repeat the request as it was"); !ok {
		return "", t, false
	}
	path, _, _ := split(ctx)
	raw := path[len(reservations)+1:]
	for _, end := range []string{"/commit", "/refund"} {
		raw = bytes.TrimSuffix(raw, []byte(end))
	}
	id, ok := w.decodePath(raw)
	if !ok || len(id) == 0 {
		return "", noReservation, false
	}
	return string(id), trouble{}, true
}

// settled writes what became of a reservation.
func (w *work) settled(id, name string, units int64, replayed bool) {
	w.out = appendInt(appendString(append(w.out, `{"reservation":`...), id), name, units)
	if replayed {
		w.out = append(w.out, `,"replayed":true`...)
	}
	w.out = append(w.out, '}')
}

// unsettled says why a reservation was not settled.
func unsettled(err error) trouble {
	var elsewhere meter.Elsewhere
	var conflict meter.Conflict
	switch {
	case errors.As(err, &elsewhere):
		return trouble{status: 409, code: "reservation_elsewhere",
			detail: "another holder made it: " + elsewhere.Holder + "; settle it at that sidecar. If that is this one, it " +
				"was declared lost since, and what was committed before stays counted"}
	case errors.As(err, &conflict) && conflict.Open:
		return stillOpen
	case errors.As(err, &conflict):
		t := trouble{status: 409, code: "reservation_settled", detail: conflict.Error()}
		switch {
		case conflict.Fenced:
			t.detail += "; the vendor can make up for it with a grant"
		case conflict.Counted > 0 && !conflict.Refunded:
			t.detail += "; a POST to its /refund takes them back"
		}
		return t
	case errors.Is(err, meter.ErrTooMuch):
		return badRequest("quantity", "it is more than is reserved")
	case errors.Is(err, meter.ErrNoReservation):
		return noReservation
	}
	return uncounted(err)
}
