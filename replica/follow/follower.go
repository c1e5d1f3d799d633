package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/replica"
)

// Options say what to follow and where to keep it.
type Options struct {
	Log    replica.Log
	Filter replica.Filter
	Store  replica.Store // nil: nothing is kept
	// NoStore says why nothing is kept although it should be, for an alarm; empty: it need not be.
	NoStore string
	Watch   Watcher // nil: nobody watches
	Now     func() time.Time
	Logger  *slog.Logger  // nil: silent
	Retry   time.Duration // between attempts at a log or a disk that fails; 0: one second
	Check   time.Duration // how often the log is asked how far it goes; 0: 15 seconds
}

// A Watcher is told of every document as it is applied, by the goroutine that follows. It must not wait.
type Watcher interface {
	// Reset says that everything is told again from the beginning.
	Reset()
	// Apply tells a document; it is not in a view yet.
	Apply(e replica.Entry)
	// Published says that a view of this revision can be read, which holds all that was told.
	Published(revision uint64)
}

// A Status is how a replica stands.
type Status struct {
	Lineage   replica.Lineage
	Revision  uint64            // of the newest view
	Head      uint64            // how far the log went when it was last asked; 0: not asked yet
	Customers int               // in the newest view
	Heard     time.Time         // when the replica last knew itself at the log's head; zero: never
	Linked    bool              // it follows the log right now
	Digest    DigestState       // the last comparison
	Digested  uint64            // the revision of the last comparison; 0: none yet
	Stored    uint64            // revision on disk
	Alarms    map[string]string // what is wrong, by name, and what to do
}

// DigestState is what became of comparing with the hub's digest.
type DigestState string

// The outcomes.
const (
	DigestUnchecked DigestState = "unchecked"
	DigestEqual     DigestState = "equal"
	DigestDiverged  DigestState = "diverged"
)

// Alarms of a replica.
const (
	AlarmShrunk   = "log_shrunk"
	AlarmDiverged = "diverged"
	AlarmDamaged  = "disk_damaged"
	AlarmNoSpace  = "disk_full"
	AlarmDisk     = "disk_failed"
	AlarmDocument = "document_unreadable"
)

// A Follower is a replica of a log.
type Follower struct {
	o     Options
	index *index.Index
	names *checker.Names
	ready chan struct{} // closed with the first view
	heard atomic.Int64  // unix milliseconds; see Status.Heard
	head  atomic.Pointer[headRead]
	ask   chan struct{} // a tail begins: the head is asked for at once

	mu     sync.Mutex
	status Status
	keep   *keeper // what is on its way to disk

	m      *mirror // following's own from here on
	cursor replica.Cursor
	staged []replica.StoredDoc // applied since the last whole entry
	judged *headRead           // what the last whole entry was held against
	level  bool                // this tail has been at the log's head since then
	healed int64               // unix milliseconds of the last divergence that a resync was to heal
}

// New makes a replica that knows nothing yet.
func New(o Options) *Follower {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Retry == 0 {
		o.Retry = time.Second
	}
	if o.Check == 0 {
		o.Check = 15 * time.Second
	}
	f := &Follower{o: o, index: index.New(), names: checker.NewNames(), ready: make(chan struct{}),
		ask: make(chan struct{}, 1)}
	f.status = Status{Digest: DigestUnchecked, Alarms: map[string]string{}}
	f.keep = newKeeper()
	if o.NoStore != "" {
		f.alarm(AlarmNoSpace, o.NoStore)
	}
	return f
}

// Index is what the replica knows.
func (f *Follower) Index() *index.Index { return f.index }

// Ready is closed when the first whole view is there, from the disk or from the log.
func (f *Follower) Ready() <-chan struct{} { return f.ready }

// Heard is when the replica last knew itself at the log's head, in unix milliseconds; 0: never. It is cheap.
func (f *Follower) Heard() int64 { return f.heard.Load() }

// All tells whether the replica follows every group, so that a customer it does not hold does not exist.
func (f *Follower) All() bool { return f.o.Filter.Groups == nil }

// A connected log knows whether it can be reached, long before a tail that waits gives up.
type connected interface{ Connected() bool }

// Status is how the replica stands.
func (f *Follower) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	if log, ok := f.o.Log.(connected); ok && !log.Connected() {
		s.Linked = false // the tail has not noticed yet
	}
	s.Alarms = maps.Clone(s.Alarms)
	s.Heard = time.Time{}
	if ms := f.heard.Load(); ms != 0 {
		s.Heard = time.UnixMilli(ms).UTC()
	}
	return s
}

func (f *Follower) note(change func(*Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
}

func (f *Follower) alarm(name, what string) {
	var news bool
	f.note(func(s *Status) {
		_, had := s.Alarms[name]
		news, s.Alarms[name] = !had, what
	})
	if news {
		f.o.Logger.Error("replica alarm", "alarm", name, "remedy", what)
	}
}

func (f *Follower) calm(name string) {
	f.note(func(s *Status) { delete(s.Alarms, name) })
}

// Run loads what the disk has, then follows the log until ctx ends. It returns nil then; nothing else ends it.
func (f *Follower) Run(ctx context.Context) error {
	f.load(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		f.follow(ctx)
		f.drop()
		close(f.keep.ended)
		return nil
	})
	group.Go(func() error {
		f.watchHead(ctx)
		return nil
	})
	if f.o.Store != nil {
		group.Go(func() error {
			f.store()
			return nil
		})
	}
	return group.Wait()
}

