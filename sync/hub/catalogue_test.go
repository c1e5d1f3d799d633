package hub_test

import (
	"strings"
	"testing"
)

func TestACatalogueIsRefusedWholeWithEveryFault(t *testing.T) {
	b := stocked(t)
	bad := strings.Replace(strings.Replace(shop, "sso: true", "sos: true", 1), "type: pool", "type: pol", 1)
	body := b.refused("400 invalid_catalog", "PUT /v1/catalog", bad)
	for _, want := range []string{`"path":"features.boxes.type"`, `"line":6`, `"path":"plans.gone.allow.sos"`,
		`did you mean`} {
		if !strings.Contains(body, want) {
			t.Errorf("got %s, want %s", body, want)
		}
	}
	twice := strings.Replace(bad, "plans:", "  boxes: {type: pool}\n  calls: {type: pool}\nplans:", 1)
	body = b.refused("400 invalid_catalog", "PUT /v1/catalog", twice)
	for _, want := range []string{`"path":"features.boxes","line"`, `"path":"features.calls","line"`,
		`"path":"features.boxes.type"`, `"path":"plans.gone.allow.sos"`} {
		if !strings.Contains(body, want) {
			t.Errorf("keys that stand twice hide other faults: got %s, want %s", body, want)
		}
	}
	for name, body := range map[string]string{
		"empty": "", "a list": "[]", "not YAML": "a: b: c", "two documents": "a: 1\n---\nb: 2", "invalid UTF-8": "\xff",
		"deep": strings.Repeat("[", 10_000), "a key twice": "features: {a: {type: boolean}, a: {type: boolean}}",
		"the hub's own mark": `{"features":{"a":{"type":"boolean"}},"dropping":{}}`,
	} {
		t.Run(name, func(t *testing.T) { b.refused("400 invalid_catalog", "PUT /v1/catalog", body) })
	}
	b.refused("400 invalid_catalog", "PUT /v1/catalog", shop, "Content-Type", "application/json")
	if says := b.refused("413 body_too_large", "PUT /v1/catalog", "#"+strings.Repeat("x", 10<<20)); strings.Contains(says,
		"import") {
		t.Errorf("got %s, want nothing of imports, which take no catalogue", says)
	}
	if got := b.ok("GET /v1/catalog", ""); len(got["plans"].(map[string]any)) != 3 {
		t.Errorf("got %v, want the catalogue as it was", got)
	}
}

func TestAChangedPlanGetsANewVersion(t *testing.T) {
	b := stocked(t)
	b.ok("PUT /v1/customers/acme/subscriptions/pinned", `{"plan":"team","plan_version":1}`)
	before := b.call("GET /v1/catalog", "")
	b.ok("PUT /v1/catalog", strings.Replace(shop, "limit: 100,", "limit: 300,", 1), "If-Match", before.header.Get("ETag"))
	if e := b.entitlement("acme", "calls"); e["limit"] != 400.0 {
		t.Errorf("got %v, want 300 of the newest and 100 of the pinned", e)
	}
	var got []string
	for _, v := range b.ok("GET /v1/catalog/versions?plan=team", "")["versions"].([]any) {
		doc := v.(map[string]any)
		if doc["newest"] == true {
			got = append(got, "newest")
		}
		got = append(got, strings.TrimSuffix(strings.Repeat("v", int(doc["version"].(float64))), ""))
	}
	if strings.Join(got, " ") != "v newest vv" {
		t.Errorf("got %v, want versions 1 and 2, the second the newest", got)
	}
	b.refused("412 revision_mismatch", "PUT /v1/catalog", shop, "If-Match", before.header.Get("ETag"))
	b.refused("400 bad_request", "PUT /v1/customers/acme/subscriptions/pinned", `{"plan":"team","plan_version":3}`)
}

func TestAnEqualCatalogueIsNotWrittenAgain(t *testing.T) {
	b := stocked(t)
	first := b.call("GET /v1/catalog", "").header.Get("ETag")
	again := b.call("PUT /v1/catalog", shop)
	if again.header.Get("ETag") != first || !strings.Contains(again.body, `"unchanged":true`) {
		t.Errorf("got %s %s, want %s", again.header.Get("ETag"), again.body, first)
	}
	other := b.call("PUT /v1/catalog", strings.Replace(shop, "limit: 100,", "limit: 99,", 1)).body
	if !strings.Contains(other, `"unchanged":false`) {
		t.Errorf("got %s, want it changed", other)
	}
	first = b.call("PUT /v1/catalog", shop).header.Get("ETag")
	body := b.call("GET /v1/catalog", "").body
	if again := b.call("PUT /v1/catalog", body, "Content-Type", "application/json").header.Get("ETag"); again != first {
		t.Errorf("what was got is not what was put: %s, want %s", again, first)
	}
}

