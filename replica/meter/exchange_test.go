package meter

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A toll is a hub that takes everything in, grants nothing, and notes of how many accounts each exchange was.
type toll struct {
	mu      sync.Mutex
	sizes   []int // 0: it said only that everything was told
	largest int   // message, in bytes
}

func (h *toll) Exchange(_ context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.largest = max(h.largest, len(wire.AppendLease(nil, l, key)))
	n := len(l.Items)
	if n == 1 && l.Items[0].Customer == wire.AllTold {
		n = 0
	}
	h.sizes = append(h.sizes, n)
	reply := &wire.LeaseReply{Items: make([]wire.LeaseAnswer, len(l.Items))}
	for i := range l.Items {
		reply.Items[i].Known = l.Items[i].Report.Lines
	}
	return reply, nil
}

// since is how many accounts the exchanges were of since it was asked last.
func (h *toll) since() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	sizes := h.sizes
	h.sizes = nil
	return sizes
}

var soft = checker.Allowance{Limit: 100, Per: checker.Month, Soft: true}

func TestWhatChangedIsToldInOneExchange(t *testing.T) { synctest.Test(t, toldInOneExchange) }

func toldInOneExchange(t *testing.T) {
	s, hub := newStand(t, soft), &toll{}
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now)})
	defer stop()
	time.Sleep(1500 * time.Millisecond)
	hub.since()
	for i := range 200 {
		r := s.request(1, 0)
		r.Customer = fmt.Sprint("c", i)
		if res, err := m.Consume(t.Context(), r); err != nil || res.Consumed != 1 {
			t.Fatalf("got %+v, %v", res, err)
		}
	}
	time.Sleep(5 * time.Second)
	if got := hub.since(); !slices.Equal(got, []int{200}) {
		t.Errorf("exchanges were of %v accounts, want one of 200", got)
	}
}

func TestExchangesAreAsManyAsSecondsAndFewWhenIdle(t *testing.T) {
	for name, wrong := range map[string]time.Duration{"right": 0, "set back": -9 * year, "set forward": 9 * year} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { exchangesAreFew(t, wrong) }) })
	}
}

// exchangesAreFew uses something for half a minute, sets the clock, and uses nothing for a minute.
func exchangesAreFew(t *testing.T, wrong time.Duration) {
	s, hub, w := newStand(t, soft), &toll{}, &watch{}
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: w.clock()})
	defer stop()
	s.briskly(m, 300)
	if n := len(hub.since()); n < 28 || n > 32 {
		t.Errorf("30 seconds of use took %d exchanges, want about one a second", n)
	}
	w.set(wrong)
	time.Sleep(2 * time.Second)
	hub.since()
	time.Sleep(time.Minute)
	if n := len(hub.since()); n < 2 || n > 5 {
		t.Errorf("an idle minute took %d exchanges, want one in 15 seconds", n)
	}
}

// A far hub takes a while to answer.
type far struct{ *desk }

func (h far) Exchange(ctx context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	time.Sleep(50 * time.Millisecond)
	defer time.Sleep(50 * time.Millisecond)
	return h.desk.Exchange(ctx, l, key)
}

func TestWhoConsumesSteadilyDoesNotWaitForRights(t *testing.T) {
	for name, every := range map[string]time.Duration{
		"one a second": time.Second, "ten a second": 100 * time.Millisecond, "a thousand a second": time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rightsAreAskedForAhead(t, every) })
		})
	}
}

func rightsAreAskedForAhead(t *testing.T, every time.Duration) {
	s := newStand(t, hard(1<<40))
	m, stop := s.openOn(Options{Vault: newTin(1), Hub: far{s.desk}, Clock: NewClock(time.Now)})
	defer stop()
	for range 1 + time.Second/every { // nothing is known of it yet, and who has little is given little
		s.consume(m, 1)
		time.Sleep(every)
	}
	waited, n := 0, max(300, int(10*time.Second/every))
	for range n {
		began := time.Now()
		if res := s.consume(m, 1); res.Consumed != 1 {
			t.Fatalf("got %+v", res)
		}
		if time.Since(began) > 0 {
			waited++
		}
		time.Sleep(every)
	}
	if waited > 0 {
		t.Errorf("%d of %d waited for rights", waited, n)
	}
}

// Many periods are to be told at once when a hub was away for long.
func TestNoMessageIsLargerThanABrokerTakes(t *testing.T) { synctest.Test(t, tellLongAbsence) }

func tellLongAbsence(t *testing.T) {
	led := ledger.NewAccount()
	for i := range int64(6000) {
		start := time.Now().UnixMilli() + i*60_000
		led.Count(ledger.Span{Start: start, End: start + 60_000}, 300)
	}
	s, v, hub := newStand(t, soft), newTin(1), &toll{}
	for i := range 20 {
		v.accounts[keyOf(fmt.Sprint("c", i), "calls")] = ledger.AppendAccount(nil, &led)
	}
	m, stop := s.openOn(Options{Vault: v, Hub: hub, Clock: NewClock(time.Now)})
	time.Sleep(10 * time.Second)
	if n := m.Status().Unreported; n > 0 || hub.largest > 1<<20 {
		t.Errorf("of 20 accounts %d were not told, the largest message has %d bytes", n, hub.largest)
	}
	stop()
}
