package hub_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sidegate/sidegate/replica"
)

func TestARepeatedWriteIsAppliedOnce(t *testing.T) {
	b := stocked(t)
	const sub = "/v1/customers/acme/subscriptions/main"
	b.ok("PUT "+sub, `{"plan":"team","ends_at":"2026-12-01T00:00:00Z"}`)
	extend := func(key string) any {
		return b.ok("POST "+sub+"/extend", `{"by":"1d"}`, "Idempotency-Key", key)["revision"]
	}
	first := extend("k")
	if again := extend("k"); again != first {
		t.Errorf("got revision %v, want %v", again, first)
	}
	if got := b.ok("GET "+sub, "")["ends_at"]; got != "2026-12-02T00:00:00Z" {
		t.Errorf("got %v, want one day more", got)
	}
	b.refused("422 idempotency_key_reused", "POST "+sub+"/extend", `{"by":"2d"}`, "Idempotency-Key", "k")
	b.refused("422 idempotency_key_reused", "DELETE "+sub, "", "Idempotency-Key", "k")
	other := b.made("other", `"provision"`)
	if other.ok("POST "+sub+"/extend", `{"by":"1d"}`, "Idempotency-Key", "k")["revision"] == first {
		t.Error("two callers share a key")
	}
	extend("l")
	if got := b.ok("GET "+sub, "")["ends_at"]; got != "2026-12-04T00:00:00Z" {
		t.Errorf("got %v, want three days more", got)
	}
	gone := b.ok("DELETE "+sub, "", "Idempotency-Key", "d")["revision"]
	if again := b.ok("DELETE "+sub, "", "Idempotency-Key", "d")["revision"]; again != gone {
		t.Errorf("got %v, want %v", again, gone)
	}
	const more = shop + "  second: {allow: {sso: true}}\n"
	cat := b.ok("PUT /v1/catalog", more, "Idempotency-Key", "c")["revision"]
	if again := b.ok("PUT /v1/catalog", more, "Idempotency-Key", "c")["revision"]; again != cat {
		t.Errorf("got %v, want %v", again, cat)
	}
	b.refused("422 idempotency_key_reused", "PUT /v1/catalog", shop, "Idempotency-Key", "c")
	b.ok("PUT /v1/catalog", more, "Idempotency-Key", "same") // it changes nothing, and is remembered all the same
	b.refused("422 idempotency_key_reused", "PUT /v1/catalog", shop, "Idempotency-Key", "same")
	b.ok("PUT /v1/customers/new", `{}`, "Idempotency-Key", "n")
	b.ok("DELETE /v1/customers/new", "", "Idempotency-Key", "m")
	b.ok("DELETE /v1/customers/new", "", "Idempotency-Key", "m")
}

func TestAWriteWithALostReplyIsAppliedOnce(t *testing.T) {
	b := stocked(t)
	log := b.docs.(*replica.Memory)
	const sub = "/v1/customers/acme/subscriptions/main"
	b.ok("PUT "+sub, `{"plan":"team","ends_at":"2026-12-01T00:00:00Z"}`)
	log.LoseReplies(1)
	b.ok("POST "+sub+"/extend", `{"by":"1d"}`)
	log.LeaveUnknown(2)
	b.ok("POST "+sub+"/extend", `{"by":"1d"}`)
	log.LeaveUnknown(0)
	if got := b.ok("GET "+sub, "")["ends_at"]; got != "2026-12-03T00:00:00Z" {
		t.Errorf("got %v, want two days more", got)
	}
}

func TestPreconditions(t *testing.T) {
	b := stocked(t)
	r := b.call("GET /v1/customers/acme", "")
	tag := r.header.Get("ETag")
	if same := b.call("GET /v1/customers/acme", "", "If-None-Match", tag); same.status != 304 {
		t.Errorf("got %d, want 304", same.status)
	}
	b.ok("PUT /v1/customers/acme", `{"name":"A"}`, "If-Match", tag)
	b.refused("412 revision_mismatch", "PUT /v1/customers/acme", `{"name":"B"}`, "If-Match", tag)
	b.refused("412 revision_mismatch", "DELETE /v1/customers/acme", "", "If-Match", tag)
	b.refused("412 revision_mismatch", "PUT /v1/customers/acme/subscriptions/main", `{"plan":"team"}`, "If-Match", tag)
	if says := b.refused("412 revision_mismatch", "PUT /v1/customers/new", `{}`, "If-Match", "*"); !strings.Contains(says,
		"does not exist") {
		t.Errorf("got %s, want no revision of what is not there", says)
	}
	b.refused("412 already_exists", "PUT /v1/customers/acme", `{}`, "If-None-Match", "*")
	b.ok("PUT /v1/customers/new", `{}`, "If-None-Match", "*")
}

func TestACustomerMovesBetweenGroups(t *testing.T) {
	b := stocked(t)
	for _, group := range []string{"eu", "us", "default", "eu", ""} {
		body := strings.Replace(`{"id":"acme","name":"Acme","group":"`+group+`"}`, `""`, `null`, 1)
		b.ok("PUT /v1/customers/acme", strings.Replace(body, `"id":"acme",`, "", 1))
		got := b.ok("GET /v1/customers/acme", "")
		want := group
		if group == "" {
			want = "default"
		}
		if got["group"] != want || len(got["subscriptions"].(map[string]any)) != 1 {
			t.Errorf("got %v, want group %s and the subscription", got, want)
		}
		if e := b.entitlement("acme", "calls"); e["limit"] != 100.0 {
			t.Errorf("in group %q: got %v", group, e)
		}
		if list := b.ok("GET /v1/customers", ""); list["total"] != 1.0 || len(list["customers"].([]any)) != 1 {
			t.Errorf("in group %q: got %v, want one customer", group, list)
		}
		if got := b.ok("POST /v1/import", body); got["unchanged"] != 1.0 {
			t.Errorf("got %v, want it as it was", got)
		}
		if got := b.ok("POST /v1/import", strings.Replace(body, "Acme", "Acme Inc", 1)); got["updated"] != 1.0 {
			t.Errorf("got %v, want it updated", got)
		}
	}
	b.ok("PUT /v1/customers/acme", `{"group":"eu"}`)
	b.ok("DELETE /v1/customers/acme", "")
	b.refused("404 customer_not_found", "GET /v1/customers/acme", "")
	b.refused("400 bad_request", "PUT /v1/customers/acme", `{"group":"e u"}`)
	b.ok("PUT /v1/customers/acme", `{"group":"us"}`)
}

