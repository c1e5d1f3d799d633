package hub_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
)

// fencing is the request that declares a holder lost.
func fencing(h *holder) string { return "POST /v1/fleet/" + hex.EncodeToString(h.id[:]) + "/fence" }

// standing is how a holder stands in the fleet.
func (b *bench) standing(h *holder) map[string]any {
	b.t.Helper()
	for _, one := range b.ok("GET /v1/fleet", "")["holders"].([]any) {
		if doc := one.(map[string]any); doc["id"] == hex.EncodeToString(h.id[:]) {
			return doc
		}
	}
	b.t.Fatalf("%x is not in the fleet", h.id)
	return nil
}

func TestAFenceWithAKeyIsAnsweredTheSameHoweverOftenItIsSent(t *testing.T) {
	b, bus, _ := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 60)
	ops := b.made("ops", `"admin"`)
	first := ops.call(fencing(x), `{}`, "Idempotency-Key", "k")
	key := replica.KindFleet + "/" + hex.EncodeToString(x.id[:])
	e, err := b.books.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	first.isWrite(t, e.Rev)
	if again := ops.call(fencing(x), `{}`, "Idempotency-Key", "k"); again.body != first.body {
		t.Errorf("got %s, then %s", first.body, again.body)
	}
	ops.refused("422 idempotency_key_reused", fencing(x), `{"destroyed":false}`, "Idempotency-Key", "k")
	b.refused("412 revision_mismatch", fencing(x), `{}`, "If-Match", `"1"`)
	if got := b.standing(x); got["fenced_by"] != "ops" || got["fenced_at"] == nil {
		t.Errorf("got %v, want it to say who asked for the fence", got)
	}
	b.clock.Add(61_000)
	until(t, "the fence is done", func() bool {
		e, err := b.books.Get(t.Context(), key)
		return err == nil && strings.Contains(string(e.Value), `"done":true`)
	})
	y.ask("acme", "calls", 10)
	if got := len(b.book("acme", "calls").Holders); got != 1 {
		t.Fatalf("the book has %d holders, want the fenced one gone", got)
	}
	if again := ops.call(fencing(x), `{}`, "Idempotency-Key", "k"); again.body != first.body {
		t.Errorf("got %s, and once it was forgotten %s", first.body, again.body)
	}
	if got := b.ok(fencing(x), `{}`); got["books"] != 1.0 || b.standing(x)["fenced_by"] != "ops" {
		t.Errorf("got %v by %v, want what the first fence found", got, b.standing(x)["fenced_by"])
	}
}

// isWrite holds an answer to what every write is answered with.
func (r reply) isWrite(t *testing.T, rev uint64) {
	t.Helper()
	tag := r.header.Get("ETag")
	if !strings.HasPrefix(r.body, fmt.Sprintf(`{"revision":%d,`, rev)) || tag != fmt.Sprintf(`"%d"`, rev) {
		t.Errorf("got %d %s, tagged %s, want revision %d", r.status, r.body, tag, rev)
	}
}

func TestAFenceIsDecidedAnewIfTheHolderWasFaster(t *testing.T) {
	bus, log := &wires{}, replica.NewMemory()
	books := &seam{Log: log}
	b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: books, Bus: bus})
	b.stock()
	x := b.holder(bus)
	x.ask("acme", "calls", 60)
	faster := 3
	books.beforePut(func(puts []replica.Put) error {
		key := replica.KindFleet + "/" + hex.EncodeToString(x.id[:])
		if faster == 0 || puts[0].Key != key {
			return nil
		}
		faster--
		e, err := log.Get(t.Context(), key)
		if err == nil {
			_, err = log.Put(t.Context(), replica.CommandID{byte(faster)}, replica.Put{Key: key, Expect: e.Rev, Value: e.Value})
		}
		return err
	})
	if got := b.ok(fencing(x), ""); got["trust"] != "written_off" || got["books"] != 1.0 || faster != 0 {
		t.Errorf("got %v, with %d to come", got, faster)
	}
}

func TestAnAcceptanceWithAKeyIsAnsweredTheSameAndSaysWhose(t *testing.T) {
	b, _, _, rollBack := withOneGone(t)
	rollBack()
	until(t, "the epoch is raised", func() bool { return b.ok("GET /v1/fleet", "")["epoch"] == 1.0 })
	ops := b.made("ops", `"admin"`)
	if got := b.ok("GET /v1/fleet", "")["accepted"]; got != nil {
		t.Errorf("got %v, before anybody has accepted", got)
	}
	const accept = "POST /v1/fleet/accept"
	first := ops.call(accept, `{"epoch":1}`, "Idempotency-Key", "k")
	e, err := b.books.Get(t.Context(), replica.KindMeta+"/epoch")
	if err != nil {
		t.Fatal(err)
	}
	first.isWrite(t, e.Rev)
	if got := b.ok(accept, `{"epoch":1}`)["revision"].(float64); got <= float64(e.Rev) {
		t.Errorf("got revision %v of another request, want one after %d", got, e.Rev)
	}
	if again := ops.call(accept, `{"epoch":1}`, "Idempotency-Key", "k"); again.body != first.body {
		t.Errorf("got %s, then %s", first.body, again.body)
	}
	ops.refused("422 idempotency_key_reused", accept, `{"epoch":2}`, "Idempotency-Key", "k")
	b.refused("412 revision_mismatch", accept, `{"epoch":1}`, "If-Match", `"1"`)
	said, _ := b.ok("GET /v1/fleet", "")["accepted"].(map[string]any)
	if said["by"] != "ops" || said["at"] != b.time().Format("2006-01-02T15:04:05Z") {
		t.Errorf("got %v, want who accepted first, and when", said)
	}
}
