package hub_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// mailShop sells two features that are counted.
const mailShop = `
features:
  calls: {type: metered, unit: call}
  mails: {type: metered, unit: mail}
plans:
  team: {allow: {calls: {limit: 100, per: month}, mails: {limit: 100, per: month}}}
`

// both reports calls and mails in one lease, and forgets what the hub has of them.
func (x *holder) both(b *bench) {
	x.t.Helper()
	names := []string{"calls", "mails"}
	for _, feature := range names {
		x.account("acme", feature).Tidy(x.now())
	}
	r := x.send(x.item("acme", names[0], -1), x.item("acme", names[1], -1))
	if r.Code != "" {
		x.t.Fatalf("at %v: %s, %s", b.time(), r.Code, r.Detail)
	}
	for i, feature := range names {
		x.confirm("acme", feature, r.Epoch, &r.Items[i])
		x.account("acme", feature).Forget(x.now())
	}
}

// confirm takes in what the hub has of an account.
func (x *holder) confirm(customer, feature string, epoch uint64, answer *wire.LeaseAnswer) {
	x.t.Helper()
	for _, known := range answer.Known {
		line := ledger.Line{Holder: x.id, Source: known.Source, Vector: known.Vector}
		if no := x.account(customer, feature).Confirm(epoch, known.Span, []ledger.Line{line}); no != nil {
			x.t.Fatal(no)
		}
	}
}

func TestTwoFeaturesOfACustomerAreFoldedAwayByOneLease(t *testing.T) {
	b, bus, _ := countingBench(t)
	b.ok("PUT /v1/catalog", mailShop)
	x := b.holder(bus)
	months := []string{"2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04"}
	for _, month := range months {
		b.at(month + "-15T00:00:00Z")
		x.both(b)
		for _, feature := range []string{"calls", "mails"} {
			x.ask("acme", feature, 20)
			x.use("acme", feature, 3)
		}
		x.both(b)
		x.both(b)
	}
	if got := len(b.book("acme", "mails").Periods); got != 3 {
		t.Errorf("the book keeps %d periods, want 3", got)
	}
	sum, all := 0.0, b.usage("acme", "")
	for _, u := range all {
		sum += u["used"].(float64)
	}
	if len(all) != 2*len(months) || sum != 36 {
		t.Errorf("got %v in %v, want 36 in twelve periods", sum, all)
	}
}

func TestAHolderThatWasAwayForManyShortPeriodsIsHeard(t *testing.T) {
	b, bus, in := ring(t)
	b.warn(`{"limit":10,"per":"minute","mode":"soft","warn":[80]}`)
	b.at("2026-12-03T00:00:00Z")
	b.listen(in, "")
	x := b.holder(bus)
	x.ask("acme", "calls", 0)
	it, start := x.item("acme", "calls", -1), b.clock.Load()
	for i := range int64(1200) {
		it.Report.Lines = append(it.Report.Lines, ledger.Reported{
			Span:   ledger.Span{Start: start + i*60_000, End: start + (i+1)*60_000},
			Source: ledger.Source{Kind: ledger.Unbacked}, Vector: ledger.Vector{Used: 1}})
	}
	b.at("2026-12-04T12:00:00Z")
	if r := x.send(it); r.Code != "" || r.Items[0].Code != "" {
		t.Fatalf("got %s, %s, %v", r.Code, r.Detail, r.Items)
	}
	if n := len(in.wait(900)); n > 1000 {
		t.Errorf("%d notices came, want those that one entry has room for", n)
	}
}

func TestUsageIsAnsweredOfAPeriodThatHadNoEnd(t *testing.T) {
	b, bus, _ := countingBench(t)
	b.warn(`{"limit":1000,"per":"never"}`)
	x := b.holder(bus)
	x.goOn(7)
	b.warn(`{"limit":1000,"per":"month"}`)
	b.clock.Add(1000)
	x.account("acme", "calls").Calendar = x.ask("acme", "calls", -1).Totals.Calendar
	for n, month := range []string{"2026-12", "2027-01", "2027-02", "2027-03"} {
		b.at(month + "-15T00:00:00Z")
		x.goOn(int64(n + 1))
	}
	sum, all := 0.0, b.usage("acme", "")
	for _, u := range all {
		sum += u["used"].(float64)
	}
	if first := b.book("acme", "calls").Periods[0]; first.Start == 0 || sum != 17 {
		t.Errorf("got %v in %v, want 17, of which 7 are folded away", sum, all)
	}
}

func TestUsageIsAnsweredOfAPeriodThatBeganTheYearBefore(t *testing.T) {
	b, bus, _ := countingBench(t)
	b.warn(`{"limit":100,"per":"week"}`)
	x := b.holder(bus)
	for _, day := range []string{"2026-12-22", "2026-12-29", "2027-01-05", "2027-01-12", "2027-01-19"} {
		b.at(day + "T00:00:00Z")
		x.goOn(1)
	}
	got := b.usage("acme", "?from=2027-01-01T00:00:00Z")
	if len(got) != 4 || got[0]["period_start"] != "2026-12-28T00:00:00Z" {
		t.Errorf("got %v, want the last week of the year before first", got)
	}
}

