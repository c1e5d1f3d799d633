package meter

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
)

const year = 365 * 24 * time.Hour

// A watch is a machine's clock that somebody sets: true time, and by how much it is wrong.
type watch struct{ wrong atomic.Int64 }

func (w *watch) set(wrong time.Duration) { w.wrong.Store(int64(wrong)) }

func (w *watch) clock() *Clock {
	c := NewClock(func() time.Time { return time.Now().Add(time.Duration(w.wrong.Load())) })
	start := time.Now()
	c.passed = func(time.Time) time.Duration { return time.Since(start) }
	return c
}

// openBy is open for a machine with a clock of its own.
func (s *stand) openBy(v *tin, w *watch) (m *Meter, stop func()) { return s.openWith(v, w.clock()) }

// settled waits until meters have told and heard what there is.
func settled() { time.Sleep(5 * time.Second) }

// spent consumes one by one until something is denied, and answers how many there were.
func (s *stand) spent(m *Meter, most int) int64 {
	n := int64(0)
	for range most {
		got := s.consume(m, 1).Consumed
		if got == 0 {
			break
		}
		n += got
	}
	return n
}

// inPeriods is what the hub has of all periods together, none of which may have more than the most.
func (s *stand) inPeriods(most int64) (used int64) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	for _, p := range s.desk.book.Periods {
		u := p.Usage(time.Now().UnixMilli()).Used
		if used += u; u > most {
			s.Errorf("%d were consumed in the period from %v", u, time.UnixMilli(p.Start).UTC())
		}
	}
	return used
}

// briskly consumes some, ten a second, so that more is held than is needed.
func (s *stand) briskly(m *Meter, n int) int64 {
	sum := int64(0)
	for range n {
		sum += s.consume(m, 1).Consumed
		time.Sleep(100 * time.Millisecond)
	}
	return sum
}

func TestTimeIsBelievedAsFarAsItCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watch{}
		c := w.clock()
		off := func() time.Duration { return time.Until(c.Now()).Round(time.Minute) }
		for _, step := range []struct {
			what  string
			wrong time.Duration
			hear  time.Duration // how wrong the hub is that tells the time; 1: none does
			want  time.Duration
		}{
			{"alone, forward", year, 1, year},
			{"alone, back again", 0, 1, 0},
			{"a hub tells", 0, 0, 0},
			{"forward by hours", 5 * time.Hour, 1, 10 * time.Minute},
			{"forward by years", 9 * year, 0, 10 * time.Minute},
			{"right again", 0, 1, 0},
			{"back by an hour", -time.Hour, 0, -time.Hour},
			{"another hub is behind", 0, -3 * time.Hour, 0},
			{"another hub is ahead", 4 * time.Hour, 3 * time.Hour, 3*time.Hour + 10*time.Minute},
		} {
			time.Sleep(time.Hour)
			if w.set(step.wrong); step.hear != 1 {
				c.hear(time.Now().Add(step.hear).UnixMilli())
			}
			if got := off(); got != step.want {
				t.Errorf("%s: the time is wrong by %v, want %v", step.what, got, step.want)
			}
		}
	})
}

func TestTimeDoesNotFlicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watch{}
		c := w.clock()
		before := c.read()
		w.set(-30 * time.Second)
		if got := c.read(); got != before {
			t.Errorf("it went back by %d ms", before-got)
		}
	})
}

func TestAClockThatJumpsForwardVoidsNothing(t *testing.T) {
	for name, jump := range map[string]time.Duration{"hours": 30 * time.Hour, "years": 9 * year} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { jumpsForwardAndBack(t, jump) })
		})
	}
}

func jumpsForwardAndBack(t *testing.T, jump time.Duration) {
	s, w := newStand(t, checker.Allowance{Limit: 100, Per: checker.Hour}), &watch{}
	m, stop := s.openBy(newTin(1), w)
	defer stop()
	sum := s.briskly(m, 20)
	w.set(jump)
	sum += s.briskly(m, 20)
	s.desk.beAway(true)
	sum += s.spent(m, 1)
	time.Sleep(time.Minute)
	if sum += s.spent(m, 1); sum != 42 {
		t.Errorf("while the clock is ahead %d were consumed, want 42", sum)
	}
	w.set(0)
	s.desk.beAway(false)
	settled()
	if got := sum + s.spent(m, 100); got != 100 {
		t.Errorf("%d of 100 were consumed", got)
	}
	settled()
	if got := s.folded(); got.Used != 100 {
		t.Errorf("the hub has %+v", got)
	}
	if got := s.inPeriods(100); got != 100 {
		t.Errorf("all periods together have %d, want no other one", got)
	}
}

// TestAClockAheadGivesNothingBack is shortly before a period ends, which by the clock has ended.
func TestAClockAheadGivesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := newStand(t, checker.Allowance{Limit: 1000, Per: checker.Hour}), &watch{}
		m, stop := s.openBy(newTin(1), w)
		defer stop()
		time.Sleep(55 * time.Minute)
		s.briskly(m, 20)
		s.desk.beAway(true)
		held := m.Status().Held
		w.set(9 * year)
		time.Sleep(time.Minute)
		w.set(0)
		if got := s.spent(m, int(held)+10); held == 0 || got != held {
			t.Errorf("%d rights were held, %d could be spent when the clock was right again", held, got)
		}
	})
}

func TestASoftLimitIsNotCountedInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := newStand(t, checker.Allowance{Limit: 5, Per: checker.Hour, Soft: true}), &watch{}
		m, stop := s.openBy(newTin(1), w)
		defer stop()
		s.consume(m, 10)
		settled()
		w.set(9 * year)
		s.consume(m, 10)
		settled()
		if got := s.folded(); got.Used != 20 {
			t.Errorf("the hub has %+v, want all 20 in the period that it is", got)
		}
	})
}

