package checker

import (
	"bytes"
	"errors"
	"fmt"
)

// A version is a semantic version; parts says how much of it was given (1 to 3, 0 for a wildcard alone).
type version struct {
	n     [3]uint64
	pre   []byte // after the dash; nil: a release
	parts int
}

var lowestPre = []byte("0")

var errVersion = errors.New("it is not a semantic version such as 2, 2.1 or 2.1.0-beta.1")

// ValidVersion tells whether text is a version that a check may name: a semantic version, also a short one, with or
// without a leading v.
func ValidVersion(text []byte) bool {
	v, err := readVersion(text)
	return err == nil && v.parts > 0
}

// readVersion reads a version in which parts may be left out or be a wildcard (x, X, *).
func readVersion(text []byte) (version, error) {
	var v version
	if len(text) > 0 && (text[0] == 'v' || text[0] == 'V') {
		text = text[1:]
	}
	if at := bytes.IndexByte(text, '+'); at >= 0 {
		if !validIdents(text[at+1:], false) {
			return v, errVersion
		}
		text = text[:at]
	}
	if at := bytes.IndexByte(text, '-'); at >= 0 {
		v.pre, text = text[at+1:], text[:at]
		if !validIdents(v.pre, true) {
			return v, errVersion
		}
	}
	wild := false
	for i := 0; ; i++ {
		part, rest, more := bytes.Cut(text, []byte{'.'})
		isWild := len(part) == 1 && (part[0] == 'x' || part[0] == 'X' || part[0] == '*')
		if i == 3 || wild && !isWild {
			return v, errVersion
		}
		if isWild {
			wild = true
		} else if n, ok := digits(part); ok {
			v.n[i], v.parts = n, i+1
		} else {
			return v, errVersion
		}
		if text = rest; !more {
			break
		}
	}
	if v.pre != nil && v.parts < 3 {
		return v, errVersion
	}
	return v, nil
}

