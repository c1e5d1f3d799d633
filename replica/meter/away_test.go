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

// minutesOf is an account that was without a hub for some minutes, and counted one unit in each.
func minutesOf(t *testing.T, n int) []byte {
	led, rule := ledger.NewAccount(), ledger.Rule{Per: checker.Minute}
	for range n {
		if no := led.Count(led.Span(rule, time.Now().UnixMilli()), 1); no != nil {
			t.Fatal(no)
		}
		time.Sleep(time.Minute)
	}
	return ledger.AppendAccount(nil, &led)
}

// awayFor is a stand with a vault that was away.
func awayFor(t *testing.T, minutes int) (*stand, *tin) {
	s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Minute, Soft: true}), newTin(1)
	v.accounts["acme\x00calls"] = minutesOf(t, minutes)
	return s, v
}

func TestWhatWasCountedInManyPeriodsWithoutAHubIsToldInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const minutes = 2*mostOfOne + 100
		s, v := awayFor(t, minutes)
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

// What the original has told and forgotten the hub does not hear again. A copy goes on to what is new all the same.
func TestACopyOfALongAbsenceTellsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const minutes = mostOfOne + 100
		s, v := awayFor(t, minutes)
		s.desk.beAway(true)
		_, stop := s.open(v)
		time.Sleep(10 * time.Second)
		backup := v.copy()
		s.desk.beAway(false)
		time.Sleep(10 * time.Minute)
		stop()
		if used := s.usedOfAll(); used != minutes {
			t.Fatalf("the original told %d units, want %d", used, minutes)
		}
		m, stop := s.open(backup)
		time.Sleep(5 * time.Second)
		s.consume(m, 7)
		time.Sleep(time.Minute)
		stop()
		if got := s.usedOfAll() - minutes; got < 7 {
			t.Errorf("of 7 units that the copy counted the hub has %d", got)
		}
	})
}
