package meter

import (
	"context"
	"crypto/ed25519"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A narrow is a desk to which no more than so many lines may be told of an account at a time.
type narrow struct {
	*desk
	testing.TB
	most int
}

// A busy is a desk that has no room at first for what is told late.
type busy struct {
	*desk
	refusals int // left
	leases   int // that it refused
}

func (b *busy) Exchange(ctx context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	if b.away || b.refusals == 0 || len(l.Items) == 0 || len(l.Items[0].Report.Lines) < 9 {
		return b.desk.Exchange(ctx, l, key)
	}
	b.refusals--
	b.leases++
	return &wire.LeaseReply{Items: []wire.LeaseAnswer{{Code: wire.CodeUnavailable}}}, nil
}

func TestWhoIsRefusedForWantOfRoomAsksAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const minutes = mostOfOne + 100
		s := newStand(t, checker.Allowance{Limit: 100, Per: checker.Minute, Soft: true})
		s.desk.beAway(true)
		hub := &busy{desk: s.desk, refusals: 1000}
		m, stop := s.openOn(Options{Vault: newTin(1), Hub: hub, Clock: NewClock(time.Now), Every: 10 * time.Second})
		for range minutes {
			s.consume(m, 1)
			time.Sleep(time.Minute)
		}
		s.desk.beAway(false)
		time.Sleep(25 * time.Second)
		if n := hub.leases; n < 1 || n > 3 {
			t.Errorf("it asked %d times within 25 seconds, want once in ten", n)
		}
		hub.refusals = 0
		time.Sleep(time.Minute)
		stop()
		if used := s.usedOfAll(); used != minutes {
			t.Errorf("the hub has %d units, want %d", used, minutes)
		}
	})
}

// usedOfAll is what the hub has, of all periods.
func (s *stand) usedOfAll() (used int64) {
	s.folded()
	for _, p := range s.desk.book.Periods {
		used += p.Usage(time.Now().UnixMilli()).Used
	}
	return used
}

func (n *narrow) Exchange(ctx context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	for i := range l.Items {
		if lines := len(l.Items[i].Report.Lines); lines > n.most {
			n.Errorf("%d lines are told at a time, want at most %d", lines, n.most)
		}
	}
	return n.desk.Exchange(ctx, l, key)
}

func TestWhatWasCountedInManyPeriodsWithoutAHubIsToldInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const minutes = 2*mostOfOne + 100
		s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Minute, Soft: true}), newTin(1)
		led, rule := ledger.NewAccount(), ledger.Rule{Per: checker.Minute}
		for range minutes {
			if no := led.Count(led.Span(rule, time.Now().UnixMilli()), 1); no != nil {
				t.Fatal(no)
			}
			time.Sleep(time.Minute)
		}
		v.accounts["acme\x00calls"] = ledger.AppendAccount(nil, &led)
		hub := &narrow{desk: s.desk, TB: t, most: mostOfOne}
		m, stop := s.openOn(Options{Vault: v, Hub: hub, Clock: NewClock(time.Now)})
		s.consume(m, 1)
		time.Sleep(30 * time.Second)
		stop()
		if used := s.usedOfAll(); used != minutes+1 {
			t.Errorf("the hub has %d units, want %d", used, minutes+1)
		}
		if kept, err := ledger.DecodeAccount(v.accounts["acme\x00calls"]); err != nil || len(kept.Entries) > 9 {
			t.Errorf("the vault keeps %d lines of what the hub has (%v)", len(kept.Entries), err)
		}
	})
}
