package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
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

// What stands for a period that has begun is given back too, though nothing was consumed in it.
func TestWhatStandsIsGivenBackWhenAnotherWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, checker.Allowance{Limit: 1000, Per: checker.Hour})
		m, stop := s.open(newTin(1))
		defer stop()
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) - 20*time.Second)
		s.consume(m, 1)
		settled()
		time.Sleep(25 * time.Second) // the next hour, and it is not idle yet
		now := time.Now().UnixMilli()
		other := ledger.HolderID{9}
		if no := s.desk.book.Fold(ledger.Report{Holder: other, Forgot: -1}, now); no != nil {
			t.Fatal(no)
		}
		ask := ledger.Ask{Holder: other, Period: s.desk.book.Calendar.At(now).Start, Target: 1000}
		if _, no := s.desk.book.Grant(ask, now); no != nil {
			t.Fatal(no)
		}
		told := s.folded()
		told.Short = true
		key := replica.CountKey(replica.KindTotals, replica.DefaultGroup, "acme", "calls")
		m.told(replica.Entry{Key: key, Rev: 1, Value: ledger.AppendTotals(nil, &told)})
		time.Sleep(10 * time.Millisecond)
		ask.Target = 1001
		if w, no := s.desk.book.Grant(ask, now); no != nil || w.Lines[0].Granted != 1000 {
			t.Errorf("the other has %+v, %v; before %+v", w.Lines, no, told)
		}
	})
}
