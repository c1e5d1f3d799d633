package hub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAnImportAppliesEveryGoodLineAndNothingOfAFaultyOne(t *testing.T) {
	b := stocked(t)
	body := strings.Join([]string{
		`{"id":"a","name":"A","subscriptions":{"s":{"plan":"team"}}}`,
		`{"id":"b","subscriptions":[{"id":"s","plan":"free"},{"id":"t","plan":"team","status":"suspended"}]}`,
		``,
		`{"id":"c","subscriptions":{"s":{"plan":"teem"}}}`,
		`{"id":"d","subscriptions":{"s":{"plan":"team","ends_at":"yesterday"}}}`,
		`{"id":"a","name":"again"}`,
		`not json`,
		`{"id":"e","nmae":"E"}`,
		`{"id":"f","name":"` + strings.Repeat("x", 1<<20) + `"}`,
		`{"id":"acme","name":"Acme Inc"}`,
		`{"id":"g/h","group":"eu","subscriptions":{}}`,
	}, "\n")
	dry := b.ok("POST /v1/import?dry_run=true", body)
	b.refused("404 customer_not_found", "GET /v1/customers/a", "")
	got := b.ok("POST /v1/import", body)
	for _, doc := range []map[string]any{dry, got} {
		if doc["created"] != 3.0 || doc["updated"] != 1.0 || doc["failed"] != 6.0 {
			t.Fatalf("got %v, want 3 created, 1 updated, 6 failed", doc)
		}
		want := []string{"4 c bad_request", "5  bad_request", "6 a duplicate_id", "7  bad_request", "8 e bad_request",
			"9  line_too_long"}
		for i, e := range doc["errors"].([]any) {
			e := e.(map[string]any)
			id, _ := e["id"].(string)
			if got := fmt.Sprint(e["line"], " ", id, " ", e["code"]); got != want[i] && !(i == 1 && got == "5 d bad_request") {
				t.Errorf("error %d: got %s (%v), want %s", i, got, e["detail"], want[i])
			}
			if detail := e["detail"].(string); strings.HasPrefix(detail, "line ") {
				t.Errorf("error %d: %q counts lines within a line", i, detail)
			}
		}
	}
	if a := b.ok("GET /v1/customers/a", ""); a["name"] != "A" {
		t.Errorf("got %v, want the first line", a)
	}
	acme := b.ok("GET /v1/customers/acme", "")
	again := b.ok("POST /v1/import", `{"id":"acme","name":"Acme Inc"}`)
	if again["unchanged"] != 1.0 || again["revision"] != b.ok("POST /v1/import", "")["revision"] {
		t.Errorf("got %v, want nothing written where nothing changes", again)
	}
	if acme["name"] != "Acme Inc" || len(acme["subscriptions"].(map[string]any)) != 1 {
		t.Errorf("got %v, want a new name beside the subscription it had", acme)
	}
	if g := b.ok("GET /v1/customers/g%2Fh", ""); g["group"] != "eu" {
		t.Errorf("got %v, want group eu", g)
	}
	b.refused("404 customer_not_found", "GET /v1/customers/c", "")
}

// lines is an import of n customers.
func lines(n int, plan string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, `{"id":"c%d","name":"Customer %d","subscriptions":`+
			`{"main":{"plan":%q,"starts_at":"2026-01-01T00:00:00Z"}}}`+"\n", i, i, plan)
	}
	return out.String()
}

func TestTenThousandCustomersAreImportedTwice(t *testing.T) {
	b := stocked(t)
	start := time.Now()
	if got := b.ok("POST /v1/import", lines(10_000, "team")); got["created"] != 10_000.0 || got["failed"] != 0.0 {
		t.Fatalf("got %v, want 10000 created", got)
	}
	t.Logf("%.0f customers/s", 10_000/time.Since(start).Seconds())
	if got := b.ok("POST /v1/import", lines(10_000, "team")); got["unchanged"] != 10_000.0 || got["updated"] != 0.0 {
		t.Fatalf("got %v, want 10000 unchanged", got)
	}
	if got := b.ok("POST /v1/import", lines(10_000, "free")); got["updated"] != 10_000.0 || got["failed"] != 0.0 {
		t.Fatalf("got %v, want 10000 updated", got)
	}
	if e := b.entitlement("c9999", "calls"); e["limit"] != 10.0 {
		t.Errorf("got %v, want the free plan's limit", e)
	}
	list := b.ok("GET /v1/customers?query=CUSTOMER+999&limit=7", "")
	if n := len(list["customers"].([]any)); n != 7 || list["total"] != 10_001.0 {
		t.Errorf("got %d of %v, want 7 of 10001", n, list["total"])
	}
	list = b.ok("GET /v1/customers?query=customer+999&limit=7&cursor="+list["next_cursor"].(string), "")
	if n := len(list["customers"].([]any)); n != 4 || list["next_cursor"] != nil {
		t.Errorf("got %d and %v, want the last 4", n, list["next_cursor"])
	}
}

func TestAnImportWithAKeyIsCarriedOutOnce(t *testing.T) {
	b := stocked(t)
	body := lines(3, "team") + "{}\n"
	first := b.ok("POST /v1/import", body, "Idempotency-Key", "k")
	b.ok("DELETE /v1/customers/c1", "")
	if again := b.ok("POST /v1/import", body, "Idempotency-Key", "k"); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("got %v, want %v", again, first)
	}
	b.refused("404 customer_not_found", "GET /v1/customers/c1", "")
	b.refused("422 idempotency_key_reused", "POST /v1/import", body+"\n", "Idempotency-Key", "k")
}
