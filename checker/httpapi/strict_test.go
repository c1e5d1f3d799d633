package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

func TestANullIsNoValueOfAnyField(t *testing.T) {
	const number, text = "it must be a whole number", "it must be a text"
	all := map[string]string{"customer": text, "feature": text, "user": text, "device": text, "environment": text,
		"version": text, "quantity": number, "value": "null is no value", "min_revision": number, "wait_ms": number,
		"idempotency_key": text, "ttl": text}
	for path, names := range map[string]string{
		"/v1/check":                 "customer feature user device environment version quantity value min_revision wait_ms",
		"/v1/explain":               "customer feature user quantity value min_revision wait_ms",
		"/v1/checks":                "customer feature user device environment version quantity value min_revision wait_ms",
		"/v1/consume":               "customer feature user device environment version quantity idempotency_key",
		"/v1/reservations":          "customer feature user device environment version quantity ttl",
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
