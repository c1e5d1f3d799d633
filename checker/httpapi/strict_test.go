package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestANullIsNoValueOfAnyField(t *testing.T) {
	const number, text = "it must be a whole number", "it must be a text"
	all := map[string]string{"customer": text, "feature": text, "user": text, "device": text, "environment": text,
		"version": text, "quantity": number, "value": "null is no value", "min_revision": number, "wait_ms": number,
		"idempotency_key": text, "ttl": text}
	const every = "customer feature user device environment version quantity min_revision wait_ms"
	for path, names := range map[string]string{
		"/v1/check":                 every + " value",
		"/v1/explain":               "customer feature user quantity value min_revision wait_ms",
		"/v1/checks":                every + " value",
		"/v1/consume":               every + " idempotency_key",
		"/v1/reservations":          every + " ttl",
		"/v1/reservations/x/commit": "quantity",
	} {
		for name := range strings.SplitSeq(names, " ") {
			body, want := withNull(path, name), name+": "+all[name]
			c := &till{}
			if _, got := post(t, c, message{path, nil, body}); !strings.Contains(got, want) || len(c.asked) > 0 {
				t.Errorf("%s %s: got %s, want %s", path, body, got, want)
			}
		}
	}
}

// withNull is what a call takes, with a null for one name.
func withNull(path, name string) string {
	if strings.HasSuffix(path, "/commit") {
		return fmt.Sprintf("{%q:null}", name)
	}
	body := fmt.Sprintf(`{%q:null`, name)
	for other, value := range map[string]string{"customer": "acme", "feature": "calls", "ttl": "1m"} {
		if other != name && (other != "ttl" || path == "/v1/reservations") {
			body += fmt.Sprintf(",%q:%q", other, value)
		}
	}
	if path == "/v1/checks" {
		return `{"checks":[` + body + `}]}`
	}
	return body + "}"
}

func TestAKeyIsRefusedWhereItWouldNotBeHonoured(t *testing.T) {
	const reserved = `{"customer":"acme","feature":"calls","ttl":"1m"}`
	const none, repeat = "Idempotency-Key: this call takes none; ", "the reservation is settled once"
	const runs = "a reservation that is made twice runs out by itself"
	for name, tc := range map[string]struct{ method, path, body, want string }{
		"a reservation":              {"POST", "/v1/reservations", reserved, none + runs},
		"a commit":                   {"POST", "/v1/reservations/ab.c/commit", `{"quantity":1}`, none + repeat},
		"a release":                  {"DELETE", "/v1/reservations/ab.c", "", none + repeat},
		"a refund":                   {"POST", "/v1/reservations/ab.c/refund", "", none + repeat},
		"an event":                   {"POST", "/v1/usage", oneEvent, none + "an event is known by its source and id"},
		"an event as others have it": {"POST", "/api/v1/events", oneEvent, ""},
		"in a body":                  {"POST", "/v1/reservations", keyed(reserved), "_key: this call takes none; " + runs},
		"a consumption has one":      {"POST", "/v1/consume", `{"customer":"acme","feature":"calls"}`, `"allowed":true`},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := New(Options{Source: newKnown(t), Meter: &till{}, Now: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			ctx := request(tc.method, tc.path, tc.body)
			ctx.Request.Header.SetContentType("application/cloudevents+json")
			ctx.Request.Header.Set("Idempotency-Key", "k")
			a.Handler(ctx)
			got := string(ctx.Response.Body())
			refused := strings.Contains(tc.want, "takes none")
			if refused != (ctx.Response.StatusCode() == 400) || !strings.Contains(got, tc.want) {
				t.Errorf("got %d %s, want %s", ctx.Response.StatusCode(), got, tc.want)
			}
		})
	}
}

// keyed is a body with a key.
func keyed(body string) string { return strings.Replace(body, "{", `{"idempotency_key":"k",`, 1) }
