package stream

import (
	"testing"

	"github.com/sidegate/sidegate/replica"
)

// TestWhatIsOlderThanWasReplacedSettlesNothing is of an open write, whose entry may have been applied: a leader that
// was replaced says what was before.
func TestWhatIsOlderThanWasReplacedSettlesNothing(t *testing.T) {
	at := func(revs ...uint64) []head {
		var out []head
		for _, rev := range revs {
			out = append(out, head{seq: rev, entry: replica.Entry{Rev: rev}})
		}
		return out
	}
	w := &write{open: true, puts: []replica.Put{{Key: "a", Expect: 10}, {Key: "b"}}}
	for name, tc := range map[string]struct {
		heads []head
		want  bool
	}{
		"as it was expected":                 {at(10, 0), false},
		"replaced by this entry or another":  {at(12, 11), false},
		"older than what was to be replaced": {at(8, 0), true},
		"not there yet":                      {at(0, 0), true},
	} {
		if got := w.outdated(tc.heads); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
