package httpapi

import (
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker"
)

// maxChecks is how many checks one bulk request may hold.
const maxChecks = 1000

// checks answers many asks from one view.
func (a *API) checks(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	if !ctx.IsPost() {
		return wrongMethod(ctx, fasthttp.MethodPost), false
	}
	if t, ok := emptyQuery(query); !ok {
		return t, false
	}
	b := bulk{w: w}
	if t, ok := b.read(ctx.Request.Body()); !ok {
		return t, false
	}
	view, t, ok := a.awaitAll(ctx, b.asks)
	if !ok {
		return t, false
	}
	now := a.o.Now().UnixMilli()
	w.out = strconv.AppendUint(append(w.out, `{"revision":`...), view.Revision(), 10)
	w.out = append(w.out, `,"results":[`...)
	for i := range b.asks {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.ask = b.asks[i].ask
		t, ok := b.asks[i].trouble, b.asks[i].trouble.status == 0
		if ok && w.ask.minRevision > view.Revision() {
			t, ok = notReached(view, &w.ask).of(i), false
		}
		if ok {
			if t, ok = a.decide(w, view, now); !ok {
				t = t.of(i)
			}
		}
		if !ok {
			w.out = appendTrouble(w.out, t)
		}
	}
	w.out = append(w.out, `]}`...)
	return trouble{}, true
}

// of says in which item of a bulk check the trouble is.
func (t trouble) of(item int) trouble { return t.at("checks", item) }

// at says in which item of a list the trouble is.
func (t trouble) at(list string, item int) trouble {
	if t.field != "" {
		t.field = "." + t.field
	}
	t.field = fmt.Sprintf("%s[%d]%s", list, item, t.field)
	return t
}

func appendTrouble(out []byte, t trouble) []byte {
	out = appendString(append(out, `{"code":`...), t.code)
	out = appendString(append(out, `,"detail":`...), t.text())
	return append(strconv.AppendInt(append(out, `,"status":`...), int64(t.status), 10), '}')
}

// A bulk is a request with many asks.
type bulk struct {
	w    *work
	asks []bulkItem
}

// A bulkItem is an ask, or what is wrong with it.
type bulkItem struct {
	ask     ask
	trouble trouble
}

func (b *bulk) read(body []byte) (trouble, bool) {
	// A text that is no UTF-8 spoils its own item only; checkID finds it.
	s := scanner{b: body, w: b.w}
	if s.peek() != '{' {
		return s.noObject(b.w.api), false
	}
	s.at++
	given := false
	for first := true; s.more('}', first); first = false {
		name, ok := s.text()
		if !ok || !s.eat(':') {
			return s.trouble(), false
		}
		if string(name) != "checks" {
			return unknownField(name, []string{"checks"}), false
		}
		if given {
			return badRequest("checks", "it stands twice"), false
		}
		given = true
		if t, ok := b.list(&s); !ok {
			return t, false
		}
	}
	if s.flaw != "" || !s.end() {
		return s.trouble(), false
	}
	if !given {
		return badRequest("checks", "it is missing"), false
	}
	return trouble{}, true
}

func (b *bulk) list(s *scanner) (trouble, bool) {
	if s.peek() != '[' {
		return badRequest("checks", "it must be a list"), false
	}
	s.at++
	for first := true; s.more(']', first); first = false {
		if len(b.asks) == maxChecks {
			return badRequest("checks", fmt.Sprintf("it has more than %d items; ask in smaller portions", maxChecks)), false
		}
		raw, ok := s.value()
		if !ok {
			return s.trouble(), false
		}
		b.asks = append(b.asks, b.item(raw, len(b.asks)))
	}
	if s.flaw != "" {
		return s.trouble(), false
	}
	return trouble{}, true
}

func (b *bulk) item(raw []byte, at int) bulkItem {
	var item bulkItem
	s := scanner{b: raw, w: b.w}
	if s.peek() != '{' {
		item.trouble = badRequest("", "it must be a JSON object such as "+examples[apiCheck]).of(at)
		return item
	}
	t, ok := s.ask(&item.ask)
	if ok {
		t, ok = item.ask.complete()
	}
	if !ok {
		item.trouble = t.of(at)
	}
	return item
}