// load serves what the store has.
func (f *Follower) load(ctx context.Context) {
	f.m = newMirror(f.names, f.index.Begin())
	if f.o.Store == nil {
		return
	}
	names, m := checker.NewNames(), newMirror(nil, f.index.Begin())
	var cursor replica.Cursor
	err := f.o.Store.Load(ctx, func(c replica.Cursor) (err error) {
		names, err = checker.ImportNames(c.Names)
		m.names, cursor = names, c
		return err
	}, func(doc replica.StoredDoc) error { return m.take(&doc) })
	switch {
	case errors.Is(err, replica.ErrNotFound):
		return
	case err != nil:
		f.alarm(AlarmDamaged, "the stored snapshot cannot be used and is fetched again: "+err.Error())
		return
	}
	if cursor.Groups != f.o.Filter.String() {
		f.o.Logger.Warn("the stored snapshot is of other groups and is fetched again", "stored", cursor.Groups,
			"followed", f.o.Filter.String())
		return
	}
	m.claim, m.last = nil, cursor.Rev
	f.m, f.names, f.cursor = m, names, cursor
	f.keep.named = names.Len()
	f.note(func(s *Status) { s.Lineage, s.Stored = cursor.Lineage, cursor.Rev })
	f.heard.Store(cursor.At)
	if !cursor.Open {
		f.show(cursor.Rev)
		f.beReady()
	}
}

// show publishes what was applied.
func (f *Follower) show(revision uint64) {
	if err := f.m.publish(f.index, revision); err != nil {
		f.alarm(AlarmDocument, err.Error())
		return
	}
	if f.o.Watch != nil {
		f.o.Watch.Published(revision)
	}
	customers := f.index.Load().Len()
	f.note(func(s *Status) { s.Revision, s.Customers = revision, customers })
}

// beReady says that there is a view.
func (f *Follower) beReady() {
	select {
	case <-f.ready:
	default:
		close(f.ready)
	}
}

// follow keeps at it until ctx ends.
func (f *Follower) follow(ctx context.Context) {
	told := "" // the interruption that the operator knows of
	for ctx.Err() == nil {
		err := f.session(ctx)
		f.note(func(s *Status) {
			if s.Linked {
				told, s.Linked = "", false
			}
		})
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, replica.ErrLineage):
			f.o.Logger.Warn("the log is another one, or differs from this replica; fetching a new snapshot")
			f.cursor = replica.Cursor{}
			continue
		case errors.Is(err, errRevived):
			f.o.Logger.Info("the disk can be written again; fetching a new snapshot for it")
			f.cursor = replica.Cursor{}
			continue
		default:
			if text := err.Error(); text != told { // not the same second after second
				f.o.Logger.Warn("following the log was interrupted; trying again", "error", err, "every", f.o.Retry)
				told = text
			}
		}
		wait := f.o.Retry
		if errors.Is(err, errShrunk) {
			wait *= patience
		}
		pause(ctx, wait)
	}
}

// patience is how many retries a log that shrank is left alone.
const patience = 15

func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// session follows the log until something goes wrong.
func (f *Follower) session(ctx context.Context) error {
	if f.cursor.Lineage == (replica.Lineage{}) {
		if err := f.resync(ctx); err != nil {
			return err
		}
	}
	f.level, f.judged = false, f.head.Load()
	select {
	case f.ask <- struct{}{}:
	default:
	}
	for e, err := range f.o.Log.Tail(ctx, f.cursor.Lineage, f.cursor.Rev, f.o.Filter) {
		if err != nil {
			return err
		}
		if err := f.entry(e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// entry applies one entry of the tail.
func (f *Follower) entry(e replica.Entry) error {
	if e.Key != "" {
		doc, err := f.m.apply(e)
		if err != nil {
			// A stopped replica is better than a wrong one: what is known is served on, and the operator is told.
			f.alarm(AlarmDocument, "update this program: "+err.Error())
			return err
		}
		f.staged = append(f.staged, doc)
		if f.o.Watch != nil {
			f.o.Watch.Apply(e)
		}
	}
	if !e.Whole {
		return nil
	}
	if e.Rev < f.cursor.Rev {
		return fmt.Errorf("the log went back from %d to %d", f.cursor.Rev, e.Rev)
	}
	if f.index.Load().Revision() != e.Rev || e.Key != "" || f.cursor.Open || f.keep.fresh != nil {
		f.show(e.Rev)
	}
	f.cursor.Rev, f.cursor.Open = e.Rev, false
	f.note(func(s *Status) { // before hear, as askHead looks the other way round
		s.Linked = true
		delete(s.Alarms, AlarmDocument)
	})
	f.hear(e)
	err := f.compare(e.Rev)
	f.hand()
	f.beReady() // a first snapshot is on disk by now
	if err == nil && f.keep.revived.Swap(false) {
		return errRevived
	}
	return err
}
