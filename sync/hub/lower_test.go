package hub_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

const (
	toFree = `{"plan":"free","starts_at":"2026-11-01T00:00:00Z"}` // 10 calls
	toTeam = `{"plan":"team","starts_at":"2026-11-01T00:00:00Z"}` // 100 calls
	main   = "PUT /v1/customers/acme/subscriptions/main"
)

// granted is what a holder was ever granted of acme's calls in the open period.
func (h *holder) granted() int64 {
	return h.account("acme", "calls").Granted(h.span("acme", "calls"))
}

func TestALoweredLimitBindsAHubThatIsBehind(t *testing.T) {
	smaller := strings.Replace(shop, "calls: {limit: 100", "calls: {limit: 30", 1)
	for name, lower := range map[string]func(a *vantage){
		"by a subscription":   func(a *vantage) { a.ok(main, toFree) },
		"by suspension":       func(a *vantage) { a.ok("POST /v1/customers/acme/subscriptions/main/suspend", "") },
		"by deletion":         func(a *vantage) { a.ok("DELETE /v1/customers/acme", "") },
		"by an end":           func(a *vantage) { a.ok("POST /v1/customers/acme/subscriptions/main/cancel", "") },
		"by a catalogue":      func(a *vantage) { a.ok("PUT /v1/catalog", smaller) },
		"by an import":        func(a *vantage) { a.ok("POST /v1/import", importFree) },
		"by a grant's return": func(a *vantage) { a.ok("DELETE /v1/customers/acme/grants/g", "") },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := vantages(t)
			x, y := b.holder(b.bus), a.holder(a.bus)
			x.ask("acme", "calls", 60)
			if strings.Contains(name, "grant") {
				a.ok("PUT /v1/customers/acme/grants/g", `{"feature":"calls","amount":50,"priority":1}`)
				a.ok(main, toFree)
			}
			y.ask("acme", "calls", 1)
			before := x.granted() + y.granted()
			defer b.docs.hold()()
			lower(a)
			x.ask("acme", "calls", 100)
			y.ask("acme", "calls", 100)
			if after := x.granted() + y.granted(); after != before {
				t.Errorf("%d rights were granted, %d of them by a limit that was lowered before", after, after-before)
			}
		})
	}
}

const importFree = `{"id":"acme","subscriptions":{"main":{"plan":"free","starts_at":"2026-11-01T00:00:00Z"}}}`

func TestABookIsNotBegunByALimitThatWasLowered(t *testing.T) {
	a, b := vantages(t)
	// The other hub has decided by the old document, and is slow to write.
	writing, release := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(writing) })
	b.books.beforePut(func(puts []replica.Put) error {
		if strings.HasPrefix(puts[0].Key, replica.KindLedger) {
			once()
			<-release
		}
		return nil
	})
	x := b.holder(b.bus)
	x.send() // enrolled
	x.account("acme", "calls").Calendar = ledger.NewCalendar(ledger.Rule{Per: checker.Month})
	answered := make(chan struct{})
	go func() {
		x.ask("acme", "calls", 100)
		close(answered)
	}()
	<-writing
	a.ok(main, toFree)
	close(release)
	<-answered
	if got := x.granted(); got != 10 {
		t.Errorf("%d rights were granted, want the 10 of the new plan", got)
	}
}

func TestAHubThatIsBehindBeginsNoBook(t *testing.T) {
	a, b := vantages(t)
	x := b.holder(b.bus)
	release := b.docs.hold()
	a.ok(main, toFree)
	answered := make(chan wire.LeaseAnswer)
	go func() { answered <- x.ask("acme", "calls", 100) }()
	select {
	case got := <-answered:
		t.Fatalf("got %+v from a hub that cannot know", got)
	case <-time.After(300 * time.Millisecond):
	}
	release()
	<-answered
	if got := x.granted(); got != 10 {
		t.Errorf("%d rights were granted, want the 10 of the new plan", got)
	}
}

func TestWhileACatalogueIsLoweredNothingIsGrantedByTheOldOne(t *testing.T) {
	a, b := vantages(t)
	a.ok("POST /v1/import", lines(1, "team"))
	x := b.holder(b.bus)
	x.ask("acme", "calls", 5)
	lowered, release := make(chan struct{}), make(chan struct{})
	a.docs.beforePut(func(puts []replica.Put) error {
		if puts[0].Key == replica.KindCatalog && len(puts) > 1 { // with a version of the plan: the catalogue itself
			close(lowered)
			<-release
		}
		return nil
	})
	done := make(chan struct{})
	go func() {
		a.ok("PUT /v1/catalog", strings.Replace(shop, "calls: {limit: 100", "calls: {limit: 30", 1))
		close(done)
	}()
	<-lowered
	x.ask("acme", "calls", 100)
	if got := x.granted(); got != 30 {
		t.Errorf("%d rights were granted, want the 30 of the catalogue that is coming", got)
	}
	x.account("c0", "calls").Calendar = ledger.NewCalendar(ledger.Rule{Per: checker.Month})
	if got := x.ask("c0", "calls", 100); got.Code != wire.CodeUnavailable {
		t.Errorf("got %+v, want no book to be begun meanwhile", got)
	}
	b.ok("PUT /v1/customers/acme/grants/g", `{"feature":"calls","amount":7}`)
	close(release)
	<-done
	x.ask("acme", "calls", 100)
	x.ask("c0", "calls", 100)
	if got, of := x.granted(), x.free("c0", "calls"); got != 37 || of != 30 {
		t.Errorf("%d and %d rights were granted, want 30 and 30, and a grant of 7", got, of)
	}
}

