package hub_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
)

func TestEachThresholdIsToldOnceAPeriodThoughReportsAreRepeated(t *testing.T) {
	b, bus, in := ring(t)
	secret := b.listen(in, "")
	x := b.holder(bus)
	x.spend(7)
	x.spend(1)
	for range 3 {
		x.ask("acme", "calls", -1)
	}
	m := in.wait(1)[0]
	m.signed(t, secret)
	if m.at != b.clock.Load()/1000 || !strings.HasPrefix(m.id, "evt_") {
		t.Errorf("got id %q at %d, want the clock's time", m.id, m.at)
	}
	for key, want := range map[string]any{"customer": "acme", "feature": "calls", "plan": "team", "threshold": 80.0,
		"used": 8.0, "limit": 10.0, "overage": 0.0, "grants": 0.0, "rolled_over": 0.0,
		"period_start": "2026-11-01T00:00:00Z", "period_end": "2026-12-01T00:00:00Z"} {
		if m.Data[key] != want {
			t.Errorf("%s: got %v, want %v in %s", key, m.Data[key], want, m.raw)
		}
	}
	if !bytes.Contains(m.raw, []byte(`"timestamp":"2026-11-23T12:00:00Z"`)) {
		t.Errorf("got %s, want the time at which it came about", m.raw)
	}
	x.spend(2)
	in.wait(3)
	x.ask("acme", "calls", -1)
	if got, want := names(in.got()), "limit_reached, threshold_reached 100, threshold_reached 80"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	b.at("2026-12-03T00:00:00Z")
	x.spend(9)
	if got, want := names(in.wait(4)[3:]), "threshold_reached 80"; got != want {
		t.Errorf("in the next period: got %s, want %s", got, want)
	}
	in.settled(b, 4)
	if n := b.stored(); n != 4 { // tombstones
		t.Errorf("%d events are in the books, want 4 that are delivered", n)
	}
}

func TestTwoHubsTellOnceWhatBothFold(t *testing.T) {
	a, b, logs := twoHubs(t)
	a.warn(`{"limit":1000,"per":"month","warn":[25,50,75,100]}`)
	in := newInbox(t)
	in.answer = func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(20 * time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	}
	a.listen(in, "")
	until(t, "the other hub knows it", func() bool { return len(b.ok("GET /v1/webhooks", "")["webhooks"].([]any)) == 1 })
	var all sync.WaitGroup
	for range 10 {
		x := a.holder(logs["docs"])
		all.Go(func() {
			for range 10 {
				x.spend(10)
			}
		})
	}
	all.Wait()
	in.wait(5)
	in.settled(a, 5)
	want := "limit_reached, threshold_reached 100, threshold_reached 25, threshold_reached 50, threshold_reached 75"
	if got := names(in.got()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	told := func(h *bench) float64 { return h.webhook("bell")["delivered"].(float64) }
	until(t, "both hubs count what both delivered", func() bool { return told(a) == 5 && told(b) == 5 })
}

func TestAHubThatDiesLeavesItsEventsToOthers(t *testing.T) {
	bus, o := &wires{}, hub.Options{Docs: replica.NewMemory(), Books: replica.NewMemory()}
	in := newInbox(t)
	o.Bus = bus
	dead := newBenchWith(t, o)
	dead.stock()
	dead.warn(`{"limit":10,"per":"month","warn":[50]}`)
	// Its attempts never end: as if it died between writing and delivering.
	block, entered := make(chan struct{}), make(chan struct{}, 9)
	t.Cleanup(func() { close(block) })
	in.answer = func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-block }
	secret := dead.listen(in, "")
	x := dead.holder(bus)
	x.spend(5)
	<-entered
	first := in.wait(1)[0]
	in.answers(0)
	other := hub.Options{Docs: o.Docs, Books: o.Books, Now: dead.time, Bus: &wires{}}
	b := newBenchWith(t, other)
	if n := b.webhook("bell")["pending"]; n != 1.0 {
		t.Fatalf("%v are pending, want the claimed one", n)
	}
	if len(in.got()) != 1 {
		t.Fatal("another hub delivered what was claimed")
	}
	dead.later(31 * time.Second)
	second := in.wait(2)[1]
	second.signed(t, secret)
	if second.id != first.id || !bytes.Equal(second.raw, first.raw) {
		t.Errorf("got %q, want %q again", second.id, first.id)
	}
}

