package catalog

import (
	"strconv"
	"strings"
	"time"
)

// A Duration is a length of time in a document, written as Go writes it, with d for 24 hours: 72h, 30d, 1d12h.
type Duration time.Duration

// maxDuration is the longest Duration, one hundred years of 365 days.
const maxDuration = 100 * 365 * 24 * time.Hour

// ParseDuration reads a Duration: whole milliseconds, not negative, at most a hundred years. The error is a Fault
// without a path.
func ParseDuration(text string) (Duration, error) {
	bad := Fault{Problem: `it is not a duration such as "10m", "72h" or "30d"`}
	long := Fault{Problem: "it is longer than a hundred years", Remedy: "at most 36500d"}
	var total time.Duration
	rest := text
	if days, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil {
			return 0, bad
		}
		if n > uint64(maxDuration/(24*time.Hour)) {
			return 0, long
		}
		total, rest = time.Duration(n)*24*time.Hour, after
	}
	if rest != "" || text == "" {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, bad
		}
		total += d
	}
	switch {
	case total < 0 || strings.HasPrefix(rest, "-"):
		return 0, Fault{Problem: "it is negative", Remedy: `0 or more, such as "72h"`}
	case total > maxDuration:
		return 0, long
	case total%time.Millisecond != 0:
		return 0, Fault{Problem: "it is finer than a millisecond", Remedy: "write whole milliseconds"}
	}
	return Duration(total), nil
}

// String is the shortest form that ParseDuration reads back: 72h rather than 72h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if t, ok := strings.CutSuffix(s, "m0s"); ok {
		s = t + "m"
	}
	if t, ok := strings.CutSuffix(s, "h0m"); ok {
		s = t + "h"
	}
	return s
}

// MarshalText writes the Duration as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	*d = v
	return err
}

func (d Duration) milliseconds() int64 { return time.Duration(d).Milliseconds() }
