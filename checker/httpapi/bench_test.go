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
