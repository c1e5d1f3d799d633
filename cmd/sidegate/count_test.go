package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRealProcessesCount is a newcomer's way with dev, and a hard limit under kill -9.
func TestRealProcessesCount(t *testing.T) {
	w := build(t)
	for name, test := range map[string]func(*testing.T, *workshop){
		"a newcomer meets the limit, and a grant moves it":               meetsTheLimit,
		"sidecars that are killed keep to the limit and lose no unit":    killedSidecarsKeepToTheLimit,
		"who has nothing but a grant spends it":                          spendsItsGrant,
		"nobody is denied while others hold rights in vain":              nobodyIsDeniedInVain,
		"crowds at two sidecars reach the limit, and none denied early":  crowdsReachTheLimit,
		"a sidecar that is killed knows what others used, without a hub": remembersWhatOthersUsed,
		"a period goes on though a subscription is written again":        keepsItsPeriod,
		"a sidecar keeps to the key of its vault":                        keepsToItsVaultKey,
		"a sidecar on a full disk counts nothing, until there is room":   countsOnAFullDisk,
	} {
		t.Run(name, func(t *testing.T) { test(t, w) })
	}
}

func meetsTheLimit(t *testing.T, w *workshop) {
	p := w.run(t, anywhere("dev")...)
	at, beside := "--hub="+p.ready["hub"], "--sidecar="+p.ready["check"]
	take := func(code int, quantity string) outcome {
		return w.must(t, code, "consume", "acme", "ci-minutes", "quantity="+quantity, beside)
	}
	limit := w.must(t, 0, "check", "acme", "ci-minutes", beside).doc["limit"].(float64)
	if first := take(0, fmt.Sprintf("%.0f", limit-1)); first.doc["remaining"] != 1.0 || first.doc["consumed"] != limit-1 {
		t.Errorf("got %s", first.text)
	}
	denied := take(exitDenied, "2")
	if denied.doc["reason"] != "limit_reached" || denied.doc["resets_at"] == nil || denied.doc["consumed"] != 0.0 {
		t.Errorf("beyond the limit: got %s", denied.text)
	}
	take(0, "1")
	revision := w.must(t, 0, "grant", "put", "acme", "top-up", "feature=ci-minutes", "amount=50", at).revision()
	w.must(t, 0, "check", "acme", "ci-minutes", "quantity=50", "min_revision="+revision, "wait_ms=5000", beside)
	w.must(t, 0, "consume", "acme", "ci-minutes", "quantity=20", "min_revision="+revision, beside)
	check := w.must(t, 0, "check", "acme", "ci-minutes", beside)
	if check.doc["used"] != limit+20 || check.doc["remaining"] != 30.0 {
		t.Errorf("after the grant: got %s", check.text)
	}
	eventually(t, "the hub has it all", func() bool {
		used := w.must(t, 0, "customer", "usage", "acme", "feature=ci-minutes", at).doc["usage"].([]any)
		return len(used) == 1 && used[0].(map[string]any)["used"] == limit+20
	})
	p.stop()
}

func spendsItsGrant(t *testing.T, w *workshop) {
	p := w.run(t, anywhere("dev")...)
	at, beside := "--hub="+p.ready["hub"], "--sidecar="+p.ready["check"]
	w.must(t, 0, "customer", "put", "prepaid", at)
	ask := []string{"prepaid", "ci-minutes", beside}
	eventually(t, "the customer is known", func() bool {
		return w.cli(t, append([]string{"check"}, ask...)...).doc["reason"] == "not_entitled"
	})
	w.must(t, 0, "grant", "put", "prepaid", "voucher", "feature=ci-minutes", "amount=50", at)
	eventually(t, "the grant is known", func() bool { return w.cli(t, append([]string{"check"}, ask...)...).code == 0 })
	check := w.must(t, 0, append([]string{"check"}, ask...)...).doc
	if check["limit"] != 0.0 || check["remaining"] != 50.0 || check["used"] != 0.0 || check["resets_at"] != nil {
		t.Errorf("before anything is consumed: got %v", check)
	}
	if got := w.must(t, 0, append(append([]string{"consume"}, ask...), "quantity=50")...); got.doc["consumed"] != 50.0 {
		t.Errorf("got %s", got.text)
	}
	if got := w.must(t, exitDenied, append([]string{"consume"}, ask...)...); got.doc["reason"] != "limit_reached" {
		t.Errorf("beyond the grant: got %s", got.text)
	}
	p.stop()
}

