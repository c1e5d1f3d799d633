package counting

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// Why a holder is not listened to any more.
const (
	WrittenOff  = "written_off" // what it held counts as used
	Destroyed   = "destroyed"   // what it held is free again
	Retired     = "retired"     // it was silent for long, and held nothing that could be spent
	Quarantined = "quarantined" // its vault is used twice; what it held stays out until it is fenced
)

// A Holder is what the fleet's document says of one. Times are unix milliseconds.
type Holder struct {
	ID          ledger.HolderID `json:"-"`
	Key         []byte          `json:"key"` // Ed25519; the first that asked under this id stays
	Incarnation uint64          `json:"incarnation"`
	Nonce       uint64          `json:"nonce"`
	About       json.RawMessage `json:"about,omitempty"`
	Enrolled    int64           `json:"enrolled"`
	Seen        int64           `json:"seen"`            // when it asked last, give or take seenEvery
	Told        uint64          `json:"told,omitempty"`  // epoch under which it last said that it has told all
	Fence       string          `json:"fence,omitempty"` // why it is not listened to any more; empty: it is
	Fenced      int64           `json:"fenced,omitempty"`
	By          string          `json:"fenced_by,omitempty"` // the token that asked for the fence; empty: nobody did
	In          int             `json:"fenced_in,omitempty"` // books that it was in then
	Done        bool            `json:"done,omitempty"`      // the fence is in all books
	Cloned      int64           `json:"cloned,omitempty"`    // when its vault was noticed to be used twice
	// Doubted is a revision at which the present start was in the log when an earlier one asked; 0: none has. If that
	// one comes again and knows of a later revision, it lives.
	Doubted uint64 `json:"doubted,omitempty"`
	rev     uint64 // of the document
}

const (
	holderVersion = 1
	maxAbout      = 4 << 10
	seenEvery     = 60_000 // milliseconds between writings of Seen
	attempts      = 24     // at a document that others keep changing
)

func (h *Holder) encode() ([]byte, error) {
	data, err := json.Marshal(h)
	return append([]byte{holderVersion}, data...), err
}

func decodeHolder(id string, value []byte) (*Holder, error) {
	raw, err := hex.DecodeString(id)
	var h Holder
	if err != nil || len(raw) != len(h.ID) || len(value) == 0 || value[0] != holderVersion {
		return nil, fmt.Errorf("document of holder %q: unknown format version", id)
	}
	h.ID = ledger.HolderID(raw)
	return &h, json.Unmarshal(value[1:], &h)
}

// HolderKey is the key of a holder's document.
func HolderKey(id ledger.HolderID) string { return replica.KindFleet + "/" + hex.EncodeToString(id[:]) }

// A member is a holder as this hub knows it.
type member struct {
	doc   *Holder // not to be changed; nil: there is none
	rev   uint64
	heard int64 // when this hub last heard of it
	about json.RawMessage
}

// A fleet is every holder.
type fleet struct {
	c  *Counter
	mu sync.Mutex
	of map[ledger.HolderID]member
}

func newFleet(c *Counter) *fleet { return &fleet{c: c, of: map[ledger.HolderID]member{}} }

func (f *fleet) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.of)
}

// apply takes a document in.
func (f *fleet) apply(id string, e replica.Entry) {
	h, err := decodeHolder(id, e.Value)
	if err != nil {
		f.c.log.Error("a holder's document cannot be read; update this program", "key", e.Key, "error", err)
		return
	}
	f.store(h, e.Rev)
}

func (f *fleet) store(h *Holder, rev uint64) {
	h.rev = rev
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.of[h.ID]
	if m.rev < rev {
		m.doc, m.rev = h, rev
		f.of[h.ID] = m
	}
}

func (f *fleet) find(id ledger.HolderID) member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.of[id]
}

// note remembers that a holder was heard of.
func (f *fleet) note(l *wire.Lease, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.of[l.Holder]
	m.heard = now
	if len(l.About) > 0 && len(l.About) <= maxAbout && !bytes.Equal(m.about, l.About) && json.Valid(l.About) {
		m.about = bytes.Clone(l.About)
	}
	f.of[l.Holder] = m
}

// known are the holders that rights may be with.
func (f *fleet) known() []ledger.HolderID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []ledger.HolderID
	for id, m := range f.of {
		if m.doc != nil && !m.doc.gone() {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, ledger.HolderID.Compare)
	return out
}

// all are the holders, as they are known, by id.
func (f *fleet) all() []member {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []member
	for _, m := range f.of {
		if m.doc != nil {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(x, y member) int { return x.doc.ID.Compare(y.doc.ID) })
	return out
}

// told tells whether a holder has said that it told all it has, under an epoch.
func (f *fleet) told(id ledger.HolderID, epoch uint64) bool {
	m := f.find(id)
	return m.doc != nil && m.doc.Told >= epoch
}

// change writes what becomes of a holder's document; nil: nothing. decide may be called again with a newer document.
func (f *fleet) change(ctx context.Context, id ledger.HolderID, decide func(old *Holder) *Holder) error {
	m, last := f.find(id), error(replica.ErrConflict)
	for range attempts {
		next := decide(m.doc)
		if next == nil {
			return nil
		}
		value, err := next.encode()
		if err != nil {
			return err
		}
		key := HolderKey(id)
		rev, err := f.c.o.Books.Put(ctx, NewCommand(), replica.Put{Key: key, Expect: m.rev, Value: value})
		if err == nil {
			f.store(next, rev)
			return nil
		}
		if !replica.Contested(err) {
			return err
		}
		last = err
		e, err := get(ctx, f.c.o.Books, key)
		if err != nil {
			return err
		}
		if m = (member{rev: e.Rev}); e.Rev == 0 {
			continue
		}
		if m.doc, err = decodeHolder(hex.EncodeToString(id[:]), e.Value); err != nil {
			return err
		}
		f.store(m.doc, m.rev)
	}
	return last
}

// toldAll notes that a holder has told all it has, under an epoch.
func (f *fleet) toldAll(ctx context.Context, id ledger.HolderID, epoch uint64) error {
	return f.change(ctx, id, func(old *Holder) *Holder {
		if old == nil || old.Told >= epoch {
			return nil
		}
		next := *old
		next.Told = epoch
		return &next
	})
}
