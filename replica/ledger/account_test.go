package ledger

import (
	"strconv"
	"testing"
)

// reserving is a holder with five rights, two of them reserved as "r".
func reserving(t *testing.T) (scene, *Account, Span) {
	sc, x := scene{t, hard(5)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 5}, 5)
	s := x.Span(hourly, 5)
	if no := x.Reserve(Reservation{ID: "r", Span: s, Expires: 100}, 2, 5); no != nil {
		t.Fatal(no)
	}
	return sc, &x, s
}

func TestAReservationIsSettledOnceByItsHolder(t *testing.T) {
	for name, tc := range map[string]struct {
		do         func(*Account) *Refusal
		want       string
		free, used int64
	}{
		"reserved":             {func(*Account) *Refusal { return nil }, "granted", 3, 0},
		"committed":            {func(a *Account) *Refusal { return a.Commit("r", 2) }, "granted", 3, 2},
		"committed in part":    {func(a *Account) *Refusal { return a.Commit("r", 1) }, "granted", 4, 1},
		"committed beyond":     {func(a *Account) *Refusal { return a.Commit("r", 3) }, CodeTooMany, 3, 0},
		"cancelled":            {func(a *Account) *Refusal { return a.Cancel("r") }, "granted", 5, 0},
		"committed twice":      {func(a *Account) *Refusal { a.Commit("r", 1); return a.Commit("r", 1) }, CodeSettled, 4, 1},
		"cancelled after":      {func(a *Account) *Refusal { a.Commit("r", 1); return a.Cancel("r") }, CodeSettled, 4, 1},
		"refunded":             {func(a *Account) *Refusal { a.Commit("r", 2); return a.Refund("r") }, "granted", 5, 0},
		"refunded twice":       {refundTwice, CodeSettled, 5, 0},
		"refunded before":      {func(a *Account) *Refusal { return a.Refund("r") }, CodeSettled, 3, 0},
		"another's":            {func(a *Account) *Refusal { return a.Commit("q", 1) }, CodeUnknown, 3, 0},
		"expired":              {func(a *Account) *Refusal { a.Tidy(100); return a.Commit("r", 1) }, CodeSettled, 5, 0},
		"not expired":          {func(a *Account) *Refusal { a.Tidy(99); return a.Commit("r", 1) }, "granted", 4, 1},
		"consumed beyond free": {func(a *Account) *Refusal { return a.Consume(Span{0, hour}, 4, 5) }, CodeShort, 3, 0},
	} {
		sc, x, s := reserving(t)
		if got := code(tc.do(x)); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
		sc.want(name+": free", x.Free(s, 6), tc.free)
		sc.want(name+": used", x.Used(s), tc.used)
		if err := x.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func refundTwice(a *Account) *Refusal {
	a.Commit("r", 2)
	a.Refund("r")
	return a.Refund("r")
}

func TestWhatIsReservedCountsInItsOwnPeriodHoweverLateItIsCommitted(t *testing.T) {
	sc, x, s := reserving(t)
	x.Reservations[0].Expires = 9 * hour
	x.Tidy(2 * hour)
	x.Confirm(0, s, []Line{{Holder: ann, Vector: x.Entries[0].Vector}})
	x.Forget(2 * hour)
	if no := x.Commit("r", 2); no != nil {
		t.Fatal(no)
	}
	sc.ask(ann, x, Ask{}, 2*hour)
	sc.want("used", sc.b.period(0).used(Source{}), 2)
	sc.want("out", sc.b.period(0).live(Source{}), 2)
	if no := x.Refund("r"); no != nil {
		t.Fatal(no)
	}
	sc.ask(ann, x, Ask{}, 2*hour)
	sc.want("used after a refund", sc.b.period(0).used(Source{}), 0)
}

func TestWhatACrashLeavesOfAChunkIsInDoubt(t *testing.T) {
	sc, x := scene{t, hard(5)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 5}, 5)
	s := x.Span(hourly, 5)
	src, n := x.Debit(s, 3, 5)
	sc.want("set aside", n, 3)
	sc.want("free", x.Free(s, 5), 2)
	x.Settled(s, src, 1, 1)
	x.Recover()
	sc.ask(ann, &x, Ask{Target: 9}, 6)
	l := sc.b.period(0).Lines[0]
	sc.want("billed", l.Net(), 1)
	sc.want("in doubt", l.Doubt, 2)
	sc.want("free after it", x.Free(s, 6), 2)
	sc.want("left", sc.left(7), 0)
}

func TestAPeriodThatEndedHasNoRights(t *testing.T) {
	sc, x := scene{t, hard(5)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 5}, 5)
	if got := code(x.Consume(x.Span(hourly, 5), 1, hour)); got != CodeShort {
		t.Errorf("got %s", got)
	}
}

