package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
)

// lose makes the desk's book what it is after its log lost everything: it waits for a holder.
func (s *stand) lose(id ledger.HolderID, terms ledger.Terms, r ledger.Rule) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	now := time.Now().UnixMilli()
	epoch := s.desk.book.Epoch + 1
	s.desk.book = ledger.Book{}
	s.desk.book.SetTerms(terms, r, now)
	s.desk.book.Learn(epoch, []ledger.HolderID{id}, now+48*3600*1000)
}

func TestWhoIsQuietAfterAStartHasNotToldAll(t *testing.T) { synctest.Test(t, quietAfterALoss) }

func quietAfterALoss(t *testing.T) {
	s, v := newStand(t, hard(100)), newTin(1)
	m, stop := s.open(v)
	if _, err := m.Record(t.Context(), []Fact{s.fact(60, 1)}); err != nil {
		t.Fatal(err)
	}
	settled()
	left := v.copy() // it was killed
	stop()
	s.lose(v.who.Holder, s.desk.book.Terms, ledger.Rule{Per: s.desk.book.Calendar[0].Per})
	_, stop = s.open(left)
	other, end := s.open(newTin(2))
	for range 50 {
		s.consume(other, 10)
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	end()
	if got := s.folded(); got.Used > 100 {
		t.Errorf("the hub has %d used, want at most 100", got.Used)
	}
}
