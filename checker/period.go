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

// monthPeriod is the period of n months; anchor counts only if anchored.
func monthPeriod(n int64, anchored bool, anchor, now int64) (start, end int64) {
	if !anchored {
		anchor = 0 // 1970-01-01, where a month and a year begin
	}
	base, day, clock := monthOf(anchor)
	at, _, _ := monthOf(now)
	steps := floorDiv(at-base, n)
	start = monthStart(base+steps*n, day, clock)
	if start > now {
		steps--
		start = monthStart(base+steps*n, day, clock)
	}
	return start, monthStart(base+(steps+1)*n, day, clock)
}

// monthOf takes a time apart: months since year 0, day of the month from 1, milliseconds into the day.
func monthOf(ms int64) (month, day, clock int64) {
	days := floorDiv(ms, dayMs)
	// Days are counted in years that begin on the first of March, so that a leap day is a year's last.
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	return (yoe+era*400)*12 + mp + 2, doy - (153*mp+2)/5 + 1, ms - days*dayMs
}

// monthStart is the time of a day in a month, clamped to the month's last day.
func monthStart(month, day, clock int64) int64 {
	first := firstDay(month)
	last := firstDay(month+1) - first
	return (first+min(day, last)-1)*dayMs + clock
}

// firstDay is the number of days from 1970-01-01 to the first of a month counted from year 0.
func firstDay(month int64) int64 {
	m := month - 2 // from the first of March
	y, mp := floorDiv(m, 12), m-floorDiv(m, 12)*12
	era := floorDiv(y, 400)
	yoe := y - era*400
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + (153*mp+2)/5 - 719468
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
