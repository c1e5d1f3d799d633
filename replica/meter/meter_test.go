package meter

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

func hard(limit int64) checker.Allowance { return checker.Allowance{Limit: limit, Per: checker.Month} }

func TestManyCallersOnTwoHoldersReachTheLimitAndNoMore(t *testing.T) {
	synctest.Test(t, manyCallersOnTwoHoldersReachTheLimitAndNoMore)
}

func manyCallersOnTwoHoldersReachTheLimitAndNoMore(t *testing.T) {
	s := newStand(t, hard(1000))
	a, stopA := s.open(newTin(1))
	b, stopB := s.open(newTin(2))
	var used atomic.Int64
	var group sync.WaitGroup
	for i := range 40 {
		m := a
		if i%2 == 1 {
			m = b
		}
		group.Go(func() {
			for range 40 {
				used.Add(s.consume(m, 1).Consumed)
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	group.Wait()
	if got := used.Load(); got != 1000 {
		t.Errorf("%d were consumed", got)
	}
	stopA()
	stopB()
	if got := s.folded(); got.Used != 1000 || got.Out != 0 {
		t.Errorf("the hub has %+v", got)
	}
}

func TestTheAnswerSaysHowItStandsAfterwards(t *testing.T) {
	synctest.Test(t, theAnswerSaysHowItStandsAfterwards)
}

func theAnswerSaysHowItStandsAfterwards(t *testing.T) {
	s := newStand(t, checker.Allowance{Limit: 10, Per: checker.Month, Soft: true})
	m, stop := s.open(newTin(1))
	defer stop()
	d := s.consume(m, 7).Decision
	if d.Reason != checker.Granted || d.Used != 7 || d.Remaining != 3 || d.Overage != 0 {
		t.Errorf("got %+v", d)
	}
	d = s.consume(m, 7).Decision
	if d.Reason != checker.Overage || d.Used != 14 || d.Remaining != 0 || d.Overage != 4 {
		t.Errorf("beyond a soft limit: got %+v", d)
	}
	var u checker.Use
	m.Use([]byte("acme"), []byte("calls"), nil, &u)
	if u.Used != 14 || u.ResetsAt == 0 {
		t.Errorf("a check is told %+v", u)
	}
}

func TestWhatHasNoHardLimitIsAllowedAndCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		checker.Allowance
		beyond checker.Reason
	}{
		"advisory":  {checker.Allowance{Limit: 10, Per: checker.Month, Advisory: true}, checker.Advisory},
		"unlimited": {checker.Allowance{Unlimited: true, Per: checker.Month}, checker.Unlimited},
		"soft":      {soft, checker.Overage},
		"advisory, in chunks": {checker.Allowance{Limit: 1, Per: checker.Day, Advisory: true, Chunked: true},
			checker.Advisory},
		"unlimited, for good":   {checker.Allowance{Unlimited: true, Per: checker.Never}, checker.Unlimited},
		"unlimited and a limit": {checker.Allowance{Unlimited: true, Limit: 1, Per: checker.Month}, checker.Unlimited},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { allowedAndCounted(t, tc.Allowance, tc.beyond) })
		})
	}
}

func allowedAndCounted(t *testing.T, a checker.Allowance, beyond checker.Reason) {
	s := newStand(t, a)
	m, stop := s.open(newTin(1))
	s.desk.beAway(true) // nobody has to be asked
	s.consume(m, 7)
	if res := s.consume(m, 300); !res.Decision.Allowed || res.Decision.Reason != beyond || res.Consumed != 300 ||
		res.Decision.Used != 307 {
		t.Errorf("got %+v, want 307 used and %v", res, beyond)
	}
	s.desk.beAway(false)
	stop()
	if got := s.folded(); got.Used != 307 {
		t.Errorf("the hub has %d, want 307", got.Used)
	}
}

func TestWithoutAHubRightsThatAreHeldAreSpentAndNoMore(t *testing.T) {
	synctest.Test(t, withoutAHubRightsThatAreHeldAreSpentAndNoMore)
}

func withoutAHubRightsThatAreHeldAreSpentAndNoMore(t *testing.T) {
	s := newStand(t, hard(1000))
	m, stop := s.open(newTin(1))
	defer stop()
	s.consume(m, 1)
	s.desk.beAway(true)
	held := m.Status().Held
	if held == 0 {
		t.Fatal("no rights are held ahead of need")
	}
	for range held {
		if res := s.consume(m, 1); !res.Decision.Allowed {
			t.Fatalf("got %v with rights at hand", res.Decision.Reason)
		}
	}
	begin := time.Now()
	res := s.consume(m, 1)
	if d := res.Decision; d.Allowed || d.Reason != checker.RightsUnavailable || res.RetryAfter == 0 || res.Consumed != 0 {
		t.Errorf("got %+v", res)
	}
	if took := time.Since(begin); took > 250*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if d := s.consume(m, 2000).Decision; d.Reason != checker.LimitReached {
		t.Errorf("more than the limit: got %v", d.Reason)
	}
}

