package httpapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func FuzzQuery(f *testing.F) {
	a, err := New(Options{Source: newKnown(f), Now: func() time.Time { return noon }})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("customer=acme&feature=sso&quantity=1&value=%22a%22&min_revision=1&wait_ms=0")
	f.Fuzz(func(t *testing.T, query string) { expectJSON(t, a, request("GET", "/v1/check?"+query, "")) })
}

func FuzzCheckJSON(f *testing.F) {
	a, err := New(Options{Source: newKnown(f), Now: func() time.Time { return noon }})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"customer":"acme","feature":"tier","value":["a",{"b":1}],"quantity":3,"user":"\u00e9\ud83d\ude00"}`)
	f.Add(`{"checks":[{"customer":"acme","feature":"sso"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		expectJSON(t, a, request("POST", "/v1/check", body))
		expectJSON(t, a, request("POST", "/v1/checks", body))
	})
}

// expectJSON asks anything, and wants an answer or a problem, never a panic or a body that is no JSON.
func expectJSON(t *testing.T, a *API, ctx *fasthttp.RequestCtx) {
	t.Helper()
	asked := string(ctx.Request.Header.RequestURI()) + " " + string(ctx.Request.Body())
	if strings.Contains(asked, "min_revision") && strings.Contains(asked, "wait_ms") {
		return // it may wait
	}
	a.Handler(ctx)
	if got := ctx.Response.Body(); !json.Valid(got) {
		t.Fatalf("%s %q: %d %q", ctx.Method(), asked, ctx.Response.StatusCode(), got)
	}
	switch status := ctx.Response.StatusCode(); status {
	case 200, 400, 404, 409, 503:
	default:
		t.Fatalf("status %d", status)
	}
}
