package catalog_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A version in the oracle. Parts counts the numbers that were written; line marks the point before every pre-release
// of its numbers, where a line of versions such as 1.2 begins.
type oracleVersion struct {
	numbers [3]int
	parts   int
	pre     []string
	line    bool
}

// readOracleVersion reads a version; x, * and what is left out are not counted among its parts.
func readOracleVersion(text string) oracleVersion {
	var v oracleVersion
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "+")
	numbers, pre, hasPre := strings.Cut(text, "-")
	if hasPre {
		v.pre = strings.Split(pre, ".")
	}
	for i, number := range strings.Split(numbers, ".") {
		n, err := strconv.Atoi(number)
		if err != nil {
			break
		}
		v.numbers[i], v.parts = n, i+1
	}
	return v
}

// compare is semver's precedence.
func (v oracleVersion) compare(w oracleVersion) int {
	if c := slices.Compare(v.numbers[:], w.numbers[:]); c != 0 {
		return c
	}
	switch {
	case v.line || w.line:
		return truth(w.line) - truth(v.line)
	case v.pre == nil || w.pre == nil:
		return truth(v.pre == nil) - truth(w.pre == nil)
	}
	return slices.CompareFunc(v.pre, w.pre, compareIdentifiers)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compareIdentifiers(a, b string) int {
	m, errA := strconv.Atoi(a)
	n, errB := strconv.Atoi(b)
	switch {
	case errA == nil && errB == nil:
		return m - n
	case errA != nil && errB != nil:
		return strings.Compare(a, b)
	}
	return truth(errA != nil) - truth(errB != nil)
}

// next begins the line after the one that the first kept numbers name.
func (v oracleVersion) next(kept int) oracleVersion {
	w := oracleVersion{parts: 3, line: true}
	if kept == 0 {
		w.numbers[0] = 1 << 40 // after everything
		return w
	}
	copy(w.numbers[:kept], v.numbers[:kept])
	w.numbers[kept-1]++
	return w
}

// span is the line that a version stands for: a whole version is only itself.
func (v oracleVersion) span() (from, to oracleVersion) {
	if v.parts == 3 {
		return v, v
	}
	from = v
	from.line = true
	return from, v.next(v.parts)
}

// within tells whether w lies in the span of v.
func (v oracleVersion) within(w oracleVersion) bool {
	from, to := v.span()
	if v.parts == 3 {
		return w.compare(v) == 0
	}
	return w.compare(from) >= 0 && w.compare(to) < 0
}

// beyond tells whether w lies above all that v stands for.
func (v oracleVersion) beyond(w oracleVersion) bool {
	_, to := v.span()
	return w.compare(to) > 0 || v.parts < 3 && w.compare(to) == 0
}

// caret is how many numbers a ^ keeps: up to the first that is not 0.
func (v oracleVersion) caret() int {
	for i := range v.parts {
		if v.numbers[i] != 0 {
			return i + 1
		}
	}
	return v.parts
}

// covers tells whether a constraint covers a version.
func covers(constraint, version string) bool {
	w := readOracleVersion(version)
	for _, alternative := range strings.Split(constraint, "||") {
		if allHold(strings.TrimSpace(alternative), w) {
			return true
		}
	}
	return false
}

func allHold(comparators string, w oracleVersion) bool {
	if low, high, isRange := strings.Cut(comparators, " - "); isRange {
		return holds(">="+low, w) && holds("<="+high, w)
	}
	for _, comparator := range strings.Fields(strings.ReplaceAll(comparators, ",", " ")) {
		if !holds(comparator, w) {
			return false
		}
	}
	return true
}

func holds(comparator string, w oracleVersion) bool {
	operator := comparator[:len(comparator)-len(strings.TrimLeft(comparator, "<>=!~^"))]
	v := readOracleVersion(comparator[len(operator):])
	below, within := !v.within(w) && !v.beyond(w), v.within(w)
	switch operator {
	case "<":
		return below
	case "<=":
		return below || within
	case ">":
		return v.beyond(w)
	case ">=":
		return !below
	case "!=":
		return !within
	case "^":
		return !below && w.compare(v.next(v.caret())) < 0
	case "~":
		return !below && w.compare(v.next(min(v.parts, 2))) < 0
	}
	return within
}

// number is a version of one to three numbers; a whole one may be a pre-release.
func (d dice) number(parts int) string {
	text := fmt.Sprint(d.IntN(3))
	for range parts - 1 {
		text += fmt.Sprintf(".%d", d.IntN(3))
	}
	if parts == 3 {
		text += maybe(d, 50, "-rc.2", "-rc.10", "-rc.2", "-rc.10", "-rc", "-9", "-10", "-0x1", "-rc.2.1")
	}
	return maybe(d, 5, "v") + text
}

// version is what a check names; empty: nothing.
func (d dice) version() string {
	if d.chance(15) {
		return ""
	}
	return d.number(one(d, 1, 2, 3, 3, 3, 3)) + maybe(d, 5, "+b7")
}

// constraint is what a subscription is limited to.
func (d dice) constraint() string {
	text := d.comparators()
	for d.chance(25) {
		text += one(d, " || ", "||") + d.comparators()
	}
	return text
}

func (d dice) comparators() string {
	switch {
	case d.chance(10):
		high, _, _ := strings.Cut(d.number(1+d.IntN(3)), "-") // a range does not end in a pre-release
		return d.number(1+d.IntN(3)) + " - " + high
	case d.chance(10):
		return one(d, "*", "1.x", "2.1.x", "0.*", "=3.x", "x")
	}
	text := d.comparator()
	for d.chance(30) {
		text += one(d, " ", ", ", ",") + d.comparator()
	}
	return text
}

func (d dice) comparator() string {
	return one(d, "", "=", "<", "<=", ">", ">=", ">=", "!=", "^", "^", "~") + d.number(one(d, 1, 2, 3, 3))
}
