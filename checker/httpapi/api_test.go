package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/replica/follow"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// known is a source that a test fills by hand.
type known struct {
	index *index.Index
	names *checker.Names
	ready chan struct{}
	some  bool // only some groups are followed
	heard int64
}

func (k *known) Index() *index.Index    { return k.index }
func (k *known) Ready() <-chan struct{} { return k.ready }
func (k *known) Heard() int64           { return k.heard }
func (k *known) All() bool              { return !k.some }
func (k *known) Status() follow.Status {
	return follow.Status{Revision: k.index.Load().Revision(), Linked: true, Digest: follow.DigestEqual}
}

const catalogue = `{"features":{"sso":{"type":"boolean"},"tier":{"type":"config","values":["a","b"]},
"where":{"type":"config","values":["eu","us"],"ordered":false},"calls":{"type":"metered"},"hits":{"type":"metered"},
"boxes":{"type":"pool"},"staff":{"type":"seat"},"guard":{"type":"boolean","when_stale":{"after":"1h"}},
"try":{"type":"boolean","enforce":"advisory"}},
"plans":{"team":{"allow":{"sso":true,"tier":"b","where":["us"],"calls":{"limit":5,"per":"month"},"boxes":{"limit":2},
"hits":{"unlimited":true},"staff":{"limit":3},"guard":true,"try":true}},
"eu":{"allow":{"where":"eu"}}}}`

func newKnown(t testing.TB) *known {
	t.Helper()
	k := &known{index: index.New(), names: checker.NewNames(), ready: make(chan struct{}),
		heard: noon.Add(-120 * time.Millisecond).UnixMilli()}
	close(k.ready)
	n, err := catalog.ParseJSON([]byte(catalogue))
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.ReadCatalogue(n)
	if err != nil {
		t.Fatal(err)
	}
	txn := k.index.Begin()
	txn.SetWorld(catalog.Compile(k.names, c, c.NewVersions(nil)))
	for _, line := range []string{
		`{"id":"acme","subscriptions":{"main":{"plan":"team","starts_at":"2026-01-31T00:00:00Z"}}}`,
		`{"id":"two/☂ \"x\"","subscriptions":{"a":{"plan":"team","starts_at":"2026-01-01T00:00:00Z","ends_at":"2026-12-01T00:00:00.5Z"},
		"b":{"plan":"eu","starts_at":"2026-02-01T00:00:00Z"}}}`,
		`{"id":"old","subscriptions":{"main":{"plan":"team","starts_at":"2025-01-01T00:00:00Z","ends_at":"2026-01-01T00:00:00Z"}}}`,
		`{"id":"stage","subscriptions":{"main":{"plan":"team","environments":["prod"],"starts_at":"2025-01-01T00:00:00Z"}}}`,
		`{"id":"bad","status":"revoked"}`,
	} {
		if n, err = catalog.ParseJSON([]byte(line)); err != nil {
			t.Fatal(err)
		}
		cu, err := catalog.ReadImport(n, noon)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := catalog.Pack(k.names, cu)
		if err != nil {
			t.Fatal(err)
		}
		txn.Put(rec, 1)
	}
	if err := txn.Publish(4812); err != nil {
		t.Fatal(err)
	}
	return k
}