func TestAKeyCountsOnceAlsoAfterARestart(t *testing.T) {
	synctest.Test(t, aKeyCountsOnceAlsoAfterARestart)
}

func aKeyCountsOnceAlsoAfterARestart(t *testing.T) {
	s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true}), newTin(1)
	m, stop := s.open(v)
	var group sync.WaitGroup
	var first atomic.Int64
	for range 20 {
		group.Go(func() {
			res, err := m.Consume(t.Context(), s.request(3, 7))
			if err != nil {
				t.Error(err)
			}
			if first.Add(res.Consumed); res.Replayed != nil && string(res.Replayed) != "granted" {
				t.Errorf("got %q", res.Replayed)
			}
		})
	}
	group.Wait()
	if first.Load() != 3 {
		t.Errorf("%d were counted", first.Load())
	}
	stop()
	m, stop = s.open(v)
	defer stop()
	res, err := m.Consume(t.Context(), s.request(3, 7))
	if err != nil || string(res.Replayed) != "granted" || res.Consumed != 0 {
		t.Errorf("after a restart: got %+v, %v", res, err)
	}
	if _, err := m.Consume(t.Context(), s.request(4, 7)); !errors.Is(err, ErrKeyReused) {
		t.Errorf("another payload: got %v", err)
	}
}

func TestADeniedKeyMayBeUsedAgain(t *testing.T) {
	synctest.Test(t, aDeniedKeyMayBeUsedAgain)
}