// TestAHolderThatBeganInTheFutureComesBack has no hub to ask at first.
func TestAHolderThatBeganInTheFutureComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Hour}), &watch{}, newTin(1)
		m, stop := s.openBy(v, w)
		sum := s.briskly(m, 20)
		s.desk.beAway(true)
		time.Sleep(time.Minute) // it notices
		stop()
		w.set(9 * year)
		m, stop = s.openBy(v, w)
		defer stop()
		if got := s.consume(m, 1); got.Consumed != 0 {
			t.Errorf("in a period without rights: got %+v", got)
		}
		time.Sleep(time.Minute)
		w.set(0)
		if got := s.consume(m, 1); got.Consumed != 1 {
			t.Errorf("the clock is right again, the hub away: got %+v", got)
		}
		s.desk.beAway(false)
		settled()
		if got := sum + 1 + s.spent(m, 100); got != 100 {
			t.Errorf("%d of 100 were consumed", got)
		}
	})
}

// TestAClockSetBackGainsNothing is at the end of a period, with the process or without.
func TestAClockSetBackGainsNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		back    time.Duration
		restart bool
		away    bool
	}{
		"by an hour":                  {time.Hour, false, false},
		"by an hour, over a restart":  {time.Hour, true, false},
		"by a month":                  {30 * 24 * time.Hour, false, false},
		"by a month, over a restart":  {30 * 24 * time.Hour, true, false},
		"by a month, without a hub":   {30 * 24 * time.Hour, true, true},
		"by an hour, without a hub":   {time.Hour, true, true},
		"by 4 days, without a hub":    {4 * 24 * time.Hour, true, true},
		"by 4 days, with the process": {4 * 24 * time.Hour, false, true},
		"by years":                    {9 * year, false, false},
		"by years, over a restart":    {9 * year, true, false},
		"by years, without a hub":     {9 * year, true, true},
		"by years, with the process":  {9 * year, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { setBack(t, tc.back, tc.restart, tc.away) })
		})
	}
}

func setBack(t *testing.T, back time.Duration, restart, away bool) {
	s, w, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Hour}), &watch{}, newTin(1)
	m, stop := s.openBy(v, w)
	sum := int64(0)
	for range 6 { // hours
		sum += s.spent(m, 60)
		settled()
		time.Sleep(time.Hour - 10*time.Second)
	}
	settled() // what is left of yesterday is void
	s.desk.beAway(away)
	if restart {
		stop()
		w.set(-back)
		m, stop = s.openBy(v, w)
	}
	defer func() { stop() }()
	w.set(-back)
	sum += s.spent(m, 200)
	time.Sleep(time.Minute)
	sum += s.spent(m, 200)
	w.set(0)
	s.desk.beAway(false)
	settled()
	sum += s.spent(m, 200)
	settled()
	used := s.inPeriods(100)
	if used != sum || sum > 700 {
		t.Errorf("callers were told of %d, the hub has %d", sum, used)
	}
	if today := s.folded(); today.Used != 100 {
		t.Errorf("today %d were consumed, want all: the clock is right again", today.Used)
	}
}

// TestTheHubsClockMayJump goes forward for a while and comes back; the holder's may go with it, as on one machine.
func TestTheHubsClockMayJump(t *testing.T) {
	for name, tc := range map[string]struct {
		jump time.Duration
		both bool
	}{
		"forward by years":       {9 * year, false},
		"both forward by years":  {9 * year, true},
		"back by an hour":        {-1 * time.Hour, false},
		"both back by an hour":   {-1 * time.Hour, true},
		"forward by hours":       {30 * time.Hour, false},
		"both, forward by hours": {30 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hubJumps(t, tc.jump, tc.both) })
		})
	}
}

func hubJumps(t *testing.T, jump time.Duration, both bool) {
	s, w, hub := newStand(t, checker.Allowance{Limit: 100, Per: checker.Hour}), &watch{}, &watch{}
	s.desk.now = func() time.Time { return time.Now().Add(time.Duration(hub.wrong.Load())) }
	m, stop := s.openBy(newTin(1), w)
	defer stop()
	time.Sleep(3 * time.Hour)
	sum := s.spent(m, 30)
	settled()
	if hub.set(jump); both {
		w.set(jump)
	}
	sum += s.spent(m, 20)
	time.Sleep(time.Minute)
	sum += s.spent(m, 20)
	hub.set(0)
	w.set(0)
	settled()
	sum += s.spent(m, 200)
	settled()
	used := s.inPeriods(100)
	if used != sum {
		t.Errorf("callers were told of %d, the hub has %d", sum, used)
	}
	if today := s.folded(); today.Used != 100 {
		t.Errorf("%d were consumed of 100, though the clocks are right again", today.Used)
	}
	var u checker.Use
	m.Use([]byte("acme"), []byte("calls"), nil, &u)
	if today := s.folded(); u.Used != today.Used {
		t.Errorf("a check is told of %d, the hub has %d", u.Used, today.Used)
	}
}

func TestAPeriodThatEndsDuringAPartitionEndsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, checker.Allowance{Limit: 100, Per: checker.Hour})
		m, stop := s.open(newTin(1))
		defer stop()
		first := s.spent(m, 10)
		settled()
		s.desk.beAway(true)
		time.Sleep(time.Hour)
		second := s.spent(m, 100) // what stands for it
		s.desk.beAway(false)
		settled()
		second += s.spent(m, 200)
		settled()
		if first != 10 || second != 100 || s.folded().Used != 100 {
			t.Errorf("%d and %d were consumed, the hub has %+v", first, second, s.folded())
		}
	})
}
