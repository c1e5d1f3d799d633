package hub_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/replica"
)

// made is a token with some scopes.
func (b *bench) made(id, scopes string) *bench {
	b.t.Helper()
	secret, _ := b.ok("PUT /v1/tokens/"+id, `{"scopes":[`+scopes+`]}`)["token"].(string)
	other := *b
	other.token = secret
	return &other
}

func TestScopesOpenWhatTheyAreFor(t *testing.T) {
	b := stocked(t)
	who := map[string]*bench{"admin": b}
	for _, scope := range []string{"provision", "support", "portal"} {
		who[scope] = b.made(scope, `"`+scope+`"`)
	}
	for request, allowed := range map[string]string{
		"GET /v1/catalog":                                    "admin provision support",
		"GET /v1/catalog/versions":                           "admin provision support",
		"PUT /v1/catalog":                                    "admin",
		"GET /v1/customers":                                  "admin provision support",
		"GET /v1/customers/acme":                             "admin provision support",
		"PUT /v1/customers/acme":                             "admin provision",
		"DELETE /v1/customers/none":                          "admin provision",
		"GET /v1/customers/acme/subscriptions":               "admin provision support",
		"GET /v1/customers/acme/subscriptions/main":          "admin provision support",
		"PUT /v1/customers/acme/subscriptions/main":          "admin provision",
		"POST /v1/customers/acme/subscriptions/main/suspend": "admin provision",
		"DELETE /v1/customers/acme/subscriptions/none":       "admin provision",
		"GET /v1/customers/acme/entitlements":                "admin provision support portal",
		"POST /v1/import":                                    "admin provision",
		"GET /v1/tokens":                                     "admin support",
		"GET /v1/tokens/first":                               "admin support",
		"PUT /v1/tokens/first":                               "admin",
		"DELETE /v1/tokens/none":                             "admin",
		"GET /v1/webhooks":                                   "admin",
		"PUT /v1/webhooks/none":                              "admin",
		"POST /v1/webhooks/none/test":                        "admin",
		"POST /v1/fleet/enrol":                               "admin",
		"GET /v1/fleet/enrolments":                           "admin support",
		"DELETE /v1/fleet/enrolments/none":                   "admin",
	} {
		for scope, b := range who {
			r := b.call(request, "{")
			want := strings.Contains(" "+allowed+" ", " "+scope+" ")
			if got := r.status != http.StatusForbidden; got != want {
				t.Errorf("%s with %s: got %d %s", request, scope, r.status, r.body)
			}
			if !want && (!strings.Contains(r.body, `"code":"forbidden"`) || !strings.Contains(r.body, "admin")) {
				t.Errorf("%s: got %s, want the scopes that may", request, r.body)
			}
		}
	}
}

func TestNobodyComesInWithoutAToken(t *testing.T) {
	b := stocked(t)
	for name, header := range map[string]string{"none": "", "another": "Bearer nonsense", "basic": "Basic " + admin,
		"bare": admin, "empty": "Bearer ", "a prefix": "Bearer " + admin[:10]} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t: t, url: b.url}
			b.refused("401 unauthorized", "GET /v1/catalog", "", "Authorization", header)
			if r := b.call("GET /v1/catalog", "", "Authorization", header); r.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
	for _, path := range []string{"/livez", "/startupz", "/readyz", "/metrics"} {
		if r := b.call("GET "+path, "", "Authorization", ""); r.status != 200 || r.body == "" {
			t.Errorf("%s: got %d %s", path, r.status, r.body)
		}
	}
}

func TestATokensSecretIsShownOnceAndStoredNowhere(t *testing.T) {
	b := newBench(t)
	made := b.ok("PUT /v1/tokens/ci", `{"name":"CI","scopes":["provision"]}`)
	secret := made["token"].(string)
	if r := b.call("GET /v1/tokens/ci", ""); strings.Contains(r.body, secret) || strings.Contains(r.body, "hash") {
		t.Errorf("got %s, want no secret", r.body)
	}
	if again := b.ok("PUT /v1/tokens/ci", `{"scopes":["support"]}`); again["token"] != nil {
		t.Errorf("got %v, want the secret kept", again)
	}
	e, err := b.books.Get(t.Context(), replica.KindToken+"/ci")
	if err != nil || strings.Contains(string(e.Value), secret) {
		t.Errorf("got %s %v, want no secret in the books", e.Value, err)
	}
	ci := *b
	ci.token = secret
	ci.ok("GET /v1/customers", "")
	fresh := b.ok("PUT /v1/tokens/ci", `{"scopes":["support"],"rotate":true}`)["token"].(string)
	ci.refused("401 unauthorized", "GET /v1/customers", "")
	ci.token = fresh
	ci.ok("GET /v1/customers", "")
	b.ok("DELETE /v1/tokens/ci", "")
	ci.refused("401 unauthorized", "GET /v1/customers", "")
	b.refused("404 token_not_found", "GET /v1/tokens/ci", "")
}

func TestTokensExpire(t *testing.T) {
	b := newBench(t)
	short := *b
	short.token = b.ok("PUT /v1/tokens/x", `{"scope":"admin","expires_at":"2026-11-23T12:00:01Z"}`)["token"].(string)
	short.ok("GET /v1/customers", "")
	b.clock.Add(1000)
	for _, past := range []string{"2026-11-23T12:00:01Z", "2020-01-01T00:00:00Z"} {
		says := b.refused("400 bad_request", "PUT /v1/tokens/y", `{"scope":"support","expires_at":"`+past+`"}`)
		if !strings.Contains(says, `"path":"expires_at"`) {
			t.Errorf("got %s, want the field", says)
		}
	}
	b.refused("404 token_not_found", "GET /v1/tokens/y", "")
	short.refused("401 token_expired", "GET /v1/customers", "")
}

func TestTheLastAdminTokenStays(t *testing.T) {
	b := newBench(t)
	b.refused("409 last_admin_token", "DELETE /v1/tokens/first", "")
	b.refused("409 last_admin_token", "PUT /v1/tokens/first", `{"scopes":["support"]}`)
	b.refused("409 last_admin_token", "PUT /v1/tokens/first", `{"scopes":["admin"],"expires_at":"2030-01-01T00:00:00Z"}`)
	second := b.made("second", `"admin"`)
	second.ok("DELETE /v1/tokens/first", "")
	second.refused("409 last_admin_token", "DELETE /v1/tokens/second", "")
	for body, want := range map[string]string{`{}`: "scopes", `{"scopes":["root"]}`: "root", `{"scopes":"admin"}`: "list",
		`{"scope":"admin","x":1}`: `"path":"x"`, `[]`: "mapping"} {
		if got := second.refused("400 bad_request", "PUT /v1/tokens/x", body); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}
