package main

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// sleepsOverTheEndOfAPeriod suspends a sidecar that holds rights, and is asked meanwhile, until the next minute has
// begun. Both minutes are then as full as callers were told.
func sleepsOverTheEndOfAPeriod(t *testing.T, shared *workshop) {
	const limit = 2000
	w := shared.room(t, "asleep")
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	at := "--hub=" + hub.ready["hub"]
	w.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", at)
	w.must(t, 0, "customer", "put", "acme", at)
	end := time.Now().Add(25 * time.Second).Truncate(time.Second) // of the first minute
	beside := w.besides(t, []string{url, url}, w.must(t, 0, "subscription", "put", "acme", "main", "plan=team",
		"starts_at="+end.Add(-time.Minute).UTC().Format(time.RFC3339),
		fmt.Sprintf(`overrides={"ai-credits":{"limit":%d,"per":"minute","anchor":"subscription"}}`, limit), at).revision())
	var all []*caller
	for i, name := range []string{"asleep", "awake"} {
		all = append(all, &caller{t: t, name: name, feature: "ai-credits", beside: beside[i], pace: 50 * time.Millisecond})
	}
	slow := summon(all...)
	ends := func(c *caller) string {
		if last := c.last.Load(); last != nil {
			return last.Resets
		}
		return ""
	}

	passes(t, end.Add(-6*time.Second))
	if held := w.must(t, 0, "check", "acme", "ai-credits", beside[0].flag()).doc["held"]; held == 0.0 {
		t.Error("the sidecar that is to sleep holds nothing")
	}
	send(t, beside[0].p, syscall.SIGSTOP)
	passes(t, end.Add(3*time.Second))
	next := end.Add(time.Minute).UTC().Format(time.RFC3339)
	eventually(t, "the one that is awake is in the next minute", func() bool { return ends(slow.all[1]) == next })
	send(t, beside[0].p, syscall.SIGCONT)

	var quick []*caller
	for i, r := range beside {
		quick = append(quick, &caller{t: t, name: fmt.Sprint("quick", i), feature: "ai-credits", beside: r})
	}
	rush := summon(quick...)
	for _, c := range append(quick, all...) {
		eventually(t, "a caller hears that all of the next minute is used", func() bool {
			last := c.last.Load()
			return last != nil && last.Reason == "limit_reached" && last.Resets == next
		})
	}
	rush.end()
	slow.end()
	// If an answer with rights was under way to the one that slept, they stand in doubt until it forgets the minute.
	both := &callers{all: append(quick, all...), doubted: end.UTC().Format(time.RFC3339)}
	first, second := both.periods()[end.UTC().Format(time.RFC3339)], both.periods()[next]
	if first == 0 || first > limit || second != limit {
		t.Errorf("%d units were consumed of %d in the first minute, and %d in the next", first, limit, second)
	}
	both.agree(t, w, at)
	for _, r := range beside {
		r.kill()
	}
	hub.kill()
	nats.kill()
}

// passes waits for a moment.
func passes(t *testing.T, moment time.Time) {
	t.Helper()
	eventually(t, "it is "+moment.String(), func() bool { return time.Now().After(moment) })
}