func TestNothingIsForgottenThatTheHubDoesNotHave(t *testing.T) {
	_, x := scene{t, hard(5)}, NewAccount()
	x.Count(Span{0, hour}, 3)
	x.Count(Span{hour, 2 * hour}, 4)
	x.Forget(9 * hour)
	if len(x.Entries) != 2 {
		t.Fatalf("forgotten: %+v", x)
	}
	x.Confirm(0, Span{0, hour}, []Line{{Source: Source{Kind: Unbacked}, Vector: Vector{Used: 3}}})
	x.Forget(hour - 1)
	if len(x.Entries) != 2 {
		t.Fatalf("forgotten while it was open: %+v", x)
	}
	x.Forget(9 * hour)
	if len(x.Entries) != 1 || x.Forgot != 0 {
		t.Fatalf("got %+v", x)
	}
}

func TestAPeriodWithAnOpenReservationIsNotForgotten(t *testing.T) {
	x, s := NewAccount(), Span{0, hour}
	x.ReserveUnbacked(Reservation{ID: "r", Span: s, Expires: 9 * hour}, 3)
	x.Forget(5 * hour)
	if len(x.Entries) != 1 {
		t.Fatal("it is forgotten, and what is committed of it would be counted nowhere")
	}
	if no := x.Commit("r", 3); no != nil {
		t.Fatal(no)
	}
	x.Confirm(0, s, []Line{{Source: Source{Kind: Unbacked}, Vector: Vector{Used: 3}}})
	if x.Forget(5 * hour); len(x.Entries) != 0 {
		t.Error("it is kept though it was settled and told")
	}
}

func TestALongReportIsToldInParts(t *testing.T) {
	const minutes = 10
	sc, x, told := scene{t, hard(5)}, NewAccount(), int64(0)
	sc.b.Learn(1, []HolderID{ann}, 0)
	sc.b.Learning.Until = 99 * hour
	x.Adopt(1)
	for n := range int64(minutes) {
		x.Count(Span{n * hour, (n + 1) * hour}, n+1)
	}
	for part, want := range []int64{4, 4, 2} {
		led := accountOf(string(AppendAccount(nil, &x)))
		if some := led.Abridge(4); some != (part < 2) {
			t.Fatalf("part %d is not all: %v", part, some)
		}
		sc.want("lines", int64(len(led.Entries)), want)
		if no := sc.b.Fold(led.Report(ann), minutes*hour); no != nil {
			t.Fatal(no)
		}
		for _, e := range led.Entries {
			told += e.Used
			x.Confirm(1, e.Span, []Line{{Source: e.Source, Vector: e.Vector}})
		}
		sc.want("who is waited for", int64(len(sc.b.Awaits())), int64(min(2-part, 1)))
	}
	sc.want("told", told, 55)
	if x.Abridge(minutes) || len(x.Entries) != minutes {
		t.Errorf("of a short report are left %d of %d lines", len(x.Entries), minutes)
	}
}

func TestAPartDoesNotTellWhatWasGivenBackBeforeItsUse(t *testing.T) {
	sc, x, y, now := scene{t, hard(5)}, NewAccount(), NewAccount(), 20*hour+5
	sc.ask(ann, &x, Ask{Standing: 5, Until: 24 * hour}, 5)
	for n := int64(1); n <= 20; n++ { // without a hub
		s := x.Span(hourly, n*hour)
		if x.Open(s); x.Consume(s, 5, n*hour) != nil {
			t.Fatal("what stands cannot be consumed")
		}
	}
	x.GiveBackStanding(0)
	part := accountOf(string(AppendAccount(nil, &x)))
	if !part.Abridge(10) {
		t.Fatal("all was told")
	}
	if no := sc.b.Fold(part.Report(ann), now); no != nil {
		t.Fatal(no)
	}
	sc.ask(bob, &y, Ask{Target: 5}, now)
	sc.want("another's, of a period in which all was used", y.Free(y.Span(hourly, now), now), 0)
	sc.ask(ann, &x, Ask{}, now)
	sc.want("what stands once all is told", sc.b.Holder(ann).Standing.of(21*hour), 0)
}

func TestWhatWasForgottenBeforeACommitFailedIsStillKnown(t *testing.T) {
	x := NewAccount()
	x.Count(Span{0, hour}, 3)
	x.Count(Span{hour, 2 * hour}, 4)
	before := accountOf(string(AppendAccount(nil, &x)))
	x.Confirm(0, Span{0, hour}, []Line{{Source: Source{Kind: Unbacked}, Vector: Vector{Used: 3}}})
	if !x.Forget(hour) {
		t.Fatal("nothing was forgotten")
	}
	before.Recall(&x)
	if got := before.Known(Span{0, hour}); got != 3 {
		t.Errorf("of what was forgotten the hub is known to have %d, want 3", got)
	}
	if got := before.Known(Span{hour, 2 * hour}); got != 0 {
		t.Errorf("of the next period the hub is known to have %d, want nothing", got)
	}
}

