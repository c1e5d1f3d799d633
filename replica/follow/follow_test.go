package follow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/disk"
)

func command(n int) replica.CommandID { return replica.CommandID{byte(n), byte(n >> 8), 1} }

// A site is a log with a replica of it.
type site struct {
	t     *testing.T
	log   *replica.Memory
	dir   string
	n     int
	store *disk.Store
	f     *Follower
	stop  func()
}

func newSite(t *testing.T) *site {
	s := &site{t: t, log: replica.NewMemory(), dir: filepath.Join(t.TempDir(), "data")}
	t.Cleanup(func() {
		if s.stop != nil {
			s.stop()
		}
	})
	return s
}

// put writes documents and answers the revision. Expectations are read from the log.
func (s *site) put(docs map[string][]byte) uint64 {
	s.t.Helper()
	var puts []replica.Put
	for key, value := range docs {
		p := replica.Put{Key: key, Value: value, Delete: value == nil}
		if e, err := s.log.Get(s.t.Context(), key); err == nil && !e.Deleted() {
			p.Expect = e.Rev
		}
		puts = append(puts, p)
	}
	s.n++
	rev, err := s.log.Put(s.t.Context(), command(s.n), puts...)
	if err != nil {
		s.t.Fatal(err)
	}
	return rev
}

func (s *site) customer(id, plan string) uint64 {
	return s.put(map[string][]byte{replica.CustomerKey("", id): customer(id, "", plan)})
}

