package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
)

// A dice makes documents that a careful writer could have written.
type dice struct{ *rand.Rand }

func (d dice) pick(words ...string) string { return words[d.IntN(len(words))] }

func (d dice) when(from, to int) string {
	return noon.Add(time.Duration(from+d.IntN(to-from)) * time.Minute).Format(time.RFC3339Nano)
}

func (d dice) odd() string {
	return d.pick("a", "b & c", `"quoted"`, "<tag>", "☂", "back\\slash", "a.b[0]", "\u2028", " ", "null", "0")
}

// feature is a feature and an allowance that suits it, both as a writer gives them.
func (d dice) feature() (feature, allowance map[string]any) {
	n := d.Int64N(1 << 53)
	switch d.IntN(5) {
	case 0:
		return map[string]any{"type": "boolean", "name": d.odd()},
			map[string]any{"value": d.IntN(2) == 0, "enforce": "advisory"}
	case 1:
		values := []any{float64(n), d.odd(), []any{d.odd(), 1.5e-7, nil}, map[string]any{"limit": d.odd()},
			math.Copysign(0, -1), 1e300}
		return map[string]any{"type": "config"}, map[string]any{"value": values[d.IntN(len(values))]}
	case 2:
		return map[string]any{"type": "metered", "unit": d.odd(), "stack": d.pick("sum", "max"),
				"when_stale": map[string]any{"after": d.pick("1d", "90s", "1h30m"), "then": d.pick("allow", "deny")}},
			map[string]any{"limit": n, "per": d.pick(perWords[1:]...), "mode": d.pick("hard", "soft"), "overdraft": 1,
				"rollover": map[string]any{"max": d.IntN(2)}, "warn": []int{80, 100}, "durability": "chunked",
				"anchor": d.pick("calendar", "subscription")}
	case 3:
		return map[string]any{"type": "pool", "enforce": "advisory"}, map[string]any{"unlimited": true}
	}
	return map[string]any{"type": "seat", "kind": "floating", "ttl": d.pick("1500ms", "10m")},
		map[string]any{"limit": n, "borrow": d.pick("72h", "30d")}
}

func (d dice) catalogue() map[string]any {
	features, allow := map[string]any{}, map[string]any{}
	for range 1 + d.IntN(8) {
		key := fmt.Sprint(d.odd(), d.IntN(100))
		features[key], allow[key] = d.feature()
	}
	plans := map[string]any{d.odd(): map[string]any{"allow": allow, "base": d.IntN(2) == 0, "name": d.odd()}}
	return map[string]any{"features": features, "plans": plans, "addons": map[string]any{
		d.odd(): map[string]any{"allow": map[string]any{}}}}
}

// fields are some of those that a subscription and a change both may have.
func (d dice) fields() map[string]any {
	_, allowance := d.feature()
	all := map[string]any{"plan": d.odd(), "plan_version": 1 + d.IntN(9), "grace": d.pick("3d", "5m", "0s"),
		"ends_at": d.when(1, 1e6), "trial_ends_at": d.when(1, 1e6), "versions": d.pick(">=2 <4", "^1.2"),
		"status": d.pick(statusWords[1:]...), "on_trial_end": d.pick("expire", "activate"),
		"addons":    []any{map[string]any{"key": d.odd(), "quantity": 1 + d.IntN(5)}},
		"overrides": map[string]any{d.odd(): allowance}, "environments": []string{d.odd()},
		"devices": map[string]any{"limit": d.IntN(3), "lock": true}, "term": map[string]any{"every": "month"}}
	for key := range all {
		if d.IntN(2) == 0 && key != "plan" && key != "trial_ends_at" {
			delete(all, key)
		}
	}
	return all
}

func (d dice) customer() map[string]any {
	subscriptions := map[string]any{}
	for range d.IntN(4) {
		s := d.fields()
		s["starts_at"] = d.when(-1e6, 0)
		var changes []any
		for range d.IntN(4) {
			c := d.fields()
			c["at"] = d.when(-1e6, 1e6)
			if d.IntN(3) == 0 {
				c["overrides"], c["grace"] = nil, nil
			}
			changes = append(changes, c)
		}
		s["changes"] = changes
		subscriptions[d.odd()] = s
	}
	return map[string]any{"id": d.odd(), "name": d.odd(), "metadata": map[string]any{d.odd(): d.odd()},
		"subscriptions": subscriptions, "status": d.pick("active", "revoked")}
}

