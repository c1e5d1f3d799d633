package hub_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/stream"
	"github.com/sidegate/sidegate/sync/wire"
)

// TestAHubMayDieAtAnyOfItsWrites lives a story once to count what its hub writes, and once more for each side of each
// write, with a hub that dies there. Another hub follows, whoever was not answered asks again, and the story ends as if
// nothing had been. One death alone: -run 'AnyOfItsWrites/right_before_write_7$'.
func TestAHubMayDieAtAnyOfItsWrites(t *testing.T) {
	writes, in := 0, newBriefInbox(t)
	synctest.Test(t, func(t *testing.T) { writes = live(t, fate{}, in) })
	if t.Logf("%d writes", writes); t.Failed() {
		return
	}
	for i := range 2 * writes {
		f := fate{i/2 + 1, i%2 == 1}
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			in := newBriefInbox(t)
			synctest.Test(t, func(t *testing.T) { live(t, f, in) })
		})
	}
}

const trade = `
features:
  calls: {type: metered, unit: call}
  mails: {type: metered, unit: mail}
  pages: {type: metered, unit: page}
plans:
  team:
    allow:
      calls: {limit: 100, per: month, warn: [50]}
      mails: {limit: 10, per: month, mode: soft}
      pages: {limit: 20, per: month, overdraft: 5}
`

// ending is how the story ends. Of November's calls 32 and 55 are of those who stay, 1 is of the silent one, and 10 are
// what the lost one held.
const ending = `epoch 0
holders [destroyed retired trusted trusted written_off]
calls from 2026-11: 98 used of 110, 0 over, 4 in doubt
calls from 2026-12: 2 used of 110, 0 over, 0 in doubt
calls from 2027-01: 4 used of 110, 0 over, 0 in doubt
calls from 2027-02: 6 used of 110, 0 over, 0 in doubt
calls from 2027-03: 8 used of 110, 0 over, 0 in doubt
mails from 2026-11: 13 used of 10, 3 over, 0 in doubt
pages from 2026-11: 30 used of 10, 15 over, 0 in doubt
grant more: 35 of 50 left
grant voucher: 2 of 7 left
subscribed until 2027-07-01T00:00:00Z
book of calls: limit 110 and 0, 3 periods, 2 holders
totals@eu/acme/calls: 8 used, 32 held
book of mails: limit 10 and 0, 1 periods, 2 holders
totals@eu/acme/mails: 0 used, 0 held
book of pages: limit 10 and 5, 1 periods, 1 holders
totals@eu/acme/pages: 0 used, 0 held
heard of calls: adjusted
heard of calls: threshold_reached 50
heard of calls: threshold_reached 50
heard of calls: threshold_reached 50
heard of mails: limit_reached
heard of mails: overage_started
heard of pages: limit_reached
heard of pages: overdraft_started
`

var features = []string{"calls", "mails", "pages"}

// A cast is those who count in the story.
type cast struct {
	*mortal
	in          *inbox
	x, y        *holder          // they stay
	lost, burnt *holder          // fenced: written off, and destroyed
	silent      *holder          // retired
	most        map[string]int64 // units of a feature that may be used or held in the open period
}

// live lives the story, and answers how often its first hub wrote.
func live(t *testing.T, f fate, in *inbox) (writes int) {
	m := newMortal(t, f)
	c, first := &cast{mortal: m, in: in, most: map[string]int64{"calls": 100, "pages": 32}}, m.life
	for _, h := range []**holder{&c.x, &c.y, &c.lost, &c.burnt, &c.silent} {
		*h = m.holder(m)
	}
	c.sell()
	c.count()
	c.part()
	c.change()
	c.months()
	if got := c.ended(); got != ending {
		t.Errorf("the story ends so:\n%s\nand not so:\n%s", got, ending)
	}
	return first.writes()
}

