package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// loadsFor are the features under load: what the subscription allows of each in a period, and the most of a period
// that may be told to callers; 0: there is no limit. Limits of a year are such that they are reached late in a campaign
// of so many kills.
func loadsFor(kills int) []load {
	hard, over := int64(kills)*600, int64(kills)*400
	return []load{
		{feature: "ai-credits", allowance: fmt.Sprintf(`{"limit":%d,"per":"year"}`, hard), most: hard},
		{feature: "api-calls", allowance: fmt.Sprintf(`{"limit":%d,"per":"year","overdraft":2000}`, over), most: over + 2000},
		{feature: "package-transfer", allowance: `{"limit":1000,"per":"year","mode":"soft"}`},
		{feature: "ci-minutes", allowance: `{"limit":3000,"per":"minute"}`, most: 3000, again: true},
	}
}

type load struct {
	feature   string
	allowance string
	most      int64
	again     bool // periods end while it runs
}

// A campaign is hubs and sidecars on a cluster of NATS, under load, that are killed and cut off by a seed.
type campaign struct {
	*testing.T
	*cluster
	random  *rand.Rand
	loads   []load
	hubs    []*peer
	beside  []*peer
	told    []atomic.Int64 // by place in loads, units that callers were told of
	stop    chan struct{}
	restart sync.WaitGroup // of what takes long to begin
	toll
}

// A toll is what was done to them.
type toll struct {
	kills   [3]int // sidecars, hubs, servers of NATS
	cuts    [3]int // of everything, one way, between servers of NATS
	quorums int    // how often two servers were down
}

func (d *toll) killed() int { return d.kills[0] + d.kills[1] + d.kills[2] }

func (d *toll) add(o toll) {
	for i := range d.kills {
		d.kills[i] += o.kills[i]
		d.cuts[i] += o.cuts[i]
	}
	d.quorums += o.quorums
}

func (d toll) String() string {
	return fmt.Sprintf("killed: %d sidecars, %d hubs, %d servers of NATS (%d times two of three); cut: %d, of them %d "+
		"one way, %d between servers of NATS", d.kills[0], d.kills[1], d.kills[2], d.quorums, d.cuts[0], d.cuts[1], d.cuts[2])
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

// A peer is a hub or a sidecar, and its links to NATS.
type peer struct {
	runner
	links []*link
}

// round is how many kills a part of a campaign has. Each part begins anew and reaches every limit.
const round = 100

// TestChaosKeepsEveryPromise kills and cuts by a seed; more of it with SIDEGATE_CHAOS=kills. One that was interrupted
// goes on with SIDEGATE_CHAOS_SEED=seed and SIDEGATE_CHAOS_FROM=round.
func TestChaosKeepsEveryPromise(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes two minutes")
	}
	kills, seed := number(t, "SIDEGATE_CHAOS", 40), number(t, "SIDEGATE_CHAOS_SEED", uint64(time.Now().UnixNano()))
	from, rounds := number(t, "SIDEGATE_CHAOS_FROM", 0), max(1, kills/round)
	all := toll{}
	for n := from; n < rounds && !t.Failed(); n++ {
		t.Run(fmt.Sprint("round ", n), func(t *testing.T) {
			t.Logf("SIDEGATE_CHAOS=%d SIDEGATE_CHAOS_SEED=%d SIDEGATE_CHAOS_FROM=%d", kills, seed, n)
			all.add(chaos(t, int(kills/rounds), seed+n))
		})
	}
	t.Log(all)
}