func TestWhatIsNotTakenComesAgainWithTheSameID(t *testing.T) {
	b, bus, in := ring(t)
	secret := b.listen(in, `,"events":["usage.limit_reached"]`)
	in.answers(http.StatusInternalServerError)
	b.holder(bus).spend(10)
	in.wait(1)
	tried := func(n float64) func() bool { return func() bool { return b.webhook("bell")["failed_attempts"] == n } }
	until(t, "the failure is noted", tried(1))
	b.later(4 * time.Second)
	in.answers(http.StatusServiceUnavailable, "Retry-After", "3600")
	b.later(2 * time.Second)
	in.wait(2)
	until(t, "the failure is noted", tried(2))
	b.later(30 * time.Minute) // more than the five minutes that it would be
	got := b.webhook("bell")
	last := got["last_attempt"].(map[string]any)
	if got["pending"] != 1.0 || got["failing"] != 2.0 || last["status"] != 503.0 {
		t.Errorf("got %v, want one event pending after two failures", got)
	}
	if n := len(in.got()); n != 2 {
		t.Errorf("%d attempts, want it to wait as long as it was asked to", n)
	}
	in.answers(0)
	b.later(31 * time.Minute)
	all := in.wait(3)
	in.settled(b, 3)
	for _, m := range all {
		m.signed(t, secret)
		if m.id != all[0].id {
			t.Errorf("got %q, want the same id each time", m.id)
		}
	}
	if all[2].at <= all[1].at {
		t.Error("the timestamp is not that of the attempt")
	}
	if got := b.webhook("bell"); got["failing"] != 0.0 || got["delivered"] != 1.0 {
		t.Errorf("got %v, want it delivered", got)
	}
}

func TestAfterTheLastAttemptAnEventIsGivenUp(t *testing.T) {
	b, bus, in := ring(t)
	b.listen(in, `,"events":["usage.limit_reached"]`)
	in.answers(http.StatusFound, "Location", in.url+"/elsewhere")
	b.holder(bus).spend(10)
	for n := range 10 {
		in.wait(n + 1)
		until(t, "the failure is noted", func() bool { return b.webhook("bell")["failed_attempts"] == float64(n+1) })
		b.later(27 * time.Hour)
	}
	in.settled(b, 10)
	if got := b.webhook("bell"); got["given_up"] != 1.0 || got["pending"] != 0.0 || got["delivered"] != 0.0 {
		t.Errorf("got %v, want it given up", got)
	}
}

