package httpapi

import (
	"bytes"
	"fmt"
	"mime"
	"strconv"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/replica/meter"
)

// An event is what is read of a CloudEvent that tells of use.
type event struct {
	version  []byte
	id       []byte
	source   []byte
	feature  []byte // its type
	customer []byte // its subject
	quantity int64  // of its data; -1: not given
}

// maxQuantity is the most that one event may tell, far below what can be counted in a period.
const maxQuantity = 1 << 32

// usage takes CloudEvents in, all or none.
func (a *API) usage(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	if !ctx.IsPost() {
		return wrongMethod(ctx, fasthttp.MethodPost), false
	}
	if t, ok := a.counts(); !ok {
		return t, false
	}
	if t, ok := emptyQuery(query); !ok {
		return t, false
	}
	events, t, ok := w.readEvents(ctx)
	if !ok {
		return t, false
	}
	view, t, ok := a.view(ctx, &ask{})
	if !ok {
		return t, false
	}
	facts := make([]meter.Fact, len(events))
	for i := range events {
		if facts[i], t, ok = a.fact(&events[i], view); !ok {
			return t.at("events", i), false
		}
	}
	duplicates, err := a.o.Meter.Record(lifeOf(ctx), facts)
	if err != nil {
		return uncounted(err), false
	}
	if path, _, _ := split(ctx); string(path) != "/v1/usage" { // other meters' path, which they answer without a body
		ctx.SetStatusCode(fasthttp.StatusNoContent)
		return trouble{}, true
	}
	ctx.SetStatusCode(fasthttp.StatusAccepted)
	w.out = strconv.AppendInt(append(w.out, `{"accepted":`...), int64(len(facts)-duplicates), 10)
	w.out = append(appendInt(w.out, `,"duplicates":`, int64(duplicates)), '}')
	return trouble{}, true
}

// fact is what the meter is told of an event.
func (a *API) fact(e *event, view *index.View) (meter.Fact, trouble, bool) {
	held := view.Held(e.customer, e.feature)
	switch {
	case held.Record == nil && !a.o.Source.All():
		return meter.Fact{}, notFollowed, false
	case held.Record == nil:
		return meter.Fact{}, badRequest("subject", "there is no such customer"), false
	case held.Feature == nil || held.Feature.Type != checker.Metered:
		return meter.Fact{}, badRequest("type", "it is not the key of a metered feature"), false
	}
	return meter.Fact{Customer: string(e.customer), Feature: string(e.feature), Quantity: e.quantity,
		Key: hash16(fmt.Appendf(nil, "event %q %q", e.source, e.id)), Held: &held}, trouble{}, true
}

// readEvents reads one or many, in one of the three modes of HTTP.
func (w *work) readEvents(ctx *fasthttp.RequestCtx) ([]event, trouble, bool) {
	body := ctx.Request.Body()
	kind, _, err := mime.ParseMediaType(string(ctx.Request.Header.ContentType()))
	if err != nil {
		return nil, badRequest("content-type", "it must be application/cloudevents+json, "+
			"application/cloudevents-batch+json, or application/json with ce- headers"), false
	}
	if !utf8.Valid(body) {
		return nil, badRequest("", "the body is not valid UTF-8"), false
	}
	s := scanner{b: body, w: w}
	var events []event
	var t trouble
	var ok bool
	switch {
	case kind == "application/cloudevents+json":
		events = make([]event, 1)
		t, ok = s.event(&events[0])
	case kind == "application/cloudevents-batch+json":
		events, t, ok = s.events()
	case len(ctx.Request.Header.Peek("ce-id")) > 0:
		events = make([]event, 1)
		t, ok = s.binaryEvent(ctx, &events[0])
	default:
		return nil, badRequest("content-type", "it is not that of CloudEvents, and there are no ce- headers"), false
	}
	if ok && !s.end() {
		return nil, s.trouble(), false
	}
	return events, t, ok
}

// events reads a batch.
func (s *scanner) events() (all []event, t trouble, ok bool) {
	if !s.eat('[') {
		return nil, s.trouble(), false
	}
	for first := true; s.more(']', first); first = false {
		if len(all) == maxChecks {
			return nil, badRequest("", fmt.Sprintf("there are more than %d events; send smaller portions", maxChecks)), false
		}
		all = append(all, event{})
		if t, ok = s.event(&all[len(all)-1]); !ok {
			return nil, t.at("events", len(all)-1), false
		}
	}
	if s.flaw != "" {
		return nil, s.trouble(), false
	}
	return all, trouble{}, true
}

