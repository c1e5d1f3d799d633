package main

import (
	"fmt"
	"testing"
	"time"
)

// crowdsReachTheLimit has eight callers at each of two sidecars take a hard limit to its last unit, with a hub that is
// there: before all but 5 % is taken nobody is denied.
func crowdsReachTheLimit(t *testing.T, shared *workshop) {
	const limit, each = 20_000, 8
	w := shared.room(t, "crowd")
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	at := "--hub=" + hub.ready["hub"]
	beside := w.besides(t, []string{url, url}, w.limited(t, "acme", limit, at))
	both := &callers{all: firsts(t, beside)}
	denied := func(a answer) {
		taken := int64(0) // at most: what is asked for now may have been taken
		for _, one := range both.all {
			taken += one.open.Load() + one.units.Load()
		}
		if a.Consumed == 0 && taken < limit*95/100 {
			t.Errorf("denied %s after at most %d of %d units", a.Reason, taken, limit)
		}
	}
	var crowd []*caller
	for i, r := range beside {
		for j := range each {
			crowd = append(crowd, &caller{t: t, name: fmt.Sprint("crowd", i, j), feature: "ai-credits", beside: r,
				heard: denied})
		}
	}
	both.all = append(both.all, crowd...)
	now := summon(crowd...)
	eventually(t, "the limit is reached to its last unit", func() bool { return both.units() >= limit })
	for _, r := range beside {
		eventually(t, "a sidecar hears that all is used", func() bool {
			got := w.must(t, exitDenied, "consume", "acme", "ai-credits", r.flag())
			return got.doc["reason"] == "limit_reached"
		})
	}
	now.end()
	if got := both.units(); got != limit {
		t.Errorf("%d units were consumed of %d", got, limit)
	}
	both.agree(t, w, at)
	for _, r := range beside {
		r.kill()
	}
	hub.kill()
	nats.kill()
}

// firsts are callers that have got the first rights at each sidecar, and have ended. On a busy machine the hub may take
// longer for those, to which it enrols the holder, than a caller waits.
func firsts(t *testing.T, beside []*runner) (all []*caller) {
	t.Helper()
	for i, r := range beside {
		all = append(all, &caller{t: t, name: fmt.Sprint("first", i), feature: "ai-credits", beside: r,
			pace: 100 * time.Millisecond})
	}
	now := summon(all...)
	for _, one := range all {
		eventually(t, "a sidecar has its first rights", func() bool { return one.units.Load() > 0 })
	}
	now.end()
	return all
}
