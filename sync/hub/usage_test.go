package hub_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// usage is what the hub says of a customer's use, in order of periods.
func (b *bench) usage(customer, query string) []map[string]any {
	b.t.Helper()
	var out []map[string]any
	for _, u := range b.ok("GET /v1/customers/"+customer+"/usage"+query, "")["usage"].([]any) {
		out = append(out, u.(map[string]any))
	}
	return out
}

func (b *bench) at(text string) {
	b.t.Helper()
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		b.t.Fatal(err)
	}
	b.clock.Store(t.UnixMilli())
}

func TestUsageIsAnsweredOverOpenClosedAndOldPeriods(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	used := []int64{}
	for n, month := range []string{"2026-11", "2026-12", "2027-01", "2027-02", "2027-03"} {
		b.at(month + "-15T00:00:00Z")
		x.goOn(int64(n + 1))
		used = append(used, int64(n+1))
	}
	all := b.usage("acme", "")
	if len(all) != len(used) {
		t.Fatalf("got %d periods, want %d: %v", len(all), len(used), all)
	}
	for i, u := range all {
		if u["used"] != float64(used[i]) || u["limit"] != 100.0 || u["overage"] != 0.0 || u["in_doubt"] != 0.0 {
			t.Errorf("period %d: got %v, want %d used", i, u, used[i])
		}
	}
	if all[0]["period_start"] != "2026-11-01T00:00:00Z" || all[0]["period_end"] != "2026-12-01T00:00:00Z" {
		t.Errorf("got %v, want November", all[0])
	}
	if got := b.usage("acme", "?from=2026-12-31T00:00:00Z&to=2027-02-01T00:00:00Z"); len(got) != 2 {
		t.Errorf("got %v, want December and January", got)
	}
	b.refused("400 bad_request", "GET /v1/customers/acme/usage?feature=sso", "")
	b.refused("400 bad_request", "GET /v1/customers/acme/usage?feature=cals", "")
	b.refused("404 customer_not_found", "GET /v1/customers/nobody/usage", "")
	b.refused("400 bad_request", "GET /v1/customers/acme/usage?from=yesterday", "")
	b.refused("400 bad_request", "GET /v1/customers/acme/usage?from=2027-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "")
}

// confirmAll takes in what the hub knows, as a sidecar does before it forgets.
func confirmAll(t *testing.T, x *holder) {
	t.Helper()
	for name := range x.accounts {
		r := x.send(x.item(name[0], name[1], -1))
		x.confirm(name[0], name[1], r.Epoch, &r.Items[0])
	}
}

func TestAGrantIsAddedToWhatMayBeConsumedAndCanBeTakenBack(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 150)
	if got := x.free("acme", "calls"); got != 100 {
		t.Fatalf("%d are held, want the plan's 100", got)
	}
	b.ok("PUT /v1/customers/acme/grants/top%2Fup", `{"feature":"calls","amount":30}`)
	x.ask("acme", "calls", 150)
	if got := x.free("acme", "calls"); got != 130 {
		t.Fatalf("%d are held, want 30 more", got)
	}
	list := b.ok("GET /v1/customers/acme/grants", "")["grants"].([]any)
	if g := list[0].(map[string]any); len(list) != 1 || g["id"] != "top/up" || g["remaining"] != 0.0 ||
		g["amount"] != 30.0 || g["priority"] != 100.0 || g["expires_at"] != nil {
		t.Errorf("got %v, want one grant of 30, all of it held", list)
	}
	b.ok("PUT /v1/customers/acme/grants/top%2Fup", `{"feature":"calls","amount":50,"priority":5}`)
	b.ok("PUT /v1/customers/acme", `{"name":"Acme 2"}`)
	b.ok("DELETE /v1/customers/acme/grants/top%2Fup", "")
	x.ask("acme", "calls", 200)
	if got := x.account("acme", "calls").Granted(x.span("acme", "calls")); got != 130 {
		t.Errorf("%d were granted in all, want nothing of a grant that was taken back", got)
	}
	b.refused("404 grant_not_found", "DELETE /v1/customers/acme/grants/top%2Fup", "")
	b.refused("400 bad_request", "PUT /v1/customers/acme/grants/g", `{"feature":"sso","amount":1}`)
	b.refused("400 bad_request", "PUT /v1/customers/acme/grants/g", `{"feature":"calls"}`)
	b.refused("400 bad_request", "PUT /v1/customers/acme/grants/g", `{"feature":"none","amount":1}`)
	b.ok("PUT /v1/customers/acme/grants/g", `{"feature":"calls","amount":1,"expires_at":"2027-01-01T00:00:00Z"}`)
	b.ok("DELETE /v1/customers/acme/subscriptions/main", "")
	without := `{"features":{"sso":{"type":"boolean"}}}`
	if body := b.refused("409 in_use", "PUT /v1/catalog", without); !strings.Contains(body, `grant \"g\"`) {
		t.Errorf("got %s, want the grant named", body)
	}
	b.ok("DELETE /v1/customers/acme/grants/g", "")
	b.ok("PUT /v1/catalog", without)
}