// entitlements answers every feature of a customer from one view.
func (a *API) entitlements(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	if !ctx.IsGet() && !ctx.IsHead() {
		return wrongMethod(ctx, fasthttp.MethodGet), false
	}
	path, _, _ := split(ctx)
	customer, _ := between(path, "/v1/customers/", "/entitlements")
	asked, t, ok := w.aboutCustomer(customer, query)
	if !ok {
		return t, false
	}
	view, t, ok := a.view(ctx, &asked)
	if !ok {
		return t, false
	}
	if !a.o.Source.All() && view.Record(asked.customer) == nil {
		return notFollowed, false
	}
	now := a.o.Now().UnixMilli()
	w.out = appendText(append(w.out, `{"customer":`...), asked.customer)
	w.out = strconv.AppendUint(append(w.out, `,"revision":`...), view.Revision(), 10)
	w.out = appendInt(w.out, `,"age_ms":`, a.age(now))
	w.out = append(w.out, `,"entitlements":[`...)
	for i, f := range view.World().Features() {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.ask = asked
		w.ask.feature = []byte(f.Key)
		if t, ok := a.decide(w, view, now); !ok {
			w.out = appendTrouble(w.out, t)
		}
	}
	w.out = append(w.out, `]}`...)
	return trouble{}, true
}

// fieldsOfPath have no place beside a path that names a customer and means all features.
var fieldsOfPath = []int{fieldCustomer, fieldFeature, fieldValue}

// aboutCustomer reads an ask that stands in a path, with the rest in the query.
func (w *work) aboutCustomer(customer, query []byte) (ask, trouble, bool) {
	text, ok := w.decodePath(customer)
	if !ok || len(text) == 0 {
		return ask{}, badRequest("customer", "the path does not name one"), false
	}
	if t, ok := checkID(fieldCustomer, text); !ok {
		return ask{}, t, false
	}
	t, _ := w.readQuery(query)
	for _, field := range fieldsOfPath {
		if w.ask.seen&(1<<field) != 0 {
			return ask{}, badRequest(fieldNames[field], "it has no place in this query"), false
		}
	}
	if t.field != "customer" { // missing is what it should be
		return ask{}, t, false
	}
	k := w.ask
	k.customer = text
	return k, trouble{}, true
}

// decodePath is decode for a part of a path, where a plus is a plus.
func (w *work) decodePath(text []byte) ([]byte, bool) {
	begin := len(w.text)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '/' {
			return nil, false
		}
		if c == '%' {
			if i+2 >= len(text) || unhex(text[i+1]) > 15 || unhex(text[i+2]) > 15 {
				return nil, false
			}
			c = unhex(text[i+1])<<4 | unhex(text[i+2])
			i += 2
		}
		w.text = append(w.text, c)
	}
	return w.text[begin:len(w.text):len(w.text)], true
}

// explain answers a decision with how it came about.
func (a *API) explain(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	if t, ok := a.read(ctx, w, query); !ok {
		return t, false
	}
	view, t, ok := a.view(ctx, &w.ask)
	if !ok {
		return t, false
	}
	a.hear(ctx, w, view)
	now := a.o.Now().UnixMilli()
	if t, ok := a.hold(w, view, now); !ok {
		return t, false
	}
	a.use(w)
	d, steps := checker.Explain(&w.held, &w.ask.Ask, now)
	a.metrics.count(w.api, d.Reason)
	out := appendDecision(w.out, answered{&w.ask, &w.held, &d, view.Revision()})
	out = append(out, `,"steps":[`...)
	for i, s := range steps {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(append(out, `{"document":`...), s.Document)
		out = appendString(append(out, `,"rule":`...), s.Rule)
		out = append(appendString(append(out, `,"said":`...), s.Said), '}')
	}
	status := a.o.Source.Status()
	out = strconv.AppendUint(append(out, `],"propagation":{"hub_head":`...), max(status.Head, view.Revision()), 10)
	out = strconv.AppendUint(append(out, `,"applied_revision":`...), view.Revision(), 10)
	w.out = append(appendBool(out, `,"linked":`, status.Linked), `}}`...)
	return trouble{}, true
}
