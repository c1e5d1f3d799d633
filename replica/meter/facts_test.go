package meter

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sidegate/sidegate/replica/ledger"
)

func TestFactsBeyondWhatCanBeCountedAreRefused(t *testing.T) {
	synctest.Test(t, factsBeyondWhatCanBeCounted)
}

func factsBeyondWhatCanBeCounted(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	half := int64(ledger.MaxUnits/2 + 1)
	record := func(facts ...Fact) error {
		_, err := m.Record(t.Context(), facts)
		return err
	}
	if err := record(s.fact(half, 1), s.fact(half, 2)); !errors.Is(err, ErrTooMany) {
		t.Errorf("two that are too many together: got %v", err)
	}
	if err := record(s.fact(half, 1)); err != nil {
		t.Error(err)
	}
	if err := record(s.fact(half, 2)); !errors.Is(err, ErrTooMany) {
		t.Errorf("one that is too many now: got %v", err)
	}
	stop()
	if got := s.folded(); got.Used != half {
		t.Errorf("the hub has %d, want %d", got.Used, half)
	}
}
