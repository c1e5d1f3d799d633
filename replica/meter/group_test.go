package meter

import (
	"maps"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
)

// A brisk vault commits without letting anybody else run.
type brisk struct{ *tin }

func (v brisk) Commit(accounts map[string][]byte, _ []Memory) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.commits++
	maps.Copy(v.accounts, accounts)
	return nil
}

func (v *tin) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.commits
}

func TestThoseWhoAreReadyShareACommit(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s, v := newStand(t, checker.Allowance{Limit: 1 << 20, Per: checker.Month}), newTin(1)
	m, err := New(Options{Vault: brisk{v}, Hub: s.desk, Clock: NewClock(time.Now), Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	stop := s.running(m)
	defer stop()
	s.consume(m, 4096) // rights for what follows
	before := v.count()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if res, err := m.Consume(t.Context(), s.request(1, 0)); err != nil || res.Consumed != 1 {
				t.Errorf("got %+v, %v", res, err)
			}
		})
	}
	all.Wait()
	if got := v.count() - before; got > 16 {
		t.Errorf("64 callers took %d commits", got)
	}
}
