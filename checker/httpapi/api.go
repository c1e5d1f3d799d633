package httpapi

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/replica/follow"
	"github.com/sidegate/sidegate/replica/meter"
)

// A Source is what is known and how. follow.Follower is one.
type Source interface {
	Index() *index.Index    // what is known
	Ready() <-chan struct{} // closed once there is something to answer from
	Heard() int64           // unix milliseconds of the last time at the log's head; 0: never
	All() bool              // a customer that is not in the index does not exist
	Status() follow.Status  // how it stands, for people
}

// A Meter counts. meter.Meter is one.
type Meter interface {
	// Use fills in what is used of a metered feature. room is memory for a key.
	Use(customer, feature, room []byte, u *checker.Use)
	// Hear asks the hub how a feature stands, and returns when that is known here, or ctx ends.
	Hear(ctx context.Context, customer, feature string)
	// Consume fills in what is used, decides, counts, and returns when it is written down; an error says that nothing
	// was counted.
	Consume(ctx context.Context, r *meter.Request) (meter.Result, error)
	// Reserve decides as Consume does, and sets units aside; a denied one has no ID.
	Reserve(ctx context.Context, r *meter.Request, ttl time.Duration) (meter.Result, meter.Reserved, error)
	// Commit counts q units of a reservation, and lets the rest go; replayed: it did so before.
	Commit(id string, q int64) (replayed bool, err error)
	// Cancel lets a reservation go; replayed: nothing was counted of it before, and it is gone.
	Cancel(id string) (replayed bool, err error)
	// Refund takes back all units that a reservation was committed with; replayed: it did so before.
	Refund(id string) (units int64, replayed bool, err error)
	// Record counts what has happened, once for each key, and answers how many were counted before.
	Record(ctx context.Context, facts []meter.Fact) (duplicates int, err error)
	// Status is how it stands.
	Status() meter.Status
}

// Options say what is answered from.
type Options struct {
	Source      Source
	Now         func() time.Time
	Meter       Meter  // nil: nothing is counted, and nothing can be consumed
	NoRoom      bool   // there is no Meter because the disk was full
	Environment string // for checks that name none
	AppVersion  string // for checks that name none
	Version     string // of this program, for the status
}

// An API is the handlers of a sidecar.
type API struct {
	o       Options
	loaded  atomic.Bool
	pool    sync.Pool // of *work
	calls   [apiCount]func(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool)
	metrics *meters
	env     []byte
	version []byte
}

// New makes the handlers. Source and Now are required.
func New(o Options) (*API, error) {
	if o.Source == nil || o.Now == nil {
		return nil, errors.New("httpapi: options without a source or a clock")
	}
	a := &API{o: o, env: []byte(o.Environment), version: []byte(o.AppVersion)}
	a.pool.New = func() any {
		return &work{out: make([]byte, 0, 512), text: make([]byte, 0, 512), scratch: make([]byte, 0, 512),
			room: make([]byte, 0, 520)}
	}
	a.calls = [...]func(*fasthttp.RequestCtx, *work, []byte) (trouble, bool){apiCheck: a.check, apiChecks: a.checks,
		apiEntitlements: a.entitlements, apiExplain: a.explain, apiConsume: a.consume, apiUsage: a.usage,
		apiReserve: a.reserve, apiCommit: a.commit, apiCancel: a.cancel, apiRefund: a.refund}
	a.metrics = newMeters(a)
	return a, nil
}

// A work is the memory of one request.
type work struct {
	api     api
	ask     ask
	held    checker.Held
	out     []byte
	text    []byte // decoded texts
	scratch []byte // values that Decide puts together
	room    []byte // for a key of the meter
	served  uint32 // requests so far
}

// keepMost is how much memory of a large request is kept for the next.
const keepMost = 64 << 10

func (a *API) borrow() *work {
	w, ok := a.pool.Get().(*work)
	if !ok {
		w = &work{}
	}
	return w
}

func (a *API) giveBack(w *work) {
	if cap(w.out) > keepMost || cap(w.text) > keepMost || cap(w.scratch) > keepMost {
		return
	}
	w.ask, w.held = ask{}, checker.Held{}
	w.out, w.text, w.scratch = w.out[:0], w.text[:0], w.scratch[:0]
	a.pool.Put(w)
}

