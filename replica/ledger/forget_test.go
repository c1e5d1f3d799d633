package ledger

import (
	"fmt"
	"maps"
	"strconv"
	"testing"
)

// grants are how many grants a book has after those that nothing speaks of were forgotten.
func (t scene) grants() int64 {
	t.b.ForgetGrants()
	return int64(len(t.b.Grants))
}

// over lets the hub have what an account has, the account forget it, and the book fold away what it can.
func (t scene) over(id HolderID, x *Account, now int64) {
	t.Helper()
	x.Tidy(now)
	t.ask(id, x, Ask{}, now)
	for _, c := range confirmations(t.b, id) {
		if no := x.Confirm(c.Epoch, c.Span, c.Lines); no != nil {
			t.Fatal(no)
		}
	}
	x.Forget(now)
	t.ask(id, x, Ask{}, now)
	t.b.FoldAway(now)
}

func TestADroppedGrantIsKeptWhileSomebodyMayTellOfIt(t *testing.T) {
	sc, x := scene{t, hard(0)}, NewAccount()
	sc.fund("a", 5, 50)
	sc.fund("b", 5, 60)
	sc.ask(ann, &x, Ask{Target: 3}, 5)
	x.Consume(x.Span(hourly, 5), 2, 6)
	sc.b.DropGrant("a", 7)
	sc.b.DropGrant("b", 7)
	sc.want("of which one was held", sc.grants(), 1)
	y := NewAccount()
	for n := range int64(9) {
		sc.over(bob, &y, n*hour+8)
		sc.want("while one is silent", sc.grants(), 1)
	}
	sc.over(ann, &x, 9*hour)
	sc.want("what was told late is spent", sc.b.Grants[0].Past, 2)
	sc.want("once all is told and folded away", sc.grants(), 0)
}

func TestADroppedGrantIsKeptAsLongAsTheBookHasAPeriodThatItPaidIn(t *testing.T) {
	for name, spend := range map[string]func(scene, *Account){
		"for rights": func(sc scene, x *Account) {
			sc.ask(ann, x, Ask{Target: 1}, 5)
			x.Consume(x.Span(hourly, 5), 1, 5)
		},
		"for use that had no right": func(_ scene, x *Account) { x.Count(x.Span(hourly, 5), 1) },
	} {
		sc, x := scene{t, hard(0)}, NewAccount()
		sc.fund("a", 3, 50)
		spend(sc, &x)
		sc.ask(ann, &x, Ask{}, 6)
		sc.b.DropGrant("a", 7)
		for n := range int64(keptClosed + 1) {
			sc.want(name+", in the periods that are kept", sc.grants(), 1)
			sc.over(ann, &x, (n+1)*hour)
			want := int64(1)
			if n == keptClosed {
				want = 0
			}
			sc.want(name+", after another period", sc.grants(), want)
		}
	}
}

func TestAGrantThatIsOverIsKeptWhileItIsOffered(t *testing.T) {
	sc, x := scene{t, hard(0)}, NewAccount()
	sc.b.SetGrant(Grant{ID: "a", Amount: 5, Until: hour})
	sc.ask(ann, &x, Ask{Target: 2}, 5)
	x.Consume(x.Span(hourly, 5), 2, 5)
	for n := range int64(5) {
		sc.over(ann, &x, (n+1)*hour)
	}
	sc.want("grants", sc.grants(), 1)
	sc.want("spent", sc.b.Grants[0].Past, 2)
}

func TestADroppedGrantThatIsSetAgainGoesOnUntilItIsForgotten(t *testing.T) {
	sc, x := scene{t, hard(0)}, NewAccount()
	sc.fund("a", 3, 50)
	sc.ask(ann, &x, Ask{Target: 2}, 5)
	x.Consume(x.Span(hourly, 5), 2, 5)
	for n := range int64(4) {
		sc.over(ann, &x, (n+1)*hour)
	}
	sc.b.DropGrant("a", 4*hour)
	sc.fund("a", 3, 50)
	sc.want("before it was forgotten", sc.left(4*hour), 1)
	sc.b.DropGrant("a", 4*hour)
	sc.b.ForgetGrants()
	sc.fund("a", 3, 50)
	sc.want("after", sc.left(4*hour), 3)
}

