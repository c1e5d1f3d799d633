package main

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestADataDirectoryThatIsCopied has two sidecars with the same vault. Both must notice, and all be counted once.
func TestADataDirectoryThatIsCopied(t *testing.T) {
	w := build(t)
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	for name, test := range map[string]func(*copies, *testing.T){
		"while-it-does-not-run": (*copies).whileStopped,
		"while-it-runs":         (*copies).whileRunning,
		"and-put-back":          (*copies).putBack,
	} {
		t.Run(name, func(t *testing.T) {
			c := &copies{workshop: w, hub: hub, nats: url, dir: t.TempDir(), customer: name}
			c.revision = w.limited(t, name, 100_000, c.at())
			for _, h := range c.holders(t) {
				c.others = append(c.others, h["id"])
			}
			test(c, t)
		})
	}
	hub.stop()
	nats.kill()
}

// copies are sidecars with data directories that were copied.
type copies struct {
	*workshop
	hub          *process
	nats, dir    string
	customer     string
	revision     string  // that each sidecar must know
	others       []any   // holders that there were before
	acknowledged float64 // units
}

// holders is the fleet.
func (c *copies) holders(t *testing.T) (all []map[string]any) {
	t.Helper()
	for _, h := range c.must(t, 0, "fleet", "list", c.at()).doc["holders"].([]any) {
		all = append(all, h.(map[string]any))
	}
	return all
}

func (c *copies) at() string { return "--hub=" + c.hub.ready["hub"] }

// beside starts a sidecar on a data directory, which follows soon.
func (c *copies) beside(t *testing.T, name string) *process {
	t.Helper()
	p := c.run(t, anywhere("sidecar", "--nats", c.nats, "--data", filepath.Join(c.dir, name))...)
	c.follows(t, p.ready["check"], c.customer, c.revision)
	return p
}

func (c *copies) duplicate(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(c.dir, to), os.DirFS(filepath.Join(c.dir, from))); err != nil {
		t.Fatal(err)
	}
}

// consume takes units one by one, and notes those that were acknowledged.
func (c *copies) consume(t *testing.T, p *process, units int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for done := 0; done < units; {
		if time.Now().After(deadline) {
			t.Fatalf("after %d of %d units it went no further", done, units)
		}
		got := post(t, p.ready["check"]+"/v1/consume", `{"customer":"`+c.customer+`","feature":"ai-credits"}`)
		n, _ := got["consumed"].(float64) // none while another name is taken
		c.acknowledged += n
		done += int(n)
	}
}

// agree waits until names are trusted and quarantined as they should be, and the hub has all that was acknowledged.
func (c *copies) agree(t *testing.T, trusted, quarantined int) {
	t.Helper()
	var fleet []map[string]any
	defer func() {
		if t.Failed() {
			t.Logf("others %v, the fleet %v", c.others, fleet)
		}
	}()
	eventually(t, "the fleet is as it should be", func() bool {
		count := map[any]int{}
		fleet = c.holders(t)
		for _, h := range fleet {
			if !slices.Contains(c.others, h["id"]) {
				count[h["trust"]]++
			}
		}
		return count["trusted"] == trusted && count["quarantined"] == quarantined
	})
	var used any
	eventually(t, "the hub has all that was acknowledged", func() bool {
		used = c.must(t, 0, "customer", "usage", c.customer, c.at()).doc["usage"].([]any)[0].(map[string]any)["used"]
		return used.(float64) >= c.acknowledged
	})
	if used != c.acknowledged {
		t.Errorf("%v were acknowledged, the hub has %v", c.acknowledged, used)
	}
}

func (c *copies) whileStopped(t *testing.T) {
	first := c.beside(t, "a")
	c.consume(t, first, 100)
	first.stop()
	c.duplicate(t, "a", "b")
	a, b := c.beside(t, "a"), c.beside(t, "b")
	for range 20 {
		c.consume(t, a, 7)
		c.consume(t, b, 5)
	}
	c.agree(t, 2, 1)
	for _, p := range []*process{a, b} {
		p.until("used twice|does not trust")
		c.consume(t, p, 10)
		p.stop()
	}
	c.agree(t, 2, 1)
}

func (c *copies) whileRunning(t *testing.T) {
	a := c.beside(t, "a")
	c.consume(t, a, 100)
	c.duplicate(t, "a", "b")
	c.consume(t, a, 10)
	b := c.beside(t, "b")
	for range 20 {
		c.consume(t, a, 7)
		c.consume(t, b, 5)
	}
	c.agree(t, 2, 1)
	a.stop()
	b.stop()
	c.agree(t, 2, 1)
}

// putBack takes a copy while the sidecar runs, loses the directory, and goes on from the copy, at first without a hub.
func (c *copies) putBack(t *testing.T) {
	c.revision = c.must(t, 0, "subscription", "put", c.customer, "main", "plan=team",
		`overrides={"ai-credits":{"limit":1000,"per":"year","mode":"soft"}}`, c.at()).revision()
	a := c.beside(t, "a")
	c.consume(t, a, 100)
	c.duplicate(t, "a", "b")
	c.consume(t, a, 50)
	c.agree(t, 1, 0)
	a.kill()
	send(t, c.hub, syscall.SIGSTOP)
	b := c.beside(t, "b")
	c.consume(t, b, 60)
	send(t, c.hub, syscall.SIGCONT)
	c.agree(t, 2, 0)
	b.stop()
	c.agree(t, 2, 0)
}
