package ledger

import "testing"

// fund adds a grant for the first ten hours.
func (t scene) fund(id string, amount, priority int64) {
	t.b.SetGrant(Grant{ID: id, Amount: amount, Priority: priority, Until: 10 * hour})
}

func (t scene) want(what string, got, want int64) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %d, want %d", what, got, want)
	}
}

// left is what a new holder gets at a time.
func (t scene) left(now int64) int64 {
	b := bookOf(string(AppendBook(nil, t.b)))
	y := NewAccount()
	y.Adopt(b.Epoch)
	scene{t.T, b}.ask(HolderID{99}, &y, Ask{Target: MaxUnits}, now)
	return y.Free(b.Calendar.At(now), now)
}

func TestGrantsAreSpentByPriorityThenExpiryThenAge(t *testing.T) {
	for name, tc := range map[string]struct {
		a, b  Grant
		first Source
	}{
		"a lower number comes first": {Grant{Priority: 60, Until: 9 * hour}, Grant{Priority: 50, Until: Forever},
			Source{Topup, "b"}},
		"of the same number, what ends first": {Grant{Priority: 50, Until: 9 * hour}, Grant{Priority: 50, Until: 8 * hour},
			Source{Topup, "b"}},
		"of the same end, the older": {Grant{Priority: 50, Until: 9 * hour, From: 3}, Grant{Priority: 50, Until: 9 * hour,
			From: 2}, Source{Topup, "b"}},
		"the allowance has 100": {Grant{Priority: 101, Until: 9 * hour}, Grant{Priority: 101, Until: 9 * hour},
			Source{Kind: Allowance}},
		"of 100, what ends first": {Grant{Priority: 100, Until: hour - 1}, Grant{Priority: 100, Until: 2 * hour},
			Source{Topup, "a"}},
	} {
		sc, x := scene{t, hard(2)}, NewAccount()
		tc.a.ID, tc.a.Amount, tc.b.ID, tc.b.Amount = "a", 2, "b", 2
		sc.b.SetGrant(tc.a)
		sc.b.SetGrant(tc.b)
		sc.ask(ann, &x, Ask{Target: 1}, 5)
		if got := x.Entries[0].Source; got != tc.first {
			t.Errorf("%s: granted of %v first", name, got)
		}
		sc.ask(ann, &x, Ask{Target: 6}, 5)
		s := x.Span(hourly, 5)
		x.Consume(s, 1, 6)
		if got := x.find(s, tc.first).Used; got != 1 {
			t.Errorf("%s: consumed of something else first: %+v", name, x.Entries)
		}
	}
}

func TestOverdraftComesAfterGrants(t *testing.T) {
	sc, x := scene{t, hard(2)}, NewAccount()
	sc.b.SetTerms(Terms{Limit: 2, Overdraft: 3, Until: Forever}, hourly, 0)
	sc.fund("a", 2, 200)
	sc.ask(ann, &x, Ask{Target: 4}, 5)
	sc.want("of the grant", sc.b.grantLive(&sc.b.Grants[0]), 2)
	sc.want("of the allowance", sc.b.period(0).live(Source{}), 2)
	sc.ask(ann, &x, Ask{Target: 99}, 5)
	sc.want("with overdraft", sc.b.period(0).live(Source{}), 5)
}

func TestOverdraftIsThereWhereAGrantPaid(t *testing.T) {
	sc, x := scene{t, hard(2)}, NewAccount()
	sc.b.SetTerms(Terms{Limit: 2, Overdraft: 1, Soft: true, Until: Forever}, hourly, 0)
	sc.fund("a", 3, 200)
	x.Count(x.Span(hourly, 5), 5)
	sc.ask(ann, &x, Ask{}, 5)
	sc.want("paid by the grant", sc.b.period(0).charged(Source{Topup, "a"}), 3)
	sc.want("overdraft", sc.left(6), 1)
}