// want asks for rights until so many were ever granted, and wants so many to be free then, and the limit to hold. What
// was destroyed is nobody's.
func (c *cast) want(h *holder, feature string, target, free int64) {
	c.t.Helper()
	h.ask("acme", feature, target)
	if got := h.free("acme", feature); got != free {
		c.t.Errorf("%d %s are held, want %d", got, feature, free)
	}
	sum, s := int64(0), h.span("acme", feature)
	for _, o := range []*holder{c.x, c.y, c.lost, c.silent} {
		if a := o.accounts[[2]string{"acme", feature}]; a != nil {
			sum += a.Used(s) + a.Free(s, c.clock.Load())
		}
	}
	if sum > c.most[feature] {
		c.t.Errorf("%d %s are used or held, at most %d may be", sum, feature, c.most[feature])
	}
}

// spend uses rights, and reports.
func (c *cast) spend(h *holder, feature string, units int64) {
	c.t.Helper()
	h.use("acme", feature, units)
	h.ask("acme", feature, -1)
}

// sell sells a plan, and a grant before anything is counted.
func (c *cast) sell() {
	c.ok("PUT /v1/catalog", trade)
	c.ok("PUT /v1/customers/acme", `{"name":"Acme"}`)
	c.subscribe("")
	c.listen(c.in, "")
	c.ok("PUT /v1/customers/acme/grants/voucher", `{"feature":"pages","amount":7}`)
	c.rest()
}

// subscribe puts the subscription, with an allowance of calls unless that is empty.
func (c *cast) subscribe(calls string) {
	overrides := ""
	if calls != "" {
		overrides = `,"overrides":{"calls":` + calls + `}`
	}
	c.ok(main, `{"plan":"team","starts_at":"2026-11-01T00:00:00Z","ends_at":"2027-06-01T00:00:00Z"`+overrides+`}`)
}

// count lets two holders share a hard limit, and go beyond a soft one.
func (c *cast) count() {
	c.want(c.x, "calls", 60, 60)
	c.want(c.y, "calls", 60, 40)
	c.spend(c.x, "calls", 30)
	c.spend(c.y, "calls", 35)
	c.rest()
	c.x.account("acme", "calls").GiveBack(c.x.span("acme", "calls"), 10, c.clock.Load())
	c.x.ask("acme", "calls", -1)
	c.want(c.y, "calls", 60, 25)
	c.want(c.burnt, "pages", 5, 5)
	c.mail(c.x, 8)
	c.mail(c.y, 5)
	c.rest()
}

// mail counts what needs no rights, and reports.
func (c *cast) mail(h *holder, units int64) {
	c.t.Helper()
	h.ask("acme", "mails", 0) // it hears of the calendar
	if no := h.account("acme", "mails").Count(h.span("acme", "mails"), units); no != nil {
		c.t.Fatal(no)
	}
	h.ask("acme", "mails", -1)
}

// fence declares a holder lost.
func (c *cast) fence(h *holder, body string) {
	c.ok("POST /v1/fleet/"+hex.EncodeToString(h.id[:])+"/fence", body)
	if r := h.send(); r.Code != ledger.CodeFenced && r.Code != ledger.CodeDestroyed {
		c.t.Errorf("got %q, want fenced or destroyed", r.Code)
	}
}

// part is where some leave.
func (c *cast) part() {
	c.fence(c.burnt, `{"destroyed":true}`)
	c.want(c.x, "pages", 40, 32)
	c.spend(c.x, "pages", 30)
	c.ok("PUT /v1/customers/acme/grants/more", `{"feature":"calls","amount":50}`)
	c.most["calls"] = 150
	c.want(c.lost, "calls", 10, 10)
	c.lost.use("acme", "calls", 4)
	c.fence(c.lost, "")
	c.want(c.silent, "calls", 5, 5)
	c.spend(c.silent, "calls", 1)
	c.rest()
}

// change is where other limits are put in force.
func (c *cast) change() {
	c.subscribe(`{"limit":120,"per":"month","warn":[50]}`)
	c.most["calls"] = 170
	c.want(c.y, "calls", 85, 50)
	c.spend(c.y, "calls", 20)
	c.subscribe(`{"limit":110,"per":"month","warn":[50]}`)
	c.want(c.y, "calls", 90, 35)
	c.rest()
	c.ok("PUT /v1/catalog", strings.Replace(trade, "limit: 20", "limit: 10", 1))
	c.want(c.x, "pages", 60, 2)
	c.ok("POST /v1/customers/acme/subscriptions/main/extend", `{"by":"30d"}`)
	c.tended("fences are done", func() bool { return c.says(c.lost, `"done":true`) && c.says(c.burnt, `"done":true`) })
}

