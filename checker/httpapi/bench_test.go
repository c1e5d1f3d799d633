package httpapi

import (
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func BenchmarkHandler(b *testing.B) {
	a, err := New(Options{Source: newKnown(b), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 200)
	floor := func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBody(body)
	}
	get := request("GET", "/v1/check?customer=acme&feature=calls", "")
	post := request("POST", "/v1/check", `{"customer":"acme","feature":"calls"}`)
	for _, tc := range []struct {
		name    string
		ctx     *fasthttp.RequestCtx
		handler fasthttp.RequestHandler
	}{{"floor", get, floor}, {"get", get, a.Handler}, {"post", post, a.Handler}} {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tc.ctx.Response.Reset()
				tc.handler(tc.ctx)
			}
		})
	}
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
			})
			if ctx.Response.StatusCode() != 200 {
				t.Fatalf("%s", ctx.Response.Body())
			}
			if n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
