package follow

import (
	"context"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// A headRead says that a log went as far as revision at a moment, or further.
type headRead struct {
	lineage  replica.Lineage
	revision uint64
	at       int64 // unix milliseconds, taken before asking
}

// watchHead asks the log how far it goes until ctx ends, so that a replica knows its age also while its tail is silent
// or behind.
func (f *Follower) watchHead(ctx context.Context) {
	tick := time.NewTicker(f.o.Check)
	defer tick.Stop()
	for {
		f.askHead(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.ask:
		}
	}
}

// askHead asks once. A log that does not answer is what the age shows.
func (f *Follower) askHead(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.o.Check+time.Second)
	defer cancel()
	h := &headRead{at: f.o.Now().UnixMilli()}
	var err error
	if h.lineage, h.revision, err = f.o.Log.Head(ctx); err != nil {
		return
	}
	f.head.Store(h)
	var reached bool
	f.note(func(s *Status) {
		s.Head = h.revision
		reached = s.Linked && s.Lineage == h.lineage && s.Revision >= h.revision
	})
	if reached {
		f.heardAt(h.at)
	}
}

// hear notes when the replica knows itself at the head. An entry that has a document shows that only for a tail that
// has already caught up with a head that was read: one that is catching up is as old as it was.
func (f *Follower) hear(e replica.Entry) {
	if h := f.head.Load(); h != f.judged {
		f.level = false
		if h.lineage == f.cursor.Lineage && e.Rev >= h.revision {
			f.level, f.judged = true, h
			f.heardAt(h.at)
		}
	}
	if e.Key == "" && f.head.Load() == f.judged {
		f.level = true
	}
	if f.level {
		f.heardAt(f.o.Now().UnixMilli())
	}
}

// heardAt moves the moment forward, never back.
func (f *Follower) heardAt(ms int64) {
	for {
		old := f.heard.Load()
		if ms <= old || f.heard.CompareAndSwap(old, ms) {
			return
		}
	}
}
