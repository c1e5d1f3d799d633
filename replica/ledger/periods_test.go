package ledger

import (
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
)

func at(s string) int64 {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func rule(per checker.Per, anchor string) Rule {
	if anchor == "" {
		return Rule{Per: per}
	}
	return Rule{Per: per, Anchored: true, Anchor: at(anchor)}
}

func TestPeriodsFollowTheRule(t *testing.T) {
	for name, tc := range map[string]struct {
		rule     Rule
		now      string
		from, to string
	}{
		"a minute": {rule(checker.Minute, ""), "2026-03-01 10:07", "2026-03-01 10:07", "2026-03-01 10:08"},
		"an hour from its anchor": {rule(checker.Hour, "2020-01-01 00:20"), "2026-03-01 10:07",
			"2026-03-01 09:20", "2026-03-01 10:20"},
		"a day": {rule(checker.Day, ""), "2026-03-01 10:07", "2026-03-01 00:00", "2026-03-02 00:00"},
		"a week begins on Monday": {rule(checker.Week, ""), "2026-03-01 10:07",
			"2026-02-23 00:00", "2026-03-02 00:00"},
		"a month from the 31st, in February": {rule(checker.Month, "2025-01-31 05:00"), "2026-03-01 10:07",
			"2026-02-28 05:00", "2026-03-31 05:00"},
		"a month from the 31st, in a leap year": {rule(checker.Month, "2025-01-31 05:00"), "2024-02-29 06:00",
			"2024-02-29 05:00", "2024-03-31 05:00"},
		"a month from the 30th, before its hour": {rule(checker.Month, "2025-01-30 05:00"), "2026-04-30 04:59",
			"2026-03-30 05:00", "2026-04-30 05:00"},
		"a year from a leap day": {rule(checker.Year, "2024-02-29 00:00"), "2026-03-01 10:07",
			"2026-02-28 00:00", "2027-02-28 00:00"},
		"a year from a leap day to the next": {rule(checker.Year, "2024-02-29 00:00"), "2027-12-01 00:00",
			"2027-02-28 00:00", "2028-02-29 00:00"},
	} {
		got := NewCalendar(tc.rule).At(at(tc.now))
		if want := (Span{at(tc.from), at(tc.to)}); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if got := NewCalendar(rule(checker.Never, "")).At(5); got != (Span{0, Forever}) {
		t.Errorf("for ever: got %v", got)
	}
}

func TestAChangedAnchorDoesNotRewriteHistory(t *testing.T) {
	c := NewCalendar(rule(checker.Month, ""))
	before := c.At(at("2026-02-03 00:00"))
	now := at("2026-03-10 00:00")
	c = c.Change(rule(checker.Month, "2026-01-15 00:00"), now)
	for _, s := range []string{"2026-02-03 00:00", "2026-03-01 00:00", "2026-03-31 23:59"} {
		if got, want := c.At(at(s)), NewCalendar(rule(checker.Month, "")).At(at(s)); got != want {
			t.Errorf("%s: got %v, want %v as before", s, got, want)
		}
	}
	if c.At(at("2026-02-03 00:00")) != before {
		t.Error("what has been is rewritten")
	}
	if got, want := c.At(at("2026-04-03 00:00")), (Span{at("2026-04-01 00:00"), at("2026-04-15 00:00")}); got != want {
		t.Errorf("the first period of the new anchor: got %v, want %v", got, want)
	}
	if back := c.Change(rule(checker.Month, ""), now); back.At(at("2026-04-03 00:00")).End != at("2026-05-01 00:00") {
		t.Error("a change that is taken back before it takes effect leaves nothing")
	}
}

func TestWhatIsCountedForEverIsNotBegunAnewByAnAnchor(t *testing.T) {
	c := NewCalendar(rule(checker.Never, ""))
	if got := c.Change(rule(checker.Never, "2026-01-15 00:00"), 5*hour).At(9 * hour); got != (Span{0, Forever}) {
		t.Errorf("got %v", got)
	}
	if got := c.Change(rule(checker.Day, ""), 5*hour).At(9 * hour); got != (Span{5 * hour, 24 * hour}) {
		t.Errorf("another per ends it: got %v", got)
	}
}

func TestChangesInOneInstantLeaveOnePeriod(t *testing.T) {
	c := NewCalendar(hourly).Reset(90).Reset(90).Change(rule(checker.Never, ""), 90)
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	d := NewCalendar(rule(checker.Never, "")).Reset(90).Change(hourly, 90)
	if err := d.check(); err != nil || d.At(91) != (Span{90, hour}) {
		t.Fatalf("got %v, %v", d.At(91), err)
	}
	if e := d.prune(95).Reset(90); e.check() != nil || e.At(91).Start != 90 {
		t.Fatalf("got %v", e)
	}
}

func TestAClockBeforeAPrunedCalendarFindsItsFirstPeriod(t *testing.T) {
	c := NewCalendar(rule(checker.Day, "")).Change(hourly, 5*hour).prune(24 * hour)
	if got := c.At(23 * hour); got != (Span{24 * hour, 25 * hour}) {
		t.Errorf("got %v", got)
	}
}

func TestAPeriodOpenedEarlyEndsAsTheCalendarSaysLater(t *testing.T) {
	sc, x := scene{t, hard(4)}, NewAccount()
	sc.ask(ann, &x, Ask{}, 5)
	w, no := sc.b.Grant(Ask{Holder: ann, Period: hour, Target: 4}, 6)
	if no != nil || x.Take(w) != nil {
		t.Fatal(no)
	}
	sc.b.SetTerms(Terms{Limit: 4, Until: Forever}, rule(checker.Day, ""), 7)
	day := Span{hour, 24 * hour}
	if got := sc.b.period(hour).Span; got != day {
		t.Fatalf("the book has %v", got)
	}
	sc.ask(ann, &x, Ask{Target: 4}, 2*hour)
	if got := x.Span(hourly, 2*hour); got != day || x.Free(got, 20*hour) != 4 {
		t.Fatalf("the holder has %v, %d free", got, x.Free(got, 20*hour))
	}
	x.Consume(day, 4, 2*hour)
	sc.ask(ann, &x, Ask{}, 3*hour)
	sc.b.FoldAway(5 * hour)
	y := NewAccount()
	if sc.ask(bob, &y, Ask{Target: 4}, 5*hour); y.Free(day, 5*hour) != 0 {
		t.Fatal("the day's limit was given twice")
	}
}

func TestAResetEndsThePeriodForTheBook(t *testing.T) {
	sc, x := scene{t, hard(4)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 4}, 5)
	x.Consume(x.Span(hourly, 5), 4, 5)
	sc.ask(ann, &x, Ask{}, 6)
	sc.b.Reset(10)
	if got := sc.b.period(0).Span; got != (Span{0, 10}) {
		t.Fatalf("got %v", got)
	}
	sc.ask(ann, &x, Ask{Target: 3}, 11)
	s := x.Span(hourly, 11)
	if s != (Span{10, hour}) || x.Free(s, 11) != 3 || x.Free(Span{0, 10}, 11) != 0 {
		t.Fatalf("got %v with %d free", s, x.Free(s, 11))
	}
}

func TestALatePeriodEndsAsTheCalendarSays(t *testing.T) {
	sc, x := scene{t, hard(4)}, NewAccount()
	sc.ask(ann, &x, Ask{Standing: 2, Until: 9 * hour}, 5)
	x.Open(Span{hour, 2 * hour}) // its clock is ahead
	sc.b.SetTerms(Terms{Limit: 4, Until: Forever}, rule(checker.Day, ""), 7)
	sc.b.Fold(x.Report(ann), 8)
	if got, want := sc.b.period(hour).Span, (Span{hour, 24 * hour}); got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestAPeriodFromBeforeAllThatIsKnownHasEnded(t *testing.T) {
	kept := Calendar{{Per: checker.Hour, From: 5 * hour}} // what was before is forgotten
	if got, want := kept.amend(Span{0, Forever}), (Span{0, 5 * hour}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	sc, x, y := scene{t, hard(4)}, NewAccount(), NewAccount()
	sc.b.Calendar = kept
	late := Reported{Span: Span{0, Forever}, Source: Source{Kind: Unbacked}, Vector: Vector{Used: 2}}
	if no := sc.b.Fold(Report{Holder: bob, Forgot: -1, Lines: []Reported{late}}, 6*hour); no != nil {
		t.Fatal(no)
	}
	sc.ask(ann, &x, Ask{Target: 1, Standing: 3, Until: 9 * hour}, 6*hour)
	if got := x.Standing.Granted; got != 3 {
		t.Errorf("%d rights stand, want what was used long ago not to matter", got)
	}
	sc.ask(bob, &y, Ask{Target: 9}, 6*hour)
	if got := y.Free(y.Span(hourly, 6*hour), 6*hour); got != 3 {
		t.Errorf("%d are held, want 3", got)
	}
}

func TestAHolderGoesByTheNewestCalendarThatItWasTold(t *testing.T) {
	sc, x := scene{t, hard(4)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 1}, 5)
	old, turn := x.Calendar, x.Turn
	if w, no := sc.b.Grant(Ask{Holder: ann, Period: hour, Target: 4}, 6); no != nil || x.Take(w) != nil {
		t.Fatal(no)
	}
	day := Span{hour, 24 * hour}
	next := old.Change(rule(checker.Day, ""), 7)
	x.Follow(x.Epoch, turn+1, next)
	if got := x.Span(hourly, 2*hour); got != day || x.Free(got, 20*hour) != 4 {
		t.Fatalf("got %v with %d free", got, x.Free(got, 20*hour))
	}
	x.Turn, x.Epoch = turn+1, 1
	for name, told := range map[string]struct{ epoch, turn uint64 }{"turn": {1, turn}, "epoch": {0, turn + 9}} {
		if x.Follow(told.epoch, told.turn, old); x.Span(hourly, 2*hour) != day {
			t.Errorf("an older %s is followed", name)
		}
	}
	if x.Follow(2, 0, nil); x.Span(hourly, 2*hour) != day {
		t.Error("a calendar without rules is followed")
	}
	if x.Follow(2, 0, old); x.Span(hourly, 2*hour).Start != 2*hour {
		t.Error("a newer epoch is not followed")
	}
}
