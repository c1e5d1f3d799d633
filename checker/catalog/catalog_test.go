package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
)

var update = flag.Bool("update", false, "rewrite golden files")

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func parse(t testing.TB, text string) Node {
	t.Helper()
	n, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const small = `{"features":{"sso":{"type":"boolean"},"tier":{"type":"config","values":["a","b"]},
 "where":{"type":"config","values":["eu","us"],"ordered":false},"calls":{"type":"metered"},"boxes":{"type":"pool"},
 "staff":{"type":"seat"},"desks":{"type":"seat","kind":"floating","ttl":"10m","enforce":"advisory"}},
 "plans":{"team":{"allow":{"sso":true,"tier":"b","where":["us"],"calls":{"limit":5,"per":"month","rollover":{"max":0}},
 "boxes":{"limit":2},"staff":{"unlimited":true},"desks":{"limit":1,"borrow":"72h"}}},"free":{"base":true,"allow":{}}},
 "addons":{"more":{"allow":{"calls":{"limit":10},"tier":{"value":"a","enforce":"advisory"}}}}}`

func smallCatalogue(t testing.TB) Catalogue {
	t.Helper()
	c, err := ReadCatalogue(parse(t, small))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryFaultIsListedWithItsPath(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"no features":        {`{}`, `features: it is missing`},
		"an unknown section": {`{"plan":{}}`, `plan: this field is not known (did you mean "plans"?)`},
		"an unknown type":    {`{"features":{"a":{"type":"bool"}}}`, `features.a.type: it is "bool"`},
		"a missing type":     {`{"features":{"a":{}}}`, `features.a.type: it is missing`},
		"values on a boolean": {`{"features":{"a":{"type":"boolean","values":["x"]}}}`,
			`features.a.values: only a config`},
		"a value twice": {`{"features":{"a":{"type":"config","values":["x","x"]}}}`,
			`features.a.values[1]: "x" stands twice`},
		"a typo in a feature": {with(`{"allow":{"ssso":true}}`),
			`plans.p.allow.ssso: there is no feature "ssso" in the catalogue (did you mean "sso"?)`},
		"a number for metered": {with(`{"allow":{"calls":5}}`), `such as {limit: 1000, per: month}`},
		"a missing period":     {with(`{"allow":{"calls":{"limit":5}}}`), `plans.p.allow.calls.per: it is missing`},
		"a missing limit": {with(`{"allow":{"calls":{"per":"day"}}}`),
			`plans.p.allow.calls.limit: it is missing`},
		"limit and unlimited": {with(`{"allow":{"calls":{"limit":1,"unlimited":true}}}`),
			`it has a limit and is unlimited`},
		"a negative limit": {with(`{"allow":{"calls":{"limit":-1,"per":"day"}}}`),
			`plans.p.allow.calls.limit: it is negative`},
		"an overflowing limit": {with(`{"allow":{"calls":{"limit":99999999999999999999,"per":"day"}}}`),
			`it is too large`},
		"a fraction": {with(`{"allow":{"calls":{"limit":1.5,"per":"day"}}}`),
			`1.5 is not a whole number`},
		"a period on a pool": {with(`{"allow":{"boxes":{"limit":1,"per":"day"}}}`),
			`plans.p.allow.boxes.per: a pool feature does not take it`},
		"a value not in values": {with(`{"allow":{"tier":"c"}}`),
			`"c" is not one of the feature's values (one of a, b)`},
		"a list where ordered": {with(`{"allow":{"tier":["a"]}}`), `it is not one of the feature's values`},
		"null":                 {with(`{"allow":{"sso":null}}`), `plans.p.allow.sso: it grants nothing`},
		"a plan without allow": {with(`{"name":"x"}`), `plans.p.allow: it is missing`},
		"a text for a mapping": {`{"features":"x"}`, `features: it must be a mapping, not a text`},
		"a control character":  {`{"features":{"a\u0001":{"type":"boolean"}}}`, `the key has a control character`},
		"borrowing named seats": {with(`{"allow":{"staff":{"limit":1,"borrow":"1h"}}}`),
			`a named seat feature does not take it`},
		"a wild warning": {with(`{"allow":{"calls":{"limit":1,"per":"day","warn":[0]}}}`),
			`warn[0]: it is less than 1 (1 or more)`},
		"stale without an age": {`{"features":{"a":{"type":"boolean","when_stale":{"then":"deny"}}}}`,
			`features.a.when_stale.after`},
		"boolean with a text": {with(`{"allow":{"sso":"yes"}}`), `true or false`},
		"config with a limit": {with(`{"allow":{"tier":{"limit":5}}}`), `not with a limit`},
		"two faults, both shown": {with(`{"base":3,"allow":{"sso":1}}`),
			`plans.p.base: it must be true or false, not a number`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadCatalogue(parse(t, tc.doc))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
			var faults Faults
			if err != nil && !errors.As(err, &faults) {
				t.Errorf("%T is not Faults", err)
			}
		})
	}
}

