package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"
)

// A trouble is an answer that is no decision.
type trouble struct {
	status int
	code   string
	detail string
	field  string // the part of the request that is wrong; empty: none
}

var (
	notLoaded = trouble{status: 503, code: "snapshot_not_loaded",
		detail: "this sidecar has no snapshot yet; ask again once /readyz says so"}
	notFollowed = trouble{status: 503, code: "customer_not_followed",
		detail: "this sidecar follows other groups of customers; ask one that follows this customer's group"}
	stopping = trouble{status: 503, code: "overloaded",
		detail: "this sidecar is stopping and waits for no revision any more; ask again in a moment, or another one"}
)

func badRequest(field, detail string) trouble {
	return trouble{status: 400, code: "bad_request", detail: detail, field: field}
}

// A problemDocument is RFC 9457.
type problemDocument struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"`
}

func (t trouble) text() string {
	if t.field != "" {
		return t.field + ": " + t.detail
	}
	return t.detail
}

func problem(ctx *fasthttp.RequestCtx, t trouble) {
	body, err := json.Marshal(problemDocument{"about:blank", fasthttp.StatusMessage(t.status), t.status, t.code, t.text(),
		t.field})
	if err != nil {
		body = []byte(`{"type":"about:blank","status":500,"code":"internal"}`) // texts and numbers always marshal
	}
	ctx.Response.ResetBody()
	ctx.SetStatusCode(t.status)
	ctx.SetContentType("application/problem+json")
	if t.status == fasthttp.StatusMethodNotAllowed && len(ctx.Response.Header.Peek("Allow")) == 0 {
		ctx.Response.Header.Set("Allow", "GET, POST")
	}
	if t.code == stopping.code {
		ctx.Response.Header.Set("Retry-After", "1")
	}
	ctx.SetBody(body)
}

func wrongMethod(ctx *fasthttp.RequestCtx, allowed string) trouble {
	ctx.Response.Header.Set("Allow", allowed)
	return trouble{status: 405, code: "method_not_allowed", detail: "use " + allowed}
}

// refuse answers requests that fasthttp could not read.
func refuse(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		problem(ctx, trouble{status: 413, code: "too_large",
			detail: fmt.Sprintf("the body has more than %d bytes; ask in smaller portions", maxBody)})
	case errors.As(err, &small):
		problem(ctx, trouble{status: 431, code: "too_large", detail: "the request's head is too long; use POST"})
	default:
		problem(ctx, badRequest("", "the request is not HTTP as it should be"))
	}
}

func answer(ctx *fasthttp.RequestCtx, body []byte) {
	ctx.Response.Header.SetContentTypeBytes(jsonType)
	ctx.Response.AppendBody(body)
}

var jsonType = []byte("application/json")
