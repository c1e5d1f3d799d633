package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker/index"
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

// Waiting for a revision, in milliseconds.
const (
	defaultWait = 100
	maxWait     = 30_000
)

// await waits for a revision.
func (a *API) await(ctx *fasthttp.RequestCtx, revision uint64, waitMs int64) (*index.View, trouble, bool) {
	wait, cancel := context.WithTimeout(ctx, time.Duration(waitMs)*time.Millisecond)
	defer cancel()
	if err := a.o.Source.Index().Wait(wait, revision); err != nil {
		return nil, trouble{status: 409, code: "revision_not_reached", detail: fmt.Sprintf(
			"this sidecar is at revision %d and did not reach %d within %d ms; ask again, or with a larger wait_ms",
			a.o.Source.Index().Load().Revision(), revision, waitMs)}, false
	}
	return a.o.Source.Index().Load(), trouble{}, true
}
