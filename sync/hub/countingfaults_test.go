package hub_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/wire"
)

// A careless bus loses requests and replies, and brings old requests again.
type careless struct {
	*wires
	mu  sync.Mutex
	rnd *rand.Rand
	old [][]byte
}

// chance is true once in n times.
func (c *careless) chance(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rnd.IntN(n) == 0
}

// exchange sends a lease; nil: no reply came.
func (c *careless) exchange(t *testing.T, data []byte) *wire.LeaseReply {
	if c.chance(8) {
		return nil
	}
	c.mu.Lock()
	c.old = append(c.old, data)
	again := c.old[c.rnd.IntN(len(c.old))]
	c.mu.Unlock()
	if c.chance(4) {
		if _, err := c.Ask(t.Context(), "", again); err != nil {
			t.Error(err)
		}
	}
	answer, err := c.Ask(t.Context(), "", data)
	if err != nil {
		t.Error(err)
		return nil
	}
	r, err := wire.DecodeLeaseReply(answer)
	if err != nil {
		t.Error(err)
	}
	if c.chance(8) {
		return nil
	}
	return r
}

// exchangeUse asks for rights, takes what is given and consumes some. It answers what was consumed.
func (h *holder) exchangeUse(bus *careless, customer string, rnd *rand.Rand) int64 {
	a := h.account(customer, "calls")
	r := bus.exchange(h.t, h.lease(h.item(customer, "calls", a.Granted(h.span(customer, "calls"))+int64(rnd.IntN(5)))))
	if r == nil || r.Code == wire.CodeUnavailable || len(r.Items) == 0 {
		return 0
	}
	h.seen = max(h.seen, r.Revision)
	switch got := r.Items[0]; {
	case got.Code != "":
		h.t.Errorf("%s: %s", customer, got.Code)
	case got.Award != nil:
		if no := a.Take(*got.Award); no != nil {
			h.t.Errorf("%s: the award was refused: %v", customer, no)
		}
	case got.Totals != nil && len(a.Calendar) == 0:
		a.Calendar = got.Totals.Calendar
	}
	units := min(int64(rnd.IntN(4)), h.free(customer, "calls"))
	h.use(customer, "calls", units)
	if rnd.IntN(6) == 0 {
		a.GiveBack(h.span(customer, "calls"), int64(rnd.IntN(3)), h.now())
	}
	return units
}

// unrest makes a log lose replies, and keeps a hub behind, again and again until it is told to stop.
func unrest(books *replica.Memory, behind *seam, rnd *rand.Rand, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		books.LoseReplies(rnd.IntN(3))
		books.LeaveUnknown(rnd.IntN(2))
		release := behind.hold()
		<-time.After(time.Duration(rnd.IntN(4)) * time.Millisecond)
		release()
	}
}

// TestNothingIsLostOrDoubledWhateverIsLost lives histories on two hubs: the log loses replies to writes, the bus loses
// requests and replies and repeats old ones, and a hub is behind now and then.
func TestNothingIsLostOrDoubledWhateverIsLost(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	docs, books := replica.NewMemory(), replica.NewMemory()
	bus := &careless{wires: &wires{}, rnd: rand.New(rand.NewPCG(seed, 0))}
	behind := &seam{Log: books}
	a := newBenchWith(t, hub.Options{Docs: docs, Books: books, Bus: bus})
	newBenchWith(t, hub.Options{Docs: docs, Books: behind, Bus: bus, Now: a.time})
	a.stock()
	a.ok("POST /v1/import", lines(3, "team"))
	names := []string{"c0", "c1", "c2"}
	used := make([]map[string]int64, 6)
	holders := make([]*holder, len(used))
	stop, quiet := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(quiet)
		unrest(books, behind, rand.New(rand.NewPCG(seed, 99)), stop)
	}()
	var all sync.WaitGroup
	for i := range holders {
		h, rnd := a.holder(bus), rand.New(rand.NewPCG(seed, uint64(i+1)))
		holders[i], used[i] = h, map[string]int64{}
		all.Go(func() {
			for range 150 {
				name := names[rnd.IntN(len(names))]
				used[i][name] += h.exchangeUse(bus, name, rnd)
			}
		})
	}
	all.Wait()
	close(stop)
	<-quiet
	books.LeaveUnknown(0)
	books.LoseReplies(0)
	if epoch := a.ok("GET /v1/fleet", "")["epoch"]; epoch != 0.0 {
		t.Errorf("epoch %v: a loss was seen where there was none", epoch)
	}
	for _, name := range names {
		sum, out := int64(0), int64(0)
		for i, h := range holders {
			if code := h.ask(name, "calls", -1).Code; code != "" {
				t.Fatalf("the last report: %s", code)
			}
			sum, out = sum+used[i][name], out+h.free(name, "calls")
		}
		if sum+out > 100 {
			t.Errorf("%s: %d are used and %d held of 100", name, sum, out)
		}
		if u := a.usage(name, "")[0]; u["used"] != float64(sum) {
			t.Errorf("%s: the books have %v used, holders consumed %d", name, u["used"], sum)
		}
	}
}
