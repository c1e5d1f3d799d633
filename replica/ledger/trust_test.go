package ledger

import (
	"testing"

	"github.com/sidegate/sidegate/checker"
)

// code is a refusal's, for comparing.
func code(no *Refusal) string {
	if no == nil {
		return "granted"
	}
	return no.Code
}

func TestAHolderThatContradictsItselfIsQuarantined(t *testing.T) {
	for name, v := range map[string]Vector{
		"more is spent than was granted":  {Granted: 1, Used: 2},
		"more is refunded than was used":  {Granted: 3, Used: 1, Refunded: 2},
		"more is given back than is free": {Granted: 3, Used: 2, Released: 2},
		"a number is negative":            {Granted: -1},
	} {
		sc, x := scene{t, hard(5)}, NewAccount()
		sc.ask(ann, &x, Ask{Target: 3, Standing: 2, Until: 9 * hour}, 5)
		r := Report{Holder: ann, Forgot: -1, Lines: []Reported{{Span{0, hour}, Source{}, v}}}
		if got := code(sc.b.Fold(r, 6)); got != CodeQuarantined {
			t.Errorf("%s: got %s", name, got)
		}
		if got := code(sc.ask(ann, &x, Ask{Target: 1}, 7)); got != CodeQuarantined {
			t.Errorf("%s: a true report after it: got %s", name, got)
		}
		sc.want(name+": its rights are out", sc.left(8), 2)
		sc.want(name+": in periods to come too", sc.left(hour), 3)
	}
}

func TestAReportBeyondWhatTheBookGrantedSaysThatTheBookLostSomething(t *testing.T) {
	for name, r := range map[string]Report{
		"rights":                 {Lines: []Reported{{Span{0, hour}, Source{}, Vector{Granted: 4}}}},
		"rights on a grant":      {Lines: []Reported{{Span{0, hour}, Source{Topup, "a"}, Vector{Granted: 1}}}},
		"rights to come":         {Lines: []Reported{{Span{hour, 2 * hour}, Source{}, Vector{Granted: 3}}}},
		"standing rights":        {Standing: Standing{Granted: 3, From: hour, Until: 9 * hour}},
		"standing rights longer": {Standing: Standing{Granted: 2, From: hour, Until: 10 * hour}},
	} {
		sc, x := scene{t, hard(5)}, NewAccount()
		sc.ask(ann, &x, Ask{Target: 3, Standing: 2, Until: 9 * hour}, 5)
		r.Holder, r.Forgot = ann, -1
		before := string(AppendBook(nil, sc.b))
		if got := code(sc.b.Fold(r, 6)); got != CodeAhead {
			t.Errorf("%s: got %s", name, got)
		}
		if string(AppendBook(nil, sc.b)) != before {
			t.Errorf("%s: the refusal changed the book", name)
		}
	}
}

func TestABookThatLostSomethingLearnsFromEveryHolder(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	early := string(AppendBook(nil, sc.b))
	sc.ask(ann, &x, Ask{Target: 6, Standing: 3, Until: 3 * hour}, 5)
	sc.ask(bob, &y, Ask{Target: 1}, 5)
	sc.b = bookOf(early)
	sc.b.Learn(1, []HolderID{ann, bob}, 3*hour)
	y.Adopt(1)
	if got := code(sc.ask(bob, &y, Ask{Target: 9}, 6)); got != CodeLearning {
		t.Errorf("while nobody has told: %s", got)
	}
	sc.b.Fold(x.Report(ann), 6)
	if got := code(sc.ask(bob, &y, Ask{Target: 9}, 6)); got != CodeLearning {
		t.Errorf("a report of an older epoch is no echo: %s", got)
	}
	if got := code(sc.ask(bob, &y, Ask{Target: 9}, 3*hour)); got != "granted" {
		t.Errorf("a period that begins later learns not: %s", got)
	}
	x.Adopt(1)
	sc.b.Fold(x.Report(ann), 7)
	sc.want("after it", sc.left(8), 3)
	if got := code(x.Take(Award{Epoch: 0, Span: Span{0, hour}})); got != CodeEpoch {
		t.Errorf("an award of the lost history: %s", got)
	}
}

func TestAnAskOfAnotherEpochIsRefused(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.b.Fold(x.Report(ann), 5)
	for epoch, want := range map[uint64]string{0: "granted", 1: CodeEpoch} {
		if _, no := sc.b.Grant(Ask{Holder: ann, Epoch: epoch, Target: 1}, 5); code(no) != want {
			t.Errorf("epoch %d: got %s, want %s", epoch, code(no), want)
		}
	}
}

func TestLearningEndsByFenceOrTheOperatorsWord(t *testing.T) {
	for name, end := range map[string]func(*Book){
		"fenced":    func(b *Book) { b.Fence(ann, true) },
		"accepted":  func(b *Book) { b.Accept() },
		"last told": func(b *Book) { b.Fold(Report{Holder: ann, Epoch: 1, Forgot: -1}, 6) },
	} {
		sc := scene{t, hard(10)}
		sc.b.Learn(1, []HolderID{ann}, 3*hour)
		if sc.b.Learning.Until == 0 {
			t.Fatal("it does not learn")
		}
		end(sc.b)
		if sc.b.Learning.Until != 0 {
			t.Errorf("%s: it still learns", name)
		}
		sc.want(name, sc.left(8), 10)
	}
}

