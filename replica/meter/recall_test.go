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
