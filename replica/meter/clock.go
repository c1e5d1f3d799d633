package meter

import (
	"math"
	"sync/atomic"
	"time"
)

// How far a clock is believed.
const (
	// lead is how far this machine's clock may be ahead of the hub's, in milliseconds.
	lead = 10 * 60_000
	// jitter is how far the clock may go back, in milliseconds, without time going back with it.
	jitter = 60_000
)

// A Clock is the time, as far as this machine's clock can be believed. Once a hub has told the time, what has passed
// since is known without the machine's clock, which then cannot run ahead of that by more than lead: a clock that is
// set forward by mistake voids nothing, and nothing is counted in a period that has not come. A clock that is set back
// by more than jitter takes the time with it, so that one that ran ahead leaves nobody in the future.
type Clock struct {
	now    func() time.Time
	passed func(time.Time) time.Duration // since the start, whatever the clock was set to meanwhile
	last   atomic.Int64                  // unix milliseconds that were answered last
	mark   atomic.Pointer[mark]          // nil: no hub has told the time yet
}

// A mark is a time that a hub told, and when that was.
type mark struct {
	at     int64
	passed time.Duration
}

// NewClock makes a clock of one that may be set forward and back.
func NewClock(now func() time.Time) *Clock {
	start := now()
	return &Clock{now: now, passed: func(t time.Time) time.Duration { return t.Sub(start) }}
}

// Now is the time.
func (c *Clock) Now() time.Time { return time.UnixMilli(c.read()) }

// read is the time in unix milliseconds.
func (c *Clock) read() int64 {
	wall := c.now()
	now := wall.UnixMilli()
	if m := c.mark.Load(); m != nil {
		now = min(now, m.extend(c.passed(wall))+lead)
	}
	for {
		last := c.last.Load()
		if now <= last && last-now <= jitter {
			return last
		}
		if c.last.CompareAndSwap(last, now) {
			return now
		}
	}
}

// extend is what the hub's clock shows by now.
func (m *mark) extend(passed time.Duration) int64 { return m.at + (passed - m.passed).Milliseconds() }

// hear takes in what a hub's clock shows. Of several hubs the one that is ahead is believed.
func (c *Clock) hear(at int64) {
	next := &mark{at, c.passed(c.now())}
	for {
		m := c.mark.Load()
		if m != nil && m.extend(next.passed) >= at || c.mark.CompareAndSwap(m, next) {
			return
		}
	}
}

// proven is the time that it is by the hub's clock as well; 0: none has told.
func (c *Clock) proven() int64 {
	m := c.mark.Load()
	if m == nil {
		return 0
	}
	return min(c.read(), m.extend(c.passed(c.now())))
}

// ahead is by how much this machine's clock is not believed, in milliseconds.
func (c *Clock) ahead() int64 { return max(0, c.now().UnixMilli()-c.read()) }

// since is how long ago something was. What lies ahead was long ago, before the clock was set back.
func since(now, then int64) int64 {
	if then > now+jitter {
		return math.MaxInt64
	}
	return max(0, now-then)
}
