package ledger

import "testing"

// backlog is a report of so many hours from one on.
func backlog(id HolderID, from, hours int64) Report {
	r := Report{Holder: id, Forgot: -1}
	for n := from; n < from+hours; n++ {
		r.Lines = append(r.Lines, Reported{Span{n * hour, (n + 1) * hour}, Source{Kind: Unbacked}, Vector{Used: 1}})
	}
	return r
}

func TestABookHasRoomForSoMuchThatIsToldLate(t *testing.T) {
	const most = mostWeight / (periodWeight + lineWeight)
	sc, now := scene{t, hard(5)}, int64(3*most*hour)
	crowds := func(what string, r Report, want bool) {
		t.Helper()
		if got := sc.b.Crowds(&r, now); got != want {
			t.Errorf("%s: refused is %v, want %v", what, got, want)
		}
	}
	tell := func(r Report) {
		t.Helper()
		if no := sc.b.Fold(r, now); no != nil {
			t.Fatal(no)
		}
		sc.b.FoldAway(now)
	}
	crowds("of one holder, more than there is room for", backlog(ann, 0, most+1), false)
	first := backlog(ann, 0, most-20)
	tell(first)
	if n := len(AppendBook(nil, sc.b)); n > mostWeight || n < mostWeight/2 {
		t.Errorf("a book that is full has %d bytes, by weight %d", n, mostWeight)
	}
	crowds("of another, a little", backlog(bob, 0, 20), false)
	crowds("of another, for which there is no room", backlog(bob, most, 30), true)
	crowds("of another, in periods that are there", backlog(bob, 0, 150), true)
	crowds("the same again", first, false)
	recent := Report{Holder: bob, Forgot: -1}
	for range most {
		recent.Lines = append(recent.Lines, Reported{Span: Span{now - hour, now}})
	}
	crowds("what is not late", recent, false)
	tell(Report{Holder: HolderID{3}, Forgot: 2 * most * hour})
	crowds("what will not be heard any more", backlog(HolderID{3}, most, 30), false)
	tell(Report{Holder: ann, Forgot: 99 * hour})
	crowds("of another, when there is some room", backlog(bob, most, 30), false)
}