func TestABookThatLearnsForgetsNoGrant(t *testing.T) {
	sc := scene{t, hard(0)}
	sc.fund("a", 3, 50)
	sc.b.DropGrant("a", 5)
	sc.b.Learn(1, []HolderID{ann}, 10*hour)
	sc.want("while it learns", sc.grants(), 1)
	x := NewAccount()
	x.Adopt(1)
	sc.ask(ann, &x, Ask{}, 6)
	sc.want("once it has learnt", sc.grants(), 0)
}

// A till is somebody who consumes by a book, and what it consumed of each source.
type till struct {
	id    HolderID
	a     Account
	spent map[Source]int64
}

// serve asks for some rights, spends all but one that is held, and takes back one in five.
func (t scene) serve(x *till, now int64) {
	t.Helper()
	x.a.Tidy(now)
	t.ask(x.id, &x.a, Ask{Target: 4}, now)
	s := x.a.Span(hourly, now)
	for n := x.a.Free(s, now) - 1; n > 0; n-- {
		r := Reservation{ID: fmt.Sprint(now, n), Span: s, Expires: now + 1}
		x.a.Reserve(r, 1, now)
		x.a.Commit(r.ID, 1)
		src := x.a.Reservation(r.ID).Parts[0].Source
		if x.spent[src]++; (now/hour+n)%5 == 0 {
			x.a.Refund(r.ID)
			x.spent[src]--
		}
	}
	for _, c := range confirmations(t.b, x.id) {
		if no := x.a.Confirm(c.Epoch, c.Span, c.Lines); no != nil {
			t.Fatal(no)
		}
	}
	x.a.Forget(s.Start - 2*hour)
}

// tally adds what a period has of each source to sums.
func (p *Period) tally(sums map[Source]int64) {
	for _, l := range p.Lines {
		sums[l.Source] += l.Net()
	}
	for _, l := range p.Settled {
		sums[l.Source] += l.Net()
	}
}

// TestABookOfManyGrantsStaysSmall gives 2,000 grants in 400 periods, of which some do not expire, and takes each back
// after ten periods. One of three holders is silent for 40 periods, and then reports.
func TestABookOfManyGrantsStaysSmall(t *testing.T) {
	const each, periods, kept, silent = int64(5), 400, 10, 40
	sc, got, most := scene{t, hard(0)}, map[Source]int64{}, 0
	var tills []*till
	for n := range byte(3) {
		tills = append(tills, &till{HolderID{n + 1}, NewAccount(), map[Source]int64{}})
	}
	for n := range int64(periods) {
		now := n*hour + 5
		for k := range each {
			g := Grant{ID: fmt.Sprint(each*n + k), Amount: 1 + k, Priority: 50, Until: Forever}
			if k%2 == 0 {
				g.Until = (n + 1 + k) * hour
			}
			sc.b.SetGrant(g)
			sc.b.DropGrant(fmt.Sprint(each*(n-kept)+k), now)
		}
		sc.b.ForgetGrants()
		for i, x := range tills {
			if i != 2 || n < 100 || n >= 100+silent {
				sc.serve(x, now)
			}
		}
		for _, p := range sc.b.FoldAway(now) {
			p.tally(got)
		}
		if size := len(AppendBook(nil, sc.b)); n < 100 {
			most = max(most, size)
		} else if n > 110+silent && size > most+most/10 {
			t.Fatalf("after %d periods the book has %d bytes, %d grants and %d periods; before it had %d bytes at most", n, size,
				len(sc.b.Grants), len(sc.b.Periods), most)
		}
	}
	want := map[Source]int64{}
	for _, x := range tills {
		sc.ask(x.id, &x.a, Ask{}, periods*hour)
		for src, n := range x.spent {
			want[src] += n
		}
	}
	for i := range sc.b.Periods {
		sc.b.Periods[i].tally(got)
	}
	unspent := func(_ Source, n int64) bool { return n == 0 }
	maps.DeleteFunc(got, unspent)
	maps.DeleteFunc(want, unspent)
	if !maps.Equal(got, want) {
		t.Errorf("the hub has %v, consumed was %v", got, want)
	}
	for src, n := range want {
		if id, _ := strconv.ParseInt(src.Grant, 10, 64); n > 1+id%each {
			t.Errorf("%d were consumed of grant %s, of %d", n, src.Grant, 1+id%each)
		}
	}
	if len(want) < periods {
		t.Errorf("only %d grants were spent of", len(want))
	}
	t.Logf("%d bytes at most; %d grants were spent of", most, len(want))
}