func TestAnInterruptedLoweringIsRepaired(t *testing.T) {
	a, b := vantages(t)
	x := b.holder(b.bus)
	x.ask("acme", "calls", 5)
	a.docs.beforePut(func(puts []replica.Put) error {
		if strings.HasPrefix(puts[0].Key, replica.KindCustomer) {
			return errors.New("the hub died")
		}
		return nil
	})
	a.refused("503 log_unavailable", main, toFree)
	x.ask("acme", "calls", 100)
	if got := x.granted(); got != 10 {
		t.Fatalf("%d rights were granted, want 10: the book was lowered", got)
	}
	for end := time.Now().Add(20 * time.Second); x.granted() == 10 && time.Now().Before(end); {
		b.clock.Add(61_000) // the sweep that sees it, and those after 30 s
		<-time.After(500 * time.Millisecond)
		x.ask("acme", "calls", 100)
	}
	if got := x.granted(); got != 100 {
		t.Errorf("%d rights were granted, want the 100 of the plan that stayed", got)
	}
}

func TestASlowWriterIsNotOvertakenByTheRepair(t *testing.T) {
	a, b := vantages(t)
	x := b.holder(b.bus)
	x.ask("acme", "calls", 5)
	var tries int
	lowered, release := make(chan struct{}), make(chan struct{})
	a.docs.beforePut(func(puts []replica.Put) error {
		if !strings.HasPrefix(puts[0].Key, replica.KindCustomer) {
			return nil
		}
		if tries++; tries == 1 {
			close(lowered)
			<-release
		}
		return nil
	})
	done := make(chan struct{})
	go func() {
		a.ok(main, toFree)
		close(done)
	}()
	<-lowered
	for end := time.Now().Add(20 * time.Second); x.granted() < 50 && time.Now().Before(end); {
		b.clock.Add(61_000)
		<-time.After(500 * time.Millisecond)
		x.ask("acme", "calls", 50)
	}
	before := x.granted()
	if before != 50 {
		t.Fatalf("%d rights were granted, want the repair to allow 50", before)
	}
	close(release)
	<-done
	x.ask("acme", "calls", 100)
	if got := x.granted(); got != before || tries < 2 {
		t.Errorf("%d rights were granted after %d tries, want none by the limit that was lowered", got-before, tries)
	}
}

// TestNoGrantFollowsALowering lives histories: while holders ask both hubs, of which one is behind again and again, the
// limit is raised and lowered.
func TestNoGrantFollowsALowering(t *testing.T) {
	a, b := vantages(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	hubs := []*vantage{a, b}
	holders := []*holder{a.holder(a.bus), b.holder(b.bus), a.holder(b.bus)}
	sum := func() (n int64) {
		for _, h := range holders {
			n += h.granted()
		}
		return n
	}
	target := int64(0)
	for round := range 25 {
		limit := int64(20*round + rnd.IntN(40))
		with := func(limit int64) string {
			return fmt.Sprintf(`{"plan":"team","starts_at":"2026-11-01T00:00:00Z",
				"overrides":{"calls":{"limit":%d,"per":"month"}}}`, limit)
		}
		hubs[rnd.IntN(2)].ok(main, with(limit+60))
		target += 10
		var asking sync.WaitGroup
		for _, h := range holders {
			asking.Go(func() { h.ask("acme", "calls", target) })
		}
		release := hubs[rnd.IntN(2)].docs.hold()
		time.AfterFunc(time.Duration(rnd.IntN(40))*time.Millisecond, release)
		hubs[rnd.IntN(2)].ok(main, with(limit))
		asking.Wait()
		before := sum()
		for _, h := range holders {
			h.ask("acme", "calls", target+500)
		}
		if after := sum(); after > max(before, limit) {
			t.Errorf("round %d: %d rights, %d of them granted after the limit was lowered to %d", round, after,
				after-before, limit)
		}
		release()
	}
	for _, h := range holders {
		if err := h.account("acme", "calls").Check(); err != nil {
			t.Error(err)
		}
	}
}
