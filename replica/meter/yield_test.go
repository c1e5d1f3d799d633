package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

func TestRightsAreGivenBackWhenAnotherWaitsForThem(t *testing.T) {
	synctest.Test(t, rightsAreGivenBackWhenAnotherWaits)
}

func rightsAreGivenBackWhenAnotherWaits(t *testing.T) {
	s := newStand(t, hard(10_000))
	m, stop := s.open(newTin(1))
	defer stop()
	for range 200 { // 100 a second
		s.consume(m, 1)
		time.Sleep(10 * time.Millisecond)
	}
	before := s.folded()
	recall := func() ledger.Totals {
		told := s.folded()
		told.Short = true
		key := replica.CountKey(replica.KindTotals, replica.DefaultGroup, "acme", "calls")
		m.told(replica.Entry{Key: key, Rev: 1, Value: ledger.AppendTotals(nil, &told)})
		time.Sleep(10 * time.Millisecond) // far less than until the next report
		return s.folded()
	}
	busy := recall()
	if busy.Out >= before.Out || busy.Out < 10 {
		t.Errorf("while it is consumed %d of %d rights are kept", busy.Out, before.Out)
	}
	time.Sleep(3 * time.Second)
	if idle := recall(); idle.Out != 0 || idle.Used != 200 {
		t.Errorf("when nothing is consumed: %+v", idle)
	}
	if res := s.consume(m, 1); res.Consumed != 1 {
		t.Errorf("afterwards: got %+v", res)
	}
}
