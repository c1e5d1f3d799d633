package meter

import (
	"errors"
	"fmt"
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

// outcome is what became of an attempt to settle a reservation, in words.
func outcome(replayed bool, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case replayed:
		return "replayed"
	}
	return "done"
}

func became(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
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
	if res := s.consume(m, 5); res.Decision.Reason != checker.LimitReached || res.Decision.Reserved != 6 ||
		res.Decision.Remaining != 4 {
		t.Errorf("more than is free: got %+v", res)
	}
	if d := s.check(m, 5); d.Reason != checker.LimitReached || d.Reserved != 6 || d.Remaining != 4 {
		t.Errorf("a check of more than is free: got %+v", d)
	}
	if d := s.consume(m, 4).Decision; !d.Allowed || d.Used != 4 || d.Reserved != 6 || d.Remaining != 0 || d.Overage != 0 {
		t.Errorf("what is free: got %+v", d)
	}
	if other := s.reserve(m, 1); other.ID != "" {
		t.Error("a reservation beyond the limit was made")
	}
	became(t, outcome(m.Commit(r.ID, 7)), ErrTooMuch.Error())
	became(t, outcome(m.Commit(r.ID, 4)), "done")
	if res := s.consume(m, 2); !res.Decision.Allowed {
		t.Errorf("what went back: got %+v", res)
	}
	time.Sleep(2 * time.Second)
	if got := s.folded(); got.Used != 10 {
		t.Errorf("the hub has %+v", got)
	}
}

func TestAReservationsAnswerSaysWhatIsLeftBesideIt(t *testing.T) { synctest.Test(t, whatIsLeftBeside) }

func whatIsLeftBeside(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	defer stop()
	s.consume(m, 1)
	for _, want := range []checker.Decision{{Reserved: 6, Remaining: 3}, {Reserved: 8, Remaining: 1}} {
		q := want.Reserved - s.check(m, 0).Reserved
		res, _, err := m.Reserve(t.Context(), s.request(q, 0), time.Minute)
		if d := res.Decision; err != nil || d.Used != 1 || d.Reserved != want.Reserved || d.Remaining != want.Remaining {
			t.Errorf("got %+v, %v, want 1 used, %d set aside and %d left", d, err, want.Reserved, want.Remaining)
		}
	}
}

func TestAReservationThatRunsOutGoesBack(t *testing.T) { synctest.Test(t, aReservationThatRunsOut) }

func aReservationThatRunsOut(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	defer stop()
	r, cancelled := s.reserve(m, 6), s.reserve(m, 4)
	became(t, outcome(m.Cancel(cancelled.ID)), "done")
	time.Sleep(61 * time.Second)
	became(t, outcome(m.Commit(r.ID, 1)), "it was released or ran out; nothing was counted")
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
		if _, err := other.Commit(r.ID, 6); !errors.As(err, &elsewhere) || !strings.HasPrefix(r.ID, elsewhere.Holder) {
			t.Errorf("at another holder: got %v", err)
		}
		became(t, outcome(other.Commit("nonsense", 6)), ErrNoReservation.Error())
		became(t, outcome(m.Commit(r.ID, 6)), "done")
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
	became(t, outcome(m.Cancel(s.reserve(m, 20).ID)), "done")
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
	ask := s.request(1, 0)
	ask.Recent = true
	if res, err := m.Consume(t.Context(), ask); res.Consumed != 0 { // it asks, and is told
		t.Errorf("got %+v, %v", res, err)
	}
	settled()
	if m.holder() == old {
		t.Error("it has its old name")
	}
	became(t, outcome(m.Commit(r.ID, 10)), "replayed")
	lost := "this sidecar was declared lost after it was made, and its 10 units count as used"
	became(t, outcome(m.Commit(r.ID, 9)), lost)
	became(t, refunded(m, r), lost)
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
	became(t, outcome(m.Commit(first.ID, 1)), "done")
	if s.reserve(m, 1).ID == "" {
		t.Error("nothing is set aside after one was settled")
	}
}

func TestASettlementThatIsRepeatedIsDoneOnce(t *testing.T) {
	synctest.Test(t, aSettlementThatIsRepeated)
}

func aSettlementThatIsRepeated(t *testing.T) {
	s := newStand(t, hard(20))
	m, stop := s.open(newTin(1))
	defer stop()
	committed, cancelled, void := s.reserve(m, 6), s.reserve(m, 4), s.reserve(m, 2)
	became(t, outcome(m.Commit(committed.ID, 4)), "done")
	became(t, outcome(m.Commit(committed.ID, 4)), "replayed")
	became(t, outcome(m.Commit(committed.ID, 3)), "it was committed with 4 units")
	became(t, outcome(m.Cancel(committed.ID)), "it was committed with 4 units")
	became(t, outcome(m.Cancel(cancelled.ID)), "done")
	became(t, outcome(m.Cancel(cancelled.ID)), "replayed")
	became(t, outcome(m.Commit(cancelled.ID, 4)), "it was released; nothing was counted")
	became(t, outcome(m.Commit(void.ID, 0)), "done")
	became(t, outcome(m.Commit(void.ID, 0)), "replayed")
	time.Sleep(time.Hour)
	became(t, outcome(m.Commit(committed.ID, 4)), "replayed")
	became(t, outcome(m.Cancel(cancelled.ID)), "replayed")
	became(t, outcome(m.Commit(cancelled.ID, 4)), "it was released or ran out; nothing was counted")
	if got := s.folded(); got.Used != 4 {
		t.Errorf("the hub has %+v", got)
	}
}

