package follow

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
)

// expected is what a log says of every customer, read from its documents alone.
func (s *site) expected() map[string]checker.Reason {
	out := map[string]checker.Reason{}
	_, _, docs := s.log.Snapshot(s.t.Context(), replica.Filter{})
	for e := range docs {
		k := replica.ParseKey(e.Key)
		if _, moved := catalog.DecodePointer(e.Value); k.Kind != replica.KindCustomer || e.Value == nil || moved {
			continue
		}
		c, err := catalog.DecodeCustomer(e.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		out[c.ID] = checker.NotEntitled
		if c.Subscriptions["main"].Plan == "team" {
			out[c.ID] = checker.Granted
		}
	}
	return out
}

// differs says where the replica is not what the log says; empty: nowhere.
func (s *site) differs() string {
	want, head := s.expected(), uint64(0)
	_, head, _ = s.log.Head(s.t.Context())
	v := s.f.Index().Load()
	if v.Revision() != head || v.Len() != len(want) {
		return fmt.Sprintf("%d customers at %d, want %d at %d", v.Len(), v.Revision(), len(want), head)
	}
	for id, reason := range want {
		if got := s.reason(id); got != reason {
			return fmt.Sprintf("%s: got %v, want %v", id, got, reason)
		}
	}
	return ""
}

// settle waits until the replica is what the log is.
func (s *site) settle() {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for why := s.differs(); why != ""; why = s.differs() {
		select {
		case <-deadline:
			s.t.Fatalf("%s; %+v", why, s.f.Status())
		case <-time.After(time.Millisecond):
		}
	}
}

// move puts a customer into a group, or back into the default one.
func (s *site) move(id, group, plan string) {
	docs := map[string][]byte{replica.CustomerKey(group, id): customer(id, group, plan)}
	for _, other := range []string{"", "eu", "us"} {
		key := replica.CustomerKey(other, id)
		if other == group {
			continue
		}
		if other == "" {
			docs[key] = catalog.EncodePointer(group)
		} else if e, err := s.log.Get(s.t.Context(), key); err == nil && !e.Deleted() {
			docs[key] = nil
		}
	}
	s.put(docs)
}

// leave deletes a customer wherever it is.
func (s *site) leave(id string) {
	docs := map[string][]byte{}
	for _, group := range []string{"", "eu", "us"} {
		key := replica.CustomerKey(group, id)
		if e, err := s.log.Get(s.t.Context(), key); err == nil && !e.Deleted() {
			docs[key] = nil
		}
	}
	if len(docs) > 0 {
		s.put(docs)
	}
}

// step does something to the log, or to the replica.
func (s *site) step(r *rand.Rand) {
	id, plan := fmt.Sprint("c", r.IntN(40)), []string{"team", "free"}[r.IntN(2)]
	switch n := r.IntN(100); {
	case n < 60:
		s.move(id, []string{"", "", "eu", "us"}[r.IntN(4)], plan)
	case n < 72:
		s.leave(id)
	case n < 76:
		s.catalogue()
	case n < 82:
		s.log.Hold(r.IntN(3))
		s.move(id, "eu", plan)
		s.move(fmt.Sprint("c", r.IntN(40)), "", plan)
		s.log.Release()
	case n < 88:
		_, head, _ := s.log.Head(s.t.Context())
		s.digest(s.truth(head))
	case n < 92:
		_, head, _ := s.log.Head(s.t.Context())
		s.log.RollBack(head - uint64(r.IntN(3)))
		// A replica that is down while the log loses its tail, and comes back when it has grown again, sees only by the
		// digest that it is not what it was; that is TestADifferenceFromTheDigestIsHealed.
		s.settle()
	case n < 96:
		s.stop()
		s.leave(id)
		s.run(s.log, replica.Filter{})
	default:
		s.stop()
		s.run(unreachable{}, replica.Filter{})
		<-s.f.Ready()
		s.stop()
		s.run(s.log, replica.Filter{})
	}
}

func TestWhateverHappensTheReplicaIsTheLog(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t)
	s.catalogue()
	for i := range 40 {
		s.customer(fmt.Sprint("c", i), "team")
	}
	s.run(s.log, replica.Filter{})
	s.settle() // from here on the disk always has something to answer from
	for range 60 {
		for range 1 + r.IntN(5) {
			s.step(r)
		}
		s.settle()
		if st := s.f.Status(); st.Digest == DigestDiverged || len(st.Alarms) != 0 {
			t.Fatalf("got %+v", st)
		}
		_, head, _ := s.log.Head(t.Context())
		if got, want := s.f.Digest(), s.truth(head); got != want {
			t.Fatalf("digest: got %+v, want %+v", got, want)
		}
	}
}