// serve runs the API on a socket and answers its base URL.
func serve(t testing.TB, k *known, change func(*Options)) string {
	t.Helper()
	o := Options{Source: k, Now: func() time.Time { return noon }, Version: "test"}
	if change != nil {
		change(&o)
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := a.Server(func(ctx *fasthttp.RequestCtx) {
		if strings.HasSuffix(string(ctx.Path()), "z") || string(ctx.Path()) == "/metrics" {
			a.OpsHandler(ctx)
			return
		}
		a.Handler(ctx)
	})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return "http://" + listener.Addr().String()
}

func do(t testing.TB, method, target, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(data) && resp.StatusCode != 405 && strings.Contains(target, "/v1/") {
		t.Errorf("%s: not JSON: %q", target, data)
	}
	return resp.StatusCode, string(data)
}

func TestAnswersSayWhatTheContractSays(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	for name, tc := range map[string]struct{ query, want string }{
		"boolean":           {"customer=acme&feature=sso", `{"allowed":true,"reason":"granted","customer":"acme","feature":"sso","type":"boolean","value":true,"plan":"team","revision":4812,"age_ms":120}`},
		"config":            {"customer=acme&feature=tier&value=a", `{"allowed":true,"reason":"granted","customer":"acme","feature":"tier","type":"config","value":"b","plan":"team","revision":4812,"age_ms":120}`},
		"metered":           {"customer=acme&feature=calls&quantity=5", `{"allowed":true,"reason":"granted","customer":"acme","feature":"calls","type":"metered","limit":5,"used":0,"remaining":5,"resets_at":"2026-12-01T00:00:00Z","overage":0,"held":0,"unseen_max":0,"usage_age_ms":0,"plan":"team","revision":4812,"age_ms":120}`},
		"over the limit":    {"customer=acme&feature=calls&quantity=6", `{"allowed":false,"reason":"limit_reached","customer":"acme","feature":"calls","type":"metered","limit":5,"used":0,"remaining":5,"resets_at":"2026-12-01T00:00:00Z","overage":0,"held":0,"unseen_max":0,"usage_age_ms":0,"plan":"team","revision":4812,"age_ms":120}`},
		"unlimited":         {"customer=acme&feature=hits", `{"allowed":true,"reason":"unlimited","customer":"acme","feature":"hits","type":"metered","unlimited":true,"used":0,"overage":0,"held":0,"unseen_max":0,"usage_age_ms":0,"plan":"team","revision":4812,"age_ms":120}`},
		"pool":              {"customer=acme&feature=boxes", `{"allowed":true,"reason":"granted","customer":"acme","feature":"boxes","type":"pool","limit":2,"used":0,"remaining":2,"over_limit":false,"plan":"team","revision":4812,"age_ms":120}`},
		"a seat for a user": {"customer=acme&feature=staff&user=ann", `{"allowed":false,"reason":"no_seat","customer":"acme","feature":"staff","type":"seat","limit":3,"used":0,"remaining":3,"over_limit":false,"plan":"team","revision":4812,"age_ms":120}`},
		"a union, an end":   {"customer=two%2F%E2%98%82+%22x%22&feature=where&value=eu", `{"allowed":true,"reason":"granted","customer":"two/☂ \"x\"","feature":"where","type":"config","value":["eu","us"],"plan":"team","revision":4812,"age_ms":120}`},
		"an end":            {"customer=two%2F%E2%98%82%20%22x%22&feature=sso", `{"allowed":true,"reason":"granted","customer":"two/☂ \"x\"","feature":"sso","type":"boolean","value":true,"expires_at":"2026-12-01T00:00:00.500Z","plan":"team","revision":4812,"age_ms":120}`},
		"expired":           {"customer=old&feature=sso", `{"allowed":false,"reason":"expired","customer":"old","feature":"sso","type":"boolean","value":false,"plan":"team","revision":4812,"age_ms":120}`},
		"advisory":          {"customer=old&feature=try", `{"allowed":true,"reason":"advisory","would_deny":"expired","customer":"old","feature":"try","type":"boolean","value":true,"plan":"team","revision":4812,"age_ms":120}`},
		"environment":       {"customer=stage&feature=sso&environment=prod", `{"allowed":true,"reason":"granted","customer":"stage","feature":"sso","type":"boolean","value":true,"plan":"team","revision":4812,"age_ms":120}`},
		"no environment":    {"customer=stage&feature=sso", `{"allowed":false,"reason":"environment_not_allowed","customer":"stage","feature":"sso","type":"boolean","value":false,"plan":"team","revision":4812,"age_ms":120}`},
		"unknown customer":  {"customer=nobody&feature=sso", `{"allowed":false,"reason":"unknown_customer","customer":"nobody","feature":"sso","revision":4812,"age_ms":120}`},
		"unknown feature":   {"customer=acme&feature=nothing", `{"allowed":false,"reason":"unknown_feature","customer":"acme","feature":"nothing","revision":4812,"age_ms":120}`},
		"revoked":           {"customer=bad&feature=sso", `{"allowed":false,"reason":"revoked","customer":"bad","feature":"sso","type":"boolean","value":false,"revision":4812,"age_ms":120}`},
		"not covered":       {"customer=acme&feature=where&value=eu", `{"allowed":false,"reason":"value_not_covered","customer":"acme","feature":"where","type":"config","value":["us"],"plan":"team","revision":4812,"age_ms":120}`},
	} {
		t.Run(name, func(t *testing.T) {
			if status, got := do(t, "GET", base+"/v1/check?"+tc.query, ""); status != 200 || got != tc.want {
				t.Errorf("GET: %d\ngot  %s\nwant %s", status, got, tc.want)
			}
			values, err := url.ParseQuery(tc.query)
			if err != nil {
				t.Fatal(err)
			}
			fields := map[string]any{}
			for key, v := range values {
				fields[key] = v[0]
				if key == "quantity" {
					fields[key] = json.Number(v[0])
				}
			}
			body, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			if status, got := do(t, "POST", base+"/v1/check", string(body)); status != 200 || got != tc.want {
				t.Errorf("POST: %d\ngot  %s\nwant %s", status, got, tc.want)
			}
		})
	}
}

func TestBadRequestsNameTheFieldAndTheRemedy(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	long := strings.Repeat("x", 257)
	for name, tc := range map[string]struct {
		method, target, body string
		status               int
		want                 string
	}{
		"no customer":          {"GET", "/v1/check?feature=sso", "", 400, "customer: it is missing"},
		"no feature":           {"POST", "/v1/check", `{"customer":"acme"}`, 400, "feature: it is missing"},
		"an unknown parameter": {"GET", "/v1/check?customer=acme&feature=sso&qty=1", "", 400, "qty: this field is not known"},
		"an unknown field":     {"POST", "/v1/check", `{"customer":"acme","feature":"sso","qty":1}`, 400, "qty: this field is not known"},
		"twice":                {"GET", "/v1/check?customer=a&customer=b&feature=sso", "", 400, "customer: it stands twice"},
		"twice in a body":      {"POST", "/v1/check", `{"customer":"a","customer":"b","feature":"sso"}`, 400, "customer: it stands twice"},
		"negative":             {"GET", "/v1/check?customer=a&feature=sso&quantity=-1", "", 400, "quantity: it must be a whole number"},
		"overflowing":          {"POST", "/v1/check", `{"customer":"a","feature":"sso","quantity":9223372036854775808}`, 400, "quantity: it must be a whole number"},
		"a fraction":           {"POST", "/v1/check", `{"customer":"a","feature":"sso","quantity":1.5}`, 400, "quantity: it must be a whole number"},
		"a long id":            {"GET", "/v1/check?customer=" + long + "&feature=sso", "", 400, "customer: it has more than 256 bytes"},
		"a control character":  {"GET", "/v1/check?customer=a%00&feature=sso", "", 400, "customer: it has a control character"},
		"invalid UTF-8":        {"GET", "/v1/check?customer=%ff&feature=sso", "", 400, "customer: it is not valid UTF-8"},
		"a bad escape":         {"GET", "/v1/check?customer=%zz&feature=sso", "", 400, "customer: a percent sign"},
		"a number for a text":  {"POST", "/v1/check", `{"customer":5,"feature":"sso"}`, 400, "customer: it must be a text"},
		"not JSON":             {"POST", "/v1/check", `{"customer":`, 400, "not JSON as it should be"},
		"trailing data":        {"POST", "/v1/check", `{"customer":"a","feature":"sso"} x`, 400, "something after the end"},
		"half a surrogate":     {"POST", "/v1/check", `{"customer":"\ud800","feature":"sso"}`, 400, "half a surrogate pair"},
		"deep":                 {"POST", "/v1/check", `{"customer":"a","feature":"tier","value":` + strings.Repeat("[", 10_000), 400, "too deep a nesting"},
		"a body that is text":  {"POST", "/v1/check", "\xff", 400, "not valid UTF-8"},
		"a value of no sort":   {"GET", "/v1/check?customer=acme&feature=tier&value=z", "", 400, "value: it must be one of a, b"},
		"a value for boolean":  {"GET", "/v1/check?customer=acme&feature=sso&value=z", "", 400, "takes no value"},
		"a long wait":          {"GET", "/v1/check?customer=acme&feature=sso&min_revision=1&wait_ms=30001", "", 400, "wait_ms: it is at most 30000"},
		"a revision to come":   {"GET", "/v1/check?customer=acme&feature=sso&min_revision=9999&wait_ms=5", "", 409, "is at revision 4812"},
		"a wrong method":       {"DELETE", "/v1/check", "", 405, "use GET"},
		"an unknown path":      {"GET", "/v1/chek", "", 404, "nothing at this path"},
		"an enormous body":     {"POST", "/v1/check", strings.Repeat(" ", 10<<20), 413, "more than 4194304 bytes"},
		"too many checks":      {"POST", "/v1/checks", `{"checks":[` + strings.Repeat(`{},`, 100_000) + `{}]}`, 400, "more than 1000 items"},
		"checks of one":        {"POST", "/v1/checks", `{"checks":{}}`, 400, "checks: it must be a list"},
		"no checks":            {"POST", "/v1/checks", `{}`, 400, "checks: it is missing"},
		"a query for a POST":   {"POST", "/v1/check?customer=a", `{"customer":"a","feature":"sso"}`, 400, "query string must be empty"},
	} {
		t.Run(name, func(t *testing.T) {
			status, got := do(t, tc.method, base+tc.target, tc.body)
			if status != tc.status || !strings.Contains(got, tc.want) {
				t.Errorf("got %d %.300s\nwant %d %s", status, got, tc.status, tc.want)
			}
		})
	}
}

func TestBulkAnswersAreOfOneRevisionAndKeepTheirOrder(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	status, got := do(t, "POST", base+"/v1/checks", `{"checks":[{"customer":"acme","feature":"sso"},{"feature":"sso"},
		{"customer":"acme","feature":"tier","value":"z"},{"customer":"old","feature":"sso"}, 7]}`)
	var answer struct {
		Revision uint64
		Results  []struct {
			Allowed bool
			Reason  string
			Code    string
			Detail  string
			Status  int
		}
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil || status != 200 || len(answer.Results) != 5 {
		t.Fatalf("got %d %s, %v", status, got, err)
	}
	r := answer.Results
	if !r[0].Allowed || r[1].Code != "bad_request" || r[1].Status != 400 || !strings.Contains(r[1].Detail, "checks[1].customer") ||
		r[2].Code != "bad_request" || r[3].Reason != "expired" || r[4].Code != "bad_request" || answer.Revision != 4812 {
		t.Errorf("got %s", got)
	}
}

func TestEntitlementsListEveryFeature(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	status, got := do(t, "GET", base+"/v1/customers/two%2F%E2%98%82%20%22x%22/entitlements", "")
	var answer struct {
		Customer     string
		Entitlements []struct {
			Feature string
			Allowed bool
		}
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil || status != 200 || len(answer.Entitlements) != 9 {
		t.Fatalf("got %d %s, %v", status, got, err)
	}
	if answer.Customer != `two/☂ "x"` || answer.Entitlements[0].Feature != "boxes" || !answer.Entitlements[0].Allowed {
		t.Errorf("got %s", got)
	}
	for target, want := range map[string]int{"/v1/customers//entitlements": 400, "/v1/customers/a/b/entitlements": 400,
		"/v1/customers/a/entitlements?feature=x": 400, "/v1/customers/a/entitlements?environment=prod": 200} {
		if status, got := do(t, "GET", base+target, ""); status != want {
			t.Errorf("%s: got %d %s", target, status, got)
		}
	}
}

func TestExplainTellsWhatWasLookedAt(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	_, got := do(t, "GET", base+"/v1/explain?customer=old&feature=sso", "")
	for _, want := range []string{`"reason":"expired"`, `"document":"customer/old subscriptions/main"`, `plan team version 1 says: true`,
		`"rule":"state","said":"expired"`, `"propagation":{"hub_head":4812,"applied_revision":4812`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

func TestASidecarWithoutASnapshotSaysSo(t *testing.T) {
	k := newKnown(t)
	k.ready = make(chan struct{})
	base := serve(t, k, nil)
	if status, got := do(t, "GET", base+"/v1/check?customer=acme&feature=sso", ""); status != 503 ||
		!strings.Contains(got, "snapshot_not_loaded") {
		t.Errorf("got %d %s", status, got)
	}
	if status, _ := do(t, "GET", base+"/readyz", ""); status != 503 {
		t.Errorf("readyz: got %d", status)
	}
	if status, _ := do(t, "GET", base+"/livez", ""); status != 200 {
		t.Errorf("livez: got %d", status)
	}
	close(k.ready)
	if status, _ := do(t, "GET", base+"/readyz", ""); status != 200 {
		t.Errorf("readyz: got %d", status)
	}
	if _, got := do(t, "GET", base+"/metrics", ""); !strings.Contains(got, "sidegate_revision 4812") {
		t.Errorf("metrics: got %s", got)
	}
	if _, got := do(t, "GET", base+"/v1/status", ""); !strings.Contains(got, `"mode":"connected"`) {
		t.Errorf("status: got %s", got)
	}
}

func TestCustomersOfOtherGroupsAreNotDenied(t *testing.T) {
	k := newKnown(t)
	k.some = true
	base := serve(t, k, nil)
	for _, target := range []string{"/v1/check?customer=nobody&feature=sso", "/v1/customers/nobody/entitlements",
		"/v1/explain?customer=nobody&feature=sso"} {
		if status, got := do(t, "GET", base+target, ""); status != 503 || !strings.Contains(got, "customer_not_followed") {
			t.Errorf("%s: got %d %s", target, status, got)
		}
	}
	if status, _ := do(t, "GET", base+"/v1/check?customer=acme&feature=sso", ""); status != 200 {
		t.Errorf("a followed one: got %d", status)
	}
}

func TestTheSidecarsOwnEnvironmentIsAssumed(t *testing.T) {
	base := serve(t, newKnown(t), func(o *Options) { o.Environment = "prod" })
	if _, got := do(t, "GET", base+"/v1/check?customer=stage&feature=sso", ""); !strings.Contains(got, `"allowed":true`) {
		t.Errorf("got %s", got)
	}
	if _, got := do(t, "GET", base+"/v1/check?customer=stage&feature=sso&environment=test", ""); !strings.Contains(got, `"allowed":false`) {
		t.Errorf("got %s", got)
	}
}

func TestAStaleSnapshotIsFlagged(t *testing.T) {
	k := newKnown(t)
	k.heard = noon.Add(-2 * time.Hour).UnixMilli()
	base := serve(t, k, nil)
	if _, got := do(t, "GET", base+"/v1/check?customer=acme&feature=guard", ""); !strings.Contains(got, `"stale":true`) ||
		!strings.Contains(got, `"age_ms":7200000`) {
		t.Errorf("got %s", got)
	}
}

func TestAWaitingCheckIsAnsweredWhenTheRevisionComes(t *testing.T) {
	k := newKnown(t)
	base := serve(t, k, nil)
	var done sync.WaitGroup
	done.Go(func() {
		if status, got := do(t, "GET", base+"/v1/check?customer=acme&feature=sso&min_revision=4813&wait_ms=20000", ""); status != 200 ||
			!strings.Contains(got, `"revision":4813`) {
			t.Errorf("got %d %s", status, got)
		}
	})
	if err := k.index.Begin().Publish(4813); err != nil {
		t.Fatal(err)
	}
	done.Wait()
}

// request is a RequestCtx as the server would hand it over.
func request(method, target, body string) *fasthttp.RequestCtx {
	var ctx fasthttp.RequestCtx
	var req fasthttp.Request
	req.Header.SetMethod(method)
	req.SetRequestURI(target)
	req.SetBodyString(body)
	ctx.Init(&req, nil, nil)
	return &ctx
}

func TestChecksDoNotAllocate(t *testing.T) {
	a, err := New(Options{Source: newKnown(t), Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string][3]string{
		"GET":               {"GET", "/v1/check?customer=acme&feature=sso", ""},
		"GET, metered":      {"GET", "/v1/check?customer=acme&feature=calls&quantity=2", ""},
		"GET, encoded":      {"GET", "/v1/check?customer=two%2F%E2%98%82+%22x%22&feature=where&value=eu", ""},
		"GET, denied":       {"GET", "/v1/check?customer=nobody&feature=sso", ""},
		"POST":              {"POST", "/v1/check", `{"customer":"acme","feature":"boxes"}`},
		"POST with a value": {"POST", "/v1/check", `{"customer":"acme","feature":"tier","value":"a","quantity":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := request(tc[0], tc[1], tc[2])
			n := testing.AllocsPerRun(200, func() {
				ctx.Response.Reset()
				a.Handler(ctx)
				if ctx.Response.StatusCode() != 200 {
					t.Fatalf("%s", ctx.Response.Body())
				}
			})
			if n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func FuzzQuery(f *testing.F) {
	a, err := New(Options{Source: newKnown(f), Now: func() time.Time { return noon }})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("customer=acme&feature=sso&quantity=1&value=%22a%22&min_revision=1&wait_ms=0")
	f.Fuzz(func(t *testing.T, query string) { expectJSON(t, a, "GET", "/v1/check?"+query, "") })
}

func FuzzCheckJSON(f *testing.F) {
	a, err := New(Options{Source: newKnown(f), Now: func() time.Time { return noon }})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"customer":"acme","feature":"tier","value":["a",{"b":1}],"quantity":3,"user":"\u00e9\ud83d\ude00"}`)
	f.Add(`{"checks":[{"customer":"acme","feature":"sso"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		expectJSON(t, a, "POST", "/v1/check", body)
		expectJSON(t, a, "POST", "/v1/checks", body)
	})
}

// expectJSON asks anything, and wants an answer or a problem, never a panic or a body that is no JSON.
func expectJSON(t *testing.T, a *API, method, target, body string) {
	t.Helper()
	ctx := request(method, target, body)
	stop, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = stop
	if strings.Contains(target+body, "min_revision") && strings.Contains(target+body, "wait_ms") {
		return // it may wait
	}
	a.Handler(ctx)
	if got := ctx.Response.Body(); !json.Valid(got) {
		t.Fatalf("%s %q %q: %d %q", method, target, body, ctx.Response.StatusCode(), got)
	}
	switch status := ctx.Response.StatusCode(); status {
	case 200, 400, 404, 409, 503:
	default:
		t.Fatal(fmt.Sprint("status ", status))
	}
}