func validIdents(text []byte, pre bool) bool {
	for {
		part, rest, more := bytes.Cut(text, []byte{'.'})
		if len(part) == 0 {
			return false
		}
		for _, c := range part {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-') {
				return false
			}
		}
		if _, number := digits(part); pre && !number && allDigits(part) {
			return false // a leading zero
		}
		if text = rest; !more {
			return true
		}
	}
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// digits reads a number without leading zeros of at most 18 digits.
func digits(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 18 || len(b) > 1 && b[0] == '0' || !allDigits(b) {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// compare orders two versions by precedence. A left out part counts as 0, build data does not count.
func (v *version) compare(o *version) int {
	for i := range v.n {
		if v.n[i] != o.n[i] {
			return sign(v.n[i] < o.n[i])
		}
	}
	switch {
	case v.pre == nil && o.pre == nil:
		return 0
	case v.pre == nil || o.pre == nil:
		return sign(v.pre != nil)
	}
	return comparePre(v.pre, o.pre)
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

func comparePre(a, b []byte) int {
	for {
		x, restX, moreX := bytes.Cut(a, []byte{'.'})
		y, restY, moreY := bytes.Cut(b, []byte{'.'})
		if c := compareIdent(x, y); c != 0 {
			return c
		}
		if !moreX || !moreY {
			if moreX == moreY {
				return 0
			}
			return sign(moreY)
		}
		a, b = restX, restY
	}
}

func compareIdent(a, b []byte) int {
	numA, numB := allDigits(a), allDigits(b)
	switch {
	case numA != numB:
		return sign(numA)
	case numA && len(a) != len(b):
		return sign(len(a) < len(b))
	}
	return bytes.Compare(a, b)
}

// A comparator is an operator with the interval that its version stands for: a whole version one point, a short one
// all that begins with it, pre-releases of its first member included.
type comparator struct {
	op     string
	lo, hi version // hi is outside
	point  bool
	all    bool // a wildcard alone
}

func (c *comparator) matches(v *version) bool {
	if c.all {
		return c.op != "<" && c.op != ">" && c.op != "!="
	}
	below := v.compare(&c.lo) < 0
	above := v.compare(&c.hi) >= 0
	if c.point {
		above = v.compare(&c.lo) > 0
	}
	switch c.op {
	case ">":
		return above
	case ">=":
		return !below
	case "<":
		return below
	case "<=":
		return !above
	case "!=":
		return below || above
	}
	return !below && !above
}

// newComparator turns an operator and a version into an interval.
func newComparator(op string, v version) comparator {
	c := comparator{op: op, lo: v, all: v.parts == 0, point: v.parts == 3}
	if v.parts < 3 {
		c.lo.pre = lowestPre
	}
	bump := v.parts - 1 // the part that is one higher outside the interval
	switch op {
	case "~":
		c.point, bump = false, min(1, bump)
	case "^":
		c.point, bump = false, 0
		for bump < v.parts-1 && v.n[bump] == 0 {
			bump++
		}
	}
	if c.all {
		return c
	}
	c.hi.n, c.hi.pre = v.n, lowestPre
	c.hi.n[bump]++
	for i := bump + 1; i < 3; i++ {
		c.hi.n[i] = 0
	}
	return c
}

var operators = [...]string{"<=", ">=", "!=", "==", "~>", "<", ">", "=", "~", "^"}

// nextComparator takes a comparator off the front of a range.
func nextComparator(text []byte) (c comparator, rest []byte, err error) {
	op := ""
	for _, o := range operators {
		if len(text) >= len(o) && string(text[:len(o)]) == o {
			op, text = o, bytes.TrimLeft(text[len(o):], " ")
			break
		}
	}
	end := bytes.IndexAny(text, " ,")
	if end < 0 {
		end = len(text)
	}
	v, err := readVersion(text[:end])
	if err != nil {
		return c, nil, err
	}
	text = bytes.TrimLeft(text[end:], " ")
	if op == "~>" {
		op = "~"
	}
	if op == "" && bytes.HasPrefix(text, []byte("- ")) {
		return hyphen(v, text)
	}
	return newComparator(op, v), text, nil
}

// hyphen reads "low - high", both inside.
func hyphen(low version, text []byte) (c comparator, rest []byte, err error) {
	high, rest, err := nextComparator(bytes.TrimLeft(text[1:], " "))
	if err != nil || high.op != "" {
		return c, nil, errVersion
	}
	c = newComparator("", low)
	if high.all || c.all {
		return c, nil, errVersion
	}
	c.hi = high.hi
	if high.point {
		c.hi = high.lo
		c.hi.n[2]++
		c.hi.pre = lowestPre
		if high.lo.pre != nil {
			return c, nil, errVersion
		}
	}
	c.point = false
	return c, rest, nil
}

// matchVersions tells whether a constraint covers a version: ranges joined by ||, comparators in a range joined by
// spaces or commas. A malformed constraint is an error and covers nothing.
func matchVersions(constraint []byte, v *version) (bool, error) {
	found := false
	for {
		text, next, more := bytes.Cut(constraint, []byte("||"))
		covered, err := matchRange(bytes.Trim(text, " "), v)
		if err != nil {
			return false, err
		}
		found = found || covered
		if constraint = next; !more {
			return found, nil
		}
	}
}

func matchRange(text []byte, v *version) (bool, error) {
	all := true
	for first := true; first || len(text) > 0; first = false {
		c, rest, err := nextComparator(text)
		if err != nil {
			return false, err
		}
		all = all && c.matches(v)
		if len(rest) > 0 && rest[0] == ',' {
			if rest = bytes.TrimLeft(rest[1:], " "); len(rest) == 0 {
				return false, errVersion
			}
		}
		text = rest
	}
	return all, nil
}

// CheckVersions tells whether a constraint on versions is well formed.
func CheckVersions(constraint string) error {
	if len(constraint) > 1024 {
		return errors.New("it has more than 1024 bytes")
	}
	if _, err := matchVersions([]byte(constraint), &version{parts: 3}); err != nil {
		return fmt.Errorf("%q is not a version constraint such as >=2.0 <4, ^3.1, ~2.4 or 1.x || 3.x: %w", constraint, err)
	}
	return nil
}