func TestOverdraftStaysWithinALoweredLimitThoughGrantsPaid(t *testing.T) {
	sc, x := scene{t, hard(7)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 7}, 5)
	x.Consume(x.Span(hourly, 5), 7, 5)
	sc.b.SetTerms(Terms{Overdraft: 2, Until: Forever}, hourly, 6)
	sc.fund("a", 6, 50)
	sc.ask(ann, &x, Ask{}, 7)
	sc.want("paid", sc.b.grantLive(&sc.b.Grants[0]), 6)
	sc.want("left", sc.left(8), 0)
}

func TestRightsOfAnExpiredGrantDieWithIt(t *testing.T) {
	sc, x := scene{t, hard(0)}, NewAccount()
	sc.b.SetGrant(Grant{ID: "a", Amount: 5, Until: 100})
	sc.ask(ann, &x, Ask{Target: 3}, 5)
	s := x.Span(hourly, 5)
	sc.want("while it lasts", x.Free(s, 99), 3)
	sc.want("after", x.Free(s, 100), 0)
	x.Tidy(100)
	sc.ask(ann, &x, Ask{Target: 9}, 101)
	sc.want("given back", sc.b.grantLive(&sc.b.Grants[0]), 0)
	sc.want("asked for again", x.Free(s, 101), 0)
}

func TestAGrantIsSpentOnceAcrossPeriodsAndFolding(t *testing.T) {
	sc, x := scene{t, hard(0)}, NewAccount()
	sc.b.SetGrant(Grant{ID: "a", Amount: 5, Until: Forever})
	for n := range int64(5) {
		now := n*hour + 5
		sc.ask(ann, &x, Ask{Target: 1}, now)
		x.Consume(x.Span(hourly, now), 1, now)
		sc.ask(ann, &x, Ask{}, now+1)
		p := sc.b.period(n * hour)
		x.Confirm(0, p.Span, p.Lines)
		x.Forget(now)
		sc.b.FoldAway(now)
	}
	x.Tidy(5 * hour)
	x.Forget(5 * hour)
	sc.ask(ann, &x, Ask{}, 5*hour+1)
	if gone := sc.b.FoldAway(5*hour + 1); len(gone) == 0 || sc.b.Grants[0].Past == 0 {
		t.Errorf("nothing was folded away: %+v", sc.b)
	}
	sc.want("what is left of it", sc.left(5*hour+1), 0)
}

func TestRolloverIsWhatIsLeftAndAtMostItsMaximum(t *testing.T) {
	for name, tc := range map[string]struct{ max, use, hold, want int64 }{
		"what is left":                 {9, 4, 0, 6},
		"at most the maximum":          {3, 4, 0, 3},
		"what is in doubt is spent":    {9, 4, 5, 1},
		"nothing, if nothing was left": {9, 10, 0, 0},
	} {
		sc, x := scene{t, hard(10)}, NewAccount()
		sc.b.SetTerms(Terms{Limit: 10, Rollover: tc.max, Until: Forever}, hourly, 0)
		sc.ask(ann, &x, Ask{Target: tc.use + tc.hold}, 5)
		x.Consume(x.Span(hourly, 5), tc.use, 5)
		y := NewAccount()
		sc.ask(bob, &y, Ask{Target: 1}, hour+5)
		sc.want(name, sc.b.period(hour).Rolled, tc.want)
	}
}

func TestWhatRolledOverDoesNotRollAgain(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.b.SetTerms(Terms{Limit: 10, Rollover: 10, Until: Forever}, hourly, 0)
	sc.ask(ann, &x, Ask{}, 5)
	for n := int64(1); n < 4; n++ { // nothing is consumed
		sc.ask(ann, &x, Ask{Target: 1}, n*hour+5)
		sc.want("rolled over", sc.b.period(n*hour).Rolled, 10)
		sc.want("all there is", sc.left(n*hour+6), 19)
	}
}