func (h *holder) span(customer, feature string) ledger.Span {
	return h.account(customer, feature).Span(ledger.Rule{}, h.now())
}

func TestAFencedHolderIsTurnedAwayAndItsRightsCount(t *testing.T) {
	b, bus, _ := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 60)
	x.use("acme", "calls", 10)
	x.ask("acme", "calls", 60)
	fleet := b.ok("GET /v1/fleet", "")["holders"].([]any)
	first := fleet[0].(map[string]any)
	if len(fleet) != 1 || first["rights_held"] != 50.0 || first["trust"] != "trusted" || first["books"] != 1.0 ||
		first["about"].(map[string]any)["name"] != "test" {
		t.Errorf("got %v, want one holder of 50 rights", fleet)
	}
	id := hex.EncodeToString(x.id[:])
	for range 2 {
		if got := b.ok("POST /v1/fleet/"+id+"/fence", ""); got["trust"] != "written_off" || got["books"] != 1.0 {
			t.Errorf("got %v", got)
		}
	}
	b.refused("409 already_fenced", "POST /v1/fleet/"+id+"/fence", `{"destroyed":true}`)
	b.refused("404 holder_not_found", "POST /v1/fleet/00ff/fence", `{}`)
	b.refused("400 bad_request", "POST /v1/fleet/"+id+"/fence", `{"destroy":true}`)
	if r := x.send(x.item("acme", "calls", 70)); r.Code != ledger.CodeFenced {
		t.Errorf("got %q, want fenced", r.Code)
	}
	y.ask("acme", "calls", 100)
	if got := y.free("acme", "calls"); got != 40 {
		t.Errorf("%d are held by the other, want the 40 that are left", got)
	}
	if u := b.usage("acme", ""); u[0]["used"] != 60.0 {
		t.Errorf("got %v, want all that it held used", u)
	}
}

func TestAFencedHolderLeavesTheBooksOnceNothingIsLeftOfIt(t *testing.T) {
	b, bus, _ := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 60)
	b.ok("POST /v1/fleet/"+hex.EncodeToString(x.id[:])+"/fence", "")
	b.clock.Add(61_000)
	until(t, "the fence is done", func() bool {
		e, err := b.books.Get(t.Context(), replica.KindFleet+"/"+hex.EncodeToString(x.id[:]))
		return err == nil && strings.Contains(string(e.Value), `"done":true`)
	})
	y.ask("acme", "calls", 10)
	if got := len(b.book("acme", "calls").Holders); got != 1 {
		t.Errorf("the book has %d holders, want the fenced one gone", got)
	}
	if u := b.usage("acme", "")[0]; u["used"] != 60.0 {
		t.Errorf("got %v, want what it held used", u)
	}
}

