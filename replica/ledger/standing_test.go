package ledger

import "testing"

func TestStandingRightsThatEndedAreGrantedAnew(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	sc.ask(ann, &x, Ask{Standing: 6, Until: 2 * hour}, 5)
	sc.ask(bob, &y, Ask{Standing: 9, Until: 9 * hour}, hour+5) // from the time when the first ones end
	sc.want("another's", y.Standing.Granted, 9)
	for _, now := range []int64{hour + 6, 2*hour + 5, 3*hour + 5} {
		sc.ask(ann, &x, Ask{Standing: 6, Until: 9 * hour}, now)
		sc.ask(ann, &x, Ask{Standing: 8, Until: 9 * hour}, now)
		sc.want("again", x.Standing.of(5*hour), 0)
	}
	x.Tidy(3 * hour)
	sc.ask(ann, &x, Ask{Standing: 6 + 6, Until: 9 * hour}, 3*hour+6)
	sc.want("as many as there is room for", x.Standing.of(5*hour), 1)
}

func TestStandingRightsAreMadeLongerOnlyWithinTheLimit(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Standing: 6, Until: 5 * hour}, 5)
	sc.ask(ann, &x, Ask{Standing: 6, Until: 6 * hour}, 6)
	sc.want("longer", x.Standing.Until, 6*hour)
	sc.b.SetTerms(Terms{Limit: 5, Until: Forever}, hourly, 7)
	sc.ask(ann, &x, Ask{Standing: 6, Until: 9 * hour}, 8)
	sc.want("beyond a lowered limit", x.Standing.Until, 6*hour)
}

func TestARepeatedAskIsGivenTheSameThoughMoreStoodBefore(t *testing.T) {
	sc := scene{t, hard(3)}
	sc.b.Holders = []Holder{{ID: ann, Forgot: -1, Before: []Tier{{0, 4 * hour, 2}}, // of a calendar that was changed
		Standing: Standing{Granted: 2, Released: 1, From: 5 * hour, Until: 9 * hour}}}
	var got [2]Standing
	for i := range got {
		w, no := sc.b.Grant(Ask{Holder: ann, Standing: 5, Until: 9 * hour}, 5)
		if no != nil {
			t.Fatal(no)
		}
		got[i] = w.Standing
	}
	sc.want("rights, the first time", got[0].of(2*hour), 3)
	sc.want("and more of them the second", got[1].Granted-got[0].Granted, 0)
}

func TestNothingStandsInAPeriodOfWhichTheRestHasRolledOver(t *testing.T) {
	sc, x, y := scene{t, &Book{}}, NewAccount(), NewAccount()
	sc.b.SetTerms(Terms{Limit: 3, Rollover: 2, Since: 1, Until: Forever}, hourly, 0)
	sc.ask(ann, &x, Ask{Target: 2}, 5*hour) // of a hub whose clock is ahead by more than a period
	sc.want("rolled over", x.find(Span{5 * hour, 6 * hour}, Source{Kind: Rollover}).Granted, 2)
	sc.ask(bob, &y, Ask{Standing: 3, Until: 5 * hour}, 3*hour)
	sc.want("what stands in the period before", y.Standing.of(4*hour), 0)
	sc.ask(bob, &y, Ask{Standing: 3, Until: 9 * hour}, 3*hour)
	sc.want("what stands in the period before, if it is to last", y.Standing.of(4*hour), 0)
	sc.want("and later", y.Standing.of(7*hour), 3)
}

func TestRaisedStandingRightsDoNotCountInPeriodsThatHaveBegun(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	sc.ask(ann, &x, Ask{Standing: 2, Until: 9 * hour}, 5)
	stale := accountOf(string(AppendAccount(nil, &x)))
	sc.ask(bob, &y, Ask{}, hour+5)
	sc.ask(ann, &x, Ask{Standing: 5, Until: 9 * hour}, hour+6)
	sc.want("in the period that has begun", x.Free(Span{hour, 2 * hour}, hour+6), 2)
	sc.want("in the next", x.Standing.of(2*hour), 5)
	sc.want("what a stale award gives is in the book", sc.b.Holder(ann).implied(2*hour), 5)
	stale.Open(Span{2 * hour, 3 * hour})
	sc.want("of the stale one", stale.Free(Span{2 * hour, 3 * hour}, 2*hour), 2)
}

func TestAnIdleHoldersTiersAreKeptForPeriodsThatNobodyToldOf(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Standing: 2, Until: 9 * hour}, 5)
	x.Open(Span{3 * hour, 4 * hour})
	x.Consume(Span{3 * hour, 4 * hour}, 2, 3*hour)
	sc.ask(ann, &x, Ask{Standing: 5, Until: 9 * hour}, 5*hour)
	sc.want("of a period in between", sc.b.Holder(ann).implied(4*hour), 2)
	sc.want("of one to come", sc.b.Holder(ann).implied(6*hour), 5)
	sc.want("used", sc.b.period(3*hour).used(Source{}), 2)
}

