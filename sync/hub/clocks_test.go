package hub_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/stream"
)

// takeSome asks for rights of the open period and consumes some of what there is.
func (h *holder) takeSome(rnd *rand.Rand) int64 {
	a := h.account("acme", "calls")
	h.ask("acme", "calls", a.Granted(h.span("acme", "calls"))+int64(rnd.IntN(9)))
	units := min(int64(rnd.IntN(9)), h.free("acme", "calls"))
	h.use("acme", "calls", units)
	return units
}

// told reports all that the holder has.
func (h *holder) told() {
	if code := h.ask("acme", "calls", -1).Code; code != "" {
		h.t.Errorf("the last report: %s", code)
	}
}

// agrees tells whether no period has more than its limit, and all of them have what was consumed.
func (b *bench) agrees(sum int64) {
	b.t.Helper()
	used := 0.0
	for _, u := range b.usage("acme", "") {
		if used += u["used"].(float64); u["used"].(float64) > 100 || u["overage"] != 0.0 {
			b.t.Errorf("beyond the limit: %v", u)
		}
	}
	if used != float64(sum) {
		b.t.Errorf("the books have %v, holders consumed %d", used, sum)
	}
}

func TestAHubsClockMayJumpAndComeBack(t *testing.T) {
	for name, jump := range map[string]time.Duration{"hours ahead": 5 * time.Hour, "two months ahead": 61 * 24 * time.Hour,
		"years ahead": 9 * 365 * 24 * time.Hour, "hours behind": -5 * time.Hour, "before the customer": -40 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) { hubsClockJumps(t, jump) })
	}
}

func hubsClockJumps(t *testing.T, jump time.Duration) {
	logs, seed := natsLogs(t), uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	b := newBenchWith(t, hub.Options{Docs: logs["docs"], Books: logs["books"], Totals: logs[stream.Totals],
		Bus: logs["books"]})
	b.stock()
	b.ok("PUT /v1/customers/acme/subscriptions/main",
		`{"plan":"team","starts_at":"2026-11-01T00:00:00Z","ends_at":"2027-06-01T00:00:00Z"}`)
	b.ok("PUT /v1/customers/acme/grants/top-up", `{"feature":"calls","amount":7,"expires_at":"2027-01-01T00:00:00Z"}`)
	right := b.clock.Load()
	x, y := b.holder(logs["docs"]), b.holder(logs["docs"])
	x.now = func() int64 { return right }
	y.now = x.now
	sum := x.takeSome(rnd) + y.takeSome(rnd)
	b.clock.Store(right + jump.Milliseconds())
	for range 5 {
		sum += x.takeSome(rnd)
		b.ok("PUT /v1/customers/acme", `{"name":"Acme"}`) // its books are looked at
	}
	b.usage("acme", "")
	b.clock.Store(right)
	b.ok("PUT /v1/customers/acme", `{"name":"Acme & Co"}`)
	for range 100 {
		sum += x.takeSome(rnd) + y.takeSome(rnd)
	}
	x.told()
	y.told()
	if sum != 107 {
		t.Errorf("%d were consumed of the 107 that there are", sum)
	}
	if u := b.usage("acme", ""); len(u) != 1 || u[0]["used"] != 107.0 {
		t.Errorf("got %v, want one period with all 107", u)
	}
}

// TestHubsWithClocksHoursApartKeepTheLimits is at the end of a month. The holders' clocks are right.
func TestHubsWithClocksHoursApartKeepTheLimits(t *testing.T) {
	for name, apart := range map[string]time.Duration{"ahead": 3 * time.Hour, "behind": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) { hoursApart(t, apart) })
	}
}

func hoursApart(t *testing.T, apart time.Duration) {
	logs, seed := natsLogs(t), uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd, bus := rand.New(rand.NewPCG(seed, 0)), &wires{}
	o := hub.Options{Docs: logs["docs"], Books: logs["books"], Totals: logs[stream.Totals], Bus: bus}
	a := newBenchWith(t, o)
	o.Now = func() time.Time { return a.time().Add(apart) }
	newBenchWith(t, o)
	a.stock()
	a.at("2026-11-30T19:00:00Z")
	holders, sum := []*holder{a.holder(bus), a.holder(bus), a.holder(bus)}, int64(0)
	for range 10 * 12 { // ten hours
		a.clock.Add((5 * time.Minute).Milliseconds())
		for _, h := range holders {
			sum += h.takeSome(rnd)
			if rnd.IntN(20) == 0 {
				h.account("acme", "calls").Tidy(h.now())
			}
		}
	}
	for range 50 {
		for _, h := range holders {
			h.account("acme", "calls").Tidy(h.now())
			sum += h.takeSome(rnd)
		}
	}
	for _, h := range holders {
		h.told()
	}
	a.agrees(sum)
	if u := a.usage("acme", ""); len(u) != 2 || u[1]["used"] != 100.0 {
		t.Errorf("got %v, want two periods, and all of the second consumed", u)
	}
}