// months lets four of them pass, of which the books keep three.
func (c *cast) months() {
	c.x.use("acme", "calls", 2) // told after the month's end
	for n, month := range []string{"2026-12", "2027-01", "2027-02", "2027-03"} {
		c.at(month + "-10T00:00:00Z")
		for _, h := range []*holder{c.x, c.y} {
			c.close(h)
			c.want(h, "calls", 20, 20)
			c.spend(h, "calls", int64(n+1))
		}
		c.rest()
		if n == 1 {
			c.tended("the silent holder is retired", func() bool { return c.says(c.silent, `"done":true`) })
		}
	}
	c.ok("PUT /v1/customers/acme", `{"name":"Acme","group":"eu"}`)
	c.tended("every event is delivered", func() bool { return c.webhook("bell")["pending"] == 0.0 })
}

// close ends a month for a holder: what it has left is given back, and what the hub knows is forgotten.
func (c *cast) close(h *holder) {
	c.tell(h)
	for _, a := range h.accounts {
		a.Tidy(c.clock.Load())
	}
	c.tell(h)
	confirmAll(c.t, h)
	for _, a := range h.accounts {
		a.Forget(c.clock.Load())
	}
	c.tell(h)
}

// tell reports all that a holder has, at once.
func (c *cast) tell(h *holder) {
	var items []wire.LeaseItem
	for _, feature := range features {
		if h.accounts[[2]string{"acme", feature}] != nil {
			items = append(items, h.item("acme", feature, -1))
		}
	}
	r := h.send(items...)
	for _, a := range r.Items {
		r.Code += a.Code
	}
	if r.Code != "" {
		c.t.Errorf("the report is refused: %s", r.Code)
	}
}

// ended is how it all ended, as far as anybody can tell.
func (c *cast) ended() string {
	var out strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	fleet := c.ok("GET /v1/fleet?retired=true", "")
	say("epoch %v", fleet["epoch"])
	var trust []string
	for _, h := range fleet["holders"].([]any) {
		trust = append(trust, h.(map[string]any)["trust"].(string))
	}
	slices.Sort(trust)
	say("holders %v", trust)
	for _, u := range c.usage("acme", "") {
		say("%s from %.7s: %v used of %v, %v over, %v in doubt", u["feature"], u["period_start"], u["used"], u["limit"],
			u["overage"], u["in_doubt"])
	}
	for _, g := range c.ok("GET /v1/customers/acme/grants", "")["grants"].([]any) {
		g := g.(map[string]any)
		say("grant %v: %v of %v left", g["id"], g["remaining"], g["amount"])
	}
	say("subscribed until %v", c.ok("GET /v1/customers/acme/subscriptions/main", "")["ends_at"])
	for _, feature := range features {
		c.kept(say, feature)
	}
	for _, line := range c.told() {
		say("%s", line)
	}
	return out.String()
}

// kept says what the logs have of a feature.
func (c *cast) kept(say func(string, ...any), feature string) {
	b := c.book("acme", feature)
	if err := b.Check(); err != nil {
		say("book of %s: %v", feature, err)
	}
	say("book of %s: limit %d and %d, %d periods, %d holders", feature, b.Terms.Limit, b.Terms.Overdraft, len(b.Periods),
		len(b.Holders))
	for _, group := range []string{"default", "eu"} {
		key := totalsKey(group, "acme", feature)
		e, err := c.logs[stream.Totals].Get(c.t.Context(), key)
		if err != nil || e.Deleted() {
			continue
		}
		s, err := ledger.DecodeTotals(e.Value)
		if err != nil {
			c.t.Fatal(err)
		}
		say("%s: %d used, %d held", key, s.Used, s.Out)
	}
}

// told is what the webhook heard, each event once.
func (c *cast) told() (out []string) {
	ids := map[string]bool{}
	for _, e := range c.in.got() {
		if !ids[e.id] {
			ids[e.id] = true
			out = append(out, fmt.Sprintf("heard of %v: %s", e.Data["feature"], names([]heard{e})))
		}
	}
	slices.Sort(out)
	return out
}
