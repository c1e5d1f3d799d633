package checker

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// richCustomer uses every field of the record format.
func richCustomer(t testing.TB) Customer {
	t.Helper()
	list, err := JSONValue([]byte(`["eu","us"]`))
	if err != nil {
		t.Fatal(err)
	}
	return Customer{ID: "acme / ☂", Group: "eu", Revoked: true, Subs: []Subscription{
		{ID: "main", StartsAt: 1_700_000_000_000, Phases: []Phase{
			{From: math.MinInt64, Plan: 3, Version: 200, Status: Trialing, EndsAt: 1_800_000_000_001,
				TrialEndsAt: 1_750_000_000_002, Grace: 259_200_000, ActivateOnTrialEnd: true,
				Addons: []AddonUse{{1, 2}, {300, 70_000}}, Environments: []string{"prod", "staging"},
				DeviceLimit: 5, DeviceLock: true, Versions: ">=2 <4", Overrides: []Grantable{
					{7, Allowance{Limit: 1 << 52, Per: Month, Anchored: true, Soft: true, Advisory: true,
						Chunked: true, Overdraft: 9, Rollover: 11, Borrow: 13}},
					{8, Allowance{Value: list, Unlimited: true}},
				}},
			{From: 0, Plan: 4, Status: Active},
			{From: 1_790_000_000_000, Plan: 4, Status: CancelledStatus},
		}},
		{ID: strings.Repeat("x", 256), StartsAt: maxTime, Phases: []Phase{{From: math.MinInt64, Status: PastDue}}},
	}}
}

func TestRecordsSurviveARoundTrip(t *testing.T) {
	want := richCustomer(t)
	rec, err := AppendRecord(nil, &want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Record(rec).Unpack()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if id := Record(rec).ID(); string(id) != want.ID {
		t.Errorf("id: got %q", id)
	}
}

func TestTheRecordFormatIsFrozen(t *testing.T) {
	c := richCustomer(t)
	rec, err := AppendRecord(nil, &c)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "record.v1", rec)
	n := NewNames()
	n.Feature("sso")
	n.Plan("team")
	n.Plan("free")
	n.Addon("minutes")
	golden(t, "names.v1", n.Export())
}

func TestARecordWithAWarningHasAVersionOfItsOwn(t *testing.T) {
	c := richCustomer(t)
	c.Subs[0].Phases[0].Overrides[0].Warn = PercentsOf([]int{100, 80, 1000})
	c.Subs[0].Phases[0].Overrides[1].Warn = PercentsOf([]int{1})
	rec, err := AppendRecord(nil, &c)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "record.v2", rec)
	if got, err := Record(rec).Unpack(); err != nil || !reflect.DeepEqual(got, c) || !Record(rec).Readable() {
		t.Errorf("got %+v, %v\nwant %+v", got, err, c)
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
		t.Errorf("%s: got %x, want %x", name, got, want)
	}
}

func TestRecordsRefuseWhatDoesNotFit(t *testing.T) {
	first := []Phase{{From: math.MinInt64}}
	for name, c := range map[string]Customer{
		"no id":           {},
		"a long id":       {ID: strings.Repeat("x", 257)},
		"a negative time": {ID: "a", Subs: []Subscription{{ID: "s", StartsAt: -1, Phases: first}}},
		"no phase":        {ID: "a", Subs: []Subscription{{ID: "s"}}},
		"phases out of order": {ID: "a", Subs: []Subscription{{ID: "s", Phases: []Phase{
			{From: math.MinInt64}, {From: 5}, {From: 4}}}}},
		"a negative quantity": {ID: "a", Subs: []Subscription{{ID: "s", Phases: []Phase{
			{From: math.MinInt64, Addons: []AddonUse{{0, -1}}}}}}},
	} {
		if rec, err := AppendRecord(nil, &c); err == nil || len(rec) != 0 {
			t.Errorf("%s: got %x, %v", name, rec, err)
		}
	}
}

func TestNamesSurviveARoundTripAndRefuseDamage(t *testing.T) {
	n := NewNames()
	if n.Plan("a") != 0 || n.Plan("b") != 1 || n.Plan("a") != 0 || n.Feature("a") != 0 {
		t.Error("ids are not dense or not stable")
	}
	data := n.Export()
	m, err := ImportNames(data)
	if err != nil || m.Plan("b") != 1 || m.Plan("c") != 2 || m.Len() != 4 {
		t.Errorf("got %v, %v", m, err)
	}
	for i := range data {
		if _, err := ImportNames(data[:i]); err == nil {
			t.Errorf("a table cut at %d was taken", i)
		}
	}
	if _, err := ImportNames(append([]byte{2}, data[1:]...)); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("an unknown version: got %v", err)
	}
}

func FuzzRecord(f *testing.F) {
	c := richCustomer(f)
	rec, err := AppendRecord(nil, &c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rec, int64(1_760_000_000_000))
	f.Add([]byte{}, int64(0))
	w := benchWorld()
	f.Fuzz(func(t *testing.T, data []byte, now int64) {
		for _, feature := range w.Features() {
			d := Decide(&Held{World: w, Feature: feature, Record: data}, &Ask{Quantity: 1}, now)
			if d.Reason == Undecided || d.Allowed != d.Reason.Allows() {
				t.Fatalf("got %+v", d)
			}
		}
		u, err := Record(data).Unpack()
		if err != nil {
			return
		}
		again, err := AppendRecord(nil, &u)
		if err != nil {
			return // what unpacks need not be what a packer would write, such as an empty id
		}
		if v, err := Record(again).Unpack(); err != nil || !reflect.DeepEqual(u, v) {
			t.Fatalf("%+v became %+v, %v", u, v, err)
		}
	})
}
