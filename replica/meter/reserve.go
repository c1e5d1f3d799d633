package meter

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
)

// Why a reservation cannot be settled.
var (
	ErrNoReservation = errors.New("there is no such reservation; it may have been settled long ago")
	ErrTooMuch       = errors.New("more than is reserved")
)

// mostReserved is how many reservations an account may have: it is written whole with each change, and one that is too
// large for the vault would take the changes of all others with it.
const mostReserved = 8192

// errReserved is told to whoever reserves beyond that.
var errReserved = errors.New("too many reservations are open; settle some, or wait until they run out")

// Elsewhere says that another holder has a reservation.
type Elsewhere struct{ Holder string }

// Error names the holder.
func (e Elsewhere) Error() string { return "the reservation is kept by holder " + e.Holder }

// A Conflict is how a reservation stands that cannot be settled as is asked, for it was settled in another way.
type Conflict struct {
	Open     bool  // nothing was done with it, so that there is nothing to take back
	Counted  int64 // units that it was committed with
	Refunded bool  // they were taken back
	Fenced   bool  // nobody committed it: the holder was declared lost, and the hub counted all that it had
	Lapsed   bool  // its time is over; if nothing was counted it may have run out, which is not told from a release
}

// Error says which way it was.
func (c Conflict) Error() string {
	switch {
	case c.Open:
		return "it is reserved, not committed"
	case c.Fenced:
		return fmt.Sprintf("this sidecar was declared lost after it was made, and its %d units count as used", c.Counted)
	case c.Refunded:
		return fmt.Sprintf("it was committed with %d units, which were taken back", c.Counted)
	case c.Counted > 0:
		return fmt.Sprintf("it was committed with %d units", c.Counted)
	case c.Lapsed:
		return "it was released or ran out; nothing was counted"
	}
	return "it was released; nothing was counted"
}

// A Reserved is a reservation that was made.
type Reserved struct {
	ID      string
	Expires int64 // unix milliseconds
}

// Reserve decides as Consume does and sets units aside for a while. A denied one has no ID.
func (m *Meter) Reserve(ctx context.Context, r *Request, ttl time.Duration) (Result, Reserved, error) {
	hold := &ledger.Reservation{ID: rand.Text(), Expires: m.clock.read() + ttl.Milliseconds()}
	t := try{m: m, r: r, hold: hold}
	res, err := t.all(ctx)
	if err != nil || res.Consumed == 0 {
		return res, Reserved{}, err
	}
	return res, Reserved{m.address(hold.ID, t.a), hold.Expires}, nil
}

// address is what the outside calls a reservation: the holder that made it, its own ID, and the account that it is in.
func (m *Meter) address(id string, a *account) string {
	holder := m.holder()
	return hex.EncodeToString(holder[:]) + "." + id + "." + base64.RawURLEncoding.EncodeToString([]byte(a.key))
}

// resolve is the way back: the holder, the ID, and the account if there is one.
func (m *Meter) resolve(address string) (whose, id string, a *account) {
	part := strings.Split(address, ".")
	if len(part) != 3 {
		return "", "", nil
	}
	key, _ := base64.RawURLEncoding.DecodeString(part[2])
	return part[0], part[1], m.lookup(key)
}

// set sets q units aside.
func (t *try) set(span ledger.Span, q, now int64) *ledger.Refusal {
	hold := *t.hold
	hold.Span = span
	if t.terms.Soft {
		t.a.led.ReserveUnbacked(hold, q)
		return nil
	}
	return t.a.led.Reserve(hold, q, now)
}

// Commit counts q units of a reservation, and lets the rest go. One that was committed with q before is not counted
// again: whoever asks has lost the answer.
func (m *Meter) Commit(address string, q int64) (replayed bool, err error) {
	e, err := m.settle(address, ending{
		do:   func(led *ledger.Account, id string) *ledger.Refusal { return led.Commit(id, q) },
		done: func(r *ledger.Reservation) bool { return r.Counted == q && !r.Back },
	})
	return e.replayed, err
}

// Cancel lets a reservation go. One of which nothing was counted is let go already.
func (m *Meter) Cancel(address string) (replayed bool, err error) {
	e, err := m.settle(address, ending{
		do:   (*ledger.Account).Cancel,
		done: func(r *ledger.Reservation) bool { return r.Ended && r.Counted == 0 },
	})
	return e.replayed, err
}

// Refund takes back all that a reservation was committed with, once, as long as its period is not forgotten.
func (m *Meter) Refund(address string) (units int64, replayed bool, err error) {
	e, err := m.settle(address, ending{
		do:   (*ledger.Account).Refund,
		done: func(r *ledger.Reservation) bool { return r.Back },
	})
	return e.counted, e.replayed, err
}

// An ending is a way to settle a reservation.
type ending struct {
	do   func(led *ledger.Account, id string) *ledger.Refusal
	done func(*ledger.Reservation) bool // one that was settled before stands as do would have left it
}

// An ended is what became of a reservation.
type ended struct {
	counted  int64 // units that it was committed with
	replayed bool  // it stood so before
}

// settle ends a reservation, and returns when that is written down, also if it was ended before: what an earlier call
// did may be on its way to the vault.
func (m *Meter) settle(address string, e ending) (ended, error) {
	whose, id, a := m.resolve(address)
	if a == nil {
		return ended{}, m.missing(whose)
	}
	in, err := m.enter()
	if err != nil {
		return ended{}, err
	}
	was, no := m.settleIn(in, a, id, e)
	m.leave()
	switch {
	case errors.Is(no, ErrNoReservation):
		return ended{}, m.missing(whose)
	case errors.Is(no, ErrTooMuch):
		return ended{}, no
	}
	m.signal()
	if err := in.wait(); err != nil {
		return ended{}, err
	}
	return was, no
}

// settleIn tells how a reservation was ended, or why it cannot be.
func (m *Meter) settleIn(in *batch, a *account, id string, e ending) (ended, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := m.clock.read()
	changed := a.led.Expire(now) // one that has run out is no more
	no := e.do(&a.led, id)
	if changed || no == nil {
		m.add(in, a)
	}
	if no != nil && no.Code == ledger.CodeTooMany {
		return ended{}, ErrTooMuch
	}
	r := a.led.Reservation(id)
	switch {
	case r == nil || no != nil && no.Code != ledger.CodeSettled:
		return ended{}, ErrNoReservation
	case no == nil || e.done(r):
		return ended{counted: r.Counted, replayed: no != nil}, nil
	}
	return ended{}, Conflict{Open: !r.Ended, Counted: r.Counted, Refunded: r.Back, Fenced: r.WrittenOff(),
		Lapsed: now >= r.Expires}
}

// missing says of a reservation that is not known here whether another holder made it.
func (m *Meter) missing(whose string) error {
	holder := m.holder()
	if len(whose) == 2*len(holder) && whose != hex.EncodeToString(holder[:]) {
		return Elsewhere{whose}
	}
	return ErrNoReservation
}
