package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A caller consumes at one sidecar, and keeps every answer. What is not answered is asked again under the same key, so
// that in the end every request has one answer.
type caller struct {
	t       *testing.T
	name    string        // tells its keys from those of others
	feature string        // of acme's
	beside  *runner       // the sidecar
	pace    time.Duration // between two requests

	units atomic.Int64 // that it was told of
	open  atomic.Int64 // that it asks for now
	last  atomic.Pointer[answer]
	fault atomic.Value // a string: why it had no answer the last time
	told  []answer     // by number; to be read once it has ended
	heard func(answer) // is told of each answer before it counts; may be nil
}

// callers end together.
type callers struct {
	all     []*caller
	stop    chan struct{}
	group   sync.WaitGroup
	doubted string // end of a period of which some may be in doubt; empty: of none
}

// summon has callers consume until they are told to end.
func summon(all ...*caller) *callers {
	c := &callers{all: all, stop: make(chan struct{})}
	for _, one := range all {
		c.group.Go(func() { one.consume(c.stop) })
	}
	return c
}

// end waits until every request has its answer.
func (c *callers) end() {
	close(c.stop)
	c.group.Wait()
}

// units are those that callers were told of so far.
func (c *callers) units() (sum int64) {
	for _, one := range c.all {
		sum += one.units.Load()
	}
	return sum
}

// periods are the units that callers were told of, by the end of the period.
func (c *callers) periods() map[string]int64 {
	sum := map[string]int64{}
	for _, one := range c.all {
		for _, a := range one.told {
			if a.Consumed > 0 {
				sum[a.Resets] += a.Consumed
			}
		}
	}
	return sum
}

func (c *caller) consume(stop <-chan struct{}) {
	quantity := int64(0)
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-c.t.Context().Done(): // the test has failed, and its processes are gone
			return
		case <-time.After(c.pace):
		}
		quantity = quantity%3 + 1
		c.open.Store(quantity)
		a := c.insist(answer{N: n, Quantity: quantity})
		if c.heard != nil {
			c.heard(a)
		}
		c.units.Add(a.Consumed)
		c.open.Store(0)
		c.last.Store(&a)
		if c.told = append(c.told, a); a.Consumed == 0 {
			quantity = 0 // near a limit it may be that only one is left
		}
	}
}

// insist asks until there is an answer.
func (c *caller) insist(asked answer) answer {
	body := fmt.Appendf(nil, `{"customer":"acme","feature":%q,"quantity":%d,"idempotency_key":"%s-%d"}`, c.feature,
		asked.Quantity, c.name, asked.N)
	for c.t.Context().Err() == nil {
		a, err := consumeOnce(*c.beside.at.Load(), body)
		if err == nil {
			a.N, a.Quantity = asked.N, asked.Quantity
			return a
		}
		c.fault.Store(err.Error())
		<-time.After(20 * time.Millisecond)
	}
	return asked
}

// review asks some of what was told again: the answer has to be the same.
func (c *caller) review() {
	const every = 37
	for n := 0; n < len(c.told); n += every {
		told := c.told[n]
		if told.Consumed == 0 {
			continue
		}
		if again := c.insist(told); !again.repeats(told) {
			c.t.Errorf("told %+v, and asked again %+v", told, again)
		}
	}
}

// repeats tells whether an answer is what was told before.
func (a answer) repeats(told answer) bool {
	return a.Replayed && a.Consumed == told.Consumed && a.Resets == told.Resets
}

// agree waits until the hub has what callers were told of in each period, no more and no less.
func (c *callers) agree(t *testing.T, w *workshop, at string) {
	t.Helper()
	want := fmt.Sprint(c.periods())
	got := ""
	if !happens(func() bool {
		got = w.usage(t, c.all[0].feature, at)
		return got == want || c.doubted != "" && undoubted(got, c.doubted) == want
	}) {
		t.Errorf("callers were told of %s, the hub has %s", want, got)
	}
	for _, one := range c.all {
		one.review()
	}
}

// undoubted is a usage without what is in doubt of the period with an end.
func undoubted(usage, end string) string {
	return regexp.MustCompile(` in doubt until `+regexp.QuoteMeta(end)+`:\d+`).ReplaceAllString(usage, "")
}

// usage is what the hub has of each period of acme's, by its end.
func (w *workshop) usage(t *testing.T, feature, at string) string {
	t.Helper()
	sum := map[string]int64{}
	list, _ := w.cli(t, "customer", "usage", "acme", "feature="+feature, at).doc["usage"].([]any)
	for _, one := range list {
		doc := one.(map[string]any)
		if used := doc["used"].(float64); used > 0 {
			sum[doc["period_end"].(string)] = int64(used)
		}
		if doubt := doc["in_doubt"].(float64); doubt > 0 {
			sum["in doubt until "+doc["period_end"].(string)] = int64(doubt)
		}
	}
	return fmt.Sprint(sum)
}

// besides starts sidecars that know a revision, with what they keep under the workshop's folder.
func (w *workshop) besides(t *testing.T, urls []string, revision string) (out []*runner) {
	t.Helper()
	for i, url := range urls {
		args := anywhere("sidecar", "--nats", url, "--data", filepath.Join(w.dir, fmt.Sprint("sidecar", i)))
		r := &runner{start: func() *process { return w.run(t, args...) }}
		r.begin("check")
		w.follows(t, *r.at.Load(), "acme", revision)
		out = append(out, r)
	}
	return out
}

// flag names the sidecar to a command.
func (r *runner) flag() string { return "--sidecar=" + *r.at.Load() }

// answering asks sidecars one check after the other, each of which has to be allowed. Call the result once.
func answering(t *testing.T, beside []*runner) (end func()) {
	stop := make(chan struct{})
	var group sync.WaitGroup
	for _, r := range beside {
		group.Go(func() { r.answers(t, stop) })
	}
	return func() {
		close(stop)
		group.Wait()
	}
}

// answers asks for one check after the other until told to stop.
func (r *runner) answers(t *testing.T, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-t.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
		if address := *r.at.Load(); !allowed(address + "/v1/check?customer=acme&feature=private-repos") {
			t.Errorf("%s does not answer any more, or no longer what it did", address)
			return
		}
	}
}

// allowed tells whether a check is answered, and allowed.
func allowed(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var doc struct{ Allowed bool }
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&doc) == nil && doc.Allowed
}

// room is the workshop with a folder of its own.
func (w *workshop) room(t *testing.T, name string) *workshop {
	t.Helper()
	own := *w
	own.dir = filepath.Join(w.dir, name)
	if err := os.Mkdir(own.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &own
}
