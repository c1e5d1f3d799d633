package ledger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/checker"
)

// A warner is a book by the day with one holder whose use is told unbacked.
type warner struct {
	*testing.T
	b *Book
}

func warned(t *testing.T, terms Terms, per checker.Per) warner {
	terms.Until = Forever
	b := &Book{}
	b.SetTerms(terms, Rule{Per: per}, 0)
	return warner{t, b}
}

// uses tells that so much was used since ever in the period at a time, and answers the marks that were reached.
func (w warner) uses(units, now int64) string {
	w.Helper()
	line := Reported{Span: w.b.Calendar.At(now), Source: Source{Kind: Unbacked}, Vector: Vector{Used: units}}
	if no := w.b.Fold(Report{Holder: ann, Forgot: -1, Lines: []Reported{line}}, now); no != nil {
		w.Fatal(no)
	}
	totals := w.b.Totals(now)
	return spelled(w.b.Warn(&totals))
}

func spelled(marks []Mark) string {
	var out []string
	for _, m := range marks {
		out = append(out, [...]string{Threshold: fmt.Sprint(m.Percent), Full: "full", Over: "over"}[m.Kind])
	}
	return strings.Join(out, " ")
}

func TestMarksAreReachedOnceAPeriodAndInOrder(t *testing.T) {
	const day = 24 * hour
	for name, tc := range map[string]struct {
		terms Terms
		per   checker.Per
		told  []int64 // used, one report after the other
		want  []string
	}{
		"one by one": {Terms{Limit: 10, Warn: []int64{80, 100}}, checker.Day, []int64{7, 8, 9, 9, 10, 10, 11, 12},
			[]string{"", "80", "", "", "100 full", "", "over", ""}},
		"all at once": {Terms{Limit: 10, Soft: true, Warn: []int64{50, 80, 100, 120, 150}}, checker.Day,
			[]int64{13, 14, 15}, []string{"50 80 100 full over 120", "", "150"}},
		"a share that is no whole unit": {Terms{Limit: 7, Warn: []int64{50, 101}}, checker.Day, []int64{3, 4, 7, 8},
			[]string{"", "50", "full", "over 101"}},
		"101 percent is not the first unit beyond": {Terms{Limit: 1000, Warn: []int64{101}}, checker.Day,
			[]int64{1000, 1001, 1009, 1010}, []string{"full", "over", "", "101"}},
		"without warnings, the limit alone": {Terms{Limit: 10}, checker.Day, []int64{9, 10, 11},
			[]string{"", "full", "over"}},
		"without warnings, not by the hour": {Terms{Limit: 10}, checker.Hour, []int64{9, 10, 11}, []string{"", "", ""}},
		"with warnings, by the hour too": {Terms{Limit: 10, Warn: []int64{80}}, checker.Hour, []int64{11},
			[]string{"80 full over"}},
		"of nothing there is no percentage": {Terms{Soft: true, Warn: []int64{80, 120}}, checker.Day, []int64{0, 1, 9},
			[]string{"", "over", ""}},
		"unlimited has none": {Terms{Limit: MaxUnits, Soft: true, Warn: []int64{1}}, checker.Day, []int64{1 << 42},
			[]string{""}},
		"a large limit does not run over": {Terms{Limit: MaxUnits - 1, Warn: []int64{99, 1000}}, checker.Day,
			[]int64{MaxUnits - 1}, []string{"99 full"}},
		"a warning in vain has no other effect": {Terms{Limit: 10, Warn: []int64{1000}}, checker.Day, []int64{10},
			[]string{"full"}},
	} {
		w := warned(t, tc.terms, tc.per)
		for i, used := range tc.told {
			if got := w.uses(used, day+1); got != tc.want[i] {
				t.Errorf("%s: at %d used got %q, want %q", name, used, got, tc.want[i])
			}
			w.b = bookOf(string(AppendBook(nil, w.b))) // what was told is remembered
		}
		if got := w.uses(tc.told[len(tc.told)-1], 2*day+1); got != strings.Join(w.anew(tc.terms, tc.per, tc.told), " ") {
			t.Errorf("%s: in the next period got %q", name, got)
		}
	}
}

// anew are the marks of a period that reaches at once what another reached step by step.
func (w warner) anew(terms Terms, per checker.Per, told []int64) []string {
	other := warned(w.T, terms, per)
	return strings.Fields(other.uses(told[len(told)-1], 1))
}

func TestGrantsAndWhatRolledOverAddToWhatAMarkIsAPartOf(t *testing.T) {
	const day = 24 * hour
	w := warned(t, Terms{Limit: 10, Rollover: 10, Since: 1, Warn: []int64{50}}, checker.Day)
	w.b.SetGrant(Grant{ID: "g", Amount: 20, Until: 3 * day})
	w.b.SetGrant(Grant{ID: "later", Amount: 1000, From: 2 * day, Until: 3 * day})
	if got := w.uses(19, day+1) + w.uses(20, day+1); got != "50" {
		t.Errorf("got %q, want half of 10, 10 that rolled over and 20", got)
	}
	if got := w.uses(39, day+1) + "/" + w.uses(40, day+1); got != "/full" {
		t.Errorf("got %q, want it full at 40", got)
	}
}

func TestRightsThatAreHeldReachNoMark(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.b.Terms.Warn = []int64{50}
	sc.ask(ann, &x, Ask{Target: 10}, 1)
	x.Consume(x.Span(hourly, 1), 4, 1)
	sc.ask(ann, &x, Ask{Target: 10}, 1)
	totals := sc.b.Totals(1)
	if got := spelled(sc.b.Warn(&totals)); got != "" {
		t.Errorf("got %q, want nothing: only 4 of 10 were used", got)
	}
}

func TestWhoIsGivenMoreIsWarnedAnew(t *testing.T) {
	w := warned(t, Terms{Limit: 10, Warn: []int64{80}}, checker.Day)
	terms := func(limit int64) {
		w.b.SetTerms(Terms{Limit: limit, Until: Forever, Warn: []int64{80}}, Rule{Per: checker.Day}, 1)
		w.b.Rearm(1)
	}
	steps := []string{w.uses(10, 1)}
	terms(20)
	steps = append(steps, w.uses(15, 1), w.uses(16, 1))
	terms(19) // use still reaches what was told
	steps = append(steps, w.uses(17, 1))
	terms(15)
	steps = append(steps, w.uses(17, 1))
	w.b.SetGrant(Grant{ID: "g", Amount: 85, Until: Forever})
	w.b.Rearm(1)
	steps = append(steps, w.uses(79, 1), w.uses(80, 1))
	if got, want := strings.Join(steps, "; "), "80 full; ; 80; ; full over; ; 80"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUseThatIsTakenBackReachesNothingTwice(t *testing.T) {
	w := warned(t, Terms{Limit: 10, Warn: []int64{80}}, checker.Day)
	first := w.uses(8, 1)
	w.b.Periods[0].Lines[0].Refunded = 5
	if got := first + w.uses(12, 1); got != "80" { // 7 net
		t.Errorf("got %q", got)
	}
	if got := w.uses(13, 1); got != "" {
		t.Errorf("got %q, want nothing twice", got)
	}
}