func TestNobodyIsRetiredWhileTheBookLearns(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{}, 5)
	sc.b.Learn(1, nil, 9*hour)
	if sc.b.Retire(ann, 5*hour) || sc.b.Holder(ann).Trust != Trusted {
		t.Error("it was retired, and never told")
	}
}

func TestOnlyWhoCanSpendNothingIsRetired(t *testing.T) {
	cid := HolderID{3}
	sc, x, y, z := scene{t, hard(10)}, NewAccount(), NewAccount(), NewAccount()
	sc.ask(ann, &x, Ask{Target: 1}, 5)
	sc.ask(bob, &y, Ask{Standing: 1, Until: 9 * hour}, 5)
	sc.ask(cid, &z, Ask{}, 5)
	for name, c := range map[string]struct {
		id    HolderID
		since int64
		want  bool
	}{
		"with rights of a period that has not ended": {ann, hour / 2, false},
		"with standing rights":                       {bob, 5 * hour, false},
		"heard of since":                             {cid, 5, false},
		"nobody knows it":                            {HolderID{99}, 5 * hour, false},
		"with rights of a period that has ended":     {ann, 5 * hour, true},
		"with nothing":                               {cid, 5 * hour, true},
		"retired before":                             {cid, 6 * hour, false},
	} {
		b := *bookOf(string(AppendBook(nil, sc.b)))
		if name == "retired before" {
			b.Retire(cid, 5*hour)
		}
		if got := b.Retire(c.id, c.since); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestWhatARetiredHolderLeavesBehindIsInDoubtAndSummed(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 4}, 5)
	if no := x.Consume(Span{0, hour}, 1, 6); no != nil {
		t.Fatal(no)
	}
	sc.b.Fold(x.Report(ann), 7)
	later := 9 * hour
	if !sc.b.Retire(ann, 5*hour) {
		t.Fatal("it was not retired")
	}
	if got := sc.b.Periods[0].Usage(later); got.Used != 1 || got.Doubt != 3 {
		t.Errorf("got %+v", got)
	}
	if no := sc.b.Fold(x.Report(ann), later); code(no) != CodeRetired {
		t.Errorf("what it reports: got %v", no)
	}
	sc.b.FoldAway(later)
	if p := &sc.b.Periods[0]; len(p.Lines) != 0 || p.taken() != 4 {
		t.Errorf("left are %+v", p)
	}
}

func TestGrantsAndRolloverAreNotGrantedWhileTheBookLearns(t *testing.T) {
	rolling := scene{t, hard(4)}
	rolling.b.SetTerms(Terms{Limit: 4, Rollover: 4, Since: 1, Until: Forever}, hourly, 0)
	rolling.left(3 * hour)
	rolling.b.open(Span{3 * hour, 4 * hour}, 3*hour)
	rolling.b.Learn(1, []HolderID{ann}, 3*hour)
	rolling.want("with what rolled over before", rolling.left(3*hour), 4)
	sc, x := scene{t, hard(0)}, NewAccount()
	sc.fund("a", 5, 50)
	early := string(AppendBook(nil, sc.b))
	sc.ask(ann, &x, Ask{Target: 5}, 5)
	x.Consume(x.Span(hourly, 5), 5, 5)
	sc.b = bookOf(early)
	sc.b.Learn(1, []HolderID{ann}, hour)
	sc.want("of a period that learns not", sc.left(2*hour), 0)
	x.Adopt(1)
	sc.b.Fold(x.Report(ann), 2*hour)
	sc.want("when all is known", sc.left(2*hour), 0)
}

func TestAFenceWritesOffAndOneOfTheDestroyedFrees(t *testing.T) {
	for destroyed, want := range map[bool]int64{false: 4, true: 8} {
		sc, x := scene{t, hard(10)}, NewAccount()
		sc.ask(ann, &x, Ask{Target: 6, Standing: 5, Until: 2 * hour}, 5)
		x.Consume(x.Span(hourly, 5), 2, 5)
		sc.b.Fold(x.Report(ann), 6)
		sc.b.Fence(ann, destroyed)
		sc.b.Fence(ann, !destroyed)
		sc.want("left", sc.left(7), want)
		sc.want("used", sc.b.period(0).used(Source{}), 10-want)
		told := map[bool]string{false: CodeFenced, true: CodeDestroyed}[destroyed]
		if got := code(sc.ask(ann, &x, Ask{Target: 1}, 7)); got != told {
			t.Errorf("its report: %s, want %s", got, told)
		}
		sc.want("of the next period", sc.left(hour), map[bool]int64{false: 5, true: 10}[destroyed])
	}
}

