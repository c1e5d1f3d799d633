package catalog

import (
	"strings"
	"testing"
	"time"
)

func TestAGrantIsReadWithItsDefaults(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.UTC)
	n, err := ParseJSON([]byte(`{"feature":"calls","amount":5}`))
	if err != nil {
		t.Fatal(err)
	}
	g, err := ReadGrant(n, now)
	if err != nil || g != (Grant{Feature: "calls", Amount: 5, Priority: 100, StartsAt: now.Truncate(time.Millisecond)}) {
		t.Errorf("got %+v, %v", g, err)
	}
}

func TestAWrongGrantIsRefusedWithEveryFault(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                         "feature amount",
		`[]`:                         "mapping",
		`{"feature":"x","amount":0}`: "amount",
		`{"feature":"x","amount":1,"priority":-1}`:                                                          "priority",
		`{"feature":"x","amount":1,"expires_at":"2020-01-01T00:00:00Z"}`:                                    "expires_at",
		`{"feature":"x","amount":1,"starts_at":"2027-01-01T00:00:00Z","expires_at":"2027-01-01T00:00:00Z"}`: "expires_at",
		`{"feature":"x","amount":1,"unit":"call"}`:                                                          "unit",
		`{"feature":7,"amount":1}`:                                                                          "feature",
	} {
		n, err := ParseJSON([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		_, err = ReadGrant(n, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		for _, word := range strings.Fields(want) {
			if err == nil || !strings.Contains(err.(Faults).Error(), word) {
				t.Errorf("%s: got %v, want a fault of %s", body, err, word)
			}
		}
	}
}

func TestGrantsMustBeOfMeteredFeatures(t *testing.T) {
	c := Catalogue{Features: map[string]Feature{"calls": {Type: "metered"}, "sso": {Type: "boolean"}}}
	for feature, ok := range map[string]bool{"calls": true, "sso": false, "none": false} {
		cu := Customer{Grants: map[string]Grant{"g": {Feature: feature, Amount: 1}}}
		if err := c.CheckCustomer(cu, nil); (err == nil) != ok {
			t.Errorf("%s: got %v", feature, err)
		}
		if !cu.Uses().Features[feature] {
			t.Errorf("%s is not among what the customer names", feature)
		}
	}
}
