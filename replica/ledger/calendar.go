package ledger

import (
	"fmt"
	"math"
	"slices"

	"github.com/sidegate/sidegate/checker"
)

// Forever is the end of a period that has none, and the time until which something without an end lasts.
const Forever = math.MaxInt64

// A Span is a period: Start is inside, End is not. Times are unix milliseconds. A period is known by its start.
type Span struct{ Start, End int64 }

// A Rule says which periods there are from a time on.
type Rule struct {
	Per      checker.Per
	Anchored bool
	Anchor   int64 // counts if Anchored
	From     int64
}

// RuleOf is the rule of what a customer holds.
func RuleOf(t *checker.Terms) Rule { return Rule{Per: t.Per, Anchored: t.Anchored, Anchor: t.Anchor} }

// Same tells whether two rules make the same periods.
func (r Rule) Same(o Rule) bool {
	if r.at(0).End == Forever && o.at(0).End == Forever {
		return true
	}
	return r.Per == o.Per && r.Anchored == o.Anchored && (!r.Anchored || r.Anchor == o.Anchor)
}

// at is the period at a time, as if the rule had always been.
func (r Rule) at(t int64) Span {
	start, end := checker.PeriodEnd(r.Per, r.Anchored, r.Anchor, t)
	if end == 0 {
		return Span{0, Forever}
	}
	return Span{start, end}
}

// A Calendar is a feature's rules for one customer, in order of From. What has begun is never rewritten, so that
// everybody who knows it finds the same periods.
type Calendar []Rule

// NewCalendar has one rule, since ever.
func NewCalendar(r Rule) Calendar {
	r.From = 0
	return Calendar{r}
}

// At is the period at a time; the zero Span if there is no rule.
func (c Calendar) At(t int64) Span {
	for i := len(c) - 1; i >= 0; i-- {
		if i > 0 && c[i].From > t {
			continue
		}
		s := c[i].at(max(t, c[i].From)) // before all that is kept is the first of it
		s.Start = max(s.Start, c[i].From)
		if i+1 < len(c) {
			s.End = min(s.End, c[i+1].From)
		}
		return s
	}
	return Span{}
}

// amend is a period with the end that the calendar gives it. One of another calendar stays as it is, but what began
// before all that is kept has ended.
func (c Calendar) amend(s Span) Span {
	if len(c) > 0 && s.Start < c[0].From {
		s.End = min(s.End, c[0].From)
	}
	if own := c.At(s.Start); own.Start == s.Start && own.Start < own.End {
		return own
	}
	return s
}

// Change makes another rule follow at the end of the period at now. A period without an end is ended now.
func (c Calendar) Change(r Rule, now int64) Calendar {
	if len(c) == 0 {
		return NewCalendar(r)
	}
	kept := c[:1:1]
	for _, old := range c[1:] {
		if old.From <= now {
			kept = append(kept, old)
		}
	}
	last := kept[len(kept)-1]
	if last.Same(r) {
		return kept
	}
	if r.From = kept.At(now).End; r.From == Forever {
		r.From = now
	}
	if last.From >= r.From { // it was to begin now, after a reset
		kept = slices.Clip(kept[:len(kept)-1])
	}
	return append(kept, r)
}

// Reset ends the period at now: the one explicit way to begin anew before its end.
func (c Calendar) Reset(now int64) Calendar {
	if len(c) == 0 {
		return c
	}
	kept := c[:1:1]
	for _, old := range c[1:] {
		if old.From < now {
			kept = append(kept, old)
		}
	}
	again := kept[len(kept)-1]
	if again.From >= now {
		return kept // it begins now
	}
	again.From = now
	return append(kept, again)
}

// prune drops rules that ended before a time.
func (c Calendar) prune(before int64) Calendar {
	for len(c) > 1 && c[1].From <= before {
		c = c[1:]
	}
	return c
}

func (c Calendar) check() error {
	for i := 1; i < len(c); i++ {
		if c[i].From <= c[i-1].From {
			return fmt.Errorf("calendar: rule %d begins at %d, not after the one before", i, c[i].From)
		}
	}
	return nil
}