// Server is a fasthttp server with limits that suit checks. Idle connections are not closed: their clients are on this
// machine, and a deadline costs each request as much as finding a customer does.
func (a *API) Server(handler fasthttp.RequestHandler) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:               handler,
		NoDefaultServerHeader: true,
		NoDefaultDate:         true,
		NoDefaultContentType:  true,
		ReadBufferSize:        16 << 10,
		MaxRequestBodySize:    maxRead,
		LazyRequestTime:       true,
		ErrorHandler:          refuse,
		Logger:                silent{},
		CloseOnShutdown:       true,
	}
}

// silent drops fasthttp's notes on what clients do wrong; clients are told.
type silent struct{}

func (silent) Printf(string, ...any) {}

const (
	// maxBody is the largest request that is taken, some ten times a thousand checks.
	maxBody = 4 << 20
	// maxRead is the largest request that is read, so that one who sends too much gets an answer.
	maxRead = 16 << 20
)

// Handler serves the check API.
func (a *API) Handler(ctx *fasthttp.RequestCtx) {
	path, query, ok := split(ctx)
	if !ok {
		problem(ctx, badRequest("", "the request target is not a path"))
		return
	}
	if len(ctx.Request.Body()) > maxBody {
		refuse(ctx, fasthttp.ErrBodyTooLarge)
		return
	}
	switch string(path) {
	case "/v1/check":
		a.serve(ctx, apiCheck, query)
	case "/v1/checks":
		a.serve(ctx, apiChecks, query)
	case "/v1/consume":
		a.serve(ctx, apiConsume, query)
	case "/v1/reservations":
		a.serve(ctx, apiReserve, query)
	case "/v1/usage", "/api/v1/events":
		a.serve(ctx, apiUsage, query)
	case "/v1/explain":
		a.serve(ctx, apiExplain, query)
	case "/v1/status":
		a.status(ctx, query)
	default:
		if which, ok := inside(path); ok {
			a.serve(ctx, which, query)
			return
		}
		problem(ctx, trouble{status: 404, code: "not_found", detail: "there is nothing at this path; see /v1/check"})
	}
}

// inside finds the calls whose paths have a name in them.
func inside(path []byte) (api, bool) {
	if _, ok := between(path, "/v1/customers/", "/entitlements"); ok {
		return apiEntitlements, true
	}
	if _, ok := between(path, "/v1/reservations/", "/commit"); ok {
		return apiCommit, true
	}
	if _, ok := between(path, "/v1/reservations/", "/refund"); ok {
		return apiRefund, true
	}
	return apiCancel, bytes.HasPrefix(path, []byte("/v1/reservations/"))
}

// split takes the request target apart without decoding it.
func split(ctx *fasthttp.RequestCtx) (path, query []byte, ok bool) {
	target := ctx.Request.Header.RequestURI()
	if len(target) == 0 || target[0] != '/' {
		target = ctx.URI().RequestURI()
	}
	if at := bytes.IndexByte(target, '#'); at >= 0 {
		target = target[:at]
	}
	if at := bytes.IndexByte(target, '?'); at >= 0 {
		return target[:at], target[at+1:], true
	}
	return target, nil, len(target) > 0
}

func between(path []byte, before, after string) ([]byte, bool) {
	middle, ok := bytes.CutPrefix(path, []byte(before))
	if !ok {
		return nil, false
	}
	return bytes.CutSuffix(middle, []byte(after))
}

