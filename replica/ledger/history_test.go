package ledger

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
)

// A history is one random life of a world. The seed says all of it.
type history struct {
	r     *rand.Rand
	set   *setting
	often []deed // what happens more often than the rest; empty: nothing does
	moves []move
}

func newHistory(seed uint64) *history {
	r := rand.New(rand.NewPCG(seed, 1))
	return &history{r: r, set: randomSetting(r)}
}

// randomSetting has periods of any kind, with anchors that short months and leap days are hard on.
func randomSetting(r *rand.Rand) *setting {
	days := []string{"2024-02-28T22:00:00Z", "2023-12-31T00:00:00Z", "2025-01-30T12:00:00Z", "2028-02-29T00:00:00Z",
		"2026-11-24T11:00:00Z"}
	begin, _ := time.Parse(time.RFC3339, days[r.IntN(len(days))])
	anchor, _ := time.Parse(time.RFC3339, []string{"2023-01-31T05:00:00Z", "2024-02-29T00:00:00Z",
		"2020-08-30T23:59:59Z"}[r.IntN(3)])
	pers := []checker.Per{checker.Minute, checker.Hour, checker.Day, checker.Week, checker.Month, checker.Year,
		checker.Never}
	per := r.IntN(len(pers))
	rule := Rule{Per: pers[per], Anchored: r.IntN(2) == 0, Anchor: anchor.UnixMilli()}
	day := 24 * hour
	ticks := []int64{hour / 150, hour / 2, 9 * hour, 3 * day, 11 * day, 150 * day, day}
	s := &setting{name: rule.Per.String(), start: begin.UnixMilli(), tick: ticks[per], folk: 1 + r.IntN(4),
		hubs: 1 + r.IntN(3), amounts: []int64{1, 2, 5}, split: r.IntN(3) == 0}
	for range 1 + r.IntN(4) {
		c := conditions{Terms{Limit: r.Int64N(9), Overdraft: r.Int64N(3) * r.Int64N(2), Soft: r.IntN(4) == 0,
			Rollover: r.Int64N(5) * r.Int64N(2), Since: r.Int64N(2) * (s.start - r.Int64N(3)*s.tick), Until: Forever}, rule}
		if r.IntN(4) == 0 {
			c.Until = s.start + r.Int64N(30)*s.tick
		}
		if len(s.terms) > 0 && r.IntN(4) == 0 {
			c.rule.Per = pers[max(0, per-r.IntN(2))]
			c.rule.Anchored = r.IntN(2) == 0
		}
		s.terms = append(s.terms, c)
	}
	for range r.IntN(4) {
		from := s.start + r.Int64N(4)*s.tick
		s.grants = append(s.grants, Grant{ID: string(rune('a' + r.IntN(3))), Amount: 1 + r.Int64N(6),
			Priority: []int64{OwnPriority, 50, 200}[r.IntN(3)], From: from, Until: from + (1+r.Int64N(20))*s.tick})
	}
	for range 1 + r.IntN(5) {
		s.asks = append(s.asks, want{Ask{Target: r.Int64N(8), Standing: r.Int64N(2) * r.Int64N(6), Until: r.Int64N(12)},
			r.IntN(4) == 0})
	}
	for range s.hubs {
		s.skew = append(s.skew, (r.Int64N(3)-1)*s.tick*r.Int64N(2))
	}
	s.lags = []int64{0, s.tick, -s.tick, 3 * s.tick}
	s.budget = randomBudget(r)
	return s
}

// randomBudget lets seldom things happen seldom, and some not at all.
func randomBudget(r *rand.Rand) [kinds]int8 {
	var b [kinds]int8
	for d := range b {
		b[d] = 100
	}
	b[accept] = 0
	for _, d := range []deed{reset, fence, destroy, quarantine, retire} {
		b[d] = int8(r.IntN(5) / 3)
	}
	b[quiet] = int8(r.IntN(4))
	b[backup] = int8(r.IntN(3))
	b[rollback], b[joins] = b[backup], int8(r.IntN(2))
	return b
}

// next chooses what happens.
func (h *history) next(w *world) move {
	for {
		d := deed(h.r.IntN(int(kinds)))
		switch n := h.r.IntN(10); {
		case n < 4:
			d = deliver
		case n < 6:
			d = report
		case n < 9 && len(h.often) > 0:
			d = h.often[h.r.IntN(len(h.often))]
		}
		if list := w.options(d); len(list) > 0 {
			return list[h.r.IntN(len(list))]
		}
	}
}

// most letters that are under way: others are lost.
const mostMail = 12