// with is the small catalogue with a plan p.
func with(plan string) string {
	return strings.Replace(small, `"plans":{`, `"plans":{"p":`+plan+`,`, 1)
}

func TestMalformedJSONIsRefusedWithItsLine(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"a key twice":        {"{\"a\":1,\n\"b\":{\"c\":1,\"c\":2}}", "line 2: b.c: this key stands twice"},
		"something after":    {`{} {}`, "something after the end"},
		"too deep":           {strings.Repeat("[", 10_000), "deeper than 64"},
		"cut off":            {`{"a":`, "it is not JSON"},
		"nothing":            {``, "ends too early"},
		"invalid UTF-8":      {"{\"a\":\"\xff\"}", "not valid UTF-8"},
		"a key with a dot":   {`{"a.b":1,"a.b":2}`, `"a.b": this key stands twice`},
		"not a string key":   {`{1:2}`, "it is not JSON"},
		"many keys, one dup": {`{` + manyKeys() + `"k3":1}`, "k3: this key stands twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseJSON([]byte(tc.doc))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func manyKeys() string {
	var b strings.Builder
	for i := range 100 {
		b.WriteString(`"k` + string(rune('0'+i%10)) + strings.Repeat("x", i/10) + `":1,`)
	}
	return b.String()
}

const richSubscription = `{"plan":"team","plan_version":1,"status":"trialing","starts_at":"2026-01-31T00:00:00.5Z",
 "ends_at":"2027-01-31T00:00:00Z","term":{"every":"month"},"trial_ends_at":"2026-02-10T00:00:00+02:00",
 "on_trial_end":"activate","grace":"3d","addons":[{"key":"more","quantity":2}],
 "overrides":{"calls":{"limit":7,"per":"day","mode":"soft"},"tier":"a"},"environments":["prod"],
 "devices":{"limit":3,"lock":true},"versions":">=2 <4",
 "changes":[{"at":"2026-06-01T00:00:00Z","plan":"free","overrides":null},{"at":"2026-03-01T00:00:00Z","status":null}]}`

func TestSubscriptionsSurviveARoundTrip(t *testing.T) {
	s, err := ReadSubscription(parse(t, richSubscription), noon)
	if err != nil {
		t.Fatal(err)
	}
	want := Customer{ID: "acme / ☂", Name: "Acme", Group: "eu", Status: "revoked",
		Metadata:      map[string]string{"crm": "7"},
		Subscriptions: map[string]Subscription{"main": s}}
	got, err := DecodeCustomer(EncodeCustomer(want))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	golden(t, "customer.v1", EncodeCustomer(want))
	c := smallCatalogue(t)
	golden(t, "catalogue.v1", EncodeCatalogue(c))
	back, err := DecodeCatalogue(EncodeCatalogue(c))
	if err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("got %+v, %v\nwant %+v", back, err, c)
	}
	golden(t, "plan.v1", EncodePlan(PlanVersion{"team", 3, c.Plans["team"]}))
	golden(t, "pointer.v1", EncodePointer("eu"))
	if group, ok := DecodePointer(EncodePointer("eu")); !ok || group != "eu" {
		t.Errorf("pointer: got %q, %v", group, ok)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
	}
}

func TestPhasesApplyChangesInOrder(t *testing.T) {
	s, err := ReadSubscription(parse(t, richSubscription), noon)
	if err != nil {
		t.Fatal(err)
	}
	phases, err := s.Phases()
	if err != nil || len(phases) != 3 {
		t.Fatalf("got %d phases, %v", len(phases), err)
	}
	p := phases[1]
	if p.From.Month() != time.March || p.Status != "trialing" || p.Plan != "team" || p.PlanVersion != 1 {
		t.Errorf("a cleared status follows the trial's end: got %+v", p)
	}
	p = phases[2]
	if p.Plan != "free" || p.PlanVersion != 0 || p.Overrides != nil || p.Grace == 0 {
		t.Errorf("another plan is unpinned, null clears, the rest stays: got %+v", p)
	}
}

func TestFaultySubscriptionsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"no plan": {`{}`, "plan: it is missing"},
		"trialing without an end": {`{"plan":"team","status":"trialing"}`,
			"trial_ends_at: a trialing subscription needs it"},
		"an end before the start": {`{"plan":"team","ends_at":"2020-01-01T00:00:00Z"}`,
			"ends_at: it is not after starts_at"},
		"an unknown status": {`{"plan":"team","status":"paused"}`, `status: it is "paused"`},
		"a change of the start": {`{"plan":"team","changes":[{"at":"2027-01-01T00:00:00Z","starts_at":null}]}`,
			"changes[0].starts_at: a change cannot set it"},
		"a change without a time": {`{"plan":"team","changes":[{"plan":"free"}]}`, "changes[0].at: it is missing"},
		"a change of nothing": {`{"plan":"team","changes":[{"at":"2027-01-01T00:00:00Z"}]}`,
			"it changes nothing"},
		"a change to no end": {`{"plan":"team","changes":[{"at":"2027-01-01T00:00:00Z","status":"trialing"}]}`,
			"changes[0].trial_ends_at"},
		"a bad constraint": {`{"plan":"team","versions":"latest"}`, "is not a version constraint"},
		"a year too far":   {`{"plan":"team","ends_at":"10000-01-01T00:00:00Z"}`, "it is not a time"},
		"a year too early": {`{"plan":"team","ends_at":"1969-01-01T00:00:00Z"}`, "outside the years"},
		"a negative grace": {`{"plan":"team","grace":"-1h"}`, "it is negative"},
		"an add-on of none": {`{"plan":"team","addons":[{"key":"more","quantity":0}]}`,
			"it is less than 1 (1 or more)"},
		"an add-on twice":  {`{"plan":"team","addons":[{"key":"more"},{"key":"more"}]}`, "stands twice"},
		"a misspelt field": {`{"plan":"team","end_at":"x"}`, `did you mean "ends_at"?`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSubscription(parse(t, tc.doc), noon)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestCustomersMayNameOnlyWhatThereIs(t *testing.T) {
	c := smallCatalogue(t)
	has := func(plan string, version uint32) bool { return plan == "team" && version == 1 }
	for name, tc := range map[string]struct{ sub, want string }{
		"an unknown plan": {`{"plan":"taem"}`,
			`subscriptions.s.plan: there is no plan "taem" in the catalogue (did you mean "team"?)`},
		"an unknown version": {`{"plan":"team","plan_version":2}`, `has no version 2`},
		"an unknown add-on":  {`{"plan":"team","addons":[{"key":"mor"}]}`, `there is no add-on "mor"`},
		"an unknown feature": {`{"plan":"team","overrides":{"x":true}}`, `there is no feature "x"`},
		"an unfit override":  {`{"plan":"team","overrides":{"calls":true}}`, `a metered feature needs a limit`},
		"all of it in changes": {`{"plan":"team","changes":[{"at":"2027-01-01T00:00:00Z","plan":"x"}]}`,
			`changes[0].plan: there is no plan "x"`},
		"nothing wrong": {`{"plan":"team","plan_version":1}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ReadSubscription(parse(t, tc.sub), noon)
			if err != nil {
				t.Fatal(err)
			}
			err = c.CheckCustomer(Customer{Subscriptions: map[string]Subscription{"s": s}}, has)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestImportsTakeSubscriptionsByIDOrInAList(t *testing.T) {
	for _, doc := range []string{`{"id":"a","subscriptions":{"s":{"plan":"team"}}}`,
		`{"id":"a","subscriptions":[{"id":"s","plan":"team"}]}`} {
		c, err := ReadImport(parse(t, doc), noon)
		s := c.Subscriptions["s"]
		if err != nil || c.ID != "a" || s.Plan != "team" || !s.StartsAt.Equal(noon) {
			t.Errorf("%s: got %+v, %v", doc, c, err)
		}
	}
	for _, doc := range []string{`{}`, `{"id":""}`, `{"id":"a","subscriptions":[{"plan":"team"}]}`,
		`{"id":"a","plan":"x"}`,
		`{"id":"a","subscriptions":{"s":{"plan":"team","status":"trialing"}}}`} {
		if _, err := ReadImport(parse(t, doc), noon); err == nil {
			t.Errorf("%s was taken", doc)
		}
	}
}

func TestChangedPlansGetTheNextVersion(t *testing.T) {
	c := smallCatalogue(t)
	newest := map[string]PlanVersion{}
	for _, p := range c.NewVersions(newest) {
		if p.Version != 1 {
			t.Errorf("%s: first version %d", p.Key, p.Version)
		}
		newest[p.Key] = p
	}
	if again := c.NewVersions(newest); len(again) != 0 {
		t.Errorf("nothing changed, got %v", again)
	}
	c.Plans["free"] = Plan{Name: "Free", Base: true, Allow: map[string]Allowance{}}
	if got := c.NewVersions(newest); len(got) != 1 || got[0].Key != "free" || got[0].Version != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestUnknownStoredVersionsAreRefused(t *testing.T) {
	data := EncodeCustomer(Customer{ID: "a"})
	data[0] = 2
	if _, err := DecodeCustomer(data); err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Errorf("got %v", err)
	}
	if _, err := DecodeCatalogue(nil); err == nil {
		t.Error("an empty document was taken")
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{"72h": "72h", "30d": "720h", "1d12h": "36h", "10m": "10m",
		"1h30m": "1h30m", "1s": "1s"} {
		if d, err := ParseDuration(text); err != nil || d.String() != want {
			t.Errorf("%s: got %v, %v, want %s", text, d, err, want)
		}
	}
	for _, text := range []string{"", "5", "-1h", "d", "1.5d", "1d-1h", "99999d", "1us", "1h 2m"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q became %v", text, d)
		}
	}
}

func TestDocumentsBecomeDecisions(t *testing.T) {
	names, c := checker.NewNames(), smallCatalogue(t)
	w := Compile(names, c, c.NewVersions(nil))
	s, err := ReadSubscription(parse(t, richSubscription), noon)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := Pack(names, Customer{ID: "acme", Subscriptions: map[string]Subscription{"main": s}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(feature string, at time.Time) checker.Decision {
		held := checker.Held{World: w, Feature: w.Feature([]byte(feature)), Record: rec}
		held.Use.DeviceActive = true
		return checker.Decide(&held, &checker.Ask{Quantity: 1, Environment: []byte("prod"), Version: []byte("3.1"),
			Device: []byte("d")}, at.UnixMilli())
	}
	may := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	if d := ask("calls", may); d.Limit != 27 || !d.Allowed || d.Plan != "team" {
		t.Errorf("override and two add-ons: got %+v", d)
	}
	if d := ask("tier", may); string(d.Value) != `"a"` {
		t.Errorf("the override's value: got %s", d.Value)
	}
	if d := ask("sso", noon); d.Reason != checker.NotEntitled {
		t.Errorf("after the change to the free plan: got %v", d.Reason)
	}
	if d := ask("calls", noon); d.Limit != 20 || d.ResetsAt != 0 {
		t.Errorf("only add-ons are left: got %+v", d)
	}
}

func FuzzCatalogue(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"id":"a","subscriptions":{"s":` + richSubscription + `}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseJSON(data)
		if err != nil {
			return
		}
		if !json.Valid(data) || !json.Valid(n.JSON()) {
			t.Fatalf("%q was taken as %s", data, n.JSON())
		}
		if c, err := ReadCatalogue(n); err == nil {
			back, err := DecodeCatalogue(EncodeCatalogue(c))
			if err != nil || !bytes.Equal(EncodeCatalogue(back), EncodeCatalogue(c)) {
				t.Fatalf("%+v became %+v, %v", c, back, err)
			}
			Compile(checker.NewNames(), c, c.NewVersions(nil))
		}
		if c, err := ReadImport(n, noon); err == nil {
			rec, err := Pack(checker.NewNames(), c)
			if err != nil || rec.Check() != nil {
				t.Fatalf("%+v does not pack: %v", c, err)
			}
			back, err := DecodeCustomer(EncodeCustomer(c))
			if err != nil || !bytes.Equal(EncodeCustomer(back), EncodeCustomer(c)) {
				t.Fatalf("%+v became %+v, %v", c, back, err)
			}
		}
	})
}
