package meter

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
)

func TestWhatOthersUsedIsKnownAfterARestartWithoutAHub(t *testing.T) {
	synctest.Test(t, whatOthersUsed)
}

func whatOthersUsed(t *testing.T) {
	s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true}), newTin(1)
	other, stopOther := s.open(newTin(2))
	s.consume(other, 40)
	stopOther()
	m, stop := s.open(v)
	s.consume(m, 2)
	time.Sleep(2 * time.Second)
	kept := m.Totals()
	stop()
	s.desk.beAway(true)
	m, stop = s.open(v)
	defer stop()
	for n := range kept {
		bad := bytes.Clone(kept)
		bad[n] ^= 1
		if m.Recall(bad) == nil || m.Recall(kept[:n]) == nil {
			t.Fatalf("damage at byte %d was not noticed", n)
		}
	}
	if err := m.Recall(kept); err != nil {
		t.Fatal(err)
	}
	var u checker.Use
	if m.Use([]byte("acme"), []byte("calls"), nil, &u); u.Used != 42 || u.TotalsAge == 0 {
		t.Errorf("got %+v", u)
	}
}

func TestWhatOthersUsedShowsWhereNothingWasConsumed(t *testing.T) {
	for name, a := range map[string]checker.Allowance{
		"soft":       {Limit: 100, Per: checker.Month, Soft: true},
		"hard":       {Limit: 100, Per: checker.Month},
		"hour":       {Limit: 100, Per: checker.Hour},
		"once":       {Limit: 100, Per: checker.Never},
		"in a chunk": {Limit: 100, Per: checker.Month, Chunked: true},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { othersShow(t, a) }) })
	}
}

func othersShow(t *testing.T, a checker.Allowance) {
	s := newStand(t, a)
	other, stopOther := s.open(newTin(2))
	s.consume(other, 40)
	stopOther()
	m, stop := s.open(newTin(1))
	defer stop()
	s.publish(m, s.folded())
	var u checker.Use
	if m.Use([]byte("acme"), []byte("calls"), nil, &u); u.Used != 40 {
		t.Errorf("got %+v", u)
	}
	if res := s.consume(m, 61); a.Soft != (res.Consumed == 61) {
		t.Errorf("got %+v", res)
	}
}

func TestRightsOfOthersAreWhatMayBeUnseen(t *testing.T) { synctest.Test(t, rightsOfOthers) }

func rightsOfOthers(t *testing.T) {
	s := newStand(t, hard(10_000))
	other, stopOther := s.open(newTin(2))
	defer stopOther()
	m, stop := s.open(newTin(1))
	defer stop()
	s.briskly(other, 50)
	s.consume(m, 3)
	settled()
	s.desk.beAway(true)
	totals, held := s.folded(), other.Status().Held
	s.publish(m, totals)
	if own := m.Status().Held; held == 0 || own == 0 || own == held {
		t.Fatalf("%d and %d rights are held; the test shows nothing", own, held)
	}
	var u checker.Use
	if m.Use([]byte("acme"), []byte("calls"), nil, &u); u.UnseenMax != held || u.Used != 53 {
		t.Errorf("got %+v, want 53 used and the %d that the other holds unseen", u, held)
	}
	if d := s.consume(m, 1).Decision; d.UnseenMax != held {
		t.Errorf("a decision says %d, want %d", d.UnseenMax, held)
	}
	s.spent(other, 10) // the hub is away: nobody hears of it
	if m.Use([]byte("acme"), []byte("calls"), nil, &u); u.UnseenMax != held || u.Used != 54 {
		t.Errorf("later: got %+v", u)
	}
}
