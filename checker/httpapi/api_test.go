package httpapi

import (
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAnswersSayWhatTheContractSays(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	for name, tc := range map[string]struct{ query, want string }{
		"boolean":           {"customer=acme&feature=sso", `{"allowed":true,"reason":"granted","customer":"acme","feature":"sso","type":"boolean","value":true,"plan":"team","revision":4812,"age_ms":120}`},
		"config":            {"customer=acme&feature=tier&value=a", `{"allowed":true,"reason":"granted","customer":"acme","feature":"tier","type":"config","value":"b","plan":"team","revision":4812,"age_ms":120}`},
		"metered":           {"customer=acme&feature=calls&quantity=5", `{"allowed":true,"reason":"granted","customer":"acme","feature":"calls","type":"metered","limit":5,"used":0,"remaining":5,"resets_at":"2026-12-01T00:00:00Z","overage":0,"held":0,"unseen_max":0,"usage_age_ms":0,"plan":"team","revision":4812,"age_ms":120}`},
		"over the limit":    {"customer=acme&feature=calls&quantity=6", `{"allowed":false,"reason":"limit_reached","customer":"acme","feature":"calls","type":"metered","limit":5,"used":0,"remaining":5,"resets_at":"2026-12-01T00:00:00Z","overage":0,"held":0,"unseen_max":0,"usage_age_ms":0,"plan":"team","revision":4812,"age_ms":120}`},
		"unlimited":         {"customer=acme&feature=hits", `{"allowed":true,"reason":"unlimited","customer":"acme","feature":"hits","type":"metered","unlimited":true,"used":0,"overage":0,"held":0,"unseen_max":0,"usage_age_ms":0,"plan":"team","revision":4812,"age_ms":120}`},
		"pool":              {"customer=acme&feature=boxes", `{"allowed":true,"reason":"granted","customer":"acme","feature":"boxes","type":"pool","limit":2,"used":0,"remaining":2,"over_limit":false,"plan":"team","revision":4812,"age_ms":120}`},
		"a seat for a user": {"customer=acme&feature=staff&user=ann", `{"allowed":false,"reason":"no_seat","customer":"acme","feature":"staff","type":"seat","limit":3,"used":0,"remaining":3,"over_limit":false,"plan":"team","revision":4812,"age_ms":120}`},
		"a union, an end":   {"customer=two%2F%E2%98%82+%22x%22&feature=where&value=eu", `{"allowed":true,"reason":"granted","customer":"two/☂ \"x\"","feature":"where","type":"config","value":["eu","us"],"plan":"team","revision":4812,"age_ms":120}`},
		"an end":            {"customer=two%2F%E2%98%82%20%22x%22&feature=sso", `{"allowed":true,"reason":"granted","customer":"two/☂ \"x\"","feature":"sso","type":"boolean","value":true,"expires_at":"2026-12-01T00:00:00.500Z","plan":"team","revision":4812,"age_ms":120}`},
		"expired":           {"customer=old&feature=sso", `{"allowed":false,"reason":"expired","customer":"old","feature":"sso","type":"boolean","value":false,"plan":"team","revision":4812,"age_ms":120}`},
		"advisory":          {"customer=old&feature=try", `{"allowed":true,"reason":"advisory","would_deny":"expired","customer":"old","feature":"try","type":"boolean","value":true,"plan":"team","revision":4812,"age_ms":120}`},
		"environment":       {"customer=stage&feature=sso&environment=prod", `{"allowed":true,"reason":"granted","customer":"stage","feature":"sso","type":"boolean","value":true,"plan":"team","revision":4812,"age_ms":120}`},
		"no environment":    {"customer=stage&feature=sso", `{"allowed":false,"reason":"environment_not_allowed","customer":"stage","feature":"sso","type":"boolean","value":false,"plan":"team","revision":4812,"age_ms":120}`},
		"unknown customer":  {"customer=nobody&feature=sso", `{"allowed":false,"reason":"unknown_customer","customer":"nobody","feature":"sso","revision":4812,"age_ms":120}`},
		"unknown feature":   {"customer=acme&feature=nothing", `{"allowed":false,"reason":"unknown_feature","customer":"acme","feature":"nothing","revision":4812,"age_ms":120}`},
		"revoked":           {"customer=bad&feature=sso", `{"allowed":false,"reason":"revoked","customer":"bad","feature":"sso","type":"boolean","value":false,"revision":4812,"age_ms":120}`},
		"not covered":       {"customer=acme&feature=where&value=eu", `{"allowed":false,"reason":"value_not_covered","customer":"acme","feature":"where","type":"config","value":["us"],"plan":"team","revision":4812,"age_ms":120}`},
	} {
		t.Run(name, func(t *testing.T) {
			if status, got := do(t, "GET", base+"/v1/check?"+tc.query, ""); status != 200 || got != tc.want {
				t.Errorf("GET: %d\ngot  %s\nwant %s", status, got, tc.want)
			}
			if status, got := do(t, "POST", base+"/v1/check", bodyOf(t, tc.query)); status != 200 || got != tc.want {
				t.Errorf("POST: %d\ngot  %s\nwant %s", status, got, tc.want)
			}
		})
	}
}

// bodyOf is the body that asks what a query asks.
func bodyOf(t *testing.T, query string) string {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	for key, v := range values {
		fields[key] = v[0]
		if key == "quantity" {
			fields[key] = json.Number(v[0])
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestBadRequestsNameTheFieldAndTheRemedy(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	long := strings.Repeat("x", 257)
	for name, tc := range map[string]struct {
		method, target, body string
		status               int
		want                 string
	}{
		"no customer":          {"GET", "/v1/check?feature=sso", "", 400, "customer: it is missing"},
		"no feature":           {"POST", "/v1/check", `{"customer":"acme"}`, 400, "feature: it is missing"},
		"an unknown parameter": {"GET", "/v1/check?customer=acme&feature=sso&qty=1", "", 400, "qty: this field is not known"},
		"an unknown field":     {"POST", "/v1/check", `{"customer":"acme","feature":"sso","qty":1}`, 400, "qty: this field is not known"},
		"twice":                {"GET", "/v1/check?customer=a&customer=b&feature=sso", "", 400, "customer: it stands twice"},
		"twice in a body":      {"POST", "/v1/check", `{"customer":"a","customer":"b","feature":"sso"}`, 400, "customer: it stands twice"},
		"negative":             {"GET", "/v1/check?customer=a&feature=sso&quantity=-1", "", 400, "quantity: it must be a whole number"},
		"overflowing":          {"POST", "/v1/check", `{"customer":"a","feature":"sso","quantity":9223372036854775808}`, 400, "quantity: it must be a whole number"},
		"a fraction":           {"POST", "/v1/check", `{"customer":"a","feature":"sso","quantity":1.5}`, 400, "quantity: it must be a whole number"},
		"a long id":            {"GET", "/v1/check?customer=" + long + "&feature=sso", "", 400, "customer: it has more than 256 bytes"},
		"a control character":  {"GET", "/v1/check?customer=a%00&feature=sso", "", 400, "customer: it has a control character"},
		"invalid UTF-8":        {"GET", "/v1/check?customer=%ff&feature=sso", "", 400, "customer: it is not valid UTF-8"},
		"a bad escape":         {"GET", "/v1/check?customer=%zz&feature=sso", "", 400, "customer: a percent sign"},
		"a number for a text":  {"POST", "/v1/check", `{"customer":5,"feature":"sso"}`, 400, "customer: it must be a text"},
		"a near name":          {"GET", "/v1/check?custmer=acme&feature=sso", "", 400, "custmer: this field is not known here (did you mean \"customer\"? known here: customer, feature, user, device, environment, version, quantity, value, min_revision, wait_ms)"},
		"a near name in one":   {"POST", "/v1/checks", `{"checks":[{"customr":"acme"}]}`, 200, "checks[0].customr: this field is not known here (did you mean"},
		"a near name of all":   {"POST", "/v1/checks", `{"check":[]}`, 400, "check: this field is not known here (did you mean \"checks\"? known here: checks)"},
		"a far name":           {"GET", "/v1/customers/acme/entitlements?qty=1", "", 400, "qty: this field is not known here (known here: user, device, environment, version, quantity, min_revision, wait_ms)"},
		"no body":              {"POST", "/v1/check", "", 400, "the body must be a JSON object such as {\"customer\":\"acme\",\"feature\":\"sso\"}, and is empty"},
		"a list":               {"POST", "/v1/explain", "[]", 400, "the body must be a JSON object such as {\"customer\":\"acme\",\"feature\":\"sso\"}, and is a list"},
		"a form":               {"POST", "/v1/check", "customer=acme&feature=sso", 400, "the body must be a JSON object such as"},
		"a list of checks":     {"POST", "/v1/checks", "[{}]", 400, "the body must be a JSON object such as {\"checks\":[{\"customer\":\"acme\",\"feature\":\"sso\"}]}, and is a list"},
		"a number as a check":  {"POST", "/v1/checks", `{"checks":[7]}`, 200, "checks[0]: it must be a JSON object such as"},
		"no colon":             {"POST", "/v1/check", `{"customer" "acme"}`, 400, "no ':' where one is expected at byte 12"},
		"no end":               {"POST", "/v1/check", `{"customer":"acme"`, 400, "an early end at byte 18"},
		"not JSON":             {"POST", "/v1/check", `{"customer":`, 400, "not JSON as it should be"},
		"trailing data":        {"POST", "/v1/check", `{"customer":"a","feature":"sso"} x`, 400, "something after the end"},
		"half a surrogate":     {"POST", "/v1/check", `{"customer":"\ud800","feature":"sso"}`, 400, "half a surrogate pair"},
		"deep":                 {"POST", "/v1/check", `{"customer":"a","feature":"tier","value":` + strings.Repeat("[", 10_000), 400, "too deep a nesting"},
		"a body that is text":  {"POST", "/v1/check", "\xff", 400, "not valid UTF-8"},
		"a value of no sort":   {"GET", "/v1/check?customer=acme&feature=tier&value=z", "", 400, "value: it must be one of a, b"},
		"a value for boolean":  {"GET", "/v1/check?customer=acme&feature=sso&value=z", "", 400, "takes no value"},
		"a long wait":          {"GET", "/v1/check?customer=acme&feature=sso&min_revision=1&wait_ms=30001", "", 400, "wait_ms: it must be a whole number from 0 to 30000"},
		"a revision to come":   {"GET", "/v1/check?customer=acme&feature=sso&min_revision=9999&wait_ms=5", "", 409, "is at revision 4812"},
		"a wrong method":       {"DELETE", "/v1/check", "", 405, "use GET"},
		"an unknown path":      {"GET", "/v1/chek", "", 404, "nothing at this path"},
		"an enormous body":     {"POST", "/v1/check", strings.Repeat(" ", 10<<20), 413, "more than 4194304 bytes"},
		"too many checks":      {"POST", "/v1/checks", `{"checks":[` + strings.Repeat(`{},`, 100_000) + `{}]}`, 400, "more than 1000 items"},
		"checks of one":        {"POST", "/v1/checks", `{"checks":{}}`, 400, "checks: it must be a list"},
		"no checks":            {"POST", "/v1/checks", `{}`, 400, "checks: it is missing"},
		"a query for a POST":   {"POST", "/v1/check?customer=a", `{"customer":"a","feature":"sso"}`, 400, "customer: this call takes nothing in its query string"},
	} {
		t.Run(name, func(t *testing.T) {
			status, got := do(t, tc.method, base+tc.target, tc.body)
			got = strings.ReplaceAll(got, `\"`, `"`)
			if status != tc.status || !strings.Contains(got, tc.want) {
				t.Errorf("got %d %.300s\nwant %d %s", status, got, tc.status, tc.want)
			}
		})
	}
}

func TestBulkAnswersAreOfOneRevisionAndKeepTheirOrder(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	status, got := do(t, "POST", base+"/v1/checks", `{"checks":[{"customer":"acme","feature":"sso"},{"feature":"sso"},
		{"customer":"acme","feature":"tier","value":"z"},{"customer":"old","feature":"sso"}, 7]}`)
	var answer struct {
		Revision uint64
		Results  []struct {
			Allowed bool
			Reason  string
			Code    string
			Detail  string
			Status  int
		}
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil || status != 200 || len(answer.Results) != 5 {
		t.Fatalf("got %d %s, %v", status, got, err)
	}
	r := answer.Results
	if !r[0].Allowed || r[1].Code != "bad_request" || r[1].Status != 400 ||
		!strings.Contains(r[1].Detail, "checks[1].customer") ||
		r[2].Code != "bad_request" || r[3].Reason != "expired" || r[4].Code != "bad_request" || answer.Revision != 4812 {
		t.Errorf("got %s", got)
	}
}

func TestEntitlementsListEveryFeature(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	status, got := do(t, "GET", base+"/v1/customers/two%2F%E2%98%82%20%22x%22/entitlements", "")
	var answer struct {
		Customer     string
		Entitlements []struct {
			Feature string
			Allowed bool
		}
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil || status != 200 || len(answer.Entitlements) != 9 {
		t.Fatalf("got %d %s, %v", status, got, err)
	}
	if answer.Customer != `two/☂ "x"` || answer.Entitlements[0].Feature != "boxes" || !answer.Entitlements[0].Allowed {
		t.Errorf("got %s", got)
	}
	for target, want := range map[string]int{"/v1/customers//entitlements": 400, "/v1/customers/a/b/entitlements": 400,
		"/v1/customers/a/entitlements?feature=x": 400, "/v1/customers/a/entitlements?environment=prod": 200} {
		if status, got := do(t, "GET", base+target, ""); status != want {
			t.Errorf("%s: got %d %s", target, status, got)
		}
	}
}

func TestCustomersOfOtherGroupsAreNotDenied(t *testing.T) {
	k := newKnown(t)
	k.some = true
	base := serve(t, k, nil)
	for _, target := range []string{"/v1/check?customer=nobody&feature=sso", "/v1/customers/nobody/entitlements",
		"/v1/explain?customer=nobody&feature=sso"} {
		if status, got := do(t, "GET", base+target, ""); status != 503 || !strings.Contains(got, "customer_not_followed") {
			t.Errorf("%s: got %d %s", target, status, got)
		}
	}
	if status, _ := do(t, "GET", base+"/v1/check?customer=acme&feature=sso", ""); status != 200 {
		t.Errorf("a followed one: got %d", status)
	}
}

func TestTheSidecarsOwnEnvironmentIsAssumed(t *testing.T) {
	base := serve(t, newKnown(t), func(o *Options) { o.Environment = "prod" })
	for query, want := range map[string]string{"": `"allowed":true`, "&environment=test": `"allowed":false`} {
		if _, got := do(t, "GET", base+"/v1/check?customer=stage&feature=sso"+query, ""); !strings.Contains(got, want) {
			t.Errorf("%q: got %s", query, got)
		}
	}
}

func TestAStaleSnapshotIsFlagged(t *testing.T) {
	k := newKnown(t)
	k.heard = noon.Add(-2 * time.Hour).UnixMilli()
	base := serve(t, k, nil)
	if _, got := do(t, "GET", base+"/v1/check?customer=acme&feature=guard", ""); !strings.Contains(got, `"stale":true`) ||
		!strings.Contains(got, `"age_ms":7200000`) {
		t.Errorf("got %s", got)
	}
}

func TestAWaitingCheckIsAnsweredWhenTheRevisionComes(t *testing.T) {
	k := newKnown(t)
	base := serve(t, k, nil)
	var done sync.WaitGroup
	done.Go(func() {
		status, got := do(t, "GET", base+"/v1/check?customer=acme&feature=sso&min_revision=4813&wait_ms=20000", "")
		if status != 200 || !strings.Contains(got, `"revision":4813`) {
			t.Errorf("got %d %s", status, got)
		}
	})
	if err := k.index.Begin().Publish(4813); err != nil {
		t.Fatal(err)
	}
	done.Wait()
}

func TestABulkItemThatIsWrongSaysWhichItIs(t *testing.T) {
	base := serve(t, newKnown(t), nil)
	_, got := do(t, "POST", base+"/v1/checks", `{"checks":[{"customer":"acme","feature":"sso"},`+
		`{"customer":"acme","feature":"tier","value":"z"},7,{"customer":"acme"}]}`)
	for _, want := range []string{`"allowed":true`, `checks[1].value: `, `checks[2]: `, `checks[3].feature: `} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}
