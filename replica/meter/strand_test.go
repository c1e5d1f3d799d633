package meter

import (
	"context"
	"crypto/ed25519"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A thread is a holder's way to the hub, which is cut when the holder dies.
type thread struct {
	*desk
	cut atomic.Bool
}

func (h *thread) Exchange(ctx context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	if h.cut.Load() {
		return nil, errors.New("the thread is cut")
	}
	return h.desk.Exchange(ctx, l, key)
}

// TestTheDeadStrandLittleOfALimit has a hundred holders, of which twenty die without giving anything back.
func TestTheDeadStrandLittleOfALimit(t *testing.T) { synctest.Test(t, theDeadStrandLittleOfALimit) }

func theDeadStrandLittleOfALimit(t *testing.T) {
	const (
		holders, dying = 100, 20
		limit          = 100 * holders * each * 3 // a hundred times what all of them use in 30 s
	)
	s := newStand(t, hard(limit))
	var used atomic.Int64
	var group sync.WaitGroup
	for i := range holders {
		life := -1
		if i < dying {
			life = 100 + i
		}
		group.Go(func() {
			time.Sleep(time.Duration(i) * every / holders)
			used.Add(s.live(byte(i), life))
		})
	}
	group.Wait()
	share := float64(used.Load()) / limit
	t.Logf("%.3f %% of the limit was used; %d of %d holders died", 100*share, dying, holders)
	if got := s.folded(); share < 0.99 || used.Load() > limit || got.Used != used.Load() {
		t.Errorf("%d of %d were consumed; the hub has %d, and %d are out", used.Load(), limit, got.Used, got.Out)
	}
}

// How much each holder consumes, and how often.
const (
	each  = 10
	every = 10 * time.Second
)

// live is a holder that consumes until there is no more, or until it dies after so many times; -1: it does not. It
// answers how much it consumed.
func (s *stand) live(name byte, life int) (used int64) {
	way, tin := &thread{desk: s.desk}, newTin(name)
	tin.who.Holder = ledger.HolderID{name, 1}
	m, stop := s.openOn(Options{Vault: tin, Hub: way, Clock: NewClock(time.Now), Every: 5 * time.Second})
	defer stop()
	for n, denied := 0, 0; n != life && denied < 5; n++ {
		got := s.consume(m, each).Consumed
		if used += got; got == 0 {
			denied++
		}
		time.Sleep(every)
	}
	way.cut.Store(life >= 0)
	return used
}
