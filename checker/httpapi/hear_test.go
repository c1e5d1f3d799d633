package httpapi

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheHubIsAskedBeforeACheckIsDeniedToWhoKnowsOfAWrite(t *testing.T) {
	const asked = "customer=acme&feature="
	for query, want := range map[string][]string{
		asked + "calls&quantity=4&min_revision=4812":                  {"acme calls"},
		asked + "calls&quantity=4":                                    nil,
		asked + "calls&quantity=3&min_revision=4812":                  nil, // it is allowed
		"customer=old&feature=calls&min_revision=4812":                nil, // a grant does not revive what has expired
		"customer=stage&feature=calls&min_revision=1&environment=dev": nil,
		asked + "boxes&quantity=9&min_revision=4812":                  nil, // it is not metered
		"customer=nobody&feature=calls&min_revision=4812":             nil,
	} {
		for _, path := range []string{"/v1/check?", "/v1/explain?"} {
			var c till
			a, err := New(Options{Source: newKnown(t), Meter: &c, Now: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			ctx := request("GET", path+query, "")
			if a.Handler(ctx); ctx.Response.StatusCode() != 200 {
				t.Errorf("%s%s: got %d %s", path, query, ctx.Response.StatusCode(), ctx.Response.Body())
			}
			if !slices.Equal(c.heard, want) {
				t.Errorf("%s%s: the hub was asked for %q, want %q", path, query, c.heard, want)
			}
		}
	}
}

func TestAHubThatIsSilentForAWhileIsAnAlarm(t *testing.T) {
	for name, tc := range map[string]struct {
		till *till
		want bool
	}{
		"it answers":             {&till{reported: noon.Add(-time.Hour)}, false},
		"it has just failed":     {&till{silent: true, reported: noon.Add(-9 * time.Second)}, false},
		"it is silent for long":  {&till{silent: true, reported: noon.Add(-11 * time.Second)}, true},
		"it has never been seen": {&till{silent: true}, true},
	} {
		a, err := New(Options{Source: newKnown(t), Meter: tc.till, Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		ctx := request("GET", "/v1/status", "")
		a.Handler(ctx)
		body := string(ctx.Response.Body())
		if strings.Contains(body, `"alarms":[{"name":"hub_silent","remedy":"no hub answers`) != tc.want ||
			strings.Contains(body, `"alarms":[]`) == tc.want {
			t.Errorf("%s: got %s", name, body)
		}
	}
}