// book is one as the log has it.
func (b *bench) book(customer, feature string) *ledger.Book {
	b.t.Helper()
	e, err := b.books.Get(b.t.Context(), replica.CountKey(replica.KindLedger, "", customer, feature))
	if err != nil {
		b.t.Fatal(err)
	}
	book, err := ledger.DecodeBook(e.Value)
	if err != nil {
		b.t.Fatal(err)
	}
	return book
}

func TestASilentHolderIsRetiredAndHoldsBackNothing(t *testing.T) {
	b, bus, _ := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 60)
	x.use("acme", "calls", 10)
	x.ask("acme", "calls", -1)
	fleet := func(query string) []any { return b.ok("GET /v1/fleet"+query, "")["holders"].([]any) }
	december := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for _, month := range []string{"2026-12", "2027-01", "2027-02"} {
		b.at(month + "-20T00:00:00Z")
		y.ask("acme", "calls", 10)
	}
	until(t, "it is retired", func() bool {
		b.clock.Add(3_600_001) // for another look
		<-time.After(50 * time.Millisecond)
		y.ask("acme", "calls", 10)
		return len(fleet("")) == 1
	})
	if all := fleet("?retired=true"); len(all) != 2 || !slices.ContainsFunc(all, func(h any) bool {
		return h.(map[string]any)["trust"] == "retired"
	}) {
		t.Errorf("got %v", all)
	}
	b.refused("400 bad_request", "GET /v1/fleet?retired=perhaps", "")
	b.clock.Add(61_000)
	until(t, "it has left the book", func() bool {
		y.ask("acme", "calls", 10)
		book := b.book("acme", "calls")
		return len(book.Holders) == 1 && book.Periods[0].Start >= december
	})
	november := b.usage("acme", "?to=2026-12-01T00:00:00Z")
	if len(november) != 1 || november[0]["used"] != 10.0 || november[0]["in_doubt"] != 50.0 {
		t.Errorf("got %v, want 10 used and 50 in doubt", november)
	}
	if r := x.send(x.item("acme", "calls", 70)); r.Code != ledger.CodeRetired {
		t.Errorf("got %q, want retired", r.Code)
	}
}

func TestAHolderThatIsHeardOfBetweenTwoLooksIsNotRetired(t *testing.T) {
	b, bus, _ := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 0)
	y.ask("acme", "calls", 0)
	b.at("2028-01-01T00:00:00Z") // the hub's clock jumps, or it was away
	until(t, "they are retired who say nothing", func() bool {
		<-time.After(50 * time.Millisecond)
		if r := x.send(x.item("acme", "calls", 0)); r.Code != "" {
			t.Fatalf("got %q", r.Code)
		}
		b.clock.Add(3_600_001)
		return len(b.ok("GET /v1/fleet", "")["holders"].([]any)) == 1
	})
}

func TestADestroyedHoldersRightsAreFreeAgain(t *testing.T) {
	b, bus, _ := countingBench(t)
	x, y := b.holder(bus), b.holder(bus)
	x.ask("acme", "calls", 60)
	b.ok("POST /v1/fleet/"+hex.EncodeToString(x.id[:])+"/fence", `{"destroyed":true}`)
	y.ask("acme", "calls", 100)
	if got := y.free("acme", "calls"); got != 100 {
		t.Errorf("%d are held, want all of them", got)
	}
}

func TestAStrangersLeaseIsRefused(t *testing.T) {
	b, bus, _ := countingBench(t)
	x := b.holder(bus)
	x.ask("acme", "calls", 10)
	stranger := b.holder(bus)
	stranger.id = x.id
	if r := stranger.send(); r.Code != wire.CodeStranger {
		t.Errorf("another key: got %q, want stranger", r.Code)
	}
	data := x.lease()
	data[60] ^= 1
	answer, err := bus.Ask(t.Context(), "", data)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := wire.DecodeLeaseReply(answer); err != nil || r.Code != wire.CodeDamaged {
		t.Errorf("a broken signature: got %v, %v, want damaged", r, err)
	}
}
