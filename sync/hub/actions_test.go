package hub_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

const paid = `{"plan":"team","starts_at":"2026-01-31T00:00:00Z","ends_at":"2026-12-31T00:00:00Z",` +
	`"term":{"every":"month"}}`

func TestActions(t *testing.T) {
	const trial = `{"plan":"team","starts_at":"2026-11-01T00:00:00Z","trial_ends_at":"2026-12-01T00:00:00Z"}`
	past := strings.Replace(paid, "2026-12-31", "2026-03-31", 1)
	for name, tc := range map[string]struct{ sub, acts, want string }{
		"suspend":            {paid, `suspend`, `"status":"suspended"`},
		"resume":             {paid, `suspend; resume`, `"status":"active"`},
		"resume a trial":     {trial, `suspend; resume`, `"status":"trialing"`},
		"resume the overdue": {`{"plan":"team","status":"past_due"}`, `resume`, `"status":"active"`},
		"cancel now":         {paid, `cancel`, `"ends_at":"2026-11-23T12:00:00Z" "status":"cancelled"`},
		"cancel at term end": {paid, `cancel {"at":"term_end"}`,
			`"ends_at":"2026-11-30T00:00:00Z" {"at":"2026-11-30T00:00:00Z","status":"cancelled"} "status":"active"`},
		"cancel at a time": {paid, `cancel {"at":"2026-12-24T00:00:00Z"}`,
			`{"at":"2026-12-24T00:00:00Z","status":"cancelled"}`},
		"cancel, then renew": {paid, `cancel {"at":"term_end"}; renew`, `"ends_at":"2026-12-31T00:00:00Z" "status":"active"`},
		"renew a term":       {paid, `renew`, `"ends_at":"2027-01-31T00:00:00Z"`},
		"renew three terms":  {paid, `renew {"terms":3}`, `"ends_at":"2027-03-31T00:00:00Z"`},
		"renew until":        {paid, `renew {"ends_at":"2028-01-01T00:00:00Z"}`, `"ends_at":"2028-01-01T00:00:00Z"`},
		"renew what expired": {past, `renew`, `"ends_at":"2026-11-30T00:00:00Z"`},
		"convert":            {trial, `convert`, `"status":"active" "trial_ends_at":null`},
		"convert to a plan": {trial, `convert {"plan":"gone","ends_at":"2027-01-01T00:00:00Z"}`,
			`"plan":"gone" "status":"active" "ends_at":"2027-01-01T00:00:00Z"`},
		"extend":         {paid, `extend {"by":"30d"}`, `"ends_at":"2027-01-30T00:00:00Z"`},
		"extend a trial": {trial, `extend {"by":"24h"}`, `"trial_ends_at":"2026-12-02T00:00:00Z"`},
		"extend a trial's paid end": {strings.Replace(trial, "}", `,"ends_at":"2027-12-01T00:00:00Z"}`, 1),
			`extend {"ends_at":"2028-12-01T00:00:00Z"}`,
			`"ends_at":"2028-12-01T00:00:00Z" "trial_ends_at":"2026-12-01T00:00:00Z"`},
		"extend a trial until": {trial, `extend {"trial_ends_at":"2026-12-24T00:00:00Z"}`,
			`"trial_ends_at":"2026-12-24T00:00:00Z"`},
		"extend what has ended": {past, `extend {"by":"1d"}`, `"ends_at":"2026-11-24T12:00:00Z"`},
		"change now":            {paid, `change {"plan":"free"}`, `"plan":"free"`},
		"change at a time": {paid, `change {"at":"2026-12-01T00:00:00Z","plan":"free"}`,
			`"plan":"team" {"at":"2026-12-01T00:00:00Z","plan":"free"}`},
		"change at term end": {paid, `change {"at":"term_end","plan":"free"}`,
			`{"at":"2026-11-30T00:00:00Z","plan":"free"}`},
		"change in the past": {paid, `change {"at":"2026-10-01T00:00:00Z","plan":"free"}`, `"plan":"free"`},
		"change, then now": {paid, `change {"at":"2026-10-01T00:00:00Z","plan":"free"}; change {"environments":["prod"]}`,
			`"plan":"free" "environments":["prod"]`},
		"terms of ten days": {strings.Replace(paid, "month", "10d", 1), `change {"at":"term_end","plan":"free"}`,
			`{"at":"2026-11-27T00:00:00Z","plan":"free"}`},
		"an anchored term": {strings.Replace(paid, `"month"`, `"year","anchor":"2020-12-05T00:00:00Z"`, 1),
			`change {"at":"term_end","plan":"free"}`, `{"at":"2026-12-05T00:00:00Z","plan":"free"}`},
	} {
		t.Run(name, func(t *testing.T) { acted(t, tc.sub, tc.acts, tc.want) })
	}
}

