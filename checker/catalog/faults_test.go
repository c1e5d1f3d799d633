package catalog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
)

func TestNothingIsNoAnswerWhereOneIsNeeded(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"type":     {`{"features":{"a":{"type":null}}}`, "features.a.type: it is missing"},
		"features": {`{"features":null}`, "features: it is missing"},
		"limit":    {with(`{"allow":{"boxes":{"limit":null}}}`), "allow.boxes.limit: it is missing"},
		"allow":    {with(`{"allow":null}`), "plans.p.allow: it is missing"},
		"value":    {with(`{"allow":{"tier":{"value":null}}}`), "allow.tier.value: it is missing"},
		"after": {`{"features":{"a":{"type":"boolean","when_stale":{}}}}`,
			"features.a.when_stale.after: it is missing or 0"},
		"rollover": {with(`{"allow":{"calls":{"limit":1,"per":"day","rollover":{}}}}`),
			"calls.rollover.max: it is missing"},
		"a whole":    {with(`null`), "plans.p: it must be a mapping, not nothing"},
		"everything": {`null`, "it must be a mapping, not nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadCatalogue(parse(t, tc.doc)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
	for name, tc := range map[string]struct{ doc, want string }{
		"at":   {`{"plan":"team","changes":[{"at":null,"plan":"x"}]}`, "changes[0].at: it is missing"},
		"plan": {`{"plan":null}`, "plan: it is missing"},
		"key":  {`{"plan":"team","addons":[{"key":null}]}`, "addons[0].key: it must be a text"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSubscription(parse(t, tc.doc), noon)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestNothingStandsForLeftOut(t *testing.T) {
	full := `{"features":{"c":{"type":"config","values":["a"],"ordered":null,"when_stale":null,"enforce":null},
	 "m":{"type":"metered"}},"plans":{"p":{"base":null,
	 "allow":{"m":{"limit":1,"per":"day","rollover":null,"warn":null}}}},
	 "addons":null}`
	bare := `{"features":{"c":{"type":"config","values":["a"]},"m":{"type":"metered"}},
	 "plans":{"p":{"allow":{"m":{"limit":1,"per":"day"}}}}}`
	a, err := ReadCatalogue(parse(t, full))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadCatalogue(parse(t, bare))
	if err != nil {
		t.Fatal(err)
	}
	if !same(a, b) {
		t.Errorf("got %s\nwant %s", EncodeCatalogue(a), EncodeCatalogue(b))
	}
}

func TestAnEmptyCatalogueMustBeMeant(t *testing.T) {
	if _, err := ReadCatalogue(parse(t, `{"features":{}}`)); err != nil {
		t.Errorf("features: {} says so: got %v", err)
	}
}

func TestEveryFieldIsHeldToItsType(t *testing.T) {
	for name, tc := range map[string]struct{ feature, allow, want string }{
		"a number for a pool": {`{"type":"pool"}`, `5`,
			"a pool feature needs a limit, not 5 (such as {limit: 5})"},
		"a number for a seat":   {`{"type":"seat"}`, `5`, "a seat feature needs a limit, not 5"},
		"a limit for a boolean": {`{"type":"boolean"}`, `{"limit":1}`, "is allowed with true or false"},
		"the long form":         {`{"type":"boolean"}`, `{"value":true,"enforce":"advisory"}`, ""},
		"advice alone":          {`{"type":"boolean"}`, `{"enforce":"advisory"}`, "limit: it is missing"},
		"JSON in a config":      {`{"type":"config"}`, `{"color":"red","size":[1,2]}`, ""},
		"JSON with our words":   {`{"type":"config"}`, `{"value":{"limit":5}}`, ""},
		"unlimited without per": {`{"type":"metered"}`, `{"unlimited":true}`, ""},
		"unlimited with more": {`{"type":"metered"}`,
			`{"unlimited":true,"per":"day","anchor":"calendar","mode":"soft"}`,
			""},
		"an unknown per": {`{"type":"metered"}`, `{"limit":1,"per":"decade"}`,
			`per: it is "decade" (one of minute`},
		"borrowing what flows": {`{"type":"metered"}`, `{"limit":1,"per":"day","borrow":"1h"}`,
			"only seats can be borrowed"},
		"rolling a pool over": {`{"type":"pool"}`, `{"limit":1,"rollover":{"max":1}}`,
			"rollover: a pool feature does not take it"},
		"overdrawing seats": {`{"type":"seat"}`, `{"limit":1,"overdraft":1}`,
			"overdraft: a named seat feature does not take it"},
		"borrowing a seat": {`{"type":"seat","kind":"floating"}`, `{"limit":1,"borrow":"1h"}`, ""},
		"a limit of 2^53": {`{"type":"pool"}`, `{"limit":9007199254740992}`,
			"limit: it is too large (at most 9007199254740991)"},
		"a limit of 2^53-1": {`{"type":"pool"}`, `{"limit":9007199254740991}`, ""},
		"a limit as a text": {`{"type":"pool"}`, `{"limit":"5"}`,
			"limit: it must be a whole number, not a text"},
		"a duration as a number": {`{"type":"seat","kind":"floating","ttl":600}`, `{"limit":1}`,
			"ttl: it must be a duration, not a number"},
		"time to live of named": {`{"type":"seat","ttl":"1m"}`, `{"limit":1}`, "ttl: only a floating seat has it"},
		"assigning floating": {`{"type":"seat","kind":"floating","assign":"manual"}`, `{"limit":1}`,
			"assign: only a named seat has it"},
		"a kind of pool": {`{"type":"pool","kind":"named"}`, `{"limit":1}`,
			"kind: only a seat feature has it"},
		"stacking booleans": {`{"type":"boolean","stack":"max"}`, `true`,
			"stack: only a metered, pool or seat feature has it"},
		"order without values": {`{"type":"config","ordered":false}`, `"a"`,
			"ordered: only a config feature with values has it"},
		"numbers as values": {`{"type":"config","values":[1]}`, `"a"`,
			"values[0]: it must be a text, not a number (quote it)"},
		"no values": {`{"type":"config","values":[]}`, `"a"`, "values: it is empty"},
		"a misspelt field": {`{"type":"metered"}`, `{"limit":1,"prr":"day"}`,
			`prr: this field is not known (did you mean "per"?)`},
		"an advisory misspelt": {`{"type":"boolean","enforce":"soft"}`, `true`,
			`enforce: it is "soft" (one of advisory)`},
	} {
		t.Run(name, func(t *testing.T) {
			doc := fmt.Sprintf(`{"features":{"f":%s},"plans":{"p":{"allow":{"f":%s}}}}`, tc.feature, tc.allow)
			_, err := ReadCatalogue(parse(t, doc))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestAFaultSaysWhatWouldBeRight(t *testing.T) {
	for limit, want := range map[string]string{"1e+20": "it is too large (at most 9007199254740991)",
		"1e3": "it is written as 1e3 (write it with digits alone: 1000)", "1.5": "1.5 is not a whole number (choose",
		"-1": "it is negative (0 or more)"} {
		_, err := ReadCatalogue(parse(t, with(`{"allow":{"boxes":{"limit":`+limit+`}}}`)))
		if err == nil || !strings.Contains(err.Error(), "boxes.limit: "+want) {
			t.Errorf("%s: got %v\nwant %s", limit, err, want)
		}
	}
	for doc, want := range map[string]string{
		`{"plan":"team","grace":"-1h"}`:                        `grace: it is negative (0 or more, such as "72h")`,
		`{"plan":"team","grace":"40000d"}`:                     "grace: it is longer than a hundred years (at most 36500d)",
		`{"plan":"team","grace":"1us"}`:                        "grace: it is finer than a millisecond (write whole",
		`{"plan":"team","environments":[""]}`:                  "environments[0]: it is empty (1 to 256 bytes",
		`{"plan":"team","versions":"banana"}`:                  "(such as >=2.0.0 <3.0.0)",
		`{"plan":"team","addons":{}}`:                          `such as [{"key"`,
		`{"plan":"team","changes":{}}`:                         `such as [{"at"`,
		`{"plan":"team","ends_at":"1969-12-31T23:59:59Z"}`:     "1970 to 9999 (choose",
		`{"plan":"team","plan_version":-1}`:                    "plan_version: it is less than 1 (1 or more)",
		`{"plan":"team","plan_version":0}`:                     "plan_version: it is less than 1 (1 or more)",
		`{"plan":"team","addons":[{"key":"a","quantity":-1}]}`: "addons[0].quantity: it is less than 1 (1 or more)",
		`{"plan":"team","addons":[{"key":"a","quantity":0}]}`:  "addons[0].quantity: it is less than 1 (1 or more)",
	} {
		if _, err := ReadSubscription(parse(t, doc), noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %s", doc, err, want)
		}
	}
}

func TestALongKeyDoesNotMakeALongFault(t *testing.T) {
	_, err := ReadCatalogue(parse(t, `{"`+strings.Repeat("é", 100_000)+`":1}`))
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("got %d bytes", len(err.Error()))
	}
	_, err = ParseJSON([]byte(`{"` + strings.Repeat("k", 1<<20) + `":[` + strings.Repeat("1,", 100_000) + `x]}`))
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("got %d bytes", len(err.Error()))
	}
}

func TestHalfACharacterIsRefused(t *testing.T) {
	for doc, want := range map[string]bool{
		`{"id":"\ud83d\ude00"}`: true, `"\ufffd \uFFFD ` + "\ufffd" + `"`: true,
		`{"id":"\ud83d"}`: false, `{"\ude00":1}`: false, `["` + "\ufffd" + `\ud800"]`: false,
	} {
		if _, err := ParseJSON([]byte(doc)); (err == nil) != want {
			t.Errorf("%s: got %v", doc, err)
		}
	}
}

func faultsOf(t *testing.T, err error) Faults {
	t.Helper()
	var f Faults
	if !errors.As(err, &f) {
		t.Fatalf("%v is not Faults", err)
	}
	return f
}

func TestAFaultIsToldOnce(t *testing.T) {
	s, err := ReadSubscription(parse(t, `{"plan":"nix","changes":[{"at":"2027-01-01T00:00:00Z","grace":"1h"},
	 {"at":"2028-01-01T00:00:00Z","plan":"nada"}]}`), noon)
	if err != nil {
		t.Fatal(err)
	}
	none := func(string, uint32) bool { return false }
	got := faultsOf(t, smallCatalogue(t).CheckCustomer(Customer{Subscriptions: map[string]Subscription{"s": s}}, none))
	if len(got) != 2 || got[0].Path != "subscriptions.s.plan" || got[1].Path != "subscriptions.s.changes[1].plan" {
		t.Errorf("got %v", got)
	}
	_, err = ReadSubscription(parse(t, `{"plan":3,"status":"trialing",
	 "changes":[{"at":"2027-01-01T00:00:00Z","grace":"1h"}]}`), noon)
	if got := faultsOf(t, err); len(got) != 2 || got[0].Path != "plan" || got[1].Path != "trial_ends_at" {
		t.Errorf("got %v", got)
	}
}

func TestFaultsStandWhereTheWriterPutThem(t *testing.T) {
	doc := `{"plan":"team",
	"starts_at":"2026-06-01T00:00:00Z",
	"changes":[
	 {"at":"2028-01-01T00:00:00Z",
	  "ends_at":"2026-01-01T00:00:00Z"},
	 {"at":"2027-01-01T00:00:00Z","grace":"1h"}],
	"ends_at":"2026-05-01T00:00:00Z"}`
	_, err := ReadSubscription(parse(t, doc), noon)
	got := faultsOf(t, err)
	if len(got) != 1 && len(got) != 2 || got[0].Path != "ends_at" || got[0].Line != 7 {
		t.Errorf("got %v", got)
	}
	_, err = ReadSubscription(parse(t, strings.Replace(doc, "2026-05-01", "2029-01-01", 1)), noon)
	got = faultsOf(t, err)
	if len(got) != 1 || got[0].Path != "changes[0].ends_at" || got[0].Line != 5 {
		t.Errorf("the first change as written takes effect second: got %v", got)
	}
}

func TestTimesReachFromTheirFirstDayToTheirLast(t *testing.T) {
	for text, want := range map[string]string{
		"1970-01-01T00:00:00Z":          "1970-01-01T00:00:00Z",
		"9999-12-31T23:59:59.9999Z":     "9999-12-31T23:59:59.999Z",
		"2026-01-01T00:00:00.1239Z":     "2026-01-01T00:00:00.123Z",
		"2026-01-01T00:00:00+14:00":     "2025-12-31T10:00:00Z",
		"1970-01-01T00:00:00+01:00":     "",
		"9999-12-31T23:59:59-01:00":     "",
		"10000-01-01T00:00:00Z":         "",
		"2026-02-30T00:00:00Z":          "",
		"2026-01-01":                    "",
		"2026-01-01T00:00:00":           "",
		"-2026-01-01T00:00:00Z":         "",
		"2026-01-01T00:00:00Z; drop it": "",
	} {
		got, err := ParseTime(text)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: got %v, %v, want %s", text, got, err, want)
		}
	}
	s, err := ReadSubscription(parse(t, `{"plan":"team","starts_at":"1970-01-01T00:00:00Z",
	 "changes":[{"at":"1970-01-01T00:00:00Z","grace":"1h"}]}`), noon)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := Pack(checker.NewNames(), Customer{ID: "a", Subscriptions: map[string]Subscription{"s": s}})
	if err != nil || rec.Check() != nil {
		t.Errorf("got %v, %v", err, rec.Check())
	}
}

func TestCustomersHaveASize(t *testing.T) {
	has := func(string, uint32) bool { return true }
	c := Customer{ID: "a", Metadata: map[string]string{}, Subscriptions: map[string]Subscription{}}
	for i := range 100 {
		c.Metadata[fmt.Sprint("k", i)] = strings.Repeat("x", maxText)
	}
	if err := smallCatalogue(t).CheckCustomer(c, has); err != nil {
		t.Errorf("full metadata: got %v", err)
	}
	for i := range 100 {
		c.Subscriptions[fmt.Sprint("s", i)] = Subscription{Plan: "team", StartsAt: noon,
			Overrides: map[string]Allowance{"tier": {Value: []byte(`"` + strings.Repeat("b", 2000) + `"`)}}}
	}
	err := smallCatalogue(t).CheckCustomer(c, has)
	if err == nil || !strings.Contains(err.Error(), "at most 524288") {
		t.Errorf("got %v", err)
	}
	many := map[string]Allowance{}
	for i := range 1000 {
		many[fmt.Sprint("f", i)] = Allowance{Value: []byte("true")}
	}
	s := Subscription{Plan: "team", StartsAt: noon, Overrides: many}
	for i := range 50 {
		s.Changes = append(s.Changes, Change{At: noon.Add(time.Duration(i) * time.Hour)})
	}
	err = smallCatalogue(t).CheckCustomer(Customer{ID: "a", Subscriptions: map[string]Subscription{"s": s}}, has)
	if err == nil || !strings.Contains(err.Error(), "hold 51000 add-ons") {
		t.Errorf("got %v", err)
	}
}

func TestIDsReachFromOneByteTo256(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, strings.Repeat("é", 128): true, "a/b c.*>%☂": true, " ": true,
		"": false, strings.Repeat("a", 257): false, "a\n": false, "\x7f": false, "\u0085": false, "\xff": false,
	} {
		if err := ValidID(id); (err == nil) != want {
			t.Errorf("%q: got %v", id, err)
		}
	}
}
