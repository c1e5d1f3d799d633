package meter

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

func TestWhoHasNothingButAGrantSpendsIt(t *testing.T) { synctest.Test(t, nothingButAGrant) }

func nothingButAGrant(t *testing.T) {
	s := newStand(t, checker.Allowance{Per: checker.Month})
	s.desk.book = ledger.Book{}
	s.desk.book.SetTerms(ledger.Terms{Until: ledger.Forever}, ledger.Rule{Per: checker.Never}, time.Now().UnixMilli())
	s.desk.book.SetGrant(ledger.Grant{ID: "voucher", Amount: 10, Until: ledger.Forever})
	m, stop := s.open(newTin(1))
	defer stop()
	if res := s.consume(m, 1); res.Decision.Reason != checker.NotEntitled {
		t.Errorf("before it heard of the grant: got %+v", res)
	}
	totals := s.folded()
	key := replica.CountKey(replica.KindTotals, replica.DefaultGroup, "acme", "calls")
	m.told(replica.Entry{Key: key, Rev: 1, Value: ledger.AppendTotals(nil, &totals)})
	if _, err := m.Record(t.Context(), []Fact{s.fact(3, 1)}); err != nil {
		t.Fatal(err)
	}
	if got := m.account(keyOf("acme", "calls")).led.Entries[0].Span; got.Start != 0 {
		t.Errorf("a fact is of the period %v, want that of the grant", got)
	}
	if res := s.consume(m, 7); res.Consumed != 7 {
		t.Errorf("got %+v", res)
	}
	if res := s.consume(m, 1); res.Decision.Reason != checker.LimitReached {
		t.Errorf("beyond the grant: got %+v", res)
	}
}

func TestWhatRolledOverIsFoundOutBeforeAnythingIsDenied(t *testing.T) {
	synctest.Test(t, whatRolledOverIsFoundOutBeforeAnythingIsDenied)
}

func whatRolledOverIsFoundOutBeforeAnythingIsDenied(t *testing.T) {
	s := newStand(t, checker.Allowance{Limit: 300, Rollover: 100, Per: checker.Month})
	s.desk.beAway(true)
	m, stop := s.open(newTin(1))
	defer stop()
	if res := s.consume(m, 350); res.Consumed != 0 || res.Decision.Reason != checker.LimitReached || res.RetryAfter != 0 {
		t.Errorf("without a hub: got %+v", res)
	}
	s.desk.beAway(false)
	settled() // the hub is known to be back
	if res := s.consume(m, 401); res.Consumed != 0 || res.Decision.Reason != checker.LimitReached {
		t.Errorf("got %+v, want no more than 300 and 100 of the month before", res)
	}
	begin := time.Now()
	if res := s.consume(m, 350); res.Consumed != 350 || res.Decision.Remaining != 50 {
		t.Errorf("got %+v, want 350 of 300 and 100 of the month before", res)
	}
	if res := s.consume(m, 51); res.Consumed != 0 || res.Decision.Reason != checker.LimitReached {
		t.Errorf("got %+v, want none", res)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAGrantThatTheCallerKnowsOfIsFoundOut(t *testing.T) {
	synctest.Test(t, aGrantThatTheCallerKnowsOf)
}

func aGrantThatTheCallerKnowsOf(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	defer stop()
	s.consume(m, 10)
	settled()
	s.desk.mu.Lock()
	s.desk.book.SetGrant(ledger.Grant{ID: "more", Amount: 5, Until: ledger.Forever})
	s.desk.mu.Unlock()
	if res := s.consume(m, 5); res.Decision.Reason != checker.LimitReached {
		t.Errorf("who knows of nothing: got %+v", res)
	}
	for _, want := range []int64{5, 0} {
		r := s.request(5, 0)
		r.Recent = true
		if res, err := m.Consume(t.Context(), r); err != nil || res.Consumed != want || want == 0 && res.RetryAfter != 0 {
			t.Errorf("got %+v, %v, want %d consumed", res, err, want)
		}
	}
}

// TestALimitWithoutEndAndAGrantAreNotTooMuch has a sum that no number holds.
func TestALimitWithoutEndAndAGrantAreNotTooMuch(t *testing.T) {
	synctest.Test(t, aLimitWithoutEndAndAGrant)
}

func aLimitWithoutEndAndAGrant(t *testing.T) {
	s := newStand(t, checker.Allowance{Limit: math.MaxInt64, Per: checker.Month, Soft: true})
	s.desk.book.SetGrant(ledger.Grant{ID: "more", Amount: 5, Until: ledger.Forever})
	m, stop := s.open(newTin(1))
	defer stop()
	s.consume(m, 1)
	settled() // the grant is known
	if d := s.consume(m, 1).Decision; d.Grants != 5 || d.Remaining != math.MaxInt64-2 || d.Overage != 0 {
		t.Errorf("got %+v", d)
	}
}
