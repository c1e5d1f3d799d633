package meter

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
)

// Why a reservation cannot be settled.
var (
	ErrNoReservation = errors.New("there is no such reservation; it may have been settled long ago")
	ErrSettled       = errors.New("the reservation was settled before, or ran out")
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

// Commit counts q units of a reservation, and lets the rest go.
func (m *Meter) Commit(address string, q int64) error {
	return m.settle(address, func(led *ledger.Account, id string) *ledger.Refusal { return led.Commit(id, q) })
}

// Cancel lets a reservation go.
func (m *Meter) Cancel(address string) error { return m.settle(address, (*ledger.Account).Cancel) }

// settle ends a reservation, and returns when that is written down.
func (m *Meter) settle(address string, end func(*ledger.Account, string) *ledger.Refusal) error {
	whose, id, a := m.resolve(address)
	if a == nil {
		return m.missing(whose)
	}
	in, err := m.enter()
	if err != nil {
		return err
	}
	no := m.settleIn(in, a, func() *ledger.Refusal { return end(&a.led, id) })
	m.leave()
	if no == nil {
		return in.wait()
	}
	switch no.Code {
	case ledger.CodeSettled:
		return ErrSettled
	case ledger.CodeTooMany:
		return ErrTooMuch
	}
	return m.missing(whose)
}

func (m *Meter) settleIn(in *batch, a *account, end func() *ledger.Refusal) *ledger.Refusal {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := a.led.Expire(m.clock.read()) // one that has run out is no more
	no := end()
	if changed || no == nil {
		m.add(in, a)
	}
	return no
}

// missing says of a reservation that is not known here whether another holder made it.
func (m *Meter) missing(whose string) error {
	holder := m.holder()
	if len(whose) == 2*len(holder) && whose != hex.EncodeToString(holder[:]) {
		return Elsewhere{whose}
	}
	return ErrNoReservation
}