// step makes a move and looks whether a promise is broken. Now and then all report.
func step(w world, m move, n int) (world, string) {
	w, fault := w.do(m)
	if len(w.mail) > mostMail {
		i := n * 7 % len(w.mail)
		w.mail = slices.Delete(slices.Clone(w.mail), i, i+1)
	}
	if fault == "" {
		fault = w.check()
	}
	if fault != "" || n%6 != 5 {
		return w, fault
	}
	if fault = w.drain(-1); fault == "" {
		fault = w.drain(n % len(w.folk))
	}
	return w, fault
}

// run lives a history, and answers what was broken.
func (h *history) run(steps int) string {
	w := newWorld(h.set)
	for n := range steps {
		m := h.next(&w)
		h.moves = append(h.moves, m)
		next, fault := step(w, m, n)
		if fault != "" {
			return fault
		}
		w = next
	}
	return ""
}

// again lives moves that were made before.
func (h *history) again(moves []move) string {
	w, fault := newWorld(h.set), ""
	for n, m := range moves {
		if n == len(moves)-1 {
			n = 5
		} else {
			n *= 6
		}
		if w, fault = step(w, m, n); fault != "" {
			return fault
		}
	}
	return ""
}

// shrink leaves moves out as long as something is broken without them.
func (h *history) shrink() string {
	fault := h.again(h.moves)
	if fault == "" {
		return "the moves alone break nothing:\n" + h.told()
	}
	for i := len(h.moves) - 1; i >= 0; i-- {
		less := slices.Delete(slices.Clone(h.moves), i, i+1)
		if f := h.again(less); f != "" {
			h.moves, fault = less, f
			i = min(i, len(h.moves))
		}
	}
	return fault + "\n" + h.told()
}

func (h *history) told() string {
	lines := []string{fmt.Sprintf("%+v", *h.set)}
	for _, m := range h.moves {
		lines = append(lines, fmt.Sprint(m))
	}
	return strings.Join(lines, "\n")
}

// aboutGrants is a history of little else than grants that are given, spent, taken back and given again.
func aboutGrants(seed uint64) *history {
	h := newHistory(seed)
	for i := range h.set.terms {
		h.set.terms[i].Limit, h.set.terms[i].Overdraft = h.r.Int64N(2), 0
	}
	for _, id := range []string{"a", "b", "a"} {
		h.set.grants = append(h.set.grants, Grant{ID: id, Amount: 1 + h.r.Int64N(4), Priority: 50, Until: Forever})
	}
	h.set.asks = []want{{Ask: Ask{Target: 1}}, {Ask: Ask{Target: 3}}}
	h.set.amounts, h.set.skew, h.set.split = []int64{1, 2}, nil, false
	h.set.budget[quiet] = 12
	h.often = []deed{setGrant, setGrant, dropGrant, dropGrant, consume, quiet}
	return h
}

// TestHistoriesKeepEveryPromise lives random histories: SIDEGATE_HISTORIES of them, from SIDEGATE_SEED on.
func TestHistoriesKeepEveryPromise(t *testing.T) { liveAll(t, newHistory, 1) }

// TestHistoriesOfGrantsKeepEveryPromise lives a quarter as many about grants.
func TestHistoriesOfGrantsKeepEveryPromise(t *testing.T) { liveAll(t, aboutGrants, 4) }

// liveAll lives histories, of the usual number one in part.
func liveAll(t *testing.T, begin func(seed uint64) *history, part int) {
	n, seed := 2000, uint64(time.Now().UnixNano())
	if depth() == "quick" {
		n = 600
	}
	if s, err := strconv.Atoi(os.Getenv("SIDEGATE_HISTORIES")); err == nil {
		n = s
	}
	if s, err := strconv.ParseUint(os.Getenv("SIDEGATE_SEED"), 10, 64); err == nil {
		seed = s
	}
	n = max(1, n/part)
	t.Logf("%d histories from SIDEGATE_SEED=%d", n, seed)
	var next atomic.Uint64
	for worker := range runtime.GOMAXPROCS(0) {
		t.Run(strconv.Itoa(worker), func(t *testing.T) {
			t.Parallel()
			for i := next.Add(1); i <= uint64(n) && !t.Failed(); i = next.Add(1) {
				liveThrough(t, begin(seed+i-1), seed+i-1)
			}
		})
	}
}

func liveThrough(t *testing.T, h *history, seed uint64) {
	if fault := h.run(60); fault != "" {
		t.Errorf("SIDEGATE_SEED=%d SIDEGATE_HISTORIES=1: %s\nshrunk: %s", seed, fault, h.shrink())
	}
}