func TestUseThatIsToldLateTakesBackWhatRolledOver(t *testing.T) {
	sc, x, y := scene{t, hard(4)}, NewAccount(), NewAccount()
	sc.b.SetTerms(Terms{Limit: 4, Rollover: 4, Soft: true, Until: Forever}, hourly, 0)
	sc.ask(bob, &y, Ask{Target: 0}, 1)
	x.Count(x.Span(hourly, 5), 3)
	sc.b.open(Span{0, hour}, 5)
	sc.ask(bob, &y, Ask{Target: 2}, hour+1)
	sc.want("at first", sc.b.period(hour).Rolled, 4)
	sc.ask(ann, &x, Ask{}, hour+2)
	sc.want("with what is out", sc.b.period(hour).Rolled, 2)
	sc.b.SetTerms(Terms{Limit: 4, Until: Forever}, hourly, hour+3)
	y.GiveBack(y.Span(hourly, hour), 0, hour+3)
	sc.ask(bob, &y, Ask{}, hour+3)
	sc.want("without rollover", sc.left(hour+4), 4)
}

func TestAHubWhoseClockIsBehindGrantsNothingThatHasRolledOver(t *testing.T) {
	sc, x := scene{t, hard(4)}, NewAccount()
	sc.b.SetTerms(Terms{Limit: 4, Rollover: 4, Until: Forever}, hourly, 0)
	sc.ask(ann, &x, Ask{Target: 1}, 5)
	sc.ask(ann, &x, Ask{Target: 3}, hour+5)
	sc.want("what is left of the period before", sc.left(hour-1), 0)
}

func TestSoftMadeHardGivesNoFreshQuota(t *testing.T) {
	sc, x := scene{t, hard(5)}, NewAccount()
	sc.b.SetTerms(Terms{Limit: 5, Soft: true, Until: Forever}, hourly, 0)
	x.Count(x.Span(hourly, 5), 4)
	sc.ask(ann, &x, Ask{}, 5)
	sc.b.SetTerms(Terms{Limit: 5, Until: Forever}, hourly, 6)
	sc.want("left", sc.left(7), 1)
}

func TestARepeatedAskGetsTheSameAnswer(t *testing.T) {
	sc, x := scene{t, hard(5)}, NewAccount()
	sc.b.Fold(x.Report(ann), 5)
	ask := Ask{Holder: ann, Target: 3, Standing: 2, Until: 9 * hour}
	first, _ := sc.b.Grant(ask, 5)
	for range 3 {
		if again, no := sc.b.Grant(ask, 6); no != nil || down('a', 0, again) != down('a', 0, first) {
			t.Fatalf("got %+v after %+v", again, first)
		}
	}
}

func TestLoweringALimitStopsGrantsAtOnce(t *testing.T) {
	sc, x := scene{t, hard(9)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 4, Standing: 5, Until: 9 * hour}, 5)
	sc.b.SetTerms(Terms{Limit: 3, Until: Forever}, hourly, 6)
	sc.want("left", sc.left(7), 0)
	sc.ask(ann, &x, Ask{Target: 9, Standing: 9, Until: 20 * hour}, 8)
	sc.want("held", x.Free(x.Span(hourly, 8), 8), 4)
	sc.want("standing", x.Standing.Granted, 5)
	sc.want("standing until", x.Standing.Until, 9*hour)
}

func TestTermsThatEndGrantNothingBeyond(t *testing.T) {
	sc, x := scene{t, hard(9)}, NewAccount()
	sc.b.SetTerms(Terms{Limit: 9, Until: 3 * hour}, hourly, 0)
	sc.ask(ann, &x, Ask{Standing: 5, Until: 9 * hour}, 5)
	sc.want("standing until", x.Standing.Until, 3*hour)
	if no := sc.ask(ann, &x, Ask{Target: 1}, 3*hour); no == nil || no.Code != CodeUnknown {
		t.Errorf("got %v", no)
	}
}

func TestAChangedGrantStaysSpent(t *testing.T) {
	sc := scene{t, hard(0)}
	sc.fund("a", 5, 50)
	sc.b.Grants[0].Past = 3
	sc.fund("a", 4, 50)
	sc.want("left", sc.left(5), 1)
	sc.fund("a", 2, 50)
	sc.want("left of less than is spent", sc.left(5), 0)
	if err := sc.b.Check(); err != nil {
		t.Error(err)
	}
}