func aDeniedKeyMayBeUsedAgain(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	defer stop()
	if res, err := m.Consume(t.Context(), s.request(11, 7)); err != nil || res.Decision.Allowed {
		t.Fatalf("got %+v, %v", res, err)
	}
	if res, err := m.Consume(t.Context(), s.request(10, 7)); err != nil || res.Consumed != 10 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestAChunkThatACrashCutOffIsInDoubtAndNotBilled(t *testing.T) {
	synctest.Test(t, aChunkThatACrashCutOffIsInDoubtAndNotBilled)
}

func aChunkThatACrashCutOffIsInDoubtAndNotBilled(t *testing.T) {
	s, v := newStand(t, checker.Allowance{Limit: 1000, Per: checker.Month, Chunked: true}), newTin(1)
	m, stop := s.open(v)
	for range 10 {
		if !s.consume(m, 1).Decision.Allowed {
			t.Fatal("denied")
		}
	}
	crashed := v.copy()
	s.desk.beAway(true)
	stop()
	s.desk.beAway(false)
	_, stop = s.open(crashed)
	defer stop()
	settled()
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	u := s.desk.book.Periods[0].Usage(time.Now().UnixMilli())
	if u.Used+u.Doubt < 10 || u.Used > 10 {
		t.Errorf("got %+v", u)
	}
}

func TestRightsAreGivenBackAtTheEndAndWhenIdle(t *testing.T) {
	synctest.Test(t, rightsAreGivenBackAtTheEndAndWhenIdle)
}

func rightsAreGivenBackAtTheEndAndWhenIdle(t *testing.T) {
	s := newStand(t, hard(1000))
	m, stop := s.open(newTin(1))
	s.consume(m, 1)
	time.Sleep(2 * time.Second)
	if got := s.folded(); got.Out == 0 || got.Used != 1 {
		t.Fatalf("the hub has %+v", got)
	}
	time.Sleep(65 * time.Second)
	if got := s.folded(); got.Out != 0 {
		t.Errorf("after a minute of idleness %d rights are out", got.Out)
	}
	s.consume(m, 1)
	stop()
	if got := s.folded(); got.Out != 0 || got.Used != 2 {
		t.Errorf("after the end: %+v", got)
	}
}

func TestAFencedHolderGoesOnUnderAnotherName(t *testing.T) {
	synctest.Test(t, aFencedHolderGoesOnUnderAnotherName)
}

func aFencedHolderGoesOnUnderAnotherName(t *testing.T) {
	s, v := newStand(t, hard(1000)), newTin(1)
	m, stop := s.open(v)
	s.consume(m, 5)
	time.Sleep(2 * time.Second)
	old := m.Status().Holder
	s.desk.beAway(true)
	if _, err := m.Record(t.Context(), []Fact{s.fact(4, 9)}); err != nil {
		t.Fatal(err)
	}
	s.desk.beAway(false)
	s.desk.mu.Lock()
	s.desk.book.Fence(old, false)
	s.desk.mu.Unlock()
	deadline := time.Now().Add(time.Minute)
	for m.Status().Holder == old && time.Now().Before(deadline) {
		_, _ = m.Consume(t.Context(), s.request(1, 0))
		time.Sleep(100 * time.Millisecond)
	}
	if m.Status().Holder == old {
		t.Fatal("it did not take another name")
	}
	if res := s.consume(m, 2); res.Consumed != 2 {
		t.Errorf("under the other name: got %+v", res)
	}
	time.Sleep(3 * time.Second)
	stop()
	var unbacked int64
	for _, l := range s.desk.book.Periods[0].Lines {
		if l.Source.Kind == ledger.Unbacked {
			unbacked += l.Net()
		}
	}
	if unbacked != 4 {
		t.Errorf("of the 4 that were not reported the hub has %d", unbacked)
	}
}

func TestARestoredVaultTakesAnotherName(t *testing.T) {
	synctest.Test(t, aRestoredVaultTakesAnotherName)
}

func aRestoredVaultTakesAnotherName(t *testing.T) {
	s, v := newStand(t, hard(1000)), newTin(1)
	m, stop := s.open(v)
	s.consume(m, 5)
	backup := v.copy()
	s.consume(m, 5)
	stop()
	m, stop = s.open(backup)
	defer stop()
	time.Sleep(3 * time.Second)
	if m.Status().Holder == (ledger.HolderID{1}) {
		t.Error("it goes on under the old name")
	}
	if got := s.folded(); got.Used != 10 {
		t.Errorf("the hub has %d used", got.Used)
	}
}

func TestRightsThatAreHeldElsewhereAreWaitedForAQuarterOfASecond(t *testing.T) {
	synctest.Test(t, rightsThatAreHeldElsewhere)
}

func rightsThatAreHeldElsewhere(t *testing.T) {
	s := newStand(t, hard(10))
	s.desk.book.Fold(ledger.Report{Holder: ledger.HolderID{9}, Forgot: -1}, 1)
	now := time.Now().UnixMilli()
	if _, no := s.desk.book.Grant(ledger.Ask{Holder: ledger.HolderID{9}, Period: s.desk.book.Calendar.At(now).Start,
		Target: 10}, now); no != nil {
		t.Fatal(no)
	}
	m, stop := s.open(newTin(1))
	defer stop()
	begin := time.Now()
	res := s.consume(m, 1)
	took := time.Since(begin)
	if res.Decision.Allowed || res.Decision.Reason != checker.RightsUnavailable || took < 200*time.Millisecond ||
		took > 221*time.Millisecond {
		t.Errorf("got %+v after %v", res, took)
	}
}

func TestAFactIsCountedOnceWhateverTheLimit(t *testing.T) { synctest.Test(t, aFactIsCountedOnce) }

func aFactIsCountedOnce(t *testing.T) {
	s := newStand(t, hard(10))
	m, stop := s.open(newTin(1))
	defer stop()
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			facts := []Fact{s.fact(6, 1), s.fact(7, 2), s.fact(6, 1), s.fact(1, byte(10+i))}
			if i%2 == 1 {
				facts[0], facts[1] = facts[1], facts[0]
			}
			if _, err := m.Record(t.Context(), facts); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n, err := m.Record(t.Context(), []Fact{s.fact(6, 1), s.fact(2, 50)}); err != nil || n != 1 {
		t.Errorf("again: %d duplicates, %v", n, err)
	}
	time.Sleep(2 * time.Second)
	if got := s.folded(); got.Used != 6+7+10+2 {
		t.Errorf("the hub has %d", got.Used)
	}
	if d := s.consume(m, 1).Decision; d.Reason != checker.LimitReached {
		t.Errorf("facts fill a hard limit too: got %v", d.Reason)
	}
}

func TestTheHubIsToldOnlyWhatTheVaultHas(t *testing.T) { synctest.Test(t, onlyWhatTheVaultHas) }

func onlyWhatTheVaultHas(t *testing.T) {
	s, v := newStand(t, hard(1000)), newTin(1)
	m, stop := s.open(v)
	defer stop()
	s.consume(m, 1)
	time.Sleep(2 * time.Second)
	v.slow = time.Minute
	var group sync.WaitGroup
	group.Go(func() { s.consume(m, 2) })
	time.Sleep(time.Second)
	group.Go(func() { s.consume(m, 100) }) // needs rights, so that there is an exchange
	time.Sleep(5 * time.Second)
	if got := s.folded(); got.Used != 1 || got.Out < 100 {
		t.Errorf("the hub has %d used and %d out before the vault has it", got.Used, got.Out)
	}
	group.Wait()
	time.Sleep(3 * time.Minute)
	if got := s.folded(); got.Used != 103 {
		t.Errorf("at last the hub has %d used", got.Used)
	}
}