func TestWhatStandsIsNotSpentInTwoCalendarsAtOnce(t *testing.T) {
	_, x := scene{t, hard(10)}, NewAccount()
	x.Standing = Standing{Granted: 3, Until: Forever}
	x.Open(Span{hour, 2 * hour})
	x.Open(Span{90 * hour / 60, 24 * hour})
	sc := scene{T: t}
	sc.want("in the other", x.Free(Span{90 * hour / 60, 24 * hour}, 100*hour/60), 0)
	x.Forgot = 5 * hour
	x.Entries = nil
	x.Open(Span{5 * hour, 6 * hour})
	sc.want("of a period that is not reported any more", x.Free(Span{5 * hour, 6 * hour}, 5*hour), 0)
}

func TestWhatStandsForTheDestroyedIsFree(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	sc.ask(ann, &x, Ask{Standing: 6, Until: 9 * hour}, 5)
	sc.b.Fence(ann, true)
	sc.ask(bob, &y, Ask{Standing: 10, Until: 9 * hour}, 6)
	sc.want("another's", y.Standing.Granted, 10)
}

func TestTheMostThatMayStandCountsWhatStoodBefore(t *testing.T) {
	h := Holder{Forgot: -1, Standing: Standing{Granted: 2, From: 3 * hour, Until: 9 * hour},
		Before: []Tier{{0, 4 * hour, 5}, {0, 3 * hour, 7}}}
	sc := scene{T: t}
	sc.want("of periods in which both may be", h.most(3*hour), 5)
	sc.want("later", h.most(4*hour), 2)
	sc.want("when all is over", h.most(9*hour), 0)
}

func TestARaiseLeavesNoPeriodInBetweenWithoutRights(t *testing.T) {
	for name, ahead := range map[string]int64{"asked for in the open period": 0, "asked for in the next": hour} {
		sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
		sc.ask(ann, &x, Ask{Standing: 2, Until: 9 * hour}, 5)
		sc.ask(bob, &y, Ask{}, hour+5)
		sc.b.open(sc.b.Calendar.At(2*hour), hour+5) // another asked early
		w, no := sc.b.Grant(Ask{Holder: ann, Period: hour + ahead, Standing: 5, Until: 9 * hour}, hour+6)
		if no != nil || x.Take(w) != nil {
			t.Fatal(name, no)
		}
		for _, s := range []Span{{hour, 2 * hour}, {2 * hour, 3 * hour}} {
			sc.want(name, x.Free(s, hour+7), 2)
		}
		x.Open(Span{3 * hour, 4 * hour})
		sc.want(name+", later", x.Free(Span{3 * hour, 4 * hour}, hour+7), 5)
	}
}

func TestAPeriodFarAheadDoesNotKeepRightsFromStanding(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	far := Span{900 * hour, 901 * hour}
	y.Count(far, 3) // by a clock that was wrong
	sc.ask(bob, &y, Ask{}, 5)
	sc.ask(ann, &x, Ask{Standing: 2, Until: 9 * hour}, 5)
	sc.want("in the next period", x.Standing.of(hour), 2)
}

func TestARaiseDoesNotReachWhatWasOpenedFarAhead(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	far := Span{900 * hour, 901 * hour}
	sc.ask(ann, &x, Ask{Standing: 2, Until: 950 * hour}, 5)
	y.Count(far, 3) // by a clock that was wrong
	sc.ask(bob, &y, Ask{}, 6)
	sc.ask(ann, &x, Ask{Standing: 5, Until: 12 * hour}, 7)
	x.Open(far)
	if free, known := x.Free(far, 900*hour), sc.b.period(far.Start).live(Source{}); free > known {
		t.Errorf("%d may be spent, the book has %d", free, known)
	}
}

func TestWhatIsLeftOfAForgottenPeriodHasNoRightsOfItsOwn(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Standing: 2, Until: 99 * hour}, 5)
	x.Forgot = 5 * hour
	s := x.Span(hourly, 5*hour+7) // the clock was set back
	x.Open(s)
	sc.want("of an hour that was forgotten", x.Free(s, 5*hour+7), 0)
	x.Open(x.Span(hourly, 6*hour+7))
	sc.want("of the next", x.Free(x.Span(hourly, 6*hour+7), 6*hour+7), 2)
}