// serve lets one of the check calls read, decide and write, and tells what went wrong.
func (a *API) serve(ctx *fasthttp.RequestCtx, which api, query []byte) {
	w := a.borrow()
	defer a.giveBack(w)
	w.api = which
	timed := w.served%timedOne == 0
	w.served++
	var begun time.Time
	if timed {
		begun = a.o.Now()
	}
	t, ok := a.calls[which](ctx, w, query)
	if !ok {
		a.metrics.errors[which].Add(1)
		problem(ctx, t)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(jsonType)
	w.out = ctx.Response.SwapBody(w.out) // not copied: the work goes on with the memory of an earlier answer
	if timed {
		a.metrics.took[which].Update(a.o.Now().Sub(begun).Seconds())
	}
}

// read reads an ask from query or body.
func (a *API) read(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	switch {
	case ctx.IsGet() || ctx.IsHead():
		return w.readQuery(query)
	case !ctx.IsPost():
		return trouble{status: 405, code: "method_not_allowed", detail: "use GET or POST"}, false
	}
	if t, ok := emptyQuery(query); !ok {
		return t, false
	}
	return w.readBody(ctx.Request.Body())
}

func (a *API) check(ctx *fasthttp.RequestCtx, w *work, query []byte) (trouble, bool) {
	if t, ok := a.read(ctx, w, query); !ok {
		return t, false
	}
	view, t, ok := a.view(ctx, &w.ask)
	if !ok {
		return t, false
	}
	a.hear(ctx, w, view)
	return a.decide(w, view, a.o.Now().UnixMilli())
}

// hear has the hub asked, if the caller knows of a write that may be a grant and would be denied without one.
func (a *API) hear(ctx *fasthttp.RequestCtx, w *work, view *index.View) {
	k, now := &w.ask, a.o.Now().UnixMilli()
	if k.minRevision == 0 || a.o.Meter == nil {
		return
	}
	if _, ok := a.hold(w, view, now); !ok {
		return // decide says why
	}
	a.use(w)
	d := checker.Decide(&w.held, &k.Ask, now)
	if d.Type == checker.Metered && (d.Reason == checker.LimitReached || d.Reason == checker.NotEntitled) {
		wait, cancel := context.WithTimeout(lifeOf(ctx), time.Duration(k.waitMs)*time.Millisecond)
		defer cancel()
		a.o.Meter.Hear(wait, string(k.customer), string(k.feature))
	}
}

// decide appends the decision on w.ask to w.out.
func (a *API) decide(w *work, view *index.View, now int64) (trouble, bool) {
	t, ok := a.hold(w, view, now)
	if !ok {
		return t, false
	}
	a.use(w)
	d := checker.Decide(&w.held, &w.ask.Ask, now)
	a.metrics.count(w.api, d.Reason)
	w.out = a.append(w.out, answered{&w.ask, &w.held, &d, view.Revision()})
	return t, true
}

// hold finds what the customer holds, and completes the ask by what the feature and the sidecar say.
func (a *API) hold(w *work, view *index.View, now int64) (trouble, bool) {
	k, held := &w.ask, &w.held
	*held = view.Held(k.customer, k.feature)
	if held.Record == nil && !a.o.Source.All() {
		return notFollowed, false
	}
	held.Age = a.age(now)
	if k.Environment == nil {
		k.Environment = a.env
	}
	if k.Version == nil {
		k.Version = a.version
	}
	k.Scratch = w.scratch[:0]
	if k.value == nil || held.Feature == nil {
		return trouble{}, true
	}
	var err error
	if k.jsonValue {
		k.Value, err = held.Feature.ParseValue(k.value)
	} else {
		k.Value, err = held.Feature.ParseText(k.value)
	}
	if err != nil {
		return badRequest("value", err.Error()), false
	}
	return trouble{}, true
}

// use completes what is held by what is used. Whoever consumes leaves that to the meter.
func (a *API) use(w *work) {
	k, held := &w.ask, &w.held
	if a.o.Meter != nil && held.Feature != nil && held.Feature.Type == checker.Metered && held.Record != nil {
		a.o.Meter.Use(k.customer, k.feature, w.room, &held.Use)
	}
}

// age is how long ago the replica last knew itself at the head, in milliseconds.
func (a *API) age(now int64) int64 { return max(0, now-a.o.Source.Heard()) }

// view is the newest view, at least of a revision that the caller waits for.
func (a *API) view(ctx *fasthttp.RequestCtx, k *ask) (*index.View, trouble, bool) {
	if !a.isLoaded() {
		return nil, notLoaded, false
	}
	view := a.o.Source.Index().Load()
	if view.Revision() >= k.minRevision {
		return view, trouble{}, true
	}
	return a.await(ctx, k)
}

func (a *API) isLoaded() bool {
	if a.loaded.Load() {
		return true
	}
	select {
	case <-a.o.Source.Ready():
		a.loaded.Store(true)
		return true
	default:
		return false
	}
}