// event reads one in structured mode. Attributes that are not known are other people's extensions.
func (s *scanner) event(e *event) (trouble, bool) {
	e.quantity = -1
	if !s.eat('{') {
		return s.trouble(), false
	}
	for first := true; s.more('}', first); first = false {
		name, ok := s.text()
		if !ok || !s.eat(':') {
			return s.trouble(), false
		}
		if t, ok := s.attribute(e, name); !ok {
			return t, false
		}
	}
	if s.flaw != "" {
		return s.trouble(), false
	}
	return e.complete()
}

func (s *scanner) attribute(e *event, name []byte) (trouble, bool) {
	if to := e.part(string(name)); to != nil {
		if s.peek() != '"' {
			return badRequest(string(name), "it must be a text"), false
		}
		var ok bool
		if *to, ok = s.text(); !ok {
			return s.trouble(), false
		}
		return trouble{}, true
	}
	if string(name) == "data" {
		return s.data(e)
	}
	if _, ok := s.value(); !ok {
		return s.trouble(), false
	}
	return trouble{}, true
}

// part is where an attribute goes; nil: it is not needed.
func (e *event) part(name string) *[]byte {
	switch name {
	case "specversion":
		return &e.version
	case "id":
		return &e.id
	case "source":
		return &e.source
	case "type":
		return &e.feature
	case "subject":
		return &e.customer
	}
	return nil
}

// data reads {"quantity": n}; what else stands there is the sender's own.
func (s *scanner) data(e *event) (trouble, bool) {
	if s.peek() != '{' {
		return badRequest("data", `it must be an object such as {"quantity": 1}`), false
	}
	s.at++
	for first := true; s.more('}', first); first = false {
		name, ok := s.text()
		if !ok || !s.eat(':') {
			return s.trouble(), false
		}
		if string(name) != "quantity" {
			if _, ok := s.value(); !ok {
				return s.trouble(), false
			}
			continue
		}
		if e.quantity, ok = whole(s.word()); !ok || e.quantity > maxQuantity {
			return badRequest("data.quantity", fmt.Sprintf("it must be a whole number from 0 to %d", maxQuantity)), false
		}
	}
	if s.flaw != "" {
		return s.trouble(), false
	}
	return trouble{}, true
}

// binaryEvent reads attributes from headers and data from the body.
func (s *scanner) binaryEvent(ctx *fasthttp.RequestCtx, e *event) (trouble, bool) {
	e.quantity = -1
	for _, name := range []string{"specversion", "id", "source", "type", "subject"} {
		raw := ctx.Request.Header.Peek("ce-" + name)
		value, ok := s.w.decodeHeader(raw)
		if !ok {
			return badRequest("ce-"+name, "a percent sign in it is not followed by two hexadecimal digits"), false
		}
		*e.part(name) = value
	}
	if t, ok := s.data(e); !ok {
		return t, false
	}
	return e.complete()
}

// decodeHeader resolves percent-encoding, of which a plus is no part.
func (w *work) decodeHeader(raw []byte) ([]byte, bool) {
	if bytes.IndexByte(raw, '%') < 0 {
		return bytes.Clone(raw), true
	}
	return w.decode(bytes.ReplaceAll(raw, []byte("+"), []byte("%2B")))
}

// complete tells whether everything is there.
func (e *event) complete() (trouble, bool) {
	for _, name := range []string{"specversion", "id", "source", "type", "subject"} {
		if len(*e.part(name)) == 0 {
			return badRequest(name, "it is missing"), false
		}
	}
	if string(e.version) != "1.0" {
		return badRequest("specversion", "it must be 1.0"), false
	}
	if e.quantity < 0 {
		return badRequest("data.quantity", "it is missing"), false
	}
	for name, field := range map[string]int{"subject": fieldCustomer, "type": fieldFeature} {
		if t, ok := checkID(field, *e.part(name)); !ok {
			t.field = name
			return t, false
		}
	}
	return trouble{}, true
}
