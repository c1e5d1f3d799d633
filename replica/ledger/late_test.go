package ledger

import "testing"

// backlog is a report of so many hours, of which each holder has one line.
func backlog(id HolderID, hours int64) Report {
	r := Report{Holder: id, Forgot: -1}
	for n := range hours {
		r.Lines = append(r.Lines, Reported{Span{n * hour, (n + 1) * hour}, Source{Kind: Unbacked}, Vector{Used: 1}})
	}
	return r
}

func TestABookHasRoomForSoMuchThatIsToldLate(t *testing.T) {
	sc, now := scene{t, hard(5)}, 2*mostLate*hour
	first, second := backlog(ann, mostLate), backlog(bob, 1)
	crowds := func(what string, r Report, want bool) {
		t.Helper()
		if got := sc.b.Crowds(&r, now); got != want {
			t.Errorf("%s: refused is %v, want %v", what, got, want)
		}
	}
	long := backlog(ann, mostLate+1)
	crowds("more than there is room for, of one holder", long, false)
	if no := sc.b.Fold(first, now); no != nil {
		t.Fatal(no)
	}
	sc.b.FoldAway(now)
	crowds("of another, when there is no room", second, true)
	crowds("the same again", first, false)
	recent := Report{Holder: bob, Forgot: -1, Lines: []Reported{{Span: Span{now - hour, now}, Vector: Vector{}}}}
	crowds("what is not late", recent, false)
	first.Forgot = 0
	first.Lines = append(first.Lines[1:], backlog(ann, mostLate+1).Lines[mostLate])
	crowds("as much as the holder has forgotten", first, false)
	if no := sc.b.Fold(first, now); no != nil {
		t.Fatal(no)
	}
	crowds("of another, when there is still none", second, true)
	sc.b.Fold(Report{Holder: ann, Forgot: hour}, now)
	crowds("of another, when there is some", second, false)
}