func TestARenewalIsAWholeTermAndACancellationTheEnd(t *testing.T) {
	for name, tc := range map[string]struct{ sub, acts, want string }{
		"renew what ends within a term": {strings.Replace(paid, "2026-12-31", "2026-12-15", 1), `renew`,
			`"ends_at":"2027-01-15T00:00:00Z" "anchor":"2026-12-15T00:00:00Z"`},
		"renew twice what ends within a term": {strings.Replace(paid, "2026-12-31", "2027-01-30", 1), `renew; renew`,
			`"ends_at":"2027-03-30T00:00:00Z" "anchor":"2027-01-30T00:00:00Z"`},
		"renew up to a written anchor": {strings.NewReplacer("2026-12-31", "2026-12-15", `"month"`,
			`"month","anchor":"2026-01-10T00:00:00Z"`).Replace(paid), `renew`,
			`"ends_at":"2027-01-10T00:00:00Z" "anchor":"2026-01-10T00:00:00Z"`},
		"cancel what changes at the same time": {paid, `change {"at":"term_end","plan":"free"}; cancel {"at":"term_end"}`,
			`"changes":[{"at":"2026-11-30T00:00:00Z","status":"cancelled"}]`},
		"change before a cancellation": {paid, `cancel {"at":"term_end"}; change {"at":"2026-11-29T00:00:00Z","plan":"free"}`,
			`{"at":"2026-11-29T00:00:00Z","plan":"free"},{"at":"2026-11-30T00:00:00Z","status":"cancelled"}`},
		"change a cancelled subscription back": {paid,
			`cancel {"at":"term_end"}; change {"at":"2026-12-24T00:00:00Z","status":"active"}`,
			`{"at":"2026-11-30T00:00:00Z","status":"cancelled"},{"at":"2026-12-24T00:00:00Z","status":"active"}`},
	} {
		t.Run(name, func(t *testing.T) { acted(t, tc.sub, tc.acts, tc.want) })
	}
}

// acted carries actions out on a subscription and looks for words in what it becomes.
func acted(t *testing.T, sub, acts, want string) {
	b := stocked(t)
	b.ok("PUT /v1/customers/acme/subscriptions/s", sub)
	for act := range strings.SplitSeq(acts, "; ") {
		name, body, _ := strings.Cut(act, " ")
		b.ok("POST /v1/customers/acme/subscriptions/s/"+name, body)
	}
	got := b.call("GET /v1/customers/acme/subscriptions/s", "").body
	for word := range strings.SplitSeq(want, " ") {
		if !strings.Contains(got, word) {
			t.Errorf("got %s, want %s in it", got, word)
		}
	}
}

