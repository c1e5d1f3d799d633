package httpapi

import (
	"bytes"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"time"
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
	time     []byte // when it was used, which is only held against its form; nil: not given
	quantity int64  // of its data; -1: not given
}

// maxQuantity is the most that one event may tell, below what can be counted in a period.
const maxQuantity = 1 << 40

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
	path, _, _ := split(ctx)
	own := string(path) == "/v1/usage" // or other meters' path, which is as they have it
	if t, ok := unkeyed(ctx, "an event is known by its source and id, and counted once"); own && !ok {
		return t, false
	}
	in, faulty, whole := w.readEvents(ctx)
	if !whole && len(in.events) == 0 {
		return faulty, false
	}
	view, t, ok := a.view(ctx, &ask{})
	if !ok {
		return t, false
	}
	facts, t, ok := a.facts(&in, view)
	switch {
	case !ok:
		return t, false
	case !whole:
		return faulty, false
	}
	duplicates, err := a.o.Meter.Record(lifeOf(ctx), facts)
	if err != nil {
		return uncounted(err), false
	}
	if !own { // they answer without a body
		ctx.SetStatusCode(fasthttp.StatusNoContent)
		return trouble{}, true
	}
	ctx.SetStatusCode(fasthttp.StatusAccepted)
	w.out = strconv.AppendInt(append(w.out, `{"accepted":`...), int64(len(facts)-duplicates), 10)
	w.out = append(appendInt(w.out, `,"duplicates":`, int64(duplicates)), '}')
	return trouble{}, true
}

// facts are what the meter is told of all events; the trouble is that of the first that is wrong.
func (a *API) facts(in *delivery, view *index.View) ([]meter.Fact, trouble, bool) {
	facts := make([]meter.Fact, len(in.events))
	for i := range in.events {
		var t trouble
		var ok bool
		if facts[i], t, ok = a.fact(&in.events[i], view); !ok {
			return nil, in.blame(t, i), false
		}
	}
	return facts, trouble{}, true
}

// fact is what the meter is told of an event.
func (a *API) fact(e *event, view *index.View) (meter.Fact, trouble, bool) {
	held := view.Held(e.customer, e.feature)
	switch {
	case held.Record == nil && !a.o.Source.All():
		return meter.Fact{}, notFollowed, false
	case held.Record == nil:
		return meter.Fact{}, badRequest("subject", fmt.Sprintf("there is no customer %q", e.customer)), false
	case held.Feature == nil || held.Feature.Type != checker.Metered:
		return meter.Fact{}, badRequest("type", fmt.Sprintf("%q is not the key of a metered feature", e.feature)), false
	}
	return meter.Fact{Customer: string(e.customer), Feature: string(e.feature), Quantity: e.quantity,
		Key: hash16(fmt.Appendf(nil, "event %q %q", e.source, e.id)), Held: &held}, trouble{}, true
}

// A mode is a way in which CloudEvents come over HTTP.
type mode uint8

const (
	structured mode = iota // one, in the body
	batched                // many, in the body
	binary                 // one, in headers, with its data in the body
)

// A delivery is the events of one request.
type delivery struct {
	events []event
	mode   mode
}

// blame says of the trouble with an event where it stands in the request.
func (d *delivery) blame(t trouble, i int) trouble {
	switch {
	case d.mode == batched:
		return t.at("events", i)
	case d.mode == binary && slices.Contains(attributes, t.field):
		t.field = "ce-" + t.field
	}
	return t
}

// attributes are those that are read. The first needed must be there.
var attributes = []string{"specversion", "id", "source", "type", "subject", "time"}

const needed = 5

const eventTypes = "it must be application/cloudevents+json for one event, application/cloudevents-batch+json for a " +
	"list of them, or another type, such as application/json, for the data of one whose attributes are ce- headers"

