package meter

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

func TestWhoConsumesSteadilyDoesNotWaitForTheVault(t *testing.T) {
	for name, a := range map[string]checker.Allowance{
		"hard": {Limit: 1 << 40, Per: checker.Month, Chunked: true},
		"soft": {Limit: 100, Per: checker.Month, Soft: true, Chunked: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { consumeSteadily(t, a) })
		})
	}
}

func consumeSteadily(t *testing.T, a checker.Allowance) {
	s, v := newStand(t, a), newTin(1)
	v.slow = 3 * time.Millisecond
	m, stop := s.open(v)
	counted := int64(0)
	for range 6000 { // until the demand is known
		counted += s.consume(m, 1).Consumed
		time.Sleep(time.Millisecond)
	}
	waited, before := 0, v.count()
	for range 6000 {
		began := time.Now()
		counted += s.consume(m, 1).Consumed
		if time.Since(began) > 0 {
			waited++
		}
		time.Sleep(time.Millisecond)
	}
	if commits := v.count() - before; waited > 0 || commits > 40 {
		t.Errorf("%d of 6,000 waited, in six seconds there were %d commits", waited, commits)
	}
	stop()
	got := s.desk.book.Periods[0].Usage(time.Now().UnixMilli())
	if got.Used != counted || got.Doubt != 0 || counted != 12_000 {
		t.Errorf("the hub has %+v, callers were told of %d", got, counted)
	}
}

// A commit that fails takes back what it was to add, and nothing of what was there before.
func TestWhatWasToBeAddedToAChunkGoesWithItsCommit(t *testing.T) {
	for name, stays := range map[string]bool{"failed": false, "written": true} {
		done := &batch{done: make(chan struct{})}
		close(done.done)
		c := &chunk{safe: 3, more: 10, in: done, moreIn: newBatch()}
		if in := c.take(2); in != done {
			t.Errorf("%s: what is safe waits", name)
		}
		if in := c.take(4); in != c.moreIn || in == nil {
			t.Errorf("%s: what is not written yet is not waited for", name)
		}
		if stays {
			close(c.moreIn.done)
		}
		if c.ripen(); c.left() != 7 || (c.safe == 7) != stays || c.used != 6 {
			t.Errorf("%s: got %+v", name, c)
		}
		if c.take(8) != nil || c.left() != 7 {
			t.Errorf("%s: more was taken than there is: %+v", name, c)
		}
	}
}

// What the vault has got is not taken back when a later commit fails, though nobody has consumed of it since.
func TestWhatWasAddedToAChunkStaysWhenALaterCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true, Chunked: true}), newTin(1)
		m, stop := s.open(v)
		s.consume(m, 1) // a chunk of 16
		for range 12 {
			s.consume(m, 1) // more is added
		}
		time.Sleep(2 * lazily)
		v.beFull(true)
		time.Sleep(2 * time.Second) // what was consumed cannot be settled
		v.beFull(false)
		stop()
		if got := s.folded(); got.Used != 13 {
			t.Errorf("the hub has %d, callers were told of 13", got.Used)
		}
	})
}

// Whoever needs at once what is being added does not wait until others come along.
func TestWhatIsAddedToAChunkIsWrittenWhenItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true, Chunked: true}), newTin(1)
		m, stop := s.open(v)
		defer stop()
		began := time.Now()
		for range 40 {
			s.consume(m, 1)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v with a vault that takes no time", took)
		}
	})
}

// What is added to a chunk is of the same source: it is settled as a whole.
func TestAChunkIsOfOneSource(t *testing.T) {
	s := newStand(t, checker.Allowance{})
	m, err := New(Options{Vault: newTin(1), Clock: NewClock(time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	span, own, topup := ledger.Span{Start: 1, End: ledger.Forever}, ledger.Source{},
		ledger.Source{Kind: ledger.Topup, Grant: "g"}
	a := m.account("acme\x00calls")
	if no := a.led.Take(ledger.Award{Span: span, Funds: []ledger.Fund{{Grant: "g", Priority: 200, Until: ledger.Forever}},
		Lines: []ledger.Line{{Source: own, Vector: ledger.Vector{Granted: 20}},
			{Source: topup, Vector: ledger.Vector{Granted: 60}}}}); no != nil {
		t.Fatal(no)
	}
	r := s.request(1, 0)
	for n := int64(1); n <= 80; n++ {
		at := try{m: m, a: a, r: r, in: m.next}
		if !at.fromChunk(span, 1, 5) || a.led.Check() != nil {
			t.Fatalf("after %d: %v", n, a.led.Check())
		}
		m.commit(nil)
		if used := a.led.Used(span) - a.chunk.left(); used != n {
			t.Fatalf("%d were consumed, %d are used", n, used)
		}
	}
	a.drop()
	if u, v := a.led.Entries[0].Vector, a.led.Entries[1].Vector; u.Used != 20 || v.Used != 60 {
		t.Errorf("got %+v and %+v", u, v)
	}
}

func TestAChunkIsNotLargerThanWhatCanBeCounted(t *testing.T) {
	for _, q := range []int64{ledger.MaxUnits + 1, 1 << 58, 1 << 59, 1 << 60, math.MaxInt64} {
		synctest.Test(t, func(t *testing.T) { consumeTooMuch(t, q) })
	}
}

func consumeTooMuch(t *testing.T, q int64) {
	s := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true, Chunked: true})
	m, stop := s.open(newTin(1))
	if res, err := m.Consume(t.Context(), s.request(q, 0)); !errors.Is(err, ErrTooMany) {
		t.Errorf("%d: got %+v, %v", q, res, err)
	}
	if res := s.consume(m, ledger.MaxUnits); res.Consumed != ledger.MaxUnits {
		t.Errorf("got %+v", res)
	}
	stop()
	if got := s.folded(); got.Used != ledger.MaxUnits {
		t.Errorf("the hub has %+v", got)
	}
}

// Of a chunk it is consumed while the vault takes nothing, and the key is repeated.
func TestAKeyOfAChunkIsRememberedThoughItsCommitFails(t *testing.T) { synctest.Test(t, keyOfAChunk) }

func keyOfAChunk(t *testing.T) {
	s, v := newStand(t, checker.Allowance{Limit: 100, Per: checker.Month, Soft: true, Chunked: true}), newTin(1)
	m, stop := s.open(v)
	s.consume(m, 1) // a chunk of 16
	v.beFull(true)
	for n, pause := range []time.Duration{0, 3 * time.Second, 3 * time.Second} {
		time.Sleep(pause)
		v.beFull(n < 2)
		res, err := m.Consume(t.Context(), s.request(1, 7))
		if err != nil || (res.Replayed == nil) != (n == 0) {
			t.Errorf("time %d: got %+v, %v", n, res, err)
		}
	}
	time.Sleep(3 * time.Second)
	if _, known, _ := v.Find([16]byte{7}); !known {
		t.Error("the vault does not know the key")
	}
	stop()
	if got := s.folded(); got.Used != 2 {
		t.Errorf("the hub has %+v", got)
	}
}