func node(t *testing.T, doc any) Node {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(data))
}

func TestWhatIsStoredIsReadBackAsItWas(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	for range 500 {
		doc := d.catalogue()
		c, err := ReadCatalogue(node(t, doc))
		if err != nil {
			t.Fatalf("%v: %v", doc, err)
		}
		back, err := DecodeCatalogue(EncodeCatalogue(c))
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Fatalf("got  %+v, %v\nwant %+v", back, err, c)
		}
		for _, p := range c.NewVersions(nil) {
			back, err := DecodePlan(EncodePlan(p))
			if err != nil || !reflect.DeepEqual(back, p) {
				t.Fatalf("got  %+v, %v\nwant %+v", back, err, p)
			}
		}
		Compile(checker.NewNames(), c, c.NewVersions(nil))
	}
	for range 500 {
		doc := d.customer()
		c, err := ReadImport(node(t, doc), noon)
		if err != nil {
			t.Fatalf("%v: %v", doc, err)
		}
		back, err := DecodeCustomer(EncodeCustomer(c))
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Fatalf("got  %+v, %v\nwant %+v", back, err, c)
		}
		rec, err := Pack(checker.NewNames(), c)
		if err != nil || rec.Check() != nil {
			t.Fatalf("%+v does not pack: %v", c, err)
		}
	}
}

func TestWhatIsShownCanBeWrittenAgain(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(1, 2))}
	for range 500 {
		c, err := ReadCatalogue(node(t, d.catalogue()))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadCatalogue(node(t, c))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("got  %+v, %v\nwant %+v", again, err, c)
		}
		cu, err := ReadImport(node(t, d.customer()), noon)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range cu.Subscriptions {
			again, err := ReadSubscription(node(t, s), noon)
			if err != nil || !reflect.DeepEqual(again, s) {
				t.Fatalf("got  %+v, %v\nwant %+v", again, err, s)
			}
		}
	}
}

// BenchmarkImport is one line of an import, from its bytes to the record.
func BenchmarkImport(b *testing.B) {
	line := []byte(`{"id":"acme","name":"Acme","subscriptions":{"main":{"plan":"team",` +
		`"starts_at":"2026-01-31T00:00:00Z","ends_at":"2027-01-31T00:00:00Z",` +
		`"addons":[{"key":"more","quantity":2}],"overrides":{"tier":"a"}}}}`)
	c, names := smallCatalogue(b), checker.NewNames()
	for b.Loop() {
		n, err := ParseJSON(line)
		if err != nil {
			b.Fatal(err)
		}
		cu, err := ReadImport(n, noon)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.CheckCustomer(cu, func(string, uint32) bool { return true }); err != nil {
			b.Fatal(err)
		}
		EncodeCustomer(cu)
		if _, err := Pack(names, cu); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzStored holds the reader of stored documents to being total: it refuses, or what it gives packs or says why not,
// and is stored again as the same.
func FuzzStored(f *testing.F) {
	f.Add([]byte("\x01" + `{"id":"a","subscriptions":{"s":` + richSubscription + `}}`))
	f.Add([]byte("\x01" + small))
	f.Add([]byte("\x01" + `{"key":"team","version":1,"allow":{"sso":true}}`))
	f.Add(EncodePointer("eu"))
	f.Fuzz(func(t *testing.T, data []byte) {
		DecodePointer(data)
		if c, err := DecodeCustomer(data); err == nil {
			if rec, err := Pack(checker.NewNames(), c); err == nil && rec.Check() != nil {
				t.Fatalf("%+v packs into a bad record: %v", c, rec.Check())
			}
			c.Uses()
			once := EncodeCustomer(c)
			back, err := DecodeCustomer(once)
			if err != nil || !bytes.Equal(EncodeCustomer(back), once) {
				t.Fatalf("%s became %s, %v", once, EncodeCustomer(back), err)
			}
		}
		c, errC := DecodeCatalogue(data)
		p, errP := DecodePlan(data)
		if errC == nil && errP == nil {
			Compile(checker.NewNames(), c, []PlanVersion{p})
		}
	})
}
