package main

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestOutages are of a cluster of NATS, and of a sidecar that is suspended.
func TestOutages(t *testing.T) {
	w := build(t)
	c := w.gather(t)
	_, urls := c.reach()
	hub := w.run(t, anywhere("hub", "--nats", urls)...)
	at := "--hub=" + hub.ready["hub"]
	w.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", at)
	var beside [2]*process
	for i, name := range []string{"outage0", "outage1"} {
		beside[i] = w.run(t, anywhere("sidecar", "--nats", urls, "--data", filepath.Join(w.dir, name))...)
	}
	o := &outage{workshop: w, cluster: c, at: at, beside: beside}
	t.Run("with one of three servers of NATS nothing is granted or written, until there are two", o.withoutQuorum)
	t.Run("a sidecar that is suspended goes on, and the limit holds", o.suspended)
	for _, p := range beside {
		p.stop()
	}
	hub.stop()
}

type outage struct {
	*workshop
	cluster *cluster
	at      string
	beside  [2]*process
}

// customer makes one with a hard limit of 1000, and waits until both sidecars know it.
func (o *outage) customer(t *testing.T, id string) {
	eventually(t, "a cluster that has just come back takes a customer", func() bool {
		return o.cli(t, "customer", "put", id, o.at).code == 0
	})
	revision := o.must(t, 0, "subscription", "put", id, "main", "plan=team",
		`overrides={"ai-credits":{"limit":1000,"per":"year"}}`, o.at).revision()
	for _, p := range o.beside {
		o.follows(t, p.ready["check"], id, revision)
	}
}

// take consumes at a sidecar, and tells how much it was and why.
func (o *outage) take(t *testing.T, i int, id, quantity string) (units float64, reason any) {
	doc := o.cli(t, "consume", id, "ai-credits", "quantity="+quantity, "--sidecar", o.beside[i].ready["check"]).doc
	units, _ = doc["consumed"].(float64)
	return units, doc["reason"]
}

// used waits until the hub has so much.
func (o *outage) used(t *testing.T, id string, want float64) {
	eventually(t, "the hub has all that was consumed", func() bool {
		all, _ := o.cli(t, "customer", "usage", id, "feature=ai-credits", o.at).doc["usage"].([]any)
		return len(all) == 1 && all[0].(map[string]any)["used"] == want
	})
}

func (o *outage) withoutQuorum(t *testing.T) {
	o.customer(t, "acme")
	eventually(t, "the first units are consumed", func() bool {
		units, _ := o.take(t, 0, "acme", "10")
		return units == 10
	})
	o.cluster.nodes[0].kill()
	o.cluster.nodes[1].kill()
	if units, reason := o.take(t, 0, "acme", "800"); units != 0 || reason != "rights_unavailable" {
		t.Errorf("got %v, %v, want nothing granted", units, reason)
	}
	o.must(t, exitFailed, "customer", "put", "emca", o.at)
	o.must(t, 0, "check", "acme", "private-repos", "--sidecar", o.beside[1].ready["check"])
	o.cluster.nodes[0].begin("")
	eventually(t, "rights are granted again", func() bool {
		units, _ := o.take(t, 0, "acme", "800")
		return units == 800
	})
	o.cluster.nodes[1].begin("")
	o.used(t, "acme", 810)
}

// suspended stops a sidecar for six seconds, or SIDEGATE_SUSPEND seconds, while the other one is used.
func (o *outage) suspended(t *testing.T) {
	seconds := number(t, "SIDEGATE_SUSPEND", 6)
	o.customer(t, "suspended")
	sum := 0.0
	eventually(t, "the first units are consumed", func() bool {
		units, _ := o.take(t, 0, "suspended", "10")
		sum += units
		return units == 10
	})
	send(t, o.beside[0], syscall.SIGSTOP)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 10 * seconds {
		<-tick.C
		units, _ := o.take(t, 1, "suspended", "30")
		sum += units
	}
	send(t, o.beside[0], syscall.SIGCONT)
	for _, quantity := range []string{"100", "10", "1"} {
		for i := 0; i < 4; {
			units, _ := o.take(t, i%2, "suspended", quantity)
			if sum += units; units == 0 {
				i++
			}
		}
	}
	if sum > 1000 {
		t.Errorf("%v were consumed of 1000", sum)
	}
	o.used(t, "suspended", sum)
}
