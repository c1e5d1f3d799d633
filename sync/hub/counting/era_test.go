package counting

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// TestALossIsNoticedOnce has a holder that is ahead of the books be heard before the hub looks how far they go.
func TestALossIsNoticedOnce(t *testing.T) {
	books := replica.NewMemory()
	c := counterOn(t, books)
	check := func(want uint64) {
		t.Helper()
		if err := c.era.check(t.Context()); err != nil || c.era.load().Epoch != want {
			t.Errorf("got %v and epoch %d, want %d", err, c.era.load().Epoch, want)
		}
	}
	check(0)
	_, kept, err := books.Head(t.Context())
	for range 5 {
		if err == nil {
			_, err = c.era.touch(t.Context())
		}
	}
	_, head, _ := books.Head(t.Context())
	if err != nil || head <= kept {
		t.Fatalf("got %v and %d after %d", err, head, kept)
	}
	c.shelf.reach(head)
	books.RollBack(kept)
	if err := c.era.raise(t.Context(), loss{why: "a holder is ahead"}); err != nil {
		t.Fatal(err)
	}
	check(1)
	_, later, _ := books.Head(t.Context())
	c.shelf.reach(later)
	books.RollBack(kept) // another one, before the books go as far as before
	check(2)
	check(2)
}

// A pausing is a log that does something before it says how far it goes, once.
type pausing struct {
	replica.Log
	first func()
}

func (p *pausing) Head(ctx context.Context) (replica.Lineage, uint64, error) {
	if do := p.first; do != nil {
		p.first = nil
		do()
	}
	return p.Log.Head(ctx)
}

func TestALossIsNoticedOnceThoughAHolderTellsOfItMeanwhile(t *testing.T) {
	memory := replica.NewMemory()
	books := &pausing{Log: memory}
	c := counterOn(t, books)
	if err := c.era.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, kept, _ := memory.Head(t.Context())
	for range 5 {
		if _, err := c.era.touch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	memory.RollBack(kept)
	raised := make(chan error, 1)
	books.first = func() {
		go func() { raised <- c.era.raise(t.Context(), loss{why: "a holder is ahead"}) }()
		select {
		case err := <-raised:
			raised <- err
		case <-time.After(100 * time.Millisecond): // it waits, as it should
		}
	}
	if err := errors.Join(c.era.check(t.Context()), <-raised); err != nil || c.Epoch() != 1 {
		t.Errorf("got %v and epoch %d, want 1", err, c.Epoch())
	}
}

func TestWhatWasWrittenBeforeALossIsNotSaidToBeKnownAfterIt(t *testing.T) {
	for want, isLost := range []bool{true, false} {
		c := counterOn(t, replica.NewMemory())
		var reply *wire.LeaseReply
		j := &job{lease: &wire.Lease{}, epoch: c.era.number(), left: 1,
			answers: []wire.LeaseAnswer{{Known: []ledger.Reported{{Span: ledger.Span{Start: 0, End: 1}}}}}}
		j.reply = func(data []byte) {
			var err error
			if reply, err = wire.DecodeLeaseReply(data); err != nil {
				t.Fatal(err)
			}
		}
		if isLost {
			if err := c.era.raise(t.Context(), loss{why: "a holder is ahead"}); err != nil {
				t.Fatal(err)
			}
		}
		if j.done(c, 1, nil); len(reply.Items[0].Known) != want || reply.Epoch != c.era.number() {
			t.Errorf("lost is %v: in epoch %d %d lines are known, want %d", isLost, reply.Epoch, len(reply.Items[0].Known), want)
		}
	}
}