func TestActionsThatDoNotSuitAreRefused(t *testing.T) {
	b := stocked(t)
	b.ok("PUT /v1/customers/acme/subscriptions/s", `{"plan":"team","status":"cancelled"}`)
	for request, want := range map[string]string{
		`s/suspend`:            `409 action_not_possible`,
		`s/resume`:             `409 action_not_possible`,
		`s/convert`:            `409 action_not_possible`,
		`s/extend {"by":"1d"}`: `409 action_not_possible`,
		`s/extend {"ends_at":"2030-01-01T00:00:00Z"}`:                                        `409 action_not_possible renew`,
		`s/extend {"ends_at":"2030-01-01T00:00:00Z","trial_ends_at":"2030-01-01T00:00:00Z"}`: `400 bad_request beside`,
		`s/extend`: `400 bad_request by: it must be said how far`,
		`s/extend {"by":"1d","ends_at":"2030-01-01T00:00:00Z"}`: `400 bad_request by: it cannot stand beside ends_at`,
		`s/extend {"for":"1d"}`:                                 `400 bad_request known here: by, ends_at, trial_ends_at`,
		`s/suspend {"at":"now"}`:                                `400 bad_request this action takes none`,
		`s/extend {"by":"-1d"}`:                                 `400 bad_request by`,
		`s/extend {"by":"-1h"}`:                                 `400 bad_request by: it is negative (0 or more`,
		`s/change {"at":"term_end","plan":"x"}`:                 `400 no_term`,
		`s/change {"at":"soon","plan":"x"}`:                     `400 bad_request at`,
		`s/change {"plan":"teem"}`:                              `400 bad_request plan`,
		`s/change {"plam":"team"}`:                              `400 bad_request plam`,
		`s/change {"starts_at":"2026-01-01T00:00:00Z"}`:         `400 bad_request starts_at`,
		`s/change {"ends_at":"2020-01-01T00:00:00Z"}`:           `400 bad_request ends_at`,
		`s/change`:                  `400 bad_request changes nothing`,
		`s/change []`:               `400 bad_request object`,
		`s/suspend {"why":"money"}`: `400 bad_request why`,
		`s/renew {"terms":0}`:       `400 bad_request terms`,
		`s/explode`:                 `404 not_found suspend`,
		`t/suspend`:                 `404 subscription_not_found`,
	} {
		t.Run(request, func(t *testing.T) {
			b := &bench{t: t, url: b.url, token: b.token}
			path, body, _ := strings.Cut(request, " ")
			r := b.call("POST /v1/customers/acme/subscriptions/"+path, body)
			var p struct{ Code, Detail string }
			if err := json.Unmarshal([]byte(r.body), &p); err != nil {
				t.Fatal(err)
			}
			status, rest, _ := strings.Cut(want, " ")
			code, says, _ := strings.Cut(rest, " ")
			if got := strconv.Itoa(r.status); got != status || p.Code != code || !strings.Contains(p.Detail, says) {
				t.Errorf("got %s %s, want %s", got, r.body, want)
			}
		})
	}
	b.refused("404 customer_not_found", "POST /v1/customers/nobody/subscriptions/s/suspend", "")
	b.ok("PUT /v1/customers/acme/subscriptions/s", `{"plan":"team","term":{"every":"month"}}`)
	b.ok("POST /v1/customers/acme/subscriptions/s/cancel", `{"at":"term_end"}`)
	for _, at := range []string{"term_end", "2030-01-01T00:00:00Z"} {
		says := b.refused("409 action_not_possible", "POST /v1/customers/acme/subscriptions/s/change",
			`{"at":"`+at+`","plan":"free"}`)
		if !strings.Contains(says, "cancelled from 2026-12-23T12:00:00Z on") {
			t.Errorf("got %s, want when it is cancelled", says)
		}
	}
}

