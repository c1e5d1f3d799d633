package follow

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/replica"
)

// A clock is moved by hand.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.ms.Load()) }

// start runs a replica until the test ends.
func start(t *testing.T, o Options) *Follower {
	o.Retry = time.Millisecond
	f := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return f
}

// truth is the digest of all that a log holds.
func (s *site) truth(rev uint64) Digest {
	d := Digest{Revision: rev}
	_, _, docs := s.log.Snapshot(s.t.Context(), replica.Filter{})
	for e := range docs {
		if h := replica.DocHash(e.Key, e.Value); h != 0 {
			d.Sum += h
			d.Count++
		}
	}
	return d
}

func (s *site) digest(d Digest) uint64 {
	return s.put(map[string][]byte{replica.DigestKey: d.Encode()})
}

func TestADigestIsNotHeldAgainstLaterDocuments(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	rev := s.customer("acme", "team")
	s.f = start(t, Options{Log: s.log, Now: time.Now})
	s.wait(rev)
	s.log.Hold(0)
	s.digest(s.truth(rev))
	last := s.customer("later", "team")
	s.log.Release()
	s.wait(last)
	rev = s.digest(s.truth(last))
	s.wait(rev)
	until(t, "a comparison", func() bool { return s.f.Status().Digested == last })
	if st := s.f.Status(); st.Digest != DigestEqual || len(st.Alarms) != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestADigestThatComesWithItsDocumentsIsCompared(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.f = start(t, Options{Log: s.log, Now: time.Now})
	s.wait(s.customer("acme", "team"))
	s.log.Hold(0)
	rev := s.put(map[string][]byte{"customer/acme": nil, "customer/b": customer("b", "", "team")})
	s.digest(s.truth(rev))
	s.log.Release()
	until(t, "a comparison", func() bool { return s.f.Status().Digested == rev })
	if got := s.f.Status().Digest; got != DigestEqual {
		t.Errorf("got %s", got)
	}
}

func TestASnapshotThatEndsWithItsDigestIsCompared(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.customer("gone", "team")
	s.digest(s.truth(s.customer("acme", "team")))
	f := start(t, Options{Log: s.log, Now: time.Now})
	until(t, "equality", func() bool { return f.Status().Digest == DigestEqual })
	rev := s.put(map[string][]byte{"customer/gone": nil})
	f = start(t, Options{Log: forgetful{s.log}, Now: time.Now})
	<-f.Ready() // by then it has been compared, if it is
	if got := f.Status(); got.Digest != DigestUnchecked || len(got.Alarms) != 0 {
		t.Errorf("the digest is of an earlier state: got %+v", got)
	}
	wrong := s.truth(rev)
	wrong.Sum++
	s.digest(wrong)
	f = start(t, Options{Log: s.log, Now: time.Now})
	until(t, "a difference", func() bool { return f.Status().Digest == DigestDiverged })
}

// forgetful has lost its tombstones, as a log has after thirty days.
type forgetful struct{ *replica.Memory }

func (l forgetful) Snapshot(ctx context.Context, f replica.Filter) (
	replica.Lineage, uint64, iter.Seq2[replica.Entry, error],
) {
	lineage, rev, all := l.Memory.Snapshot(ctx, f)
	return lineage, rev, func(yield func(replica.Entry, error) bool) {
		for e, err := range all {
			if !e.Deleted() && !yield(e, err) {
				return
			}
		}
	}
}

// counted counts the snapshots that are taken of a log.
type counted struct {
	*replica.Memory
	snapshots atomic.Int32
}

func (c *counted) Snapshot(ctx context.Context, f replica.Filter) (
	replica.Lineage, uint64, iter.Seq2[replica.Entry, error],
) {
	c.snapshots.Add(1)
	return c.Memory.Snapshot(ctx, f)
}

func TestADigestThatStaysWrongDoesNotMeanFetchingForEver(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	now := &clock{}
	now.ms.Store(1_700_000_000_000)
	log := &counted{Memory: s.log}
	s.f = start(t, Options{Log: log, Now: now.now})
	rev := s.customer("acme", "team")
	s.wait(rev)
	for range 5 {
		rev = s.digest(Digest{Revision: rev, Sum: 1})
		s.wait(rev)
		until(t, "being linked", func() bool { return s.f.Status().Linked })
	}
	until(t, "the last comparison", func() bool { return s.f.Status().Digested == rev-1 })
	if got := log.snapshots.Load(); got > 2 {
		t.Errorf("%d snapshots were fetched", got)
	}
	if s.f.Status().Alarms[AlarmDiverged] == "" {
		t.Error("no alarm")
	}
	now.ms.Add(healEvery.Milliseconds())
	before := log.snapshots.Load()
	s.digest(Digest{Revision: rev, Sum: 1})
	until(t, "another attempt", func() bool { return log.snapshots.Load() > before })
}

// gated is a log whose tail yields one entry for each token, each whole.
type gated struct {
	*replica.Memory
	tokens chan struct{}
}

func (g *gated) Tail(ctx context.Context, l replica.Lineage, from uint64, f replica.Filter,
) iter.Seq2[replica.Entry, error] {
	return func(yield func(replica.Entry, error) bool) {
		for e, err := range g.Memory.Tail(ctx, l, from, f) {
			select {
			case <-g.tokens:
			case <-ctx.Done():
				return
			}
			e.Whole = true
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestAReplicaThatCatchesUpIsAsOldAsItWas(t *testing.T) {
	s := newSite(t)
	first := s.catalogue()
	now := &clock{}
	now.ms.Store(1_700_000_000_000)
	log := &gated{Memory: s.log, tokens: make(chan struct{})}
	s.f = start(t, Options{Log: log, Now: now.now, Check: time.Millisecond})
	log.tokens <- struct{}{}
	s.wait(first)
	s.log.Hold(0) // all three come at once
	a, _, c := s.customer("a", "team"), s.customer("b", "team"), s.customer("c", "team")
	s.log.Release()
	until(t, "the head being read", func() bool { return s.f.Status().Head == c })
	now.ms.Add(3_600_000)
	later := now.ms.Load()
	asked := s.f.head.Load()
	until(t, "the head being read again", func() bool { return s.f.head.Load().at == later && s.f.head.Load() != asked })
	log.tokens <- struct{}{}
	s.wait(a)
	if got := s.f.Heard(); got >= later {
		t.Errorf("two entries behind it says that it is at the head")
	}
	log.tokens <- struct{}{}
	log.tokens <- struct{}{}
	s.wait(c)
	until(t, "being at the head", func() bool { return s.f.Heard() >= later })
}

// A log that only answers how far it goes, without beats in its tail, keeps a replica young.
func TestAnIdleLogKeepsTheReplicaYoung(t *testing.T) {
	s := newSite(t)
	now := &clock{}
	now.ms.Store(1_700_000_000_000)
	s.f = start(t, Options{Log: s.log, Now: now.now, Check: time.Millisecond})
	s.wait(s.customer("acme", "team"))
	later := now.ms.Add(60_000)
	until(t, "being at the head", func() bool { return s.f.Heard() == later })
}

func TestAnEmptyLogIsAnAnswer(t *testing.T) {
	s := newSite(t)
	s.f = start(t, Options{Log: s.log, Now: time.Now})
	<-s.f.Ready()
	s.want("acme", checker.UnknownCustomer)
}

// A sick disk takes no snapshot until it is well.
type sickStore struct {
	replica.Store
	well atomic.Bool
}

var errSick = errors.New("input/output error")

func (s *sickStore) Renew() (replica.Generation, error) {
	if !s.well.Load() {
		return nil, errSick
	}
	return s.Store.Renew()
}

func (s *sickStore) Commit(docs []replica.StoredDoc, c replica.Cursor) error {
	if !s.well.Load() {
		return errSick
	}
	return s.Store.Commit(docs, c)
}

func TestADiskThatRecoversGetsASnapshot(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	sick := &sickStore{Store: openDisk(t, s.dir)}
	s.f = start(t, Options{Log: s.log, Store: sick, Now: time.Now, Check: time.Millisecond})
	s.wait(s.customer("acme", "team"))
	until(t, "the alarm", func() bool { return s.f.Status().Alarms[AlarmDisk] != "" })
	s.wait(s.customer("b", "team"))
	sick.well.Store(true)
	until(t, "being told to fetch", func() bool {
		s.customer("c", "team")
		return s.f.Status().Stored != 0
	})
	last := s.customer("d", "team")
	until(t, "the change on disk", func() bool { return s.f.Status().Stored >= last })
	if alarms := s.f.Status().Alarms; len(alarms) != 0 {
		t.Errorf("still alarmed: %v", alarms)
	}
	s.want("b", checker.Granted)
}

func TestARecordOfAnotherVersionIsPackedAnew(t *testing.T) {
	x := index.New()
	m := newMirror(checker.NewNames(), x.Begin())
	doc := replica.StoredDoc{Key: "customer/acme", Rev: 1, Value: customer("acme", "", "team"),
		Record: []byte{99, 0, 3, 'a', 'c', 'm', 'e'}}
	if err := m.take(&doc); err != nil {
		t.Fatal(err)
	}
	if err := m.publish(x, 1); err != nil {
		t.Fatal(err)
	}
	if rec := x.Load().Record([]byte("acme")); rec == nil || rec.Check() != nil {
		t.Errorf("got %v", rec)
	}
}

// silent is a log made anew whose tails never say anything.
type silent struct{ replica.Log }

func (silent) Tail(
	ctx context.Context, l replica.Lineage, _ uint64, _ replica.Filter,
) iter.Seq2[replica.Entry, error] {
	return func(yield func(replica.Entry, error) bool) {
		if l.Created != 2 {
			yield(replica.Entry{}, replica.ErrLineage)
			return
		}
		<-ctx.Done()
	}
}

func TestARestartBeforeANewSnapshotIsWholeServesTheOldOne(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.run(s.log, replica.Filter{})
	s.wait(s.customer("acme", "team"))
	s.stop()
	s.log.Recreate()
	s.catalogue()
	s.customer("acme", "free")
	s.run(silent{s.log}, replica.Filter{})
	until(t, "the new snapshot", func() bool { return s.f.Status().Lineage.Created == 2 })
	s.stop()
	s.run(unreachable{}, replica.Filter{})
	<-s.f.Ready()
	s.want("acme", checker.Granted)
}

// severed is a log whose connection is lost, which its tail does not see yet.
type severed struct {
	replica.Log
	lost atomic.Bool
}

func (s *severed) Connected() bool { return !s.lost.Load() }

func TestALostConnectionShowsBeforeTheTailEnds(t *testing.T) {
	s := newSite(t)
	log := &severed{Log: s.log}
	s.run(log, replica.Filter{})
	s.wait(s.catalogue())
	until(t, "being linked", func() bool { return s.f.Status().Linked })
	log.lost.Store(true)
	if s.f.Status().Linked {
		t.Error("it says that it is linked")
	}
}