func TestAStaleAwardBringsNothingBack(t *testing.T) {
	sc, x := scene{t, hard(5)}, NewAccount()
	sc.fund("a", 2, 50)
	sc.ask(ann, &x, Ask{Target: 2}, 5)
	s := x.Span(hourly, 5)
	stale := sc.b.award(ann, sc.b.period(0))
	sc.b.DropGrant("a", 6)
	sc.b.SetTerms(Terms{Limit: 5, Until: Forever}, rule(1, ""), 6)
	sc.ask(ann, &x, Ask{Target: 3}, 7)
	sc.want("of the grant that was dropped", x.Free(s, 7), 1)
	x.Consume(s, 1, 7)
	x.GiveBack(s, 0, 7)
	if no := x.Take(stale); no != nil {
		t.Fatal(no)
	}
	sc.want("rights after it", x.Free(s, 8), 0)
	if got := x.Calendar[len(x.Calendar)-1].Per; got != 1 {
		t.Errorf("the calendar is the old one: %v", x.Calendar)
	}
}

func TestAnAwardOfAPeriodThatWasForgottenIsNotTaken(t *testing.T) {
	_, x := scene{t, hard(5)}, NewAccount()
	x.Forgot = hour
	if no := x.Take(Award{Span: Span{0, hour}, Lines: []Line{{Vector: Vector{Granted: 3}}}}); no != nil {
		t.Fatal(no)
	}
	if err := x.Check(); err != nil || len(x.Entries) != 0 {
		t.Fatalf("got %+v, %v", x, err)
	}
}

func TestWhatWasForgottenIsNotReportedAgain(t *testing.T) {
	sc, x := scene{t, hard(5)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 2}, 5)
	x.Consume(x.Span(hourly, 5), 2, 5)
	old := x.Report(ann)
	sc.ask(ann, &x, Ask{}, 6)
	x.Confirm(0, Span{0, hour}, sc.b.period(0).Lines)
	x.Forget(hour)
	sc.ask(ann, &x, Ask{}, hour)
	sc.b.Fold(old, hour)
	sc.want("used", sc.b.period(0).used(Source{}), 2)
}

func TestGrantsThatPaidAreGivenBackWithARefundAndARaisedLimit(t *testing.T) {
	sc, x := scene{t, hard(2)}, NewAccount()
	sc.b.SetTerms(Terms{Limit: 2, Soft: true, Until: Forever}, hourly, 0)
	sc.fund("a", 9, 50)
	s := x.Span(hourly, 5)
	x.ReserveUnbacked(Reservation{ID: "r", Span: s, Expires: hour}, 3)
	x.Commit("r", 3)
	x.Count(s, 4)
	sc.ask(ann, &x, Ask{}, 5)
	sc.want("paid", sc.b.grantLive(&sc.b.Grants[0]), 5)
	x.Refund("r")
	sc.ask(ann, &x, Ask{}, 6)
	sc.want("paid after a refund", sc.b.grantLive(&sc.b.Grants[0]), 2)
	sc.b.SetTerms(Terms{Limit: 3, Soft: true, Until: Forever}, hourly, 7)
	sc.want("paid under a higher limit", sc.b.grantLive(&sc.b.Grants[0]), 1)
}

// An account is written with each change, and its period may never end.
func TestOfManyReservationsTheNewestAreRemembered(t *testing.T) {
	_, x, s := reserving(t)
	for i := range 10 * mostEnded {
		id := strconv.Itoa(i)
		x.ReserveUnbacked(Reservation{ID: id, Span: s, Expires: 100}, 1)
		if no := x.Commit(id, 1); no != nil {
			t.Fatal(no)
		}
		x.Expire(6)
	}
	if n := len(x.Reservations); n != mostEnded+1 || x.Reservations[0].ID != "r" {
		t.Errorf("there are %d, the first is %q", n, x.Reservations[0].ID)
	}
	if no := x.Commit(strconv.Itoa(10*mostEnded-1), 1); no == nil || no.Code != CodeSettled {
		t.Errorf("the newest: got %v", no)
	}
	if u := x.Used(s); u != 10*mostEnded {
		t.Errorf("%d are used", u)
	}
	if err := x.Check(); err != nil {
		t.Error(err)
	}
}
