package follow

import (
	"context"
	"errors"
	"fmt"

	"github.com/sidegate/sidegate/replica"
)

// batch is how many documents go into a new generation at once.
const batch = 1000

// errShrunk says that the log holds less than half of what is known.
var errShrunk = errors.New("the log holds less than half of the customers that are known")

// resync fetches everything anew beside what is served, and takes it over once it is complete: mark and sweep. View
// and disk follow with the tail's first whole entry, so that a restart in between still has the old snapshot.
func (f *Follower) resync(ctx context.Context) error {
	begun := f.o.Now().UnixMilli()
	lineage, revision, docs := f.o.Log.Snapshot(ctx, f.o.Filter)
	m := newMirror(f.names, f.index.Begin())
	m.txn.Empty()
	f.drop()
	var told []replica.Entry
	for e, err := range docs {
		if err != nil {
			return fmt.Errorf("snapshot of the log: %w", err)
		}
		f.renew(begun)
		doc, err := m.apply(e)
		if err != nil {
			f.alarm(AlarmDocument, "update this program: "+err.Error())
			return err
		}
		if doc.Value != nil {
			f.write(doc)
		}
		if f.o.Watch != nil {
			told = append(told, e)
		}
	}
	if known := max(f.index.Load().Len(), f.m.txn.Len()); m.txn.Len()*2 < known {
		f.drop()
		f.alarm(AlarmShrunk, fmt.Sprintf("the log has %d customers, %d are known and served on; restore the log, or empty "+
			"this replica's data directory if the log is right", m.txn.Len(), known))
		return errShrunk
	}
	f.calm(AlarmShrunk)
	f.renew(begun) // of an empty log too
	if m.claim == nil || m.claim.Revision+1 != revision {
		// Tombstones go in time, so that a deletion after the digest may not show: only one at the end can be compared.
		m.claim, m.last = nil, max(m.last, revision)
	}
	f.m, f.staged = m, nil
	f.cursor = replica.Cursor{Lineage: lineage, Rev: revision, Groups: f.o.Filter.String()}
	f.note(func(s *Status) { s.Lineage = lineage })
	f.tell(told)
	return nil
}

// tell tells a watcher everything again.
func (f *Follower) tell(all []replica.Entry) {
	if f.o.Watch == nil {
		return
	}
	f.o.Watch.Reset()
	for _, e := range all {
		f.o.Watch.Apply(e)
	}
}

// A generation is a snapshot on its way to the disk.
type generation struct {
	to    replica.Generation // nil: it goes nowhere
	docs  []replica.StoredDoc
	begun int64 // unix milliseconds; what the log held then is in it once it is whole
}

// renew begins a generation, unless there is one: not before the log has answered, for it costs much.
func (f *Follower) renew(begun int64) {
	k := f.keep
	if k.fresh != nil {
		return
	}
	k.disk.Lock()
	defer k.disk.Unlock()
	k.fresh = &generation{begun: begun}
	if f.o.Store == nil {
		return
	}
	var err error
	if k.fresh.to, err = f.o.Store.Renew(); err != nil {
		f.diskFault(err)
	}
}

// write adds a document to the generation; a disk that does not take it is left alone.
func (f *Follower) write(doc replica.StoredDoc) {
	g := f.keep.fresh
	if g.to == nil {
		return
	}
	if g.docs = append(g.docs, doc); len(g.docs) == batch {
		f.keep.disk.Lock()
		defer f.keep.disk.Unlock()
		f.flush(g)
	}
}

// flush writes what was added. The disk must be locked.
func (f *Follower) flush(g *generation) {
	if g.to == nil {
		return
	}
	if err := g.to.Add(g.docs); err != nil {
		f.diskFault(err)
		g.abort()
	}
	g.docs = nil
}

// abort makes a generation go nowhere.
func (g *generation) abort() {
	if g.to != nil {
		g.to.Abort()
	}
	g.to, g.docs = nil, nil
}

// drop forgets a generation that never became whole.
func (f *Follower) drop() {
	k := f.keep
	k.disk.Lock()
	defer k.disk.Unlock()
	if k.fresh != nil {
		k.fresh.abort()
		k.fresh = nil
	}
}

// adopt makes a generation that has become whole the one on disk, and the base of what is committed from now on.
func (f *Follower) adopt() {
	for _, doc := range f.staged {
		f.write(doc)
	}
	f.staged = f.staged[:0]
	k := f.keep
	k.disk.Lock()
	defer k.disk.Unlock()
	g := k.fresh
	k.fresh = nil
	f.heardAt(g.begun)
	f.flush(g)
	on := g.to != nil && f.switchTo(g.to)
	k.reset(on)
}

// switchTo makes a generation the one on disk, and tells whether it could.
func (f *Follower) switchTo(to replica.Generation) bool {
	cursor := f.stand()
	cursor.Names = f.names.Export()
	if err := to.Switch(cursor); err != nil {
		to.Abort()
		f.diskFault(err)
		return false
	}
	f.keep.named = f.names.Len()
	f.note(func(s *Status) { s.Stored = cursor.Rev })
	f.calm(AlarmDamaged)
	f.calm(AlarmNoSpace)
	f.calm(AlarmDisk)
	f.keep.revived.Store(false)
	return true
}

// stand is the cursor of what has been applied, names left out.
func (f *Follower) stand() replica.Cursor {
	return replica.Cursor{Lineage: f.cursor.Lineage, Rev: f.cursor.Rev, At: f.heard.Load(), Count: f.m.count,
		Digest: f.m.digest, Groups: f.cursor.Groups}
}