func TestStandingRightsOfAPeriodThatNobodyToldOfDoNotRollOver(t *testing.T) {
	sc, x, y := scene{t, hard(10)}, NewAccount(), NewAccount()
	sc.b.SetTerms(Terms{Limit: 10, Rollover: 10, Since: 1, Until: Forever}, hourly, 0)
	sc.ask(ann, &x, Ask{Standing: 6, Until: 9 * hour}, 5)
	sc.ask(bob, &y, Ask{}, 2*hour+5)
	sc.want("rolled over", sc.b.period(2*hour).Rolled, 4)
}

func TestOnlyOldPeriodsOfWhichAllIsToldAreFoldedAway(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 1}, 5)
	for n := int64(1); n < 5; n++ {
		sc.b.open(Span{n * hour, (n + 1) * hour}, n*hour)
	}
	sc.want("with a line", int64(len(sc.b.FoldAway(9*hour))), 2) // of 1 to 4 the last two closed stay
	if sc.b.period(0) == nil {
		t.Error("a period was folded away of which not all is told")
	}
	sc.b.Fold(Report{Holder: ann, Forgot: 0}, 9*hour)
	sc.want("told", int64(len(sc.b.FoldAway(9*hour))), 1)
	sc.want("kept", int64(len(sc.b.Periods)), 2)
}

func TestNothingIsGrantedInAPeriodThatTheHolderHasForgotten(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 4}, 5)
	late := Ask{Holder: ann, Target: 7} // on its way, while the holder's clock is ahead and it has forgotten the hour
	sc.b.Fold(Report{Holder: ann, Forgot: 0}, 6)
	if w, no := sc.b.Grant(late, 7); no != nil || len(w.Lines) != 0 {
		t.Errorf("got %+v, %v", w, no)
	}
	sc.want("for others", sc.left(8), 10)
}

// TestARaiseRollsNothingOverFromBefore has a customer change to a plan that lets more roll over.
func TestARaiseRollsNothingOverFromBefore(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	rolled := func(now int64) int64 { tot := sc.b.Totals(now); return tot.Rolled }
	sc.b.SetTerms(Terms{Limit: 10, Rollover: 3, Since: 1, Until: Forever}, hourly, 0)
	sc.ask(ann, &x, Ask{}, 3*hour+5)
	sc.want("of an hour in which nothing was used", rolled(3*hour+5), 3)
	sc.b.SetTerms(Terms{Limit: 100, Rollover: 50, Since: 3*hour + 6, Until: Forever}, hourly, 3*hour+6)
	sc.want("after the raise", rolled(3*hour+7), 3)
	sc.want("of what may be used now", sc.left(3*hour+7), 103)
	sc.b.SetTerms(Terms{Limit: 2, Rollover: 50, Since: 3*hour + 8, Until: Forever}, hourly, 3*hour+8)
	sc.want("under a smaller limit", rolled(3*hour+9), 2)
	sc.b.SetTerms(Terms{Limit: 100, Rollover: 50, Since: 3*hour + 9, Until: Forever}, hourly, 3*hour+9)
	sc.want("into the next hour", rolled(4*hour+5), 50)
	sc.b.SetTerms(Terms{Limit: 100, Rollover: 90, Since: 4*hour + 6, Until: Forever}, hourly, 4*hour+6)
	sc.want("into an hour in which more may roll over", rolled(4*hour+7), 50)
	fresh := scene{t, hard(0)} // a book that is begun after the change knows no terms of before
	fresh.b.SetTerms(Terms{Limit: 100, Rollover: 50, Since: 3*hour + 6, Until: Forever}, hourly, 3*hour+6)
	tot := fresh.b.Totals(3*hour + 7)
	sc.want("into a book that is begun after the change", tot.Rolled, 0)
}