func TestTheDifferenceNamesWhoseEntitlementsChange(t *testing.T) {
	b := stocked(t)
	b.ok("PUT /v1/customers/other", `{}`)
	b.ok("PUT /v1/customers/other/subscriptions/s", `{"plan":"gone"}`)
	b.ok("PUT /v1/customers/fixed", `{}`)
	b.ok("PUT /v1/customers/fixed/subscriptions/s",
		`{"plan":"team","overrides":{"calls":{"limit":7,"per":"month"}},"environments":["prod"]}`)
	for name, tc := range map[string]struct{ from, to, want string }{
		"nothing":                {"limit: 100,", "limit: 100, ", ""},
		"a limit":                {"limit: 100,", "limit: 99,", "acme:calls"},
		"hard to soft":           {"limit: 100, per: month", "limit: 100, per: month, mode: soft", "acme:calls"},
		"a value":                {"tier: basic", "tier: gold", "acme:tier fixed:tier"},
		"an add-on nobody has":   {"limit: 50", "limit: 51", ""},
		"a name":                 {"type: pool", "type: pool, name: Boxes", ""},
		"a feature's stacking":   {"unit: call", "unit: call, stack: max", ""},
		"a feature becomes mild": {"type: pool", "type: pool, enforce: advisory", "acme:boxes fixed:boxes"},
		"a plan nobody has":      {"base: true, ", "", ""},
		"a new plan":             {"  gone:", "  new: {allow: {sso: true}}\n  gone:", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t: t, url: b.url, token: b.token}
			if got := changes(b.ok("PUT /v1/catalog?dry_run=true", strings.Replace(shop, tc.from, tc.to, 1))); got != tc.want {
				t.Errorf("got %v, want %s", got, tc.want)
			}
		})
	}
	if e := b.entitlement("acme", "calls"); e["limit"] != 100.0 {
		t.Errorf("a dry run changed %v", e)
	}
}

func TestTheDifferenceNamesFeaturesAndAddonsThatAreNotWhatTheyWere(t *testing.T) {
	b := stocked(t)
	for name, tc := range map[string]struct{ from, to, want string }{
		"nothing": {"type: pool", "type:  pool", `"features":[],"addons":[]`},
		"a feature's name": {"type: pool", "type: pool, name: Boxes",
			`"feature":"boxes","before":{"type":"pool"},"after":{"type":"pool","name":"Boxes"}`},
		"a feature's rules": {"{type: boolean}", "{type: boolean, enforce: advisory}",
			`"feature":"sso","before":{"type":"boolean"}`},
		"a new feature": {"  boxes:", "  crates: {type: pool}\n  boxes:",
			`"features":[{"feature":"crates","before":null,"after":{"type":"pool"}}]`},
		"a changed add-on": {"limit: 50", "limit: 51",
			`"addons":[{"addon":"extra","before":{"allow":{"calls":{"limit":50}}},"after":`},
		"a new add-on": {"  extra:", "  more: {allow: {sso: true}}\n  extra:",
			`"addons":[{"addon":"more","before":null,"after":`},
		"a dropped feature": {"  tier: {type: config, values: [basic, gold]}\n", "", `"features":[],`},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t: t, url: b.url, token: b.token}
			next := strings.Replace(shop, tc.from, tc.to, 1)
			if name == "a dropped feature" {
				next = strings.Replace(next, " tier: basic,", "", 1)
			}
			if got := b.call("PUT /v1/catalog?dry_run=true", next).body; !strings.Contains(got, tc.want) {
				t.Errorf("got %s, want %s in it", got, tc.want)
			}
		})
	}
}

func TestWhatIsInUseCannotBeDropped(t *testing.T) {
	b := stocked(t)
	b.ok("PUT /v1/customers/x", `{}`)
	b.ok("PUT /v1/customers/x/subscriptions/s", `{"plan":"free","overrides":{"sso":true},
		"changes":[{"at":"2030-01-01T00:00:00Z","plan":"gone","addons":[{"key":"extra"}]}]}`)
	without := map[string]string{
		"plans.gone": strings.Replace(shop, "  gone: {allow: {sso: true}}\n", "", 1),
		"addons.extra": strings.Replace(shop,
			"  extra: {allow: {calls: {limit: 50}}}\n", "  other: {allow: {sso: true}}\n", 1),
		"features.sso": strings.NewReplacer(
			"  sso: {type: boolean}\n", "", "sso: false, ", "", "sso: true", "tier: gold").Replace(shop),
	}
	for path, body := range without {
		for _, query := range []string{"", "?dry_run=true"} {
			got := b.refused("409 in_use", "PUT /v1/catalog"+query, body)
			if !strings.Contains(got, `"path":"`+path+`","line":`) || !strings.Contains(got, `"customer":"x"`) {
				t.Errorf("%s: got %s, want customer x and its path with the line of what it is not in", path, got)
			}
			if !strings.Contains(got, `"detail":"subscription \"s\" of customer \"x\" still names`) {
				t.Errorf("%s: got %s, want one subscription told as one", path, got)
			}
		}
	}
	b.ok("DELETE /v1/customers/x", "")
	back := false
	for path, body := range without {
		if r := b.call("PUT /v1/catalog", body); r.status != 200 {
			t.Errorf("%s: got %d %s, want it dropped", path, r.status, r.body)
		}
		for _, p := range b.ok("PUT /v1/catalog?dry_run=true", shop)["plans"].([]any) {
			back = back || p.(map[string]any)["from"] == p.(map[string]any)["to"]
		}
		b.ok("PUT /v1/catalog", shop)
	}
	if !back {
		t.Error("no difference told that the plan that was dropped comes back as it was")
	}
	b.ok("PUT /v1/customers/y", `{}`)
	b.ok("PUT /v1/catalog", without["plans.gone"])
	got := b.refused("400 bad_request", "PUT /v1/customers/y/subscriptions/s", `{"plan":"gone"}`)
	if !strings.Contains(got, `"path":"plan"`) {
		t.Errorf("got %s, want the path", got)
	}
}

// changes lists whose what would change.
func changes(diff map[string]any) string {
	var out []string
	for _, c := range diff["customers"].([]any) {
		c := c.(map[string]any)
		for _, change := range c["changes"].([]any) {
			out = append(out, c["customer"].(string)+":"+change.(map[string]any)["feature"].(string))
		}
	}
	return strings.Join(out, " ")
}
