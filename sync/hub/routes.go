package hub

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// An access is what a route lets its caller do.
type access uint8

const (
	readEntitlements access = iota
	readCatalogue
	writeCatalogue
	readCustomers
	writeCustomers
	readTokens
	writeTokens
	readFleet
	writeFleet
	webhooks // to read them too: their addresses may hold secrets
)

// may tells whether a scope allows an access.
func may(scope string, a access) bool {
	switch scope {
	case scopeAdmin:
		return true
	case scopeProvision:
		return a == readCatalogue || a == readCustomers || a == writeCustomers || a == readEntitlements
	case scopeSupport:
		return a == readCatalogue || a == readCustomers || a == readTokens || a == readEntitlements || a == readFleet
	case scopePortal:
		return a == readEntitlements
	}
	return false
}

// scopesFor lists the scopes that allow an access.
func scopesFor(a access) string {
	var out []string
	for _, s := range scopes() {
		if may(s, a) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

func scopes() []string { return []string{scopeAdmin, scopeProvision, scopeSupport, scopePortal} }

// A route is one call of the API.
type route struct {
	pattern string
	access  access
	handle  func(*call) error
	query   string // parameters it takes, separated by spaces
}

func (h *Hub) routes() []route {
	const customer = "/v1/customers/{id}"
	const sub = customer + "/subscriptions/{sub}"
	return []route{
		{"PUT /v1/catalog", writeCatalogue, h.putCatalogue, "dry_run"},
		{"GET /v1/catalog", readCatalogue, h.getCatalogue, ""},
		{"GET /v1/catalog/versions", readCatalogue, h.getVersions, "plan"},
		{"GET /v1/customers", readCustomers, h.listCustomers, "query cursor limit"},
		{"PUT " + customer, writeCustomers, h.putCustomer, ""},
		{"GET " + customer, readCustomers, h.getCustomer, ""},
		{"DELETE " + customer, writeCustomers, h.deleteCustomer, ""},
		{"GET " + customer + "/subscriptions", readCustomers, h.listSubscriptions, ""},
		{"PUT " + sub, writeCustomers, h.putSubscription, ""},
		{"GET " + sub, readCustomers, h.getSubscription, ""},
		{"DELETE " + sub, writeCustomers, h.deleteSubscription, ""},
		{"POST " + sub + "/{action}", writeCustomers, h.act, ""},
		{"GET " + customer + "/entitlements", readEntitlements, h.getEntitlements, ""},
		{"GET " + customer + "/grants", readCustomers, h.listGrants, ""},
		{"PUT " + customer + "/grants/{grant}", writeCustomers, h.putGrant, ""},
		{"DELETE " + customer + "/grants/{grant}", writeCustomers, h.deleteGrant, ""},
		{"GET " + customer + "/usage", readEntitlements, h.getUsage, "feature from to"},
		{"GET /v1/fleet", readFleet, h.getFleet, "retired"},
		{"POST /v1/fleet/{holder}/fence", writeFleet, h.fence, ""},
		{"POST /v1/fleet/accept", writeFleet, h.accept, ""},
		{"POST /v1/fleet/enrol", writeFleet, h.enrol, ""},
		{"GET /v1/fleet/enrolments", readFleet, h.listEnrolments, ""},
		{"DELETE /v1/fleet/enrolments/{id}", writeFleet, h.revokeEnrolment, ""},
		{"POST /v1/import", writeCustomers, h.postImport, "dry_run"},
		{"GET /v1/tokens", readTokens, h.listTokens, ""},
		{"PUT /v1/tokens/{id}", writeTokens, h.putToken, ""},
		{"GET /v1/tokens/{id}", readTokens, h.getToken, ""},
		{"DELETE /v1/tokens/{id}", writeTokens, h.deleteToken, ""},
		{"GET /v1/webhooks", webhooks, h.listWebhooks, ""},
		{"PUT /v1/webhooks/{id}", webhooks, h.putWebhook, ""},
		{"GET /v1/webhooks/{id}", webhooks, h.getWebhook, ""},
		{"DELETE /v1/webhooks/{id}", webhooks, h.deleteWebhook, ""},
		{"POST /v1/webhooks/{id}/test", webhooks, h.testWebhook, ""},
	}
}

// mount builds the handler.
func (h *Hub) mount() {
	h.mux = http.NewServeMux()
	for _, r := range h.routes() {
		h.mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { h.serve(w, req, r) })
	}
	h.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { probe(w, "") })
	h.mux.HandleFunc("GET /startupz", func(w http.ResponseWriter, _ *http.Request) { probe(w, h.starting()) })
	h.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { probe(w, h.unready()) })
	h.mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { h.metrics.set.WritePrometheus(w) })
}