func TestOneThatIsGoneIsDisabledUntilItIsPutAgain(t *testing.T) {
	b, bus, in := ring(t)
	b.listen(in, "")
	in.answers(http.StatusGone)
	x := b.holder(bus)
	x.spend(8)
	until(t, "it is disabled", func() bool { return b.webhook("bell")["disabled"] == true })
	if got := b.webhook("bell"); got["gone"] != true {
		t.Errorf("got %v", got)
	}
	in.answers(0)
	x.spend(2)
	if n := b.stored(); n != 1 {
		t.Errorf("%d events were written, want none for a webhook that is disabled", n)
	}
	if secret := b.listen(in, ""); secret != "" {
		t.Error("a secret was made anew")
	}
	b.at("2026-12-03T00:00:00Z")
	x.spend(8)
	if got, want := names(in.wait(2)[1:]), "threshold_reached 80"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestASlowWebhookHoldsUpItselfAlone(t *testing.T) {
	b, bus, in := ring(t)
	slow, block := newInbox(t), make(chan struct{})
	t.Cleanup(func() { close(block) })
	slow.answer = func(http.ResponseWriter, *http.Request) { <-block }
	b.listen(in, "")
	b.ok("PUT /v1/webhooks/slow", `{"url":"`+slow.url+`"}`)
	b.ok("POST /v1/import", lines(10, "team"))
	x := b.holder(bus)
	for n := range 10 {
		name := "c" + string(rune('0'+n))
		x.ask(name, "calls", 100)
		x.use(name, "calls", 100)
		x.ask(name, "calls", -1)
	}
	in.wait(10)
	if n := len(slow.wait(4)); n != 4 {
		t.Errorf("%d requests to the slow one at once, want 4", n)
	}
}

func TestWithoutWebhooksNothingIsWritten(t *testing.T) {
	b, bus, in := ring(t)
	x := b.holder(bus)
	x.spend(9)
	b.ok("PUT /v1/webhooks/bell", `{"url":"`+in.url+`","events":["usage.adjusted"]}`)
	x.spend(1)
	if n := b.stored(); n != 0 {
		t.Errorf("%d events were written that nobody wants", n)
	}
	b.listen(in, "")
	x.ask("acme", "calls", -1)
	in.settled(b, 0) // what came about before is not told later
}

func TestWhatIsBeyondASoftLimitIsTold(t *testing.T) {
	b, bus, in := ring(t)
	b.warn(`{"limit":10,"per":"month","mode":"soft"}`)
	b.listen(in, "")
	x := b.holder(bus)
	fact := func(units int64) {
		line := ledger.Reported{Span: x.span("acme", "calls"), Source: ledger.Source{Kind: ledger.Unbacked},
			Vector: ledger.Vector{Used: units}}
		it := x.item("acme", "calls", -1)
		it.Report.Lines = []ledger.Reported{line}
		x.send(it)
	}
	x.ask("acme", "calls", 0) // it hears of the calendar
	fact(10)
	fact(13)
	fact(14)
	all := in.wait(2)
	in.settled(b, 2)
	if got, want := names(all), "limit_reached, overage_started"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	for _, m := range all {
		if m.Type == "usage.overage_started" && (m.Data["overage"] != 3.0 || m.Data["used"] != 13.0) {
			t.Errorf("got %s, want 3 over", m.raw)
		}
	}
}

func TestOverdraftAndMoreLimitAreTold(t *testing.T) {
	b, bus, in := ring(t)
	b.warn(`{"limit":10,"per":"month","overdraft":5,"warn":[80]}`)
	b.listen(in, "")
	x := b.holder(bus)
	x.spend(12)
	if got, want := names(in.wait(3)), "limit_reached, overdraft_started, threshold_reached 80"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	b.ok("PUT /v1/customers/acme/grants/more", `{"feature":"calls","amount":10}`)
	x.spend(4)
	m := in.wait(4)[3]
	if m.Data["threshold"] != 80.0 || m.Data["used"] != 16.0 || m.Data["grants"] != 10.0 {
		t.Errorf("got %s, want 80 percent of what may be used now", m.raw)
	}
	in.settled(b, 4)
	ids := map[string]bool{}
	for _, m := range in.got() {
		ids[m.id] = true
	}
	if len(ids) != 4 {
		t.Errorf("got the ids %v, want four", ids)
	}
}

func TestALoweredLimitWarnsWithoutAReport(t *testing.T) {
	b, bus, in := ring(t)
	b.listen(in, "")
	b.holder(bus).spend(7)
	b.warn(`{"limit":8,"per":"month","warn":[80]}`)
	if got, want := names(in.wait(1)), "threshold_reached 80"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLateReportsOfAPeriodThatEndedAreTold(t *testing.T) {
	b, bus, in := ring(t)
	b.listen(in, `,"events":["usage.adjusted"]`)
	x, y := b.holder(bus), b.holder(bus)
	x.spend(3)
	y.ask("acme", "calls", 5)
	y.use("acme", "calls", 2)
	b.at("2026-12-01T00:30:00Z")
	x.ask("acme", "calls", -1)
	y.ask("acme", "calls", -1) // the last of a period may come a little after it
	span := ledger.Span{}
	for _, e := range y.account("acme", "calls").Entries {
		span = e.Span
	}
	if no := y.account("acme", "calls").Consume(span, 1, span.End-1); no != nil {
		t.Fatal(no)
	}
	b.at("2026-12-02T00:00:00Z")
	y.ask("acme", "calls", -1)
	y.ask("acme", "calls", -1)
	m := in.wait(1)[0]
	in.settled(b, 1)
	if m.Data["used"] != 6.0 || m.Data["previously_used"] != 5.0 || m.Data["period_end"] != "2026-12-01T00:00:00Z" {
		t.Errorf("got %s, want 6 instead of 5 in November", m.raw)
	}
}