func TestWhatIsWrittenOffIsWrittenOffOnce(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	sc.ask(ann, &x, Ask{Standing: 3, Until: 3 * hour}, 5)
	sc.b.Fence(ann, false)
	late := Report{Holder: bob, Forgot: -1}
	late.Lines = []Reported{{Span{hour, 2 * hour}, Source{Kind: Unbacked}, Vector{Used: 1}}}
	sc.b.open(Span{hour, 2 * hour}, hour)
	for n := int64(2); n < 6; n++ {
		sc.b.open(Span{n * hour, (n + 1) * hour}, n*hour)
	}
	used := int64(0)
	for _, p := range sc.b.FoldAway(6 * hour) {
		used += p.used(Source{})
	}
	sc.want("folded away", used, 6)
	sc.b.Fold(late, 6*hour)
	sc.want("opened again", sc.b.period(hour).used(Source{}), 0)
	sc.ask(bob, &y, Ask{}, 6*hour)
}

func TestWhatIsWrittenOffCountsInAPeriodThatIsOpenedAfterTheNextOne(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Standing: 3, Until: 2 * hour}, 5)
	sc.b.Fence(ann, false)
	sc.b.open(Span{2 * hour, 3 * hour}, hour) // somebody asked ahead of need
	sc.b.FoldAway(hour)
	sc.want("of the period in which they stand", sc.left(hour), 7)
	sc.want("of the next", sc.left(2*hour), 10)
}

func TestWhatIsWrittenOffOfAPeriodThatNeverEndsIsSummedUp(t *testing.T) {
	sc, never := scene{t, &Book{}}, Rule{Per: checker.Never}
	sc.b.SetTerms(Terms{Limit: 10, Until: Forever}, never, 0)
	for n := range byte(3) { // each is lost with its vault
		x := NewAccount()
		sc.ask(HolderID{9, n}, &x, Ask{Target: 2}, 5)
		sc.b.Fence(HolderID{9, n}, false)
	}
	sc.b.FoldAway(6)
	p := sc.b.period(0)
	sc.want("lines", int64(len(p.Lines)), 0)
	sc.want("sums", int64(len(p.Settled)), 1)
	sc.want("used", p.used(Source{}), 6)
}

func TestAHolderForgetsOnlyWhatTheHubOfThisEpochHas(t *testing.T) {
	sc, x := scene{t, hard(5)}, NewAccount()
	early := string(AppendBook(nil, sc.b))
	sc.ask(ann, &x, Ask{Target: 2}, 5)
	s := x.Span(hourly, 5)
	x.Consume(s, 2, 5)
	sc.ask(ann, &x, Ask{}, 6)
	lines := sc.b.period(0).Lines
	sc.b = bookOf(early)
	sc.b.Learn(1, []HolderID{ann}, hour)
	x.Adopt(1)
	if got := code(x.Confirm(0, s, lines)); got != CodeEpoch {
		t.Errorf("a confirmation of the lost history: %s", got)
	}
	x.Forget(2 * hour)
	sc.b.Fold(x.Report(ann), 2*hour)
	sc.want("used", sc.b.period(0).used(Source{}), 2)
	x.Confirm(1, s, sc.b.period(0).Lines)
	x.Forget(2 * hour)
	if len(x.Entries) != 0 || x.Forgot != 0 {
		t.Errorf("got %+v", x)
	}
}

func TestARestoredHolderIsFoundOut(t *testing.T) {
	sc, x := scene{t, hard(5)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 2, Standing: 2, Until: 9 * hour}, 5)
	old := accountOf(string(AppendAccount(nil, &x)))
	older := accountOf(string(AppendAccount(nil, &x)))
	x.GiveBackStanding(0)
	sc.ask(ann, &x, Ask{}, 6)
	if got := code(sc.ask(ann, old, Ask{}, 7)); got != CodeRestored {
		t.Errorf("standing rights given back: %s", got)
	}
	older.GiveBackStanding(0)
	x.Consume(x.Span(hourly, 5), 1, 6)
	sc.ask(ann, &x, Ask{}, 8)
	if got := code(sc.ask(ann, older, Ask{}, 9)); got != CodeRestored {
		t.Errorf("use: %s", got)
	}
}

func TestAGrantThatALostLogHadMayHaveBeenLarger(t *testing.T) {
	sc, x := scene{t, hard(1)}, NewAccount()
	sc.b.SetGrant(Grant{ID: "g", Amount: 3, Until: Forever})
	sc.ask(ann, &x, Ask{Target: 4}, 5)
	restored := hard(1) // from before the grant
	restored.Learn(1, []HolderID{ann}, 9*hour)
	x.Adopt(1)
	if no := restored.Fold(x.Report(ann), 6); no != nil {
		t.Fatal(no)
	}
	restored.SetGrant(Grant{ID: "g", Amount: 2, Until: Forever})
	if err := restored.Check(); err != nil {
		t.Error(err)
	}
	sc.b = restored
	y := NewAccount()
	y.Adopt(1)
	sc.ask(bob, &y, Ask{Target: 9}, 7)
	sc.want("beside the three that are held", y.Free(y.Span(hourly, 7), 7), 0)
}
