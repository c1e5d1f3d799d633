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

// resync fetches everything anew beside what is served, and takes it over once it is complete: mark and sweep. The
// view follows with the tail's first whole entry.
func (f *Follower) resync(ctx context.Context) error {
	f.keep.disk.Lock() // the committer has nothing to write until the new generation is there
	defer f.keep.disk.Unlock()
	lineage, revision, docs := f.o.Log.Snapshot(ctx, f.o.Filter)
	m := newMirror(f.names, f.index.Begin())
	m.txn.Empty()
	gen := f.generation()
	defer gen.abort()
	var told []replica.Entry
	for e, err := range docs {
		if err != nil {
			return fmt.Errorf("snapshot of the log: %w", err)
		}
		doc, err := m.apply(e)
		if err != nil {
			f.alarm(AlarmDocument, "update this program: "+err.Error())
			return err
		}
		if err := gen.add(doc); err != nil {
			f.diskFault(err)
			gen.abort()
		}
		if f.o.Watch != nil {
			told = append(told, e)
		}
	}
	if known := max(f.index.Load().Len(), f.m.txn.Len()); m.txn.Len()*2 < known {
		f.alarm(AlarmShrunk, fmt.Sprintf("the log has %d customers, %d are known and served on; restore the log, or empty "+
			"this replica's data directory if the log is right", m.txn.Len(), known))
		return errShrunk
	}
	f.calm(AlarmShrunk)
	m.claim, m.last = nil, max(m.last, revision)
	f.m, f.staged = m, nil
	f.cursor = replica.Cursor{Lineage: lineage, Rev: revision, Open: true, At: f.heard.Load(), Count: m.count,
		Digest: m.digest, Groups: f.o.Filter.String()}
	f.note(func(s *Status) { s.Lineage = lineage })
	f.tell(told)
	f.switchTo(gen)
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

// A generation is a snapshot on its way to the disk; the zero one goes nowhere.
type generation struct {
	to   replica.Generation
	docs []replica.StoredDoc
}

func (f *Follower) generation() *generation {
	if f.o.Store == nil {
		return &generation{}
	}
	to, err := f.o.Store.Renew()
	if err != nil {
		f.diskFault(err)
		return &generation{}
	}
	return &generation{to: to}
}

func (g *generation) add(doc replica.StoredDoc) error {
	if g.to == nil || doc.Value == nil {
		return nil
	}
	g.docs = append(g.docs, doc)
	if len(g.docs) < batch {
		return nil
	}
	err := g.to.Add(g.docs)
	g.docs = g.docs[:0]
	return err
}

// abort drops what is not switched to.
func (g *generation) abort() {
	if g.to != nil {
		g.to.Abort()
	}
	*g = generation{}
}

// switchTo makes a complete generation the one on disk, and the base of what is committed from now on.
func (f *Follower) switchTo(g *generation) {
	f.keep.reset(g.to != nil)
	if g.to == nil {
		return
	}
	cursor := f.cursor
	cursor.Names = f.names.Export()
	err := g.to.Add(g.docs)
	if err == nil {
		err = g.to.Switch(cursor)
	}
	if err != nil {
		f.diskFault(err)
		f.keep.reset(false)
		return
	}
	g.to = nil
	f.keep.named = f.names.Len()
	f.note(func(s *Status) { s.Stored = cursor.Rev })
	f.calm(AlarmDamaged)
	f.calm(AlarmNoSpace)
	f.calm(AlarmDisk)
	f.keep.revived.Store(false)
}
