package ledger

import "testing"

func TestAnHeirTellsWhatTheHubDoesNotHave(t *testing.T) {
	sc, x := scene{t, hard(10)}, NewAccount()
	sc.ask(ann, &x, Ask{Target: 8}, 5)
	s := x.Span(hourly, 5)
	x.Consume(s, 3, 5)
	x.Count(s, 2)
	sc.ask(ann, &x, Ask{}, 6)
	x.Confirm(0, s, sc.b.award(ann, sc.b.period(0)).Lines)
	x.Consume(s, 4, 7)
	x.Count(s, 5)
	x.DebitUnbacked(s, 6)
	for writtenOff, want := range map[bool]Vector{false: {Used: 9, Doubt: 6}, true: {Used: 5, Doubt: 6}} {
		h := x.Heir(writtenOff)
		if len(h.Entries) != 1 || h.Entries[0].Vector != want || h.Entries[0].Source.Kind != Unbacked {
			t.Errorf("written off %v: got %+v, want %+v", writtenOff, h.Entries, want)
		}
		if err := h.Check(); err != nil {
			t.Error(err)
		}
	}
}