// A spender consumes one unit after the other at a sidecar, and counts what it was told.
type spender struct {
	*workshop
	used     atomic.Int64
	revision string // that a sidecar must know first
	stop     chan struct{}
}

// spend consumes until told to stop; a sidecar that is gone is asked again.
func (s *spender) spend(address func() string) {
	body := []byte(`{"customer":"acme","feature":"ai-credits"}`)
	for {
		select {
		case <-s.stop:
			return
		default:
		}
		resp, err := http.Post(address()+"/v1/consume", "application/json", bytes.NewReader(body))
		if err != nil {
			continue
		}
		var doc struct{ Consumed int64 }
		if json.NewDecoder(resp.Body).Decode(&doc) == nil {
			s.used.Add(doc.Consumed)
		}
		_ = resp.Body.Close()
	}
}

// limited makes a customer with a hard limit for a year, and answers the revision.
func (w *workshop) limited(t *testing.T, customer string, limit int, at string) (revision string) {
	t.Helper()
	w.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", at)
	w.must(t, 0, "customer", "put", customer, at)
	return w.must(t, 0, "subscription", "put", customer, "main", "plan=team",
		fmt.Sprintf(`overrides={"ai-credits":{"limit":%d,"per":"year"}}`, limit), at).revision()
}

func killedSidecarsKeepToTheLimit(t *testing.T, w *workshop) {
	const limit, sidecars = 8000, 3
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	at := "--hub=" + hub.ready["hub"]
	s := spender{workshop: w, revision: w.limited(t, "acme", limit, at), stop: make(chan struct{})}
	var group sync.WaitGroup
	for i := range sidecars {
		args := anywhere("sidecar", "--nats", url, "--data", filepath.Join(w.dir, fmt.Sprint("count", i)))
		group.Go(func() { s.beside(t, args) })
	}
	eventually(t, "the limit is reached", func() bool { return s.used.Load() >= limit*98/100 })
	close(s.stop)
	group.Wait()
	usage := w.must(t, 0, "customer", "usage", "acme", at).doc["usage"].([]any)[0].(map[string]any)
	if told := float64(s.used.Load()); told > limit || usage["used"].(float64) > limit || usage["used"].(float64) < told {
		t.Errorf("callers were told of %v, the hub has %v", told, usage)
	}
	hub.stop()
	nats.kill()
}

// nobodyIsDeniedInVain consumes at one sidecar after the other, each of which leaves rights behind, until 5 % are left.
func nobodyIsDeniedInVain(t *testing.T, w *workshop) {
	const limit = 6000
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	revision, used := w.limited(t, "idle", limit, "--hub="+hub.ready["hub"]), 0
	for i, until := range []int{limit * 30 / 100, limit * 60 / 100, limit * 95 / 100} {
		p := w.run(t, anywhere("sidecar", "--nats", url, "--data", filepath.Join(w.dir, fmt.Sprint("vain", i)))...)
		w.follows(t, p.ready["check"], "idle", revision)
		for ; used < until; used++ {
			got := post(t, p.ready["check"]+"/v1/consume", `{"customer":"idle","feature":"ai-credits"}`)
			if got["allowed"] != true {
				t.Fatalf("after %d of %d units: got %v", used, limit, got)
			}
		}
	}
	hub.stop()
	nats.kill()
}

