package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

// changed makes the period that is open at the hub one of a rule that the documents had before.
func (s *stand) changed(per checker.Per) {
	time.Sleep(90 * time.Minute) // so that no two rules have a period in common
	terms, rule, now := s.desk.book.Terms, s.desk.book.Calendar[0], time.Now().UnixMilli()
	s.desk.book = ledger.Book{}
	s.desk.book.SetTerms(terms, ledger.Rule{Per: per}, now)
	s.desk.book.SetTerms(terms, rule, now)
}

func TestWhoBeginsLateCountsInThePeriodThatIsOpenAtTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, hard(100))
		s.changed(checker.Hour)
		hour := s.folded().Span
		m, stop := s.open(newTin(1))
		res := s.consume(m, 1)
		if d := res.Decision; !d.Allowed || d.ResetsAt != hour.End {
			t.Fatalf("got %+v, want 1 of the hour until %d", d, hour.End)
		}
		time.Sleep(2 * time.Second)
		late, stopLate := s.open(newTin(2))
		if d := s.consume(late, 99).Decision; !d.Allowed || d.Used != 100 || d.ResetsAt != hour.End {
			t.Errorf("got %+v, want the rest of the hour's 100", d)
		}
		if d := s.check(late, 1); d.Reason != checker.LimitReached || d.Used != 100 {
			t.Errorf("got %+v", d)
		}
		stopLate()
		stop()
		if b := &s.desk.book; len(b.Periods) != 1 || b.Periods[0].Span != hour {
			t.Errorf("the book has %+v", b.Periods)
		}
	})
}

func TestWhatNeedsNoRightsCountsInThePeriodThatIsOpenAtTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, soft)
		s.changed(checker.Hour)
		hour := s.folded()
		v := newTin(1)
		m, stop := s.open(v)
		a := m.account(keyOf("acme", "calls"))
		a.mu.Lock()
		a.tell(&hour, time.Now().UnixMilli())
		a.mu.Unlock()
		s.consume(m, 2)
		if _, err := m.Record(t.Context(), []Fact{s.fact(3, 1)}); err != nil {
			t.Fatal(err)
		}
		stop()
		s.desk.beAway(true)
		m, stop = s.open(v)
		if d := s.consume(m, 4).Decision; d.Used != 9 || d.ResetsAt != hour.Span.End {
			t.Errorf("after a restart without a hub: got %+v", d)
		}
		s.desk.beAway(false)
		time.Sleep(2 * time.Second)
		stop()
		if b := &s.desk.book; len(b.Periods) != 1 || s.folded().Used != 9 {
			t.Errorf("the book has %+v", b.Periods)
		}
	})
}