// readEvents reads one or many, in one of the three modes of HTTP. With a trouble come the events before the one that
// it is in.
func (w *work) readEvents(ctx *fasthttp.RequestCtx) (d delivery, t trouble, ok bool) {
	body := ctx.Request.Body()
	kind, _, err := mime.ParseMediaType(string(ctx.Request.Header.ContentType()))
	switch {
	case err != nil:
		return d, badRequest("content-type", eventTypes), false
	case !utf8.Valid(body):
		return d, badRequest("", "the body is not valid UTF-8"), false
	case kind == "application/cloudevents+json":
		d.mode = structured
	case kind == "application/cloudevents-batch+json":
		d.mode = batched
	case slices.ContainsFunc(attributes, func(n string) bool { return ctx.Request.Header.Peek("ce-"+n) != nil }):
		d.mode = binary
	default:
		return d, badRequest("content-type", eventTypes), false
	}
	s := scanner{b: body, w: w}
	if t, ok = s.delivery(ctx, &d); !ok && s.flaw == "" {
		return d, t, false
	}
	if !ok || !s.end() {
		return delivery{}, s.trouble(), false // nothing of it is known
	}
	return d, trouble{}, true
}

func (s *scanner) delivery(ctx *fasthttp.RequestCtx, d *delivery) (t trouble, ok bool) {
	var e event
	switch d.mode {
	case batched:
		return s.events(d)
	case binary:
		t, ok = s.binaryEvent(ctx, &e)
	default:
		t, ok = s.event(&e)
	}
	if !ok {
		return d.blame(t, 0), false
	}
	d.events = append(d.events, e)
	return trouble{}, true
}

// events reads a batch, up to the first that is wrong.
func (s *scanner) events(d *delivery) (trouble, bool) {
	if s.peek() != '[' {
		return badRequest("", "a batch is a JSON array of events; one alone is sent as application/cloudevents+json"), false
	}
	s.at++
	for first := true; s.more(']', first); first = false {
		i := len(d.events)
		if i == maxChecks {
			d.events = nil
			return badRequest("", fmt.Sprintf("there are more than %d events; send smaller portions", maxChecks)), false
		}
		var e event
		if t, ok := s.event(&e); !ok {
			return d.blame(t, i), false
		}
		d.events = append(d.events, e)
	}
	return trouble{}, s.flaw == ""
}

// event reads one in structured mode. Attributes that are not known are other people's extensions.
func (s *scanner) event(e *event) (trouble, bool) {
	e.quantity = -1
	switch s.peek() {
	case '{':
		s.at++
	case '[':
		return badRequest("", "an event is a JSON object; a list of them is application/cloudevents-batch+json"), false
	default:
		return badRequest("", `an event is a JSON object such as {"specversion":"1.0","id":"1","source":"ci",`+
			`"type":"ci-minutes","subject":"acme","data":{"quantity":1}}`), false
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
	to := e.part(string(name))
	if to == &e.time && s.peek() == 'n' {
		to = nil // CloudEvents have null for what is not given
	}
	if to != nil {
		if s.peek() != '"' {
			return badRequest(string(name), "it must be a text"), false
		}
		var ok bool
		if *to, ok = s.text(); !ok {
			return s.trouble(), false
		}
		return trouble{}, true
	}
	switch string(name) {
	case "data":
		return s.data(e)
	case "data_base64":
		return badRequest("data_base64", `data must be JSON, in data instead, such as {"quantity": 1}`), false
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
	case "time":
		return &e.time
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
			return badRequest("data.quantity", fmt.Sprintf("it must be a whole number from 0 to %d; "+
				"tell of more in several events, or count in a larger unit", maxQuantity)), false
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
	for _, name := range attributes {
		raw := ctx.Request.Header.Peek("ce-" + name)
		value, ok := s.w.decodeHeader(raw)
		if !ok {
			return badRequest(name, "a percent sign in it is not followed by two hexadecimal digits"), false
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
	for _, name := range attributes[:needed] {
		if len(*e.part(name)) == 0 {
			return badRequest(name, "it is missing"), false
		}
	}
	if string(e.version) != "1.0" {
		return badRequest("specversion", "it must be 1.0"), false
	}
	if e.time != nil && !isTime(e.time) {
		return badRequest("time", "it must be an RFC 3339 timestamp such as 2026-11-23T12:00:00Z, or left out"), false
	}
	if e.quantity < 0 {
		return badRequest("data.quantity", "it is missing"), false
	}
	if t, ok := checkID(fieldFeature, e.feature); !ok {
		t.field = "type"
		return t, false
	}
	t, ok := checkID(fieldCustomer, e.customer)
	t.field = "subject"
	return t, ok
}

// isTime tells whether a text is a timestamp of RFC 3339, which may have small letters.
func isTime(text []byte) bool {
	var t time.Time
	return t.UnmarshalText(bytes.ToUpper(text)) == nil
}