func customer(id, group, plan string) []byte {
	return catalog.EncodeCustomer(catalog.Customer{ID: id, Group: group, Subscriptions: map[string]catalog.Subscription{
		"main": {Plan: plan, StartsAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}})
}

func (s *site) catalogue() uint64 {
	yes := []byte("true")
	plan := catalog.Plan{Allow: map[string]catalog.Allowance{"sso": {Value: yes}}}
	c := catalog.Catalogue{Features: map[string]catalog.Feature{"sso": {Type: "boolean"}},
		Plans: map[string]catalog.Plan{"team": plan, "free": {Allow: map[string]catalog.Allowance{}}}}
	docs := map[string][]byte{replica.KindCatalog: catalog.EncodeCatalogue(c)}
	for _, p := range c.NewVersions(nil) {
		docs[replica.PlanKey(p.Key, p.Version)] = catalog.EncodePlan(p)
	}
	return s.put(docs)
}

func openDisk(t *testing.T, dir string) *disk.Store {
	t.Helper()
	store, err := disk.Open(disk.Options{Dir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// run starts a replica, on the disk that earlier ones used.
func (s *site) run(log replica.Log, filter replica.Filter) {
	s.t.Helper()
	store := openDisk(s.t, s.dir)
	s.store = store
	s.f = New(Options{Log: log, Filter: filter, Store: store, Now: time.Now, Retry: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.f.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := errors.Join(<-ended, store.Close()); err != nil {
			s.t.Error(err)
		}
		s.stop = nil
	}
}

func (s *site) wait(rev uint64) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	if err := s.f.Index().Wait(ctx, rev); err != nil {
		s.t.Fatalf("revision %d is not shown: at %d, %+v", rev, s.f.Index().Load().Revision(), s.f.Status())
	}
}

func (s *site) reason(id string) checker.Reason {
	held := s.f.Index().Load().Held([]byte(id), []byte("sso"))
	return checker.Decide(&held, &checker.Ask{Quantity: 1}, time.Now().UnixMilli()).Reason
}

func (s *site) want(id string, want checker.Reason) {
	s.t.Helper()
	if got := s.reason(id); got != want {
		s.t.Errorf("%s: got %v, want %v", id, got, want)
	}
}

// until polls a condition that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestChangesAreShownAndSurviveARestartWithoutTheLog(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.run(s.log, replica.Filter{})
	s.wait(s.customer("acme", "team"))
	s.want("acme", checker.Granted)
	s.wait(s.customer("acme", "free"))
	s.want("acme", checker.NotEntitled)
	s.customer("gone", "team")
	s.wait(s.put(map[string][]byte{"customer/gone": nil}))
	s.want("gone", checker.UnknownCustomer)
	last := s.customer("other", "team")
	s.wait(last)
	s.stop()
	s.run(unreachable{}, replica.Filter{})
	<-s.f.Ready()
	s.want("acme", checker.NotEntitled)
	s.want("other", checker.Granted)
	s.want("gone", checker.UnknownCustomer)
	if st := s.f.Status(); st.Revision != last || st.Linked || st.Heard.IsZero() {
		t.Errorf("got %+v", st)
	}
}

// unreachable is a log whose network is gone.
type unreachable struct{ replica.Log }

func (unreachable) Head(context.Context) (replica.Lineage, uint64, error) {
	return replica.Lineage{}, 0, errGone
}

var errGone = errors.New("no route to host")

func (unreachable) Snapshot(context.Context, replica.Filter) (
	replica.Lineage, uint64, iter.Seq2[replica.Entry, error],
) {
	return replica.Lineage{}, 0, func(yield func(replica.Entry, error) bool) { yield(replica.Entry{}, errGone) }
}

func (unreachable) Tail(
	context.Context, replica.Lineage, uint64, replica.Filter,
) iter.Seq2[replica.Entry, error] {
	return func(yield func(replica.Entry, error) bool) { yield(replica.Entry{}, errGone) }
}

func TestARestartCatchesUp(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.run(s.log, replica.Filter{})
	s.wait(s.customer("acme", "free"))
	s.stop()
	last := s.customer("acme", "team")
	s.run(s.log, replica.Filter{})
	s.wait(last)
	s.want("acme", checker.Granted)
}

func TestALogMadeAnewIsFetchedAnew(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.run(s.log, replica.Filter{})
	s.wait(s.customer("acme", "team"))
	s.log.Recreate()
	s.catalogue()
	last := s.customer("acme", "free")
	s.wait(last)
	until(t, "the new answer", func() bool { return s.reason("acme") == checker.NotEntitled })
	s.stop()
	s.run(unreachable{}, replica.Filter{})
	<-s.f.Ready()
	s.want("acme", checker.NotEntitled)
}

func TestALogThatShrankIsNotBelieved(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.run(s.log, replica.Filter{})
	for i := range 9 {
		s.customer(fmt.Sprint("c", i), "team")
	}
	s.wait(s.customer("acme", "team"))
	s.log.Recreate()
	s.catalogue()
	s.customer("acme", "team")
	until(t, "the alarm", func() bool { return s.f.Status().Alarms[AlarmShrunk] != "" })
	s.want("c3", checker.Granted)
	for i := range 9 {
		s.customer(fmt.Sprint("c", i), "free")
	}
	until(t, "the full log", func() bool { return s.reason("c3") == checker.NotEntitled })
	if alarm := s.f.Status().Alarms[AlarmShrunk]; alarm != "" {
		t.Errorf("still alarmed: %s", alarm)
	}
}

func TestADifferenceFromTheDigestIsHealed(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.run(s.log, replica.Filter{})
	rev := s.customer("acme", "team")
	s.wait(rev)
	rev = s.digest(Digest{Revision: rev, Count: 1, Sum: 12345})
	until(t, "the alarm", func() bool { return s.f.Status().Digest == DigestDiverged })
	s.wait(rev)
	s.want("acme", checker.Granted)
	s.digest(s.truth(rev))
	until(t, "equality", func() bool { return s.f.Status().Digest == DigestEqual })
	if alarm := s.f.Status().Alarms[AlarmDiverged]; alarm != "" {
		t.Errorf("still alarmed: %s", alarm)
	}
}

func TestCustomersMoveBetweenGroups(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.run(s.log, replica.Filter{})
	s.wait(s.customer("acme", "free"))
	rev := s.put(map[string][]byte{
		replica.CustomerKey("eu", "acme"): customer("acme", "eu", "team"),
		replica.CustomerKey("", "acme"):   catalog.EncodePointer("eu"),
	})
	s.wait(rev)
	s.want("acme", checker.Granted)
	if n := s.f.Index().Load().Len(); n != 1 {
		t.Errorf("%d customers", n)
	}
	s.stop()
	s.run(s.log, replica.Filter{Groups: []string{"us"}})
	s.wait(rev)
	if n := s.f.Index().Load().Len(); n != 0 {
		t.Errorf("%d customers of groups that are not followed", n)
	}
	s.stop()
	s.run(s.log, replica.Filter{})
	rev = s.put(map[string][]byte{replica.CustomerKey("eu", "acme"): nil,
		replica.CustomerKey("", "acme"): customer("acme", "", "free")})
	s.wait(rev)
	s.want("acme", checker.NotEntitled)
}

func TestAViewIsNeverShownInTheMiddleOfAnEntry(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	s.run(s.log, replica.Filter{})
	s.wait(s.customer("a", "free"))
	s.wait(s.customer("b", "free"))
	before := s.f.Index().Load().Revision()
	s.log.Hold(1)
	rev := s.put(map[string][]byte{"customer/a": customer("a", "", "team"), "customer/b": customer("b", "", "team")})
	until(t, "a beat", func() bool { return s.f.Index().Load().Revision() >= before })
	s.want("a", s.reason("b"))
	s.log.Release()
	s.wait(rev)
	s.want("a", checker.Granted)
	s.want("b", checker.Granted)
}

func TestAFullDiskStopsWritingNotAnswering(t *testing.T) {
	s := newSite(t)
	s.catalogue()
	store := &fullStore{}
	s.f = New(Options{Log: s.log, Store: store, Now: time.Now, Retry: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.f.Run(ctx) }()
	s.wait(s.customer("acme", "team"))
	s.want("acme", checker.Granted)
	until(t, "the alarm", func() bool { return s.f.Status().Alarms[AlarmNoSpace] != "" })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// fullStore is a disk without room. disk's own tests fill a real one.
type fullStore struct{}

func (fullStore) Load(context.Context, func(replica.Cursor) error, func(replica.StoredDoc) error) error {
	return replica.ErrNotFound
}
func (fullStore) Commit([]replica.StoredDoc, replica.Cursor) error { return replica.ErrNoSpace }
func (fullStore) Renew() (replica.Generation, error)               { return nil, replica.ErrNoSpace }
