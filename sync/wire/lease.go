package wire

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"

	"github.com/sidegate/sidegate/replica/ledger"
)

// LeaseSubject is where holders ask and hubs, as one queue, answer.
const LeaseSubject = "sg.lease.1"

// LeaseVersion is the version of requests and replies.
const LeaseVersion = 1

// A Lease is what a holder tells and asks: vectors up, rights down. It is signed with the holder's key.
type Lease struct {
	Holder      ledger.HolderID
	Key         ed25519.PublicKey // 32 bytes
	Incarnation uint64            // grows with every start of the holder
	Nonce       uint64            // random, of the incarnation, so that two of the same number are told apart
	Epoch       uint64            // of the books, as the holder knows it
	Seen        uint64            // the highest revision of the books that a reply named to the holder
	Sent        int64             // unix milliseconds by the holder's clock
	About       []byte            // JSON about the holder for people: name, version, revision of its snapshot
	Items       []LeaseItem
}

// A LeaseItem is one customer and one feature: a report, and with it perhaps an ask.
type LeaseItem struct {
	Customer string
	Feature  string
	Report   ledger.Report
	Ask      *ledger.Ask // nil: it only tells
}

// A LeaseReply answers a Lease as a whole, or item by item.
type LeaseReply struct {
	Code     string // empty: the items are answered; else one of ledger's codes, or unavailable
	Detail   string
	Epoch    uint64 // of the books
	Revision uint64 // of the books, with what the items brought
	Items    []LeaseAnswer
}

// A LeaseAnswer is what the hub has in its books for one item.
type LeaseAnswer struct {
	Code   string        // empty: the report is in the books; else one of ledger's codes
	Denied string        // why nothing was granted though it was asked for; empty: it was, as far as there was room
	Award  *ledger.Award // nil: nothing was asked for, or it was refused
	// Known is what the books have of the holder's lines, of every period that they keep.
	Known  []ledger.Reported
	Totals *ledger.Totals // nil: the books have nothing of the customer and the feature
}

// AppendLease encodes and signs a lease.
func AppendLease(dst []byte, l *Lease, key ed25519.PrivateKey) []byte {
	begin := len(dst)
	dst = append(dst, LeaseVersion)
	dst = append(append(dst, l.Holder[:]...), l.Key...)
	for _, n := range []uint64{l.Incarnation, l.Nonce, l.Epoch, l.Seen, uint64(l.Sent)} {
		dst = binary.AppendUvarint(dst, n)
	}
	dst = appendString(dst, string(l.About))
	dst = binary.AppendUvarint(dst, uint64(len(l.Items)))
	for i := range l.Items {
		item := &l.Items[i]
		dst = appendString(appendString(dst, item.Customer), item.Feature)
		dst = appendString(dst, string(ledger.AppendReport(nil, &item.Report)))
		ask := []byte(nil)
		if item.Ask != nil {
			ask = ledger.AppendAsk(nil, item.Ask)
		}
		dst = appendString(dst, string(ask))
	}
	return append(dst, ed25519.Sign(key, dst[begin:])...)
}

// DecodeLease reads a lease and verifies that its own key signed it. Whether the key is the holder's is the caller's
// to know.
func DecodeLease(data []byte) (*Lease, error) {
	body := len(data) - ed25519.SignatureSize
	switch {
	case body < 1+16+ed25519.PublicKeySize:
		return nil, fmt.Errorf("%w: too short for a lease", ErrDamaged)
	case data[0] > LeaseVersion:
		return nil, fmt.Errorf("%w: a lease of version %d", ErrNewer, data[0])
	}
	l, r := &Lease{}, &reader{left: data[1:body]}
	copy(l.Holder[:], r.take(len(l.Holder), nil))
	l.Key = r.take(ed25519.PublicKeySize, nil)
	if !ed25519.Verify(l.Key, data[:body], data[body:]) {
		return nil, fmt.Errorf("%w: the signature of a lease does not fit", ErrDamaged)
	}
	for _, n := range []*uint64{&l.Incarnation, &l.Nonce, &l.Epoch, &l.Seen} {
		*n = r.uint()
	}
	l.Sent = int64(r.uint())
	l.About = r.bytes()
	n := int(r.uint32())
	for i := 0; i < n && !r.bad; i++ {
		item, err := r.leaseItem()
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, item)
	}
	if r.bad || len(r.left) > 0 {
		return nil, fmt.Errorf("%w: a lease that ends elsewhere", ErrDamaged)
	}
	return l, nil
}

func (r *reader) bytes() []byte { return r.take(int(r.uint32()), nil) }

func (r *reader) leaseItem() (item LeaseItem, err error) {
	item.Customer, item.Feature = string(r.bytes()), string(r.bytes())
	report, ask := r.bytes(), r.bytes()
	told, err := ledger.DecodeReport(report)
	if err != nil {
		return item, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	item.Report = *told
	if len(ask) > 0 {
		if item.Ask, err = ledger.DecodeAsk(ask); err != nil {
			return item, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return item, nil
}

// AppendLeaseReply encodes a reply. It travels on the connection that the request came by, and is not signed.
func AppendLeaseReply(dst []byte, l *LeaseReply) []byte {
	dst = appendString(appendString(append(dst, LeaseVersion), l.Code), l.Detail)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, l.Epoch), l.Revision)
	dst = binary.AppendUvarint(dst, uint64(len(l.Items)))
	for i := range l.Items {
		a := &l.Items[i]
		dst = appendString(appendString(dst, a.Code), a.Denied)
		var award, totals []byte
		if a.Award != nil {
			award = ledger.AppendAward(nil, a.Award)
		}
		if a.Totals != nil {
			totals = ledger.AppendTotals(nil, a.Totals)
		}
		known := ledger.AppendReport(nil, &ledger.Report{Lines: a.Known})
		dst = appendString(appendString(appendString(dst, string(award)), string(known)), string(totals))
	}
	return dst
}

// DecodeLeaseReply reads a reply.
func DecodeLeaseReply(data []byte) (*LeaseReply, error) {
	r := &reader{left: data}
	if v := r.byte(); v > LeaseVersion {
		return nil, fmt.Errorf("%w: a reply of version %d", ErrNewer, v)
	}
	l := &LeaseReply{Code: string(r.bytes()), Detail: string(r.bytes()), Epoch: r.uint(), Revision: r.uint()}
	n := int(r.uint32())
	for i := 0; i < n && !r.bad; i++ {
		a, err := r.leaseAnswer()
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, a)
	}
	if r.bad || len(r.left) > 0 {
		return nil, fmt.Errorf("%w: a reply that ends elsewhere", ErrDamaged)
	}
	return l, nil
}

func (r *reader) leaseAnswer() (a LeaseAnswer, err error) {
	a.Code, a.Denied = string(r.bytes()), string(r.bytes())
	award, known, totals := r.bytes(), r.bytes(), r.bytes()
	if len(award) > 0 {
		if a.Award, err = ledger.DecodeAward(award); err != nil {
			return a, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if len(totals) > 0 {
		if a.Totals, err = ledger.DecodeTotals(totals); err != nil {
			return a, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	told, err := ledger.DecodeReport(known)
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	a.Known = told.Lines
	return a, nil
}
