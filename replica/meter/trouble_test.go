package meter

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
)

// perhaps consumes, and answers how much was counted.
func (s *stand) perhaps(m *Meter, q int64) int64 {
	res, err := m.Consume(s.Context(), s.request(q, 0))
	if err != nil {
		return 0
	}
	return res.Consumed
}

func TestWhatTheVaultDoesNotTakeIsNotCounted(t *testing.T) {
	for name, a := range map[string]checker.Allowance{
		"soft":    {Limit: 100, Per: checker.Month, Soft: true},
		"hard":    hard(1000),
		"chunked": {Limit: 1000, Per: checker.Month, Soft: true, Chunked: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fillTheVault(t, a) })
		})
	}
}

func fillTheVault(t *testing.T, a checker.Allowance) {
	s, v := newStand(t, a), newTin(1)
	m, stop := s.open(v)
	s.consume(m, 5)
	v.beFull(true)
	var counted atomic.Int64
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() { counted.Add(s.perhaps(m, 10)) })
	}
	group.Wait()
	if !a.Chunked && counted.Load() != 0 {
		t.Errorf("%d were counted", counted.Load())
	}
	v.beFull(false)
	if d := s.consume(m, 1).Decision; !d.Allowed || d.Used != 6+counted.Load() {
		t.Errorf("then: got %+v, want %d used", d, 6+counted.Load())
	}
	stop()
	if got := s.folded(); got.Used != 6+counted.Load() {
		t.Errorf("the hub has %d, want %d", got.Used, 6+counted.Load())
	}
}

func TestAVaultThatFailsNowAndThenLosesAndDoublesNothing(t *testing.T) {
	for name, a := range map[string]checker.Allowance{
		"soft":             {Limit: 100, Per: checker.Month, Soft: true},
		"hard":             hard(100_000),
		"chunked":          {Limit: 100_000, Per: checker.Month, Chunked: true},
		"chunked and soft": {Limit: 100, Per: checker.Month, Soft: true, Chunked: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { failNowAndThen(t, a) })
		})
	}
}

func failNowAndThen(t *testing.T, a checker.Allowance) {
	s, v := newStand(t, a), newTin(1)
	v.slow = 3 * time.Millisecond
	m, stop := s.open(v)
	var counted atomic.Int64
	var group sync.WaitGroup
	for who := range 8 {
		group.Go(func() {
			for n := range 300 {
				counted.Add(s.perhaps(m, 1+int64(n%7)))
				time.Sleep(time.Duration(who+n%5) * time.Millisecond)
			}
		})
	}
	for n := range 100 {
		time.Sleep(time.Duration(5+n%11) * time.Millisecond)
		v.beFull(n%3 == 0)
	}
	v.beFull(false)
	group.Wait()
	stop()
	got := s.folded()
	if got.Used != counted.Load() || got.Out != 0 {
		t.Errorf("the hub has %d used and %d out, callers were told of %d", got.Used, got.Out, counted.Load())
	}
	if counted.Load() < 1000 {
		t.Errorf("only %d were counted; the test shows little", counted.Load())
	}
}

func TestAChunkThatWasLetGoOfInVainIsWrittenDown(t *testing.T) { synctest.Test(t, letGoInVain) }

func letGoInVain(t *testing.T) {
	s, v := newStand(t, checker.Allowance{Limit: 1000, Per: checker.Month, Chunked: true}), newTin(1)
	m, stop := s.open(v)
	s.consume(m, 5)
	s.desk.beAway(true)
	if res := s.consume(m, 500); res.Decision.Reason != checker.RightsUnavailable {
		t.Fatalf("got %+v", res)
	}
	stop()
	s.desk.beAway(false)
	_, stop = s.open(v)
	time.Sleep(3 * time.Second)
	stop()
	now := time.Now().UnixMilli()
	if u := s.desk.book.Periods[0].Usage(now); u.Used != 5 || u.Doubt != 0 {
		t.Errorf("the hub has %+v", u)
	}
}

func TestAKeyWhoseCommitFailedIsNotRepeated(t *testing.T) { synctest.Test(t, keyInVain) }

func keyInVain(t *testing.T) {
	s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true}), newTin(1)
	v.slow = 10 * time.Millisecond
	m, stop := s.open(v)
	v.beFull(true)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if res, err := m.Consume(t.Context(), s.request(3, 7)); err == nil {
				t.Errorf("got %+v, though nothing was written", res)
			}
		})
	}
	group.Wait()
	v.beFull(false)
	if res, err := m.Consume(t.Context(), s.request(3, 7)); err != nil || res.Consumed != 3 {
		t.Errorf("later: got %+v, %v", res, err)
	}
	stop()
}

// A chunk is consumed whole while it is written, and the commit that settles it fails.
func TestAChunkThatIsEmptyAtOnceStaysConsumed(t *testing.T) { synctest.Test(t, emptyAtOnce) }

func emptyAtOnce(t *testing.T) {
	s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true, Chunked: true}), newTin(1)
	v.slow = 10 * time.Millisecond
	m, stop := s.open(v)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() { s.consume(m, 1) })
	}
	group.Wait()
	v.beFull(true)
	time.Sleep(3 * time.Second)
	v.beFull(false)
	stop()
	if got := s.folded(); got.Used != 16 {
		t.Errorf("the hub has %+v", got)
	}
}

func TestWhatACrashLeftInDoubtIsToldThoughTheFirstCommitFails(t *testing.T) {
	synctest.Test(t, doubtful)
}

func doubtful(t *testing.T) {
	s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true, Chunked: true}), newTin(1)
	s.desk.beAway(true)
	m, stop := s.open(v)
	s.consume(m, 1)
	crashed := v.copy()
	stop()
	s.desk.beAway(false)
	crashed.full = true
	_, stop = s.open(crashed)
	time.Sleep(3 * time.Second)
	crashed.beFull(false)
	time.Sleep(10 * time.Second)
	stop()
	if got := s.desk.book.Periods; len(got) != 1 || got[0].Usage(time.Now().UnixMilli()).Doubt != 16 {
		t.Errorf("the hub has %+v", got)
	}
}

func TestAnHeirTellsNothingTwiceThoughACommitFailed(t *testing.T) {
	synctest.Test(t, inheritAfterAFailure)
}

func inheritAfterAFailure(t *testing.T) {
	for _, a := range []checker.Allowance{hard(100), {Limit: 100, Per: checker.Month, Soft: true}} {
		s, v := newStand(t, a), newTin(1)
		m, stop := s.open(v)
		s.consume(m, 5)
		settled() // the hub has them
		v.beFull(true)
		if n := s.perhaps(m, 1); n != 0 {
			t.Errorf("%d were counted", n)
		}
		v.beFull(false)
		old := m.holder()
		s.desk.mu.Lock()
		s.desk.book.Quarantine(old)
		s.desk.mu.Unlock()
		s.perhaps(m, 90) // it asks, and is told
		settled()
		if m.holder() == old {
			t.Error("it has its old name")
		}
		used := s.consume(m, 1).Decision.Used
		stop()
		if got := s.folded(); got.Used != used || used != 6 && used != 96 {
			t.Errorf("the hub has %d, the holder %d", got.Used, used)
		}
	}
}
