package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
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
		s.publish(m, told)
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
		s.other(1000)
		told := s.folded()
		told.Short = true
		s.publish(m, told)
		time.Sleep(10 * time.Millisecond)
		if got := s.other(1001); got != 1000 {
			t.Errorf("the other has %d; before %+v", got, told)
		}
	})
}

// other asks for rights as another holder, and answers how many it has.
func (s *stand) other(target int64) int64 {
	s.Helper()
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	id, now := ledger.HolderID{9}, time.Now().UnixMilli()
	no := s.desk.book.Fold(ledger.Report{Holder: id, Forgot: -1}, now)
	if no != nil {
		s.Fatal(no)
	}
	w, no := s.desk.book.Grant(ledger.Ask{Holder: id, Period: s.desk.book.Calendar.At(now).Start, Target: target}, now)
	if no != nil {
		s.Fatal(no)
	}
	return w.Lines[0].Granted
}
