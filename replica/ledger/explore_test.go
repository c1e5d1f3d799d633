package ledger

import (
	"fmt"
	"hash/maphash"
	"os"
	"strings"
	"testing"
	"time"
)

// A node is how a state was come to.
type node struct {
	parent int32
	move   move
}

// A place is a state that is still to be looked at.
type place struct {
	world world
	node  int32
}

// An explorer goes through every state of a setting, nearest first.
type explorer struct {
	set     *setting
	seeds   [2]maphash.Seed
	seen    map[[2]uint64]struct{}
	nodes   []node
	drained int
	moved   int
	depth   int  // all states within so many moves were met
	whole   bool // and there are no more
	fault   string
}

// depth is how far to go: quick in planted bugs' tests and under the race detector, deep for make soak.
func depth() string {
	if how := os.Getenv("SIDEGATE_EXPLORE"); how != "" || !underRace {
		return how
	}
	return "quick"
}

func explore(set *setting) *explorer {
	x := &explorer{set: set, seen: map[[2]uint64]struct{}{}, whole: true}
	x.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	x.meet(newWorld(set), -1, move{})
	level := []place{{newWorld(set), 0}}
	for len(level) > 0 && x.fault == "" {
		var next []place
		for _, at := range level {
			next = x.from(at, next)
			if x.fault != "" {
				break
			}
		}
		if level = next; x.whole {
			x.depth++
		}
	}
	return x
}

// from makes every move that a state allows.
func (x *explorer) from(at place, next []place) []place {
	for _, m := range at.world.moves() {
		if x.set.most > 0 && len(x.nodes) >= x.set.most {
			x.whole = false
			return next
		}
		x.moved++
		w, fault := at.world.do(m)
		if !x.meet(w, at.node, m) && fault == "" {
			continue
		}
		if fault == "" {
			fault = x.look(&w)
		}
		if fault != "" {
			x.fault = fault + "\n" + x.trace(at.node, m)
			return next
		}
		next = append(next, place{w, int32(len(x.nodes) - 1)})
	}
	return next
}

// meet tells whether a state is new, and remembers it.
func (x *explorer) meet(w world, parent int32, m move) bool {
	key := [2]uint64{w.key(x.seeds[0]), w.key(x.seeds[1])}
	if _, ok := x.seen[key]; ok {
		return false
	}
	x.seen[key] = struct{}{}
	x.nodes = append(x.nodes, node{parent, m})
	return true
}

func (x *explorer) look(w *world) string {
	if fault := w.check(); fault != "" {
		return fault
	}
	if x.set.sampling == 0 || len(x.nodes)%x.set.sampling != 0 {
		return ""
	}
	x.drained++
	if fault := w.drain(-1); fault != "" {
		return "drained: " + fault
	}
	silent := x.drained % len(w.folk)
	if fault := w.drain(silent); fault != "" {
		return fmt.Sprintf("drained, %d silent: %s", silent, fault)
	}
	return ""
}

// extent is how much of the setting was gone through.
func (x *explorer) extent() string {
	if x.whole {
		return "all that there are"
	}
	return fmt.Sprintf("all within %d moves and some beyond", x.depth)
}

// trace tells how a state is come to.
func (x *explorer) trace(from int32, last move) string {
	lines := []string{fmt.Sprint(last)}
	for n := from; n > 0; n = x.nodes[n].parent {
		lines = append([]string{fmt.Sprint(x.nodes[n].move)}, lines...)
	}
	return strings.Join(lines, "\n")
}

// TestExplorerFindsNoBrokenPromise goes through the states of small worlds, nearest first: of some through all, of the
// others through as many as there is time for. SIDEGATE_EXPLORE=deep goes a hundred times further.
func TestExplorerFindsNoBrokenPromise(t *testing.T) {
	states, began := 0, time.Now()
	for _, set := range settings() {
		t.Run(strings.ReplaceAll(set.name, " ", "_"), func(t *testing.T) {
			x := explore(reach(set, depth()))
			states += len(x.nodes)
			t.Logf("%d states, %s, %d moves, %d drained", len(x.nodes), x.extent(), x.moved, x.drained)
			if x.fault != "" {
				t.Fatal(x.fault)
			}
		})
	}
	t.Logf("%d states in %.1f s", states, time.Since(began).Seconds())
}

// reach is how far a setting is explored.
func reach(set *setting, depth string) *setting {
	switch depth {
	case "deep":
		set.most = 600_000
	case "quick":
		set.most = min(set.most, 2_000)
	}
	return set
}