// starting says that the hub has not begun to serve; empty: it has.
func (h *Hub) starting() string {
	if h.isReady() {
		return ""
	}
	return "starting"
}

// A roomy log knows of a lack of room before it is written to.
type roomy interface{ Room() error }

// unready says why the hub cannot do all that it is for; empty: it can.
func (h *Hub) unready() string {
	if log, ok := h.docs.(roomy); ok && h.isReady() && log.Room() != nil {
		return "the disk is nearly full: writes are refused, reads are answered"
	}
	return h.starting()
}

func probe(w http.ResponseWriter, trouble string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if trouble != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, cmp.Or(trouble, "ok")+"\n")
}

// ServeHTTP sends a request to its route, or says that there is none.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	escaped := r.URL.EscapedPath()
	if clean := path.Clean("/" + escaped); clean != escaped {
		refuse(http.StatusNotFound, "not_found",
			"the path has an empty part, a dot part or a slash at its end; percent-encode ids (a slash as %%2F)").write(w)
		return
	}
	if strings.Contains(escaped, "%00") {
		badRequest("the path has a control character").write(w)
		return
	}
	r = guarded(r, escaped)
	if _, pattern := h.mux.Handler(r); pattern == "" {
		h.noRoute(w, r).write(w)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// guarded keeps an id that is a slash alone from being read as the slash at a path's end, which http.ServeMux would do.
// A zero byte stands before it on the way to call.id; no path has one.
func guarded(r *http.Request, escaped string) *http.Request {
	parts := strings.Split(escaped, "/")
	alone := false
	for i, part := range parts {
		if strings.EqualFold(part, "%2F") {
			parts[i], alone = guard+"%2F", true
		}
	}
	if !alone {
		return r
	}
	out := r.Clone(r.Context())
	out.URL.RawPath = strings.Join(parts, "/")
	if p, err := url.PathUnescape(out.URL.RawPath); err == nil {
		out.URL.Path = p
	}
	return out
}

const guard = "%00"

// noRoute tells a wrong method from a wrong path. The methods that are right go into the answer's header.
func (h *Hub) noRoute(w http.ResponseWriter, r *http.Request) *problem {
	var allowed []string
	probe := r.Clone(r.Context())
	for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
		probe.Method = method
		if _, pattern := h.mux.Handler(probe); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "use %s here", strings.Join(allowed, ", "))
	}
	return refuse(http.StatusNotFound, "not_found", "there is nothing at this path; see the hub's API")
}

// serve authenticates, calls, and answers problems: the one place for what every route shares.
func (h *Hub) serve(w http.ResponseWriter, r *http.Request, to route) {
	out := &recorder{ResponseWriter: w}
	defer h.metrics.request(to.pattern, out)
	defer h.recover(out, to.pattern)
	c := &call{w: out, r: r}
	err := h.admit(c, to.access)
	if err == nil {
		err = c.query(strings.Fields(to.query))
	}
	if err == nil {
		err = to.handle(c)
	}
	if err == nil {
		return
	}
	p := problemOf(err)
	if p.cause != nil && r.Context().Err() == nil {
		h.log.Error("a request failed", "route", to.pattern, "code", p.Code, "error", p.cause)
	}
	if out.status == 0 {
		p.write(out)
	}
}

// admit lets a caller in who has a token with the right scope.
func (h *Hub) admit(c *call, a access) error {
	if !h.isReady() {
		return refuse(http.StatusServiceUnavailable, "starting", "the hub is still reading the log; try again")
	}
	who, err := h.authenticate(c.r)
	if err != nil {
		return err
	}
	for _, scope := range who.Scopes {
		if may(scope, a) {
			c.who = who
			return nil
		}
	}
	return refuse(http.StatusForbidden, "forbidden", "token %q has the scopes %s; this call needs one of %s",
		who.ID, strings.Join(who.Scopes, ", "), scopesFor(a))
}

// recover keeps one broken request from ending the hub.
func (h *Hub) recover(w *recorder, pattern string) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	h.log.Error("a request panicked", "route", pattern, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if w.status == 0 {
		problemOf(errors.New("panic")).write(w)
	}
}

// A recorder remembers the status that was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write answers 200 if nothing else was said.
func (w *recorder) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(data)
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) code() string { return strconv.Itoa(max(w.status, http.StatusOK)) }
