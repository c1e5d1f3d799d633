package meter

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

// reserve sets q aside for a minute.
func (s *stand) reserve(m *Meter, q int64) Reserved {
	s.Helper()
	_, r, err := m.Reserve(s.Context(), s.request(q, 0), time.Minute)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

func TestWhatIsReservedCannotBeConsumedByOthers(t *testing.T) { synctest.Test(t, whatIsReserved) }

func whatIsReserved(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	defer stop()
	r := s.reserve(m, 6)
	if r.ID == "" || r.Expires != time.Now().Add(time.Minute).UnixMilli() {
		t.Fatalf("got %+v", r)
	}
	if res := s.consume(m, 5); res.Decision.Allowed {
		t.Errorf("more than is free: got %+v", res)
	}
	if res := s.consume(m, 4); !res.Decision.Allowed {
		t.Errorf("what is free: got %+v", res)
	}
	if other := s.reserve(m, 1); other.ID != "" {
		t.Error("a reservation beyond the limit was made")
	}
	if err := m.Commit(r.ID, 7); !errors.Is(err, ErrTooMuch) {
		t.Errorf("more than is reserved: got %v", err)
	}
	if err := m.Commit(r.ID, 4); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{m.Commit(r.ID, 1), m.Cancel(r.ID)} {
		if !errors.Is(err, ErrSettled) {
			t.Errorf("again: got %v", err)
		}
	}
	if res := s.consume(m, 2); !res.Decision.Allowed {
		t.Errorf("what went back: got %+v", res)
	}
	time.Sleep(2 * time.Second)
	if got := s.folded(); got.Used != 10 {
		t.Errorf("the hub has %+v", got)
	}
}

func TestAReservationThatRunsOutGoesBack(t *testing.T) { synctest.Test(t, aReservationThatRunsOut) }

func aReservationThatRunsOut(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	defer stop()
	r, cancelled := s.reserve(m, 6), s.reserve(m, 4)
	if err := m.Cancel(cancelled.ID); err != nil {
		t.Fatal(err)
	}
	time.Sleep(61 * time.Second)
	if err := m.Commit(r.ID, 1); !errors.Is(err, ErrSettled) {
		t.Errorf("after its time: got %v", err)
	}
	if res := s.consume(m, 10); !res.Decision.Allowed {
		t.Errorf("got %+v", res)
	}
}

func TestAReservationIsItsHoldersAlsoAfterARestart(t *testing.T) {
	synctest.Test(t, aReservationIsItsHolders)
}

func aReservationIsItsHolders(t *testing.T) {
	for _, a := range []checker.Allowance{hard(100), {Limit: 5, Per: checker.Month, Soft: true}} {
		s, v := newStand(t, a), newTin(1)
		m, stop := s.open(v)
		r := s.reserve(m, 6)
		crashed := v.copy()
		s.desk.beAway(true)
		stop()
		s.desk.beAway(false)
		m, stop = s.open(crashed)
		other, stopOther := s.open(newTin(2))
		var elsewhere Elsewhere
		if err := other.Commit(r.ID, 6); !errors.As(err, &elsewhere) || !strings.HasPrefix(r.ID, elsewhere.Holder) {
			t.Errorf("at another holder: got %v", err)
		}
		if err := other.Commit("nonsense", 6); !errors.Is(err, ErrNoReservation) {
			t.Errorf("got %v", err)
		}
		if err := m.Commit(r.ID, 6); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		stop()
		stopOther()
		if got := s.folded(); got.Used != 6 || got.Out != 0 {
			t.Errorf("the hub has %+v", got)
		}
	}
}

func TestWhatIsLeftOfAChunkCanBeReserved(t *testing.T) { synctest.Test(t, reserveOfAChunk) }

func reserveOfAChunk(t *testing.T) {
	s := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Chunked: true})
	m, stop := s.open(newTin(1))
	if err := m.Cancel(s.reserve(m, 20).ID); err != nil {
		t.Fatal(err)
	}
	s.consume(m, 1) // a chunk of 16
	if r := s.reserve(m, 90); r.ID == "" {
		t.Error("90 of the 99 that are left were not to be had")
	}
	stop()
	if got := s.folded(); got.Used != 1 || got.Out != 90 {
		t.Errorf("the hub has %+v", got)
	}
}

// What a fence wrote off as used is not counted again under the next name.
func TestAReservationThatWasWrittenOffIsSettled(t *testing.T) { synctest.Test(t, reservedAndFenced) }

func reservedAndFenced(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	r, old := s.reserve(m, 10), m.holder()
	time.Sleep(2 * time.Second)
	s.desk.mu.Lock()
	s.desk.book.Fence(old, false)
	s.desk.mu.Unlock()
	s.perhaps(m, 1) // it asks, and is told
	settled()
	if m.holder() == old {
		t.Error("it has its old name")
	}
	if err := m.Commit(r.ID, 10); !errors.Is(err, ErrSettled) {
		t.Errorf("got %v", err)
	}
	stop()
	if got := s.folded(); got.Used != 10 {
		t.Errorf("the hub has %+v", got)
	}
}

func TestAnAccountHasNoMoreReservationsThanTheVaultTakes(t *testing.T) {
	synctest.Test(t, reserveTooOften)
}

func reserveTooOften(t *testing.T) {
	s := newStand(t, soft)
	m, stop := s.open(newTin(1))
	defer stop()
	a, first := m.account(keyOf("acme", "calls")), s.reserve(m, 1)
	a.mu.Lock()
	r := a.led.Reservations[0]
	r.ID = "another"
	for len(a.led.Reservations) < mostReserved {
		a.led.Reservations = append(a.led.Reservations, r)
	}
	size := len(ledger.AppendAccount(nil, &a.led))
	a.mu.Unlock()
	if size > 1<<20 {
		t.Errorf("an account has %d bytes", size)
	}
	if _, _, err := m.Reserve(t.Context(), s.request(1, 0), time.Minute); !errors.Is(err, errReserved) {
		t.Errorf("beyond what an account may have: got %v", err)
	}
	if err := m.Commit(first.ID, 1); err != nil {
		t.Error(err)
	}
	if s.reserve(m, 1).ID == "" {
		t.Error("nothing is set aside after one was settled")
	}
}
