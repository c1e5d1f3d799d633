package checker

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func at(t *testing.T, text string) int64 {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v.UnixMilli()
}

func TestPeriodEndFollowsCalendarAndAnchor(t *testing.T) {
	for name, tc := range map[string]struct {
		per             Per
		anchor, now     string
		wantBeg, wantTo string
	}{
		"a calendar month":                   {Month, "", "2026-11-23T10:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		"its first instant is inside":        {Month, "", "2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		"the 31st clamps to short months":    {Month, "2026-01-31T08:00:00Z", "2026-02-28T07:59:59Z", "2026-01-31T08:00:00Z", "2026-02-28T08:00:00Z"},
		"and comes back after them":          {Month, "2026-01-31T08:00:00Z", "2026-02-28T08:00:00Z", "2026-02-28T08:00:00Z", "2026-03-31T08:00:00Z"},
		"a leap day's year ends on the 28th": {Year, "2024-02-29T00:00:00Z", "2025-03-01T00:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z"},
		"a leap year has its 29th again":     {Year, "2024-02-29T00:00:00Z", "2028-03-01T00:00:00Z", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"},
		"a calendar week begins on Monday":   {Week, "", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		"an anchored week on the anchor":     {Week, "2026-11-18T12:00:00Z", "2026-11-30T00:00:00Z", "2026-11-25T12:00:00Z", "2026-12-02T12:00:00Z"},
		"a day":                              {Day, "", "2026-11-23T10:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"},
		"an hour":                            {Hour, "", "2026-11-23T10:59:59Z", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"},
		"an anchored minute":                 {Minute, "2026-11-23T10:00:30Z", "2026-11-23T11:00:29Z", "2026-11-23T10:59:30Z", "2026-11-23T11:00:30Z"},
		"a calendar year":                    {Year, "", "2026-11-23T10:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			anchor := int64(0)
			if tc.anchor != "" {
				anchor = at(t, tc.anchor)
			}
			start, end := PeriodEnd(tc.per, tc.anchor != "", anchor, at(t, tc.now))
			if start != at(t, tc.wantBeg) || end != at(t, tc.wantTo) {
				t.Errorf("got %v to %v, want %s to %s", time.UnixMilli(start).UTC(), time.UnixMilli(end).UTC(),
					tc.wantBeg, tc.wantTo)
			}
		})
	}
}

func TestMonthsAgreeWithPackageTime(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200_000 {
		ms := r.Int64N(1<<49) - 1<<48
		month, day, clock := monthOf(ms)
		at := time.UnixMilli(ms).UTC()
		want := int64(at.Year())*12 + int64(at.Month()) - 1
		if month != want || day != int64(at.Day()) || monthStart(month, day, clock) != ms {
			t.Fatalf("%v: got month %d day %d, back %d", at, month, day, monthStart(month, day, clock))
		}
	}
}

func TestEveryInstantLiesInItsPeriod(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 200_000 {
		per, anchored := Minute+Per(r.IntN(6)), r.IntN(2) == 0
		anchor, now := r.Int64N(1<<43), r.Int64N(1<<43)
		start, end := PeriodEnd(per, anchored, anchor, now)
		if start > now || now >= end {
			t.Fatalf("per %d anchored %v anchor %d now %d: got %d to %d", per, anchored, anchor, now, start, end)
		}
		if s, e := PeriodEnd(per, anchored, anchor, end); s != end || e <= end {
			t.Fatalf("per %d anchored %v anchor %d: after %d to %d comes %d to %d", per, anchored, anchor, start, end, s, e)
		}
	}
}

func TestPeriodEndIsTotal(t *testing.T) {
	extremes := []int64{math.MinInt64, math.MaxInt64, 0, -1}
	for i := range len(extremes) * len(extremes) {
		now, anchor := extremes[i/len(extremes)], extremes[i%len(extremes)]
		for per := NoPer; per <= Never+1; per++ {
			if start, end := PeriodEnd(per, true, anchor, now); start > end {
				t.Errorf("per %d anchor %d now %d: got %d to %d", per, anchor, now, start, end)
			}
		}
	}
}
