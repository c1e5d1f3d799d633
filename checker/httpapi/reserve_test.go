package httpapi

import (
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica/meter"
)

func TestReservationsAreMadeAndSettled(t *testing.T) {
	const acme = `"customer":"acme","feature":"calls"`
	for name, tc := range map[string]struct {
		method, path, body string
		err                error
		status             int
		want               string
	}{
		"made": {"POST", "", `{` + acme + `,"quantity":3,"ttl":"10m"}`, nil, 201,
			`"consumed":0,"reservation":"ab.c","reserved_until":"2026-11-23T12:10:00Z"}`},
		"days":            {"POST", "", `{` + acme + `,"ttl":"1d"}`, nil, 201, `"2026-11-24T12:00:00Z"`},
		"denied":          {"POST", "", `{` + acme + `,"quantity":4,"ttl":"10m"}`, nil, 200, `"limit_reached"`},
		"without an end":  {"POST", "", `{` + acme + `}`, nil, 400, `ttl: it must be a duration`},
		"for ever":        {"POST", "", `{` + acme + `,"ttl":"8d"}`, nil, 400, `ttl: it must be a duration`},
		"beyond counting": {"POST", "", `{` + acme + `,"ttl":"213505d"}`, nil, 400, `ttl: it must be a duration`},
		"with a key":      {"POST", "", `{` + acme + `,"ttl":"1m","idempotency_key":"k"}`, nil, 400, `takes none`},
		"committed":       {"POST", "/ab.c/commit", `{"quantity":2}`, nil, 200, `{"reservation":"ab.c","consumed":2}`},
		"of nothing":      {"POST", "/ab.c/commit", `{}`, nil, 400, `"quantity: it is missing"`},
		"of another": {"POST", "/ab.c/commit", `{"units":1}`, nil, 400,
			`units: this field is not known here (known here: quantity)`},
		"of no object":     {"POST", "/ab.c/commit", ``, nil, 400, `such as {\"quantity\":1}, and is empty`},
		"and more":         {"POST", "/ab.c/commit", `{"quantity":1}{}`, nil, 400, `something after the end`},
		"nothing reserved": {"POST", "", `{` + acme + `,"quantity":0,"ttl":"1m"}`, nil, 400, `number from 1 to`},
		"too much":         {"POST", "/ab.c/commit", `{"quantity":2}`, meter.ErrTooMuch, 400, `more than is reserved`},
		"elsewhere":        {"POST", "/ab.c/commit", `{"quantity":2}`, meter.Elsewhere{Holder: "ab"}, 409, `made it: ab`},
		"unknown":          {"POST", "/x/commit", `{"quantity":2}`, meter.ErrNoReservation, 404, `"reservation_not_found"`},
		"let go":           {"DELETE", "/ab.c", "", nil, 200, `{"reservation":"ab.c","consumed":0}`},
		"let go late": {"DELETE", "/ab.c", "", meter.Conflict{Counted: 3}, 409,
			`"it was committed with 3 units; a POST to its /refund takes them back"`},
		"committed again": {"POST", "/ab.c/commit", `{"quantity":3}`, meter.Conflict{Counted: 3, Refunded: true}, 409,
			`"it was committed with 3 units, which were taken back"`},
		"committed late": {"POST", "/ab.c/commit", `{"quantity":2}`, meter.Conflict{Lapsed: true}, 409,
			`"reservation_settled","detail":"it was released or ran out; nothing was counted"`},
		"refunded":         {"POST", "/ab.c/refund", "", nil, 200, `{"reservation":"ab.c","refunded":4}`},
		"refunded alike":   {"POST", "/ab.c/refund", " {} ", nil, 200, `{"reservation":"ab.c","refunded":4}`},
		"refunded in part": {"POST", "/ab.c/refund", `{"quantity":2}`, nil, 400, `quantity: a refund takes back all`},
		"refund of a list": {"POST", "/ab.c/refund", `[]`, nil, 400, `"bad_request"`},
		"refund and more":  {"POST", "/ab.c/refund", `{}{}`, nil, 400, `something after the end`},
		"refund too early": {"POST", "/ab.c/refund", "", meter.Conflict{Open: true}, 409,
			`"reservation_open","detail":"it is reserved, not committed`},
		"refund of nothing": {"POST", "/ab.c/refund", "", meter.Conflict{}, 409, `"reservation_settled"`},
		"refund elsewhere":  {"POST", "/ab.c/refund", "", meter.Elsewhere{Holder: "ab"}, 409, `made it: ab`},
		"by another means":  {"GET", "/ab.c", "", nil, 405, `"method_not_allowed"`},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := New(Options{Source: newKnown(t), Meter: &till{err: tc.err}, Now: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			ctx := request(tc.method, "/v1/reservations"+tc.path, tc.body)
			a.Handler(ctx)
			got := string(ctx.Response.Body())
			if ctx.Response.StatusCode() != tc.status || !strings.Contains(got, tc.want) {
				t.Errorf("got %d %s, want %d %s", ctx.Response.StatusCode(), got, tc.status, tc.want)
			}
		})
	}
}

func TestASettlementThatIsRepeatedSaysSo(t *testing.T) {
	for call, want := range map[[3]string]string{
		{"POST", "/ab.c/commit", `{"quantity":2}`}: `{"reservation":"ab.c","consumed":2,"replayed":true}`,
		{"POST", "/ab.c/refund", ""}:               `{"reservation":"ab.c","refunded":4,"replayed":true}`,
		{"DELETE", "/ab.c", ""}:                    `{"reservation":"ab.c","consumed":0,"replayed":true}`,
	} {
		a, err := New(Options{Source: newKnown(t), Meter: &till{replayed: true}, Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		ctx := request(call[0], "/v1/reservations"+call[1], call[2])
		a.Handler(ctx)
		if got := string(ctx.Response.Body()); ctx.Response.StatusCode() != 200 || got != want {
			t.Errorf("%v: got %d %s, want 200 %s", call, ctx.Response.StatusCode(), got, want)
		}
	}
}
