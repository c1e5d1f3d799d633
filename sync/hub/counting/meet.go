package counting

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A verdict on a lease: a code, empty if its items may be looked at, and why. rev is a revision of the books up to
// which it was found.
type verdict struct {
	code, why string
	rev       uint64
}

// admit finds out who asks. A holder that is met for the first time is enrolled with the key that it has.
func (f *fleet) admit(ctx context.Context, l *wire.Lease, now int64) (v verdict, err error) {
	isCloned := false
	err = f.change(ctx, l.Holder, func(old *Holder) (next *Holder) {
		next, v = old.meet(l, now, f.c.era.number())
		isCloned = next != nil && next.Fence == Quarantined
		return next
	})
	switch {
	case err != nil:
	case v.code == "":
		f.note(l, now)
	default:
		v.rev = f.find(l.Holder).rev
	}
	if isCloned && err == nil {
		f.c.log.Error("a holder's vault is used twice; both take another name, and what it held stays out",
			"holder", hex.EncodeToString(l.Holder[:]),
			"remedy", "give each sidecar a data directory of its own; once both have reported, fence the holder as destroyed")
	}
	return v, err
}

// whyTwice is said to both.
const whyTwice = "another start of this holder has asked: its vault is used twice"

// meet judges a lease by a holder's document, and answers what becomes of that; nil: it stays.
func (h *Holder) meet(l *wire.Lease, now int64, epoch uint64) (*Holder, verdict) {
	if h == nil {
		h = &Holder{ID: l.Holder, Key: l.Key, Enrolled: now}
		return h.started(l, now), verdict{}
	}
	isTwin := l.Incarnation == h.Incarnation && l.Nonce != h.Nonce
	switch {
	case !bytes.Equal(h.Key, l.Key):
		return nil, verdict{code: wire.CodeStranger, why: "this holder is enrolled with another key"}
	case h.Fence == Retired:
		return nil, verdict{code: ledger.CodeRetired, why: "this holder was silent for too long; it takes a new identity"}
	case h.Fence == Destroyed:
		return nil, verdict{code: ledger.CodeDestroyed, why: "this holder was declared destroyed; it takes a new identity"}
	case h.gone():
		return nil, verdict{code: ledger.CodeFenced, why: "this holder was declared lost; it takes a new identity"}
	case isTwin, h.Fence == Quarantined && l.Incarnation == h.Incarnation && h.Doubted != 0:
		return h.doubt(l, now, epoch), verdict{code: wire.CodeCopied, why: whyTwice}
	case l.Incarnation < h.Incarnation, h.Fence == Quarantined:
		return h.doubt(l, now, epoch), verdict{code: wire.CodeSuperseded, why: whyTwice}
	case l.Incarnation == h.Incarnation && now-h.Seen < seenEvery:
		return nil, verdict{}
	}
	return h.started(l, now), verdict{}
}

// doubt is what becomes of a holder of which another start asks. Two starts of the same number are of two vaults, and
// the first of them tells what both had. An earlier start may be a message that was long on its way, of a process that
// is no more; but if it knows of a revision that only who lives beside the present start can have been told, its vault
// is used twice as well, and it tells itself what the present start had from it.
func (h *Holder) doubt(l *wire.Lease, now int64, epoch uint64) *Holder {
	next := *h
	switch {
	case h.Fence == Quarantined:
		return nil
	case l.Incarnation == h.Incarnation:
		next.Fence, next.Cloned, next.Doubted = Quarantined, now, 0
	case h.Doubted != 0 && l.Seen > h.Doubted && l.Epoch == epoch:
		next.Fence, next.Cloned = Quarantined, now
	case h.Doubted == 0:
		next.Doubted = h.rev
	default:
		return nil
	}
	return &next
}

// gone tells whether nothing is heard of a holder any more, for good.
func (h *Holder) gone() bool { return h.Fence != "" && h.Fence != Quarantined }

// started is the document of a holder that just asked.
func (h *Holder) started(l *wire.Lease, now int64) *Holder {
	next := *h
	if l.Incarnation != h.Incarnation {
		next.Doubted = 0
	}
	next.Incarnation, next.Nonce, next.Seen = l.Incarnation, l.Nonce, max(now, h.Seen)
	if len(l.About) <= maxAbout && json.Valid(l.About) {
		next.About = l.About
	}
	return &next
}