// The book was restored from a copy of before a change of the calendar, by which more stood, and from earlier on.
func TestWhatALostLogLetStandFromEarlierOnIsNotForgotten(t *testing.T) {
	sc := scene{t, hard(10)}
	sc.b.meet(ann).Standing = Standing{Granted: 2, From: 5 * hour, Until: 9 * hour}
	sc.b.Learn(1, []HolderID{ann, bob}, 9*hour)
	x := NewAccount()
	x.Standing = Standing{Granted: 6, Released: 1, From: 2 * hour, Until: 9 * hour}
	for range 2 {
		if no := sc.b.Fold(x.Report(ann), hour); no != nil {
			t.Fatal(no)
		}
	}
	h := sc.b.Holder(ann)
	for at, want := range map[int64]int64{hour: 0, 2 * hour: 5, 4 * hour: 5, 5 * hour: 5, 9 * hour: 0} {
		sc.want("stands", h.implied(at), want)
	}
	sc.want("tiers", int64(len(h.Before)), 1)
}

// Somebody tells of a period after the log was lost, and then another for whom rights stand that has not begun it.
func TestWhatStandsMayBeSpentInAPeriodThatAnotherToldOf(t *testing.T) {
	sc, x, y, z := scene{t, hard(10)}, NewAccount(), NewAccount(), NewAccount()
	s, cid := Span{2 * hour, 3 * hour}, HolderID{7}
	sc.b.Learn(1, []HolderID{ann, bob, cid}, 9*hour)
	x.Standing = Standing{Granted: 3, From: hour, Until: 9 * hour}
	y.Standing = Standing{Granted: 4, From: hour, Until: 9 * hour}
	z.Standing = Standing{Granted: 5, From: hour, Until: 9 * hour}
	z.Open(s) // by far too much, by what the log of today allows
	z.GiveBack(s, 0, 2*hour)
	z.Standing.Released = 5
	x.Open(s)
	for id, a := range map[HolderID]*Account{ann: &x, cid: &z} {
		a.Adopt(1)
		if no := sc.b.Fold(a.Report(id), 2*hour+5); no != nil {
			t.Fatal(no)
		}
	}
	y.Adopt(1)
	if no := sc.b.Fold(y.Report(bob), 2*hour+5); no != nil {
		t.Fatal(no)
	}
	sc.want("there is nothing to learn any more", sc.b.Learning.Until, 0)
	w := NewAccount()
	w.Epoch = 1
	sc.ask(HolderID{9}, &w, Ask{Target: 10}, 2*hour+6)
	sc.want("what is left for another", w.Free(s, 2*hour+6), 3)
	y.Open(s)
	sc.want("what it may spend", y.Free(s, 2*hour+6), 4)
	if no := sc.b.Fold(y.Report(bob), 2*hour+7); no != nil {
		t.Error(no)
	}
	sc.b.SetTerms(Terms{Limit: 2, Until: Forever}, hourly, 2*hour+8)
	sc.b.Learn(2, nil, 9*hour)
	y.Adopt(2)
	if no := sc.b.Fold(y.Report(bob), 2*hour+9); no != nil || sc.b.Check() != nil {
		t.Error(no, sc.b.Check())
	}
}

// learning is a book of 2 an hour that has lost everything. Bob has told that the hour from 9 has begun.
func learning(t *testing.T) *Book {
	t.Helper()
	b := hard(2)
	b.Learn(1, []HolderID{ann, bob}, 20*hour)
	told := Report{Holder: bob, Epoch: 1, Forgot: -1, Lines: []Reported{{Span: Span{9 * hour, 10 * hour},
		Vector: Vector{Granted: 1}}}}
	if no := b.Fold(told, 9*hour); no != nil {
		t.Fatal(no)
	}
	return b
}

func TestWhatALostLogLetStandMayHaveBeenMoreThanTheLimitNow(t *testing.T) {
	b := learning(t)
	stands := Standing{Granted: 3, From: 9 * hour, Until: 20 * hour}
	b.Fold(Report{Holder: ann, Epoch: 1, Forgot: -1, Standing: stands}, 9*hour)
	if got := b.period(9 * hour).live(Source{}); got != 4 {
		t.Errorf("%d rights are out, want the 3 that ann may begin the hour with, and bob's", got)
	}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
}

func TestWhoHasBegunAPeriodWithAGrantDoesNotBeginItWithWhatStands(t *testing.T) {
	b := learning(t)
	b.SetGrant(Grant{ID: "g", Amount: 1, Until: Forever})
	b.Fold(Report{Holder: ann, Epoch: 1, Forgot: -1, Standing: Standing{Granted: 1, From: 9 * hour, Until: 20 * hour},
		Lines: []Reported{{Span: Span{9 * hour, 10 * hour}, Source: Source{Topup, "g"}, Vector: Vector{Granted: 1}}}}, 9*hour)
	if got := b.period(9 * hour).live(Source{}); got != 1 {
		t.Errorf("%d rights of the allowance are out, want bob's alone", got)
	}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
}