func TestSubscriptionsAreRefusedWithTheFieldThatIsWrong(t *testing.T) {
	b := stocked(t)
	for body, want := range map[string]string{
		`{}`:                                                      `"path":"plan"`,
		`{"plan":"teem"}`:                                         `did you mean \"team\"?`,
		`{"plan":"team","plam":1}`:                                `"path":"plam"`,
		`{"plan":"team","plan":"team"}`:                           `stands twice`,
		`{"plan":"team","plan_version":2}`:                        `"path":"plan_version"`,
		`{"plan":"team","status":"trialing"}`:                     `"path":"trial_ends_at"`,
		`{"plan":"team","ends_at":"2026-11-23T11:00:00Z"}`:        `"path":"ends_at"`,
		`{"plan":"team","ends_at":"10000-01-01T00:00:00Z"}`:       `"path":"ends_at"`,
		`{"plan":"team","addons":[{"key":"extra","quantity":0}]}`: `"path":"addons[0].quantity"`,
		`{"plan":"team","addons":[{"key":"extra","quantity":99999999999999999999}]}`: `"path":"addons[0].quantity"`,
		`{"plan":"team","addons":[{"key":"nope"}]}`:                                  `"path":"addons[0]"`,
		`{"plan":"team","overrides":{"calls":{"limit":1}}}`:                          `"path":"overrides.calls.per"`,
		`{"plan":"team","overrides":{"calls":{"limit":-1,"per":"day"}}}`:             `"path":"overrides.calls.limit"`,
		`{"plan":"team","overrides":{"sos":true}}`:                                   `"path":"overrides.sos"`,
		`{"plan":"team","changes":[{"at":"2030-01-01T00:00:00Z","plan":"teem"}]}`:    `"path":"changes[0].plan"`,
		`{"plan":"team","versions":"banana"}`:                                        `"path":"versions"`,
		`[]`:                                                                         `must be a mapping`,
		``:                                                                           `ends too early`,
		`{"plan":`:                                                                   `ends too early`,
		"{\"plan\":\"\xff\"}":                                                        `UTF-8`,
		strings.Repeat(`{"a":`, 10_000):                                              `deeper`,
	} {
		got := b.refused("400 bad_request", "PUT /v1/customers/acme/subscriptions/s", body)
		if !strings.Contains(got, want) {
			t.Errorf("%.80s: got %s, want %s", body, got, want)
		}
	}
	b.refused("404 subscription_not_found", "GET /v1/customers/acme/subscriptions/s", "")
	b.refused("404 customer_not_found", "PUT /v1/customers/nobody/subscriptions/s", `{"plan":"team"}`)
}

func TestIdsMayHoldAnythingButControlCharacters(t *testing.T) {
	b := stocked(t)
	for _, id := range []string{"a/b", ".", "..", "a b", "*", ">", "%2F", "ü", "🚀", "a.b.c", "a//b", "{id}", "a@b",
		"/", "?x=1#y",
		"+", strings.Repeat("x", 256), strings.Repeat("é", 128)} {
		path := "/v1/customers/" + strings.ReplaceAll(url.PathEscape(id), ".", "%2E")
		b.ok("PUT "+path, `{"name":"x"}`)
		b.ok("PUT "+path+"/subscriptions/"+path[len("/v1/customers/"):], `{"plan":"team"}`)
		got := b.ok("GET "+path, "")
		if _, ok := got["subscriptions"].(map[string]any)[id]; got["id"] != id || !ok {
			t.Errorf("%q: got %v", id, got)
		}
		if e := b.entitlement(path[len("/v1/customers/"):], "calls"); e["limit"] != 100.0 {
			t.Errorf("%q: got %v", id, e)
		}
		b.ok("DELETE "+path, "")
	}
	for _, id := range []string{"%00", "%7F", "a%0Ab", "%FF", strings.Repeat("x", 257)} {
		b.refused("400 bad_request", "PUT /v1/customers/"+id, `{}`)
		b.refused("400 bad_request", "GET /v1/customers/"+id, "")
	}
	b.refused("404 not_found", "PUT /v1/customers/", `{}`)
	b.refused("404 not_found", "PUT /v1/customers//subscriptions/x", `{}`)
	b.refused("404 not_found", "GET /v1/customers/a/../b", "")
}
