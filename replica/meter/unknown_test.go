package meter

import (
	"context"
	"crypto/ed25519"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A bouncer is a hub that may know no customer.
type bouncer struct {
	desk
	mu      sync.Mutex
	strict  bool
	refused int  // items
	allTold bool // the holder said that it had told all
}

func (h *bouncer) Exchange(ctx context.Context, l *wire.Lease, k ed25519.PrivateKey) (*wire.LeaseReply, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.Items[0].Customer == wire.AllTold {
		h.allTold = true
		return &wire.LeaseReply{Items: make([]wire.LeaseAnswer, 1)}, nil
	}
	if !h.strict {
		return h.desk.Exchange(ctx, l, k)
	}
	h.refused += len(l.Items)
	reply := &wire.LeaseReply{}
	for range l.Items {
		reply.Items = append(reply.Items, wire.LeaseAnswer{Code: ledger.CodeUnknown})
	}
	return reply, nil
}

// since is how many items were refused since it was asked last.
func (h *bouncer) since() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.refused
	h.refused = 0
	return n
}

func (h *bouncer) beStrict(strict bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.strict, h.allTold = strict, false
}

func (h *bouncer) heardAll() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.allTold
}

func (h *bouncer) used() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.book.Totals(time.Now().UnixMilli()).Used
}

func TestUseOfACustomerThatTheHubDoesNotKnowIsKeptUntilItDoes(t *testing.T) {
	synctest.Test(t, keptUntilKnown)
}

func keptUntilKnown(t *testing.T) {
	s, v := newStand(t, soft), newTin(1)
	hub := &bouncer{desk: desk{now: time.Now, book: s.desk.book}}
	hub.beStrict(true)
	m, stop := s.openOn(Options{Vault: v, Hub: hub, Clock: NewClock(time.Now)})
	s.consume(m, 3)
	time.Sleep(2 * time.Second)
	if got := hub.since(); got == 0 {
		t.Fatal("the hub was told of nothing")
	}
	time.Sleep(time.Minute)
	if got := hub.since(); got < 5 || got > 7 {
		t.Errorf("in a minute the hub was told %d times, want about one in ten seconds", got)
	}
	s.consume(m, 4)
	time.Sleep(2 * time.Second)
	if got := hub.since(); got == 0 {
		t.Error("what has come since is not told")
	}
	if u := m.Status().Unreported; u != 1 || hub.heardAll() {
		t.Errorf("%d accounts are unreported, and all is told: %v; want one, and no", u, hub.heardAll())
	}
	stop()
	m, stop = s.openOn(Options{Vault: v, Hub: hub, Clock: NewClock(time.Now)})
	defer stop()
	hub.since()
	time.Sleep(time.Minute)
	if got := hub.since(); got < 5 || got > 7 {
		t.Errorf("after a restart, in a minute the hub was told %d times, want about one in ten seconds", got)
	}
	hub.beStrict(false)
	time.Sleep(12 * time.Second)
	if got := hub.used(); got != 7 {
		t.Errorf("the hub has %d, want the 7 that were used before it knew the customer", got)
	}
	if u := m.Status().Unreported; u != 0 || !hub.heardAll() {
		t.Errorf("%d accounts are unreported, and all is told: %v; want none, and yes", u, hub.heardAll())
	}
}