func TestARepeatedSettlementIsAnsweredOnceTheFirstIsWritten(t *testing.T) {
	synctest.Test(t, aRepeatedSettlementIsAnswered)
}

func aRepeatedSettlementIsAnswered(t *testing.T) {
	s, v := newStand(t, hard(10)), newTin(1)
	v.slow = time.Second
	m, stop := s.open(v)
	defer stop()
	r := s.reserve(m, 6)
	v.beFull(true)
	answers := make(chan string)
	for range 2 {
		go func() { answers <- outcome(m.Commit(r.ID, 4)) }()
		time.Sleep(100 * time.Millisecond) // the vault is being asked
	}
	became(t, <-answers, errFull.Error())
	became(t, <-answers, errFull.Error())
	v.beFull(false)
	became(t, outcome(m.Commit(r.ID, 4)), "done")
}

func TestWhatWasCommittedIsTakenBackOnce(t *testing.T) { synctest.Test(t, whatWasCommitted) }

func whatWasCommitted(t *testing.T) {
	for _, a := range []checker.Allowance{hard(20), {Limit: 5, Per: checker.Month, Soft: true}} {
		s, v := newStand(t, a), newTin(1)
		m, stop := s.open(v)
		r, released, lapsed := s.reserve(m, 6), s.reserve(m, 1), s.reserve(m, 1)
		became(t, refunded(m, r), "it is reserved, not committed")
		became(t, outcome(m.Commit(r.ID, 4)), "done")
		became(t, outcome(m.Cancel(released.ID)), "done")
		became(t, refunded(m, r), "4 done")
		became(t, refunded(m, r), "4 replayed")
		became(t, refunded(m, released), "it was released; nothing was counted")
		became(t, outcome(m.Commit(r.ID, 4)), "it was committed with 4 units, which were taken back")
		became(t, outcome(m.Cancel(r.ID)), "it was committed with 4 units, which were taken back")
		time.Sleep(2 * time.Minute)
		became(t, refunded(m, lapsed), "it was released or ran out; nothing was counted")
		if got := s.folded(); got.Used != 0 {
			t.Errorf("the hub has %+v", got)
		}
		if res := s.consume(m, 20); !res.Decision.Allowed {
			t.Errorf("what was taken back: got %+v", res)
		}
		stop()
		m, stop = s.open(v)
		became(t, refunded(m, r), "4 replayed")
		other, stopOther := s.open(newTin(2))
		became(t, refunded(other, r), Elsewhere{r.ID[:strings.Index(r.ID, ".")]}.Error())
		stop()
		stopOther()
	}
}

// refunded is what became of an attempt to take a reservation back.
func refunded(m *Meter, r Reserved) string {
	units, replayed, err := m.Refund(r.ID)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(units, " ", outcome(replayed, nil))
}

func TestWhatIsOfAForgottenPeriodIsNotTakenBack(t *testing.T) { synctest.Test(t, whatIsForgotten) }

func whatIsForgotten(t *testing.T) {
	s := newStand(t, checker.Allowance{Limit: 20, Per: checker.Hour})
	m, stop := s.open(newTin(1))
	defer stop()
	r := s.reserve(m, 6)
	became(t, outcome(m.Commit(r.ID, 4)), "done")
	for range 5 {
		time.Sleep(time.Hour)
		s.consume(m, 1)
	}
	became(t, refunded(m, r), ErrNoReservation.Error())
}

func TestWhatARunOutReservationSetAsideCanBeConsumedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, hard(10))
		m, stop := s.open(newTin(1))
		defer stop()
		if _, _, err := m.Reserve(t.Context(), s.request(10, 0), 1500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1499 * time.Millisecond)
		if res := s.consume(m, 10); res.Consumed != 0 {
			t.Errorf("while it is set aside: got %+v", res)
		}
		time.Sleep(time.Millisecond)
		if res := s.consume(m, 10); res.Consumed != 10 || res.Decision.Reserved != 0 {
			t.Errorf("once its time is over: got %+v", res)
		}
	})
}

func TestAFreedReservationIsWrittenDownThoughNothingIsConsumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newStand(t, hard(10)), newTin(1)
		m, stop := s.open(v)
		defer stop()
		if _, _, err := m.Reserve(t.Context(), s.request(10, 0), 1500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		s.consume(m, 11)
		time.Sleep(time.Second)
		led := decoded(v.copy().accounts[keyOf("acme", "calls")])
		if led.Unsettled() != 0 {
			t.Errorf("the vault has %+v", led.Reservations)
		}
	})
}
