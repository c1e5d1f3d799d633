package disk

import (
	"errors"
	"fmt"
	"os"

	"github.com/dgraph-io/badger/v4"

	"github.com/sidegate/sidegate/replica"
)

// A generation is a snapshot in a directory of its own, until HEAD names it.
type generation struct {
	s      *Store
	number uint64
	db     *badger.DB // nil: it is over
}

// Renew begins a new generation. See replica.Store.
func (s *Store) Renew() (replica.Generation, error) {
	if err := s.room(); err != nil {
		return nil, err
	}
	g := &generation{s: s, number: s.head.Generation + 1}
	dir := s.generationPath(g.number)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	var err error
	if g.db, err = openBadger(dir); err != nil {
		return nil, fmt.Errorf("new generation: %w", err)
	}
	return g, nil
}

// Add writes documents. See replica.Generation.
func (g *generation) Add(docs []replica.StoredDoc) error {
	if err := g.s.room(); err != nil {
		return err
	}
	return writeAll(g.db, docs)
}

// Switch makes the generation the one in use. See replica.Generation.
func (g *generation) Switch(cur replica.Cursor) error {
	s, old, before := g.s, g.s.db, *g.s
	s.db, s.cursor, s.head.Generation = g.db, headOf(cur), g.number
	err := s.transact(nil, s.cursor, cur.Names)
	if err == nil {
		err = s.writeHead()
	}
	if err != nil {
		*s = before
		return fmt.Errorf("new generation: %w", err)
	}
	g.db = nil
	if old == nil {
		return nil
	}
	return errors.Join(old.Close(), os.RemoveAll(s.generationPath(before.head.Generation)))
}

// Abort drops the generation. See replica.Generation.
func (g *generation) Abort() {
	if g.db == nil {
		return
	}
	quietly(func() { _ = g.db.Close() })
	g.db = nil
	if err := os.RemoveAll(g.s.generationPath(g.number)); err != nil {
		g.s.o.Logger.Warn("an unfinished generation is left behind", "error", err)
	}
}
