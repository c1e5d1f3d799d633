package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// loadsFor are the features under load: what the subscription allows of each in a year, and the most that may be told
// to callers; 0: there is no limit. Limits are such that they are reached late in a campaign of so many kills.
func loadsFor(kills int) []load {
	hard, over := int64(kills)*700, int64(kills)*500
	return []load{
		{feature: "ai-credits", allowance: fmt.Sprintf(`{"limit":%d,"per":"year"}`, hard), most: hard},
		{feature: "api-calls", allowance: fmt.Sprintf(`{"limit":%d,"per":"year","overdraft":2000}`, over), most: over + 2000},
		{feature: "package-transfer", allowance: `{"limit":1000,"per":"year","mode":"soft"}`},
	}
}

type load struct {
	feature   string
	allowance string
	most      int64
}

// A campaign is hubs, sidecars and a NATS server under load, that are killed and cut off by a seed.
type campaign struct {
	*testing.T
	*workshop
	random *rand.Rand
	loads  []load
	nats   *runner
	hubs   []*runner
	beside []*runner
	links  []*link
	told   [3]atomic.Int64 // by place in loads, units that callers were told of
	stop   chan struct{}
	kills  int
	cuts   int
}

// A runner keeps one process alive: what is killed is started again.
type runner struct {
	start func() *process
	mu    sync.Mutex
	p     *process
	at    atomic.Pointer[string] // its address
}

func (r *runner) begin(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.p = r.start()
	address := r.p.ready[name]
	r.at.Store(&address)
}

func (r *runner) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.p.kill()
}

// TestChaosKeepsEveryPromise kills and cuts by a seed; more of it with SIDEGATE_CHAOS=kills, SIDEGATE_CHAOS_SEED=seed.
func TestChaosKeepsEveryPromise(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	kills, seed := 40, uint64(time.Now().UnixNano())
	if text := os.Getenv("SIDEGATE_CHAOS"); text != "" {
		kills, _ = strconv.Atoi(text)
	}
	if text := os.Getenv("SIDEGATE_CHAOS_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("SIDEGATE_CHAOS=%d SIDEGATE_CHAOS_SEED=%d", kills, seed)
	c := &campaign{T: t, workshop: build(t), random: rand.New(rand.NewPCG(seed, 1)), stop: make(chan struct{}),
		loads: loadsFor(kills)}
	c.build()
	var group sync.WaitGroup
	for i := range c.beside {
		for of := range c.loads {
			group.Go(func() { c.spend(i, of) })
		}
	}
	for c.kills < kills {
		c.disturb()
	}
	close(c.stop)
	group.Wait()
	c.judge()
	t.Logf("%d processes were killed, %d links cut; callers were told of %d, %d and %d units", c.kills, c.cuts,
		c.told[0].Load(), c.told[1].Load(), c.told[2].Load())
}

// build starts everything: two hubs, five sidecars, each behind a link of its own.
func (c *campaign) build() {
	nats, url := c.broker(c.T, "-1")
	port := url[strings.LastIndex(url, ":")+1:]
	c.nats = &runner{p: nats, start: func() *process {
		p, _ := c.broker(c.T, port)
		return p
	}}
	for range 2 {
		r := &runner{start: func() *process { return c.run(c.T, anywhere("hub", "--nats", url)...) }}
		r.begin("hub")
		c.hubs = append(c.hubs, r)
	}
	at := "--hub=" + *c.hubs[0].at.Load()
	c.must(c.T, 0, "catalog", "apply", "../../bench/world/forge.yaml", at)
	c.must(c.T, 0, "customer", "put", "acme", at)
	overrides := []string{}
	for _, l := range c.loads {
		overrides = append(overrides, fmt.Sprintf("%q:%s", l.feature, l.allowance))
	}
	revision := c.must(c.T, 0, "subscription", "put", "acme", "main", "plan=team",
		"overrides={"+strings.Join(overrides, ",")+"}", at).revision()
	for i := range 5 {
		l := newLink(c.T, strings.TrimPrefix(url, "nats://"))
		args := anywhere("sidecar", "--nats", "nats://"+l.address(), "--data", filepath.Join(c.dir, fmt.Sprint("chaos", i)))
		r := &runner{start: func() *process { return c.run(c.T, args...) }}
		r.begin("check")
		c.must(c.T, 0, "explain", "acme", "ai-credits", "min_revision="+revision, "wait_ms=20000", "--sidecar", *r.at.Load())
		c.beside, c.links = append(c.beside, r), append(c.links, l)
	}
}

// disturb does one thing to somebody, and waits a little.
func (c *campaign) disturb() {
	switch n := c.random.IntN(20); {
	case n < 11:
		r := c.beside[c.random.IntN(len(c.beside))]
		r.kill()
		r.begin("check")
		c.kills++
	case n < 13:
		r := c.hubs[c.random.IntN(len(c.hubs))]
		r.kill()
		r.begin("hub")
		c.kills++
	case n < 14:
		c.nats.kill()
		c.nats.begin("")
		c.kills++
	default:
		l := c.links[c.random.IntN(len(c.links))]
		l.cut(c.random.IntN(2) == 0)
		time.AfterFunc(time.Duration(100+c.random.IntN(2500))*time.Millisecond, l.mend)
		c.cuts++
	}
	<-time.After(time.Duration(c.random.IntN(600)) * time.Millisecond)
}

// spend consumes at one sidecar until told to stop. What is not answered is asked again under the same key.
func (c *campaign) spend(at, of int) {
	quantity := int64(1)
	for n := 0; ; n++ {
		select {
		case <-c.stop:
			return
		default:
		}
		body := fmt.Appendf(nil, `{"customer":"acme","feature":%q,"quantity":%d,"idempotency_key":"%d-%d-%d"}`,
			c.loads[of].feature, quantity, at, of, n)
		c.told[of].Add(c.insist(c.beside[at], body))
		quantity = quantity%3 + 1
	}
}

// insist asks until there is an answer, and tells how much was consumed.
func (c *campaign) insist(r *runner, body []byte) int64 {
	for {
		consumed, err := consumeOnce(*r.at.Load(), body)
		if err == nil {
			return consumed
		}
		<-time.After(20 * time.Millisecond)
	}
}

// errNoAnswer says that it is not known, or not decided, what became of a request.
var errNoAnswer = errors.New("no answer")

func consumeOnce(address string, body []byte) (int64, error) {
	resp, err := http.Post(address+"/v1/consume", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return 0, errors.Join(errNoAnswer, err)
	}
	var doc struct{ Consumed int64 }
	err = json.Unmarshal(data, &doc)
	return doc.Consumed, err
}

// judge heals everything, and holds what the hub has in the end against what callers were told.
func (c *campaign) judge() {
	for _, l := range c.links {
		l.mend()
	}
	at := "--hub=" + *c.hubs[1].at.Load()
	for i, l := range c.loads {
		told := c.told[i].Load()
		var usage outcome
		reached := func() bool {
			usage = c.cli(c.T, "customer", "usage", "acme", "feature="+l.feature, at)
			all, _ := usage.doc["usage"].([]any)
			return len(all) == 1 && all[0].(map[string]any)["used"].(float64) == float64(told)
		}
		if !happens(reached) {
			c.Errorf("%s: callers were told of %d units, the hub has %s", l.feature, told, usage.text)
		}
		if l.most > 0 && told > l.most {
			c.Errorf("%s: %d units were consumed of %d", l.feature, told, l.most)
		}
	}
	for _, r := range append(append(c.beside, c.hubs...), c.nats) {
		r.kill()
	}
}

// happens waits for something, and tells whether it happened.
func happens(what func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !what() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}
