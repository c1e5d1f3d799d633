package httpapi

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
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
	return follow.Status{Revision: k.index.Load().Revision(), Head: 4815, Linked: true, Digest: follow.DigestEqual}
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
		`{"id":"two/☂ \"x\"","subscriptions":{
		"a":{"plan":"team","starts_at":"2026-01-01T00:00:00Z","ends_at":"2026-12-01T00:00:00.5Z"},
		"b":{"plan":"eu","starts_at":"2026-02-01T00:00:00Z"}}}`,
		`{"id":"old","subscriptions":{"main":{"plan":"team",
		"starts_at":"2025-01-01T00:00:00Z","ends_at":"2026-01-01T00:00:00Z"}}}`,
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
