package ledger

import (
	"testing"

	"github.com/sidegate/sidegate/checker"
)

const hour = int64(3_600_000)

var (
	hourly = Rule{Per: checker.Hour}
	ann    = HolderID{1}
	bob    = HolderID{2}
)

// hard is a book of a limit per hour.
func hard(limit int64) *Book {
	b := &Book{}
	b.SetTerms(Terms{Limit: limit, Until: Forever}, hourly, 0)
	return b
}

// A scene is a book and who has accounts in it.
type scene struct {
	*testing.T
	b *Book
}

// ask reports, asks and takes, as a holder does whose messages arrive.
func (t scene) ask(id HolderID, a *Account, want Ask, now int64) *Refusal {
	t.Helper()
	if no := t.b.Fold(a.Report(id), now); no != nil {
		return no
	}
	want.Holder, want.Epoch, want.Period = id, a.Epoch, t.b.Calendar.At(now).Start
	w, no := t.b.Grant(want, now)
	if no != nil {
		return no
	}
	if no := a.Take(w); no != nil {
		return no
	}
	a.Open(a.Span(hourly, now))
	if err := t.b.Check(); err != nil {
		t.Fatal(err)
	}
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	return nil
}

func TestRightsOfAllHoldersStayWithinTheLimit(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	sc.ask(ann, &x, Ask{Target: 7}, 5)
	sc.ask(bob, &y, Ask{Target: 7}, 5)
	s := x.Span(hourly, 5)
	if x.Free(s, 5) != 7 || y.Free(s, 5) != 3 {
		t.Fatalf("got %d and %d", x.Free(s, 5), y.Free(s, 5))
	}
	if no := x.Consume(s, 7, 6); no != nil {
		t.Fatal(no)
	}
	if no := y.Consume(s, 4, 6); no == nil || no.Code != CodeShort {
		t.Fatalf("got %v", no)
	}
	sc.ask(ann, &x, Ask{Target: 8}, 7)
	if x.Free(s, 7) != 0 {
		t.Fatal("there was nothing left to grant")
	}
	y.GiveBack(s, 0, 8)
	sc.ask(bob, &y, Ask{}, 8)
	sc.ask(ann, &x, Ask{Target: 9}, 8)
	if got := x.Free(s, 8); got != 2 {
		t.Fatalf("got %d of what was given back", got)
	}
}

func TestAPeriodBeginsWithStandingRights(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 4, Standing: 6, Until: 100 * hour}, 5)
	for n := int64(1); n < 5; n++ {
		now := n*hour + 3
		s := x.Span(hourly, now)
		x.Open(s)
		if got := x.Free(s, now); got != 6 {
			t.Fatalf("period %d: got %d", n, got)
		}
		if no := x.Consume(s, 5, now); no != nil {
			t.Fatal(no)
		}
	}
	// Another holder finds what stands for the first taken.
	y := NewAccount()
	sc.ask(bob, &y, Ask{Target: 10}, 6*hour)
	if got := y.Free(y.Span(hourly, 6*hour), 6*hour); got != 4 {
		t.Fatalf("got %d", got)
	}
	sc.ask(ann, &x, Ask{}, 6*hour)
	if p := sc.b.period(2 * hour); p == nil || p.used(Source{}) != 5 {
		t.Fatalf("the use of the second period is not known: %+v", p)
	}
}