func TestAGrantsIDThatWasOfAnotherFeatureIsUnspent(t *testing.T) {
	b, bus, _ := countingBench(t)
	b.ok("PUT /v1/catalog", mailShop)
	b.ok("PUT /v1/customers/acme/grants/g", `{"feature":"calls","amount":30,"priority":1}`)
	b.holder(bus).spend(20)
	b.ok("DELETE /v1/customers/acme/grants/g", "")
	b.ok("PUT /v1/customers/acme/grants/g", `{"feature":"mails","amount":30}`)
	if got := b.remaining(); got != 30.0 {
		t.Errorf("%v of 30 mails are left, want all: it was calls that were spent", got)
	}
}

func TestNothingThatAWebhookAnsweredIsShown(t *testing.T) {
	b, bus, in := ring(t)
	in.mu.Lock()
	in.answer = func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 hidden words\r\n\r\n"))
		_ = conn.Close()
	}
	in.mu.Unlock()
	b.listen(in, "")
	b.holder(bus).spend(10)
	until(t, "the failure is noted", func() bool { return b.webhook("bell")["failed_attempts"] != 0.0 })
	last := b.webhook("bell")["last_attempt"].(map[string]any)
	if text, _ := last["error"].(string); text == "" || strings.Contains(text, "hidden") {
		t.Errorf("got %v, want an error without what was answered", last)
	}
}

func TestALateReportOfAPeriodThatWasFoldedAwayAddsToIt(t *testing.T) {
	b, bus, in := ring(t)
	b.warn(`{"limit":10,"per":"month","mode":"soft"}`)
	b.listen(in, `,"events":["usage.adjusted"]`)
	x, y := b.holder(bus), b.holder(bus)
	y.ask("acme", "calls", 0)
	november := y.span("acme", "calls")
	for _, month := range []string{"2026-11", "2026-12", "2027-01", "2027-02", "2027-03"} {
		b.at(month + "-24T00:00:00Z")
		x.goOn(10)
	}
	is := func(used, overage float64) {
		t.Helper()
		all := b.usage("acme", "?to=2026-12-01T00:00:00Z")
		if u := all[0]; len(all) != 1 || u["used"] != used || u["overage"] != overage || u["limit"] != 10.0 {
			t.Errorf("got %v, want %v of 10 in November, %v over", all, used, overage)
		}
	}
	is(10, 0)
	it := y.item("acme", "calls", -1)
	it.Report.Lines = []ledger.Reported{{Span: november, Source: ledger.Source{Kind: ledger.Unbacked},
		Vector: ledger.Vector{Used: 5}}}
	y.send(it)
	is(15, 5)
	it.Report.Lines, it.Report.Forgot = nil, november.Start
	y.send(it)
	if first := b.book("acme", "calls").Periods[0]; first.Start == november.Start {
		t.Error("November is not folded away")
	}
	is(15, 5)
	if m := in.wait(1)[0]; m.Data["used"] != 15.0 || m.Data["previously_used"] != 10.0 || m.Data["overage"] != 5.0 {
		t.Errorf("got %s, want 15 instead of 10", m.raw)
	}
}

// A message of NATS may have 1 MiB unless its operator says otherwise.
const mostOfAMessage = 1 << 20

// byTheMinute sells calls by the minute.
const byTheMinute = `
features: {calls: {type: metered, unit: call}}
plans: {team: {allow: {calls: {limit: 10, per: minute, mode: soft}}}}
`

// countAlone counts a call in each of some minutes.
func (x *holder) countAlone(start int64, minutes int) {
	a, rule := x.account("acme", "calls"), ledger.Rule{Per: checker.Minute}
	for n := range int64(minutes) {
		a.Count(a.Span(rule, start+n*60_000), 1)
	}
}

// tellPart tells what one message takes, forgets what the hub has, and says whether there is more.
func (x *holder) tellPart() bool {
	x.t.Helper()
	a, it := x.account("acme", "calls"), x.item("acme", "calls", -1)
	part := *a
	part.Entries = slices.Clone(a.Entries)
	more := part.Abridge(8 << 10)
	it.Report = part.Report(x.id)
	if n := len(x.lease(it)); n > mostOfAMessage {
		x.t.Fatalf("a request of %d bytes", n)
	}
	r := x.send(it)
	if r.Code != "" {
		x.t.Fatalf("got %s, %s", r.Code, r.Detail)
	}
	x.confirm("acme", "calls", r.Epoch, &r.Items[0])
	a.Forget(x.now() - 120_000)
	return more
}

func TestAMonthOfMinutesIsToldInMessagesThatNATSTakes(t *testing.T) {
	const minutes = 30 * 24 * 60
	b, bus, _ := countingBench(t)
	b.ok("PUT /v1/catalog", byTheMinute)
	x := b.holder(bus)
	x.ask("acme", "calls", -1)
	x.countAlone(b.clock.Load(), minutes)
	b.clock.Add(minutes * 60_000)
	parts := 1
	for ; x.tellPart() && parts < 60; parts++ {
		if n := len(ledger.AppendBook(nil, b.book("acme", "calls"))); n > mostOfAMessage {
			t.Fatalf("a book of %d bytes", n)
		}
	}
	sum := 0.0
	for _, u := range b.usage("acme", "") {
		sum += u["used"].(float64)
	}
	if sum != minutes || parts != 6 {
		t.Errorf("in %d parts came %v units, want %d in 6", parts, sum, minutes)
	}
}
