package meter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

// Why a reservation cannot be settled.
var (
	ErrNoReservation = errors.New("there is no such reservation; it may have been settled long ago")
	ErrSettled       = errors.New("the reservation was settled before, or ran out")
	ErrTooMuch       = errors.New("more than is reserved")
)

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
	terms, ok := checker.Counted(r.Held, r.Ask, m.clock.read())
	if !ok {
		return Result{Decision: checker.Decide(r.Held, r.Ask, m.clock.read())}, Reserved{}, nil
	}
	holder := m.holder()
	hold := &ledger.Reservation{ID: hex.EncodeToString(holder[:]) + "." + rand.Text(),
		Expires: m.clock.read() + ttl.Milliseconds()}
	a := m.account(keyOf(r.Customer, r.Feature))
	t := try{m: m, a: a, r: r, terms: terms, hold: hold}
	res, err := t.run()
	if err == nil && t.short {
		res, err = t.insist(ctx, res)
	}
	if err != nil || res.Consumed == 0 {
		return res, Reserved{}, err
	}
	m.mu.Lock()
	m.reserved[hold.ID] = a
	m.mu.Unlock()
	return res, Reserved{hold.ID, hold.Expires}, nil
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
func (m *Meter) Commit(id string, q int64) error {
	return m.settle(id, func(led *ledger.Account) *ledger.Refusal { return led.Commit(id, q) })
}

// Cancel lets a reservation go.
func (m *Meter) Cancel(id string) error {
	return m.settle(id, func(led *ledger.Account) *ledger.Refusal { return led.Cancel(id) })
}

// settle ends a reservation, and returns when that is written down.
func (m *Meter) settle(id string, end func(*ledger.Account) *ledger.Refusal) error {
	m.mu.Lock()
	a := m.reserved[id]
	m.mu.Unlock()
	if a == nil {
		return m.missing(id)
	}
	in, err := m.enter()
	if err != nil {
		return err
	}
	no := m.settleIn(in, a, end)
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
	return ErrNoReservation
}

func (m *Meter) settleIn(in *batch, a *account, end func(*ledger.Account) *ledger.Refusal) *ledger.Refusal {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.led.Tidy(m.clock.read()) // one that has run out is no more
	no := end(&a.led)
	m.add(in, a)
	return no
}

// missing tells whose a reservation is that is not known here.
func (m *Meter) missing(id string) error {
	holder := m.holder()
	if whose, _, ok := strings.Cut(id, "."); ok && len(whose) == 2*len(holder) && whose != hex.EncodeToString(holder[:]) {
		return Elsewhere{whose}
	}
	return ErrNoReservation
}

// index notes the reservations of an account that the vault had.
func (m *Meter) index(a *account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range a.led.Reservations {
		m.reserved[a.led.Reservations[i].ID] = a
	}
}

// unindex forgets reservations that the ledger has forgotten.
func (m *Meter) unindex() {
	m.mu.Lock()
	all := make(map[string]*account, len(m.reserved))
	for id, a := range m.reserved {
		all[id] = a
	}
	m.mu.Unlock()
	for id, a := range all {
		a.mu.Lock()
		gone := a.led.Reservation(id) == nil && a.version == a.saved
		a.mu.Unlock()
		if gone {
			m.mu.Lock()
			delete(m.reserved, id)
			m.mu.Unlock()
		}
	}
}