func TestTwoHubsOnOneLogLoseNothing(t *testing.T) {
	docs, books := replica.NewMemory(), replica.NewMemory()
	hubs := []*bench{newBenchOn(t, docs, books), newBenchOn(t, docs, books)}
	hubs[0].ok("PUT /v1/catalog", shop)
	hubs[1].ok("PUT /v1/customers/acme", `{}`)
	hubs[0].ok("PUT /v1/customers/acme/subscriptions/s", `{"plan":"team","ends_at":"2026-12-01T00:00:00Z"}`)
	var work sync.WaitGroup
	for w := range 8 {
		b := hubs[w%2]
		work.Go(func() {
			for i := range 5 {
				b.ok("POST /v1/customers/acme/subscriptions/s/extend", `{"by":"1h"}`)
				b.ok(fmt.Sprintf("PUT /v1/customers/acme/subscriptions/w%d-%d", w, i), `{"plan":"free"}`)
			}
		})
	}
	work.Wait()
	for _, b := range hubs {
		got := b.ok("GET /v1/customers/acme", "")["subscriptions"].(map[string]any)
		if s := got["s"].(map[string]any); len(got) != 41 || s["ends_at"] != "2026-12-02T16:00:00Z" {
			t.Errorf("got %d subscriptions and %v, want 41 and 40 hours more", len(got), s["ends_at"])
		}
	}
}

// Whoever wins, a subscription never names a plan that the catalogue has not.
func TestAPlanInUseCannotVanishUnderASubscription(t *testing.T) {
	docs, books := replica.NewMemory(), replica.NewMemory()
	a, b := newBenchOn(t, docs, books), newBenchOn(t, docs, books)
	without := strings.Replace(shop, "  gone: {allow: {sso: true}}\n", "", 1)
	a.ok("PUT /v1/customers/acme", `{}`)
	dropped, kept := 0, 0
	for i := range 30 {
		a.ok("PUT /v1/catalog", shop)
		a.call("DELETE /v1/customers/acme/subscriptions/s", "")
		var sold, gone reply
		var work sync.WaitGroup
		work.Go(func() { sold = a.call("PUT /v1/customers/acme/subscriptions/s", `{"plan":"gone"}`) })
		work.Go(func() { gone = b.call("PUT /v1/catalog", without) })
		work.Wait()
		switch {
		case gone.status == 200 && sold.status != 200:
			dropped++
		case gone.status == 409 && sold.status == 200:
			kept++
		case gone.status == 409 && strings.Contains(sold.body, "being_dropped"):
		default:
			t.Fatalf("round %d: the plan: %d %s, the subscription: %d %s", i, gone.status, gone.body, sold.status, sold.body)
		}
		if r := a.call("GET /v1/catalog", ""); strings.Contains(r.body, "dropping") {
			t.Fatal("a mark was left in the catalogue")
		}
	}
	t.Logf("dropped %d times, kept %d times", dropped, kept)
}

// A misspelt or misplaced parameter must not turn a question into a deed.
func TestUnknownQueryParametersAreRefusedBeforeAnythingIsDone(t *testing.T) {
	b := stocked(t)
	b.ok("PUT /v1/customers/acme/subscriptions/main", `{"plan":"team"}`)
	for _, request := range []string{"DELETE /v1/customers/acme?dry_run=true", "PUT /v1/customers/new?dry_run=true",
		"POST /v1/customers/acme/subscriptions/main/cancel?at=term_end", "GET /v1/customers/acme?x=1",
		"GET /v1/catalog?x=1", "PUT /v1/catalog?dryrun=true", "GET /v1/customers?name=acme", "POST /v1/import?dry=1",
		"DELETE /v1/tokens/first?x=1"} {
		if says := b.refused("400 bad_request", request, `{}`); !strings.Contains(says, "query parameter") {
			t.Errorf("%s: got %s", request, says)
		}
	}
	for request, want := range map[string]string{
		"GET /v1/customers?cursor=garbage":      `"path":"cursor"`,
		"GET /v1/customers?cursor=YWNtZQ":       `"path":"cursor"`, // acme, as nobody answered it
		"GET /v1/customers?cursor=!":            `"path":"cursor"`,
		"GET /v1/customers?limit=many":          `"path":"limit"`,
		"PUT /v1/catalog?dry_run=perhaps":       `"path":"dry_run"`,
		"GET /v1/customers?query=%zz":           "percent-encode",
		"GET /v1/customers?limit=1&limit=2":     "limit stands twice",
		"PUT /v1/catalog?dry_run=&dry_run=true": "dry_run stands twice",
	} {
		if says := b.refused("400 bad_request", request, shop); !strings.Contains(says, want) {
			t.Errorf("%s: got %s, want %s", request, says, want)
		}
	}
	b.refused("404 customer_not_found", "GET /v1/customers/new", "")
	if got := b.ok("GET /v1/customers/acme/subscriptions/main", "")["status"]; got != "active" {
		t.Errorf("got %v", got)
	}
}