// number is what a setting says, or what it is without it.
func number(t *testing.T, name string, without uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return without
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// chaos kills so many, and cuts a fifth as often, and holds what is left against what callers were told.
func chaos(t *testing.T, kills int, seed uint64) toll {
	w := build(t)
	if os.Getenv("SIDEGATE_CHAOS") != "" {
		onRealDisk(t, w.dir)
	}
	loads := loadsFor(kills)
	c := &campaign{T: t, cluster: w.gather(t), random: rand.New(rand.NewPCG(seed, 1)), stop: make(chan struct{}),
		loads: loads, told: make([]atomic.Int64, len(loads))}
	c.build()
	var group sync.WaitGroup
	for at := range c.beside {
		for of := range c.loads {
			group.Go(func() { c.spend(at, of) })
		}
	}
	for c.killed() < kills || c.cuts[0] < kills/5 {
		c.disturb()
	}
	c.heal()
	c.exhaust()
	close(c.stop)
	group.Wait()
	c.judge()
	t.Log(c.toll)
	return c.toll
}

// onRealDisk refuses memory: what is in it survives everything but what matters.
func onRealDisk(t *testing.T, dir string) {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	if st.Type == tmpfs || st.Type == ramfs {
		t.Fatalf("%s is in memory: set TMPDIR to a folder on a disk", dir)
	}
}

// build starts everything: two hubs, five sidecars, each behind links of its own.
func (c *campaign) build() {
	for range 2 {
		h := &peer{}
		links, urls := c.reach()
		h.links, h.start = links, func() *process { return c.patiently(anywhere("hub", "--nats", urls)...) }
		h.begin("hub")
		c.hubs = append(c.hubs, h)
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
		s := &peer{}
		links, urls := c.reach()
		args := anywhere("sidecar", "--nats", urls, "--data", filepath.Join(c.dir, fmt.Sprint("chaos", i)))
		s.links, s.start = links, func() *process { return c.run(c.T, args...) }
		s.begin("check")
		c.follows(c.T, *s.at.Load(), "acme", revision)
		c.beside = append(c.beside, s)
	}
}

// patiently starts this program and waits for its ready line, however long NATS takes to be there.
func (c *campaign) patiently(args ...string) *process {
	p := c.start(c.T, c.self, args...)
	for line := range p.lines {
		if strings.HasPrefix(line, "ready ") {
			p.ready = named(line)
			return p
		}
	}
	c.Errorf("%v ended before it was ready", args)
	return p
}

// disturb does one thing to somebody, and waits a little.
func (c *campaign) disturb() {
	switch n := c.random.IntN(80); {
	case n < 46:
		s := c.beside[c.random.IntN(len(c.beside))]
		s.kill()
		s.begin("check")
		c.kills[0]++
	case n < 55:
		h := c.hubs[c.random.IntN(len(c.hubs))]
		h.kill()
		c.restart.Go(func() { h.begin("hub") })
		c.kills[1]++
	case n < 58:
		c.killServers(1)
	case n < 59:
		c.killServers(2)
		c.quorums++
	case n < 76:
		c.isolate()
	default:
		c.split()
	}
	<-time.After(time.Duration(c.random.IntN(600)) * time.Millisecond)
}

// killServers kills servers of NATS, and starts them again after a while.
func (c *campaign) killServers(n int) {
	down := c.random.Perm(clustered)[:n]
	for _, i := range down {
		c.nodes[i].kill()
		c.kills[2]++
	}
	<-time.After(c.within(100, 3000))
	for _, i := range down {
		c.nodes[i].begin("")
	}
	<-time.After(c.within(0, settling))
}

// settling is how long NATS may be left in peace after it was troubled, in milliseconds: elections take seconds, and
// without a leader there is no load worth disturbing.
const settling = 6000

// isolate cuts a sidecar or a hub off from NATS, or from one of its servers.
func (c *campaign) isolate() {
	all := append(append([]*peer{}, c.beside...), c.hubs...)
	links := all[c.random.IntN(len(all))].links
	if c.random.IntN(4) == 0 {
		links = links[c.random.IntN(len(links)):][:1]
	}
	state := c.cutHow()
	var cuts []cut
	for _, l := range links {
		cuts = append(cuts, cut{l, state})
	}
	c.cut(cuts, 2500)
}

// split cuts a server of NATS off from the others.
func (c *campaign) split() {
	c.cuts[2]++
	c.cut(c.apart(c.random.IntN(clustered), c.cutHow()), 8000)
	<-time.After(c.within(0, settling))
}

// cutHow is what becomes of links.
func (c *campaign) cutHow() linkState {
	how := []linkState{stalled, severed, mute, deaf}[c.random.IntN(4)]
	if c.cuts[0]++; how == mute || how == deaf {
		c.cuts[1]++
	}
	return how
}

// cut cuts for a while.
func (c *campaign) cut(cuts []cut, most int) {
	for _, cut := range cuts {
		cut.set(cut.linkState)
	}
	time.AfterFunc(c.within(100, most), func() {
		for _, cut := range cuts {
			cut.mend()
		}
	})
}

// within is a time between two, in milliseconds.
func (c *campaign) within(least, most int) time.Duration {
	return time.Duration(least+c.random.IntN(most-least)) * time.Millisecond
}

// heal ends all trouble.
func (c *campaign) heal() {
	for _, one := range append(append([]*peer{}, c.beside...), c.hubs...) {
		for _, l := range one.links {
			l.mend()
		}
	}
	for i := range c.nodes {
		for _, cut := range c.apart(i, flowing) {
			cut.mend()
		}
	}
	calm := time.AfterFunc(calmWithin, func() { panic("a hub is not ready long after all is well") })
	defer calm.Stop()
	c.restart.Wait()
}

// calmWithin is how long hubs may take to be ready once all is well.
const calmWithin = 2 * time.Minute
