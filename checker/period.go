package checker

const (
	minuteMs = int64(60_000)
	hourMs   = 60 * minuteMs
	dayMs    = 24 * hourMs
	weekMs   = 7 * dayMs

	// firstMonday is 1970-01-05, the first calendar week's beginning.
	firstMonday = 4 * dayMs

	// farTime bounds the times that periods are told for, far beyond any document's.
	farTime = int64(1) << 50
)

// PeriodEnd answers the period that now lies in: start is inside, end is outside. All times are unix milliseconds.
// Periods begin at calendar boundaries in UTC (weeks on Monday) or, if anchored, at whole steps from anchor; a month
// that lacks the anchor's day begins on its last day. Never and NoPer answer 0, 0.
func PeriodEnd(per Per, anchored bool, anchor, now int64) (start, end int64) {
	now = min(max(now, -farTime), farTime)
	anchor = min(max(anchor, -farTime), farTime)
	var step, origin int64
	switch per {
	case Minute:
		step = minuteMs
	case Hour:
		step = hourMs
	case Day:
		step = dayMs
	case Week:
		step, origin = weekMs, firstMonday
	case Month:
		return monthPeriod(1, anchored, anchor, now)
	case Year:
		return monthPeriod(12, anchored, anchor, now)
	default:
		return 0, 0
	}
	if anchored {
		origin = anchor
	}
	start = origin + floorDiv(now-origin, step)*step
	return start, start + step
}

// monthPeriod is the period of n months, 1 or 12; anchor counts only if anchored.
func monthPeriod(n int64, anchored bool, anchor, now int64) (start, end int64) {
	base, day, clock := int64(1970*12), int64(1), int64(0)
	if anchored {
		base, day, clock = monthOf(anchor)
	}
	at, _, _ := monthOf(now)
	if n == 12 {
		at = base + floorDiv(at-base, 12)*12
	}
	start = monthStart(at, day, clock)
	if start > now {
		return monthStart(at-n, day, clock), start
	}
	return start, monthStart(at+n, day, clock)
}

// The calendar is computed in unsigned 32 bits, which is several times faster. So days are counted from a first of
// March (a leap day is a year's last) 40,000 years before year 0.
const (
	yearsBefore = 40_000
	daysBefore  = yearsBefore/400*146_097 + 719_468 // to 1970-01-01
)

// monthOf takes a time apart: months since year 0, day of the month from 1, milliseconds into the day.
func monthOf(ms int64) (month, day, clock int64) {
	t := uint64(ms + daysBefore*dayMs)
	days := uint32(t / uint64(dayMs))
	century := 4*days + 3
	inCentury := century%146_097/4*4 + 3
	inYear := inCentury % 1461 / 4
	m := (5*inYear + 2) / 153
	years := century/146_097*100 + inCentury/1461
	month = int64(years*12+m) + 2 - yearsBefore*12
	return month, int64(inYear-(153*m+2)/5) + 1, int64(t % uint64(dayMs))
}

// monthStart is the time of a day in a month, clamped to the month's last day.
func monthStart(month, day, clock int64) int64 {
	first := firstDay(month)
	if day > 28 {
		day = min(day, firstDay(month+1)-first)
	}
	return (first+day-1)*dayMs + clock
}

// firstDay is the number of days from 1970-01-01 to the first of a month counted from year 0.
func firstDay(month int64) int64 {
	m := uint32(month - 2 + yearsBefore*12)
	y := m / 12
	return int64(365*y+y/4-y/100+y/400+(153*(m%12)+2)/5) - daysBefore
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