// remembersWhatOthersUsed kills a sidecar that was told of others' use seconds ago, and everything else.
func remembersWhatOthersUsed(t *testing.T, w *workshop) {
	const limit = 500
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	revision, data := w.limited(t, "shared", limit, "--hub="+hub.ready["hub"]), filepath.Join(w.dir, "remembers")
	other := w.run(t, anywhere("sidecar", "--nats", url, "--data", filepath.Join(w.dir, "used"))...)
	one := w.run(t, anywhere("sidecar", "--nats", url, "--data", data)...)
	w.follows(t, other.ready["check"], "shared", revision)
	w.follows(t, one.ready["check"], "shared", revision)
	post(t, other.ready["check"]+"/v1/consume",
		fmt.Sprintf(`{"customer":"shared","feature":"ai-credits","quantity":%d}`, limit))
	denied := func(p *process) bool {
		got := post(t, p.ready["check"]+"/v1/check", `{"customer":"shared","feature":"ai-credits"}`)
		return got["reason"] == "limit_reached" && got["used"] == float64(limit)
	}
	eventually(t, "the other's use is told", func() bool { return denied(one) })
	const kept = 3 * time.Second // later it is on disk
	<-time.After(kept)
	for _, p := range []*process{one, other, hub, nats} {
		p.kill()
	}
	one = w.run(t, anywhere("sidecar", "--nats", url, "--data", data)...)
	if !denied(one) {
		t.Error("a check is allowed that was denied before the kill")
	}
	one.stop()
}

// keepsItsPeriod writes a subscription again, so that by the documents its months begin anew: what is used stays used,
// also for sidecars that nobody has asked for it before.
func keepsItsPeriod(t *testing.T, w *workshop) {
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	at := "--hub=" + hub.ready["hub"]
	w.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", at)
	w.must(t, 0, "customer", "put", "again", at)
	again := func() string { return w.must(t, 0, "subscription", "put", "again", "main", "plan=team", at).revision() }
	consume := func(code, quantity int, beside, revision string) outcome {
		return w.must(t, code, "consume", "again", "ci-minutes", fmt.Sprintf("quantity=%d", quantity),
			"min_revision="+revision, "wait_ms=20000", "--sidecar="+beside)
	}
	one := w.run(t, anywhere("sidecar", "--nats", url, "--data", filepath.Join(w.dir, "period1"))...)
	first := consume(0, 10, one.ready["check"], again())
	used := func() []any {
		return w.must(t, 0, "customer", "usage", "again", "feature=ci-minutes", at).doc["usage"].([]any)
	}
	eventually(t, "the hub has the first 10", func() bool { return used()[0].(map[string]any)["used"] == 10.0 })
	revision := again()
	late := w.run(t, anywhere("sidecar", "--nats", url, "--data", filepath.Join(w.dir, "period2"))...)
	next := consume(0, 2000, late.ready["check"], revision)
	if next.doc["resets_at"] != first.doc["resets_at"] || next.doc["used"] != 2010.0 {
		t.Errorf("got %s after %s", next.text, first.text)
	}
	consume(exitDenied, 991, late.ready["check"], revision)
	consume(0, 980, late.ready["check"], revision)
	for _, p := range []*process{one, late} {
		p.stop()
	}
	if all := used(); len(all) != 1 || all[0].(map[string]any)["used"] != 2990.0 {
		t.Errorf("the hub has %v, want one period", all)
	}
	hub.stop()
	nats.kill()
}

// post sends JSON and reads the answer's.
func post(t *testing.T, url, body string) (doc map[string]any) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// beside runs a sidecar that is killed again and again while a spender uses it.
func (s *spender) beside(t *testing.T, args []string) {
	var address atomic.Pointer[string]
	begin := func() *process {
		p := s.run(t, args...)
		check := p.ready["check"]
		address.Store(&check)
		return p
	}
	p := begin()
	s.follows(t, *address.Load(), "acme", s.revision)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { s.spend(func() string { return *address.Load() }) })
	}
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-s.stop:
			running = false
		case <-tick.C:
			p.kill()
			p = begin()
		}
	}
	group.Wait()
	p.stop() // it reports for the last time
}
