package ledger

import (
	"reflect"
	"testing"
)

func TestTotalsSayWhatOthersHaveAndHold(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	sc.b.SetGrant(Grant{ID: "g", Amount: 5, Priority: 200, Until: Forever})
	sc.ask(ann, &x, Ask{Target: 6}, 5)
	sc.ask(bob, &y, Ask{Target: 7}, 5) // 4 of the limit and 3 of the grant
	s := y.Span(hourly, 5)
	if no := y.Consume(s, 5, 5); no != nil {
		t.Fatal(no)
	}
	y.Count(s, 2)
	sc.ask(bob, &y, Ask{}, 6)
	got := sc.b.Totals(7)
	if used, out, _ := got.Others(ann); used != 7 || out != 2 {
		t.Errorf("for ann: got %d used and %d out", used, out)
	}
	if used, out, _ := got.Others(bob); used != 0 || out != 6 {
		t.Errorf("for bob: got %d used and %d out", used, out)
	}
	if want := []Balance{{"g", 0, Forever, 5, 1}}; !reflect.DeepEqual(got.Grants, want) {
		t.Errorf("got %+v, want %+v", got.Grants, want)
	}
	// In the next hour what is left of the grant counts, without what was spent and is held of it here.
	if got := sc.b.Totals(hour + 5); got.Used != 0 || got.Grants[0].Room != 2 || got.Span.Start != hour {
		t.Errorf("the next hour: got %+v", got)
	}
}

func TestTotalsTellWhatRollsOverBeforeAnythingIsAskedFor(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.b.SetTerms(Terms{Limit: 10, Rollover: 8, Until: Forever}, hourly, 0)
	sc.ask(ann, &x, Ask{Target: 6, Standing: 1, Until: 9 * hour}, 5)
	x.Consume(x.Span(hourly, 5), 3, 5)
	sc.ask(ann, &x, Ask{}, 6)
	before := string(AppendBook(nil, sc.b))
	got := sc.b.Totals(hour + 5)
	if got.Rolled != 4 || got.Out != 1 || got.Span.Start != hour { // the 3 that are in doubt do not roll
		t.Errorf("got %+v", got)
	}
	if string(AppendBook(nil, sc.b)) != before {
		t.Error("telling changed the book")
	}
	x.Tidy(hour + 6)
	sc.b.Fold(x.Report(ann), hour+6)
	if got := sc.b.Totals(hour + 7); got.Rolled != 7 {
		t.Errorf("when they have come back: got %+v", got)
	}
}

func TestUsageTellsOverageAndDoubtApart(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 6}, 5)
	s := x.Span(hourly, 5)
	x.Consume(s, 4, 5)
	x.Count(s, 9)
	sc.ask(ann, &x, Ask{}, 6)
	if got, want := sc.b.period(0).Usage(7), (Usage{Span: s, Used: 13, Overage: 3, Limit: 10}); got != want {
		t.Errorf("while it is open: got %+v, want %+v", got, want)
	}
	if got := sc.b.period(0).Usage(hour); got.Doubt != 2 {
		t.Errorf("after its end: got %+v", got)
	}
	sc.b.SetGrant(Grant{ID: "g", Amount: 2, Priority: 200, Until: Forever})
	sc.b.SetTerms(sc.b.Terms, hourly, 8)
	if got := sc.b.period(0).Usage(9); got.Overage != 1 {
		t.Errorf("with a grant that pays for two: got %+v", got)
	}
}
