package catalog_test

import (
	"testing"
	"time"
)

// periodWords are the period lengths, shortest first.
var periodWords = [...]string{"", "minute", "hour", "day", "week", "month", "year", "never"}

// fixedPeriod is the length of a period that is always equally long; 0: it is not.
func fixedPeriod(per string) time.Duration {
	switch per {
	case "minute":
		return time.Minute
	case "hour":
		return time.Hour
	case "day":
		return 24 * time.Hour
	case "week":
		return 7 * 24 * time.Hour
	}
	return 0
}

// calendarEnd is the end of the calendar's period that now lies in; the zero time: never.
func calendarEnd(per string, now time.Time) time.Time {
	y, m, d := now.Date()
	midnight := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	switch per {
	case "minute", "hour":
		return now.Truncate(fixedPeriod(per)).Add(fixedPeriod(per))
	case "day":
		return midnight(y, m, d+1)
	case "week":
		return midnight(y, m, d+7-(int(now.Weekday())+6)%7)
	case "month":
		return midnight(y, m+1, 1)
	case "year":
		return midnight(y+1, 1, 1)
	}
	return time.Time{}
}

// anchoredEnd is the end of the period that now lies in, periods beginning at whole steps from the anchor.
func anchoredEnd(per string, anchor, now time.Time) time.Time {
	step, begin := fixedPeriod(per), anchor
	switch {
	case step > 0:
		past := now.Sub(anchor)
		begin = now.Add(-((past%step + step) % step))
		return begin.Add(step)
	case per == "month":
		months := (now.Year()-anchor.Year())*12 + int(now.Month()-anchor.Month()) - 1
		return firstAfter(now, func(k int) time.Time { return monthsOn(anchor, months+k) })
	case per == "year":
		years := now.Year() - anchor.Year() - 1
		return firstAfter(now, func(k int) time.Time { return monthsOn(anchor, 12*(years+k)) })
	}
	return time.Time{}
}

func firstAfter(now time.Time, begin func(k int) time.Time) time.Time {
	k := 0
	for !begin(k).After(now) {
		k++
	}
	return begin(k)
}

// monthsOn is the same day and time some months later, or the last day of a month that is too short.
func monthsOn(t time.Time, months int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	days := first.AddDate(0, 1, -1).Day()
	return time.Date(first.Year(), first.Month(), min(t.Day(), days), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(),
		time.UTC)
}

func TestOraclePeriodsEndWhereACalendarSaysSo(t *testing.T) {
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	anchored := func(per, anchor, now string) time.Time { return anchoredEnd(per, at(anchor), at(now)) }
	const leapDay = "2024-02-29T06:00:00Z"
	for name, tc := range map[string]struct {
		got  time.Time
		want string
	}{
		"a week ends before Monday":   {calendarEnd("week", at("2026-11-29T23:59:59Z")), "2026-11-30T00:00:00Z"},
		"Monday begins a week":        {calendarEnd("week", at("2026-11-30T00:00:00Z")), "2026-12-07T00:00:00Z"},
		"December ends with the year": {calendarEnd("month", at("2026-12-31T10:00:00Z")), "2027-01-01T00:00:00Z"},
		"a month from the 31st is cut": {anchored("month", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
			"2026-02-28T00:00:00Z"},
		"and the next is not": {anchored("month", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"),
			"2026-03-31T00:00:00Z"},
		"a year from a leap day is cut":    {anchored("year", leapDay, "2024-03-01T00:00:00Z"), "2025-02-28T06:00:00Z"},
		"until the next leap year":         {anchored("year", leapDay, "2027-03-01T00:00:00Z"), "2028-02-29T06:00:00Z"},
		"days count from the time of day":  {anchored("day", leapDay, "2024-03-02T05:59:59Z"), "2024-03-02T06:00:00Z"},
		"before the anchor there are some": {anchored("day", leapDay, "2024-02-27T06:00:00Z"), "2024-02-28T06:00:00Z"},
	} {
		if want := at(tc.want); !tc.got.Equal(want) {
			t.Errorf("%s: got %v, want %v", name, tc.got, want)
		}
	}
}
