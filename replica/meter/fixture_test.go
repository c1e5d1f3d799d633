package meter

import (
	"context"
	"crypto/ed25519"
	"errors"
	"maps"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A tin is a vault in memory, which survives the meters that use it.
type tin struct {
	mu       sync.Mutex
	who      Identity
	accounts map[string][]byte
	memories map[[16]byte]Memory
	full     bool
	slow     time.Duration
	commits  int
}

func newTin(name byte) *tin {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = name
	return &tin{who: Identity{Holder: ledger.HolderID{name}, Key: ed25519.NewKeyFromSeed(seed)},
		accounts: map[string][]byte{}, memories: map[[16]byte]Memory{}}
}

func (v *tin) Identity() Identity { return v.who }

func (v *tin) Each(f func(string, []byte) error) error {
	for key, data := range v.accounts {
		if err := f(key, data); err != nil {
			return err
		}
	}
	return nil
}

var errFull = errors.New("no room")

func (v *tin) Commit(accounts map[string][]byte, memories []Memory) error {
	<-time.After(v.slow)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.full {
		return errFull
	}
	v.commits++
	maps.Copy(v.accounts, accounts)
	for _, m := range memories {
		v.memories[m.Key] = m
	}
	return nil
}

func (v *tin) beFull(full bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.full = full
}

func (v *tin) Find(key [16]byte) (Memory, bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m, ok := v.memories[key]
	return m, ok, nil
}

func (v *tin) Renew(_ string, accounts map[string][]byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.who.Holder[1]++
	v.accounts = maps.Clone(accounts)
	return nil
}

// copy is a backup, or what is left after a crash.
func (v *tin) copy() *tin {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &tin{who: v.who, accounts: maps.Clone(v.accounts), memories: maps.Clone(v.memories)}
}

// A desk is a hub with one book, by the rules of the ledger and nothing else.
type desk struct {
	mu     sync.Mutex
	book   ledger.Book
	away   bool
	now    func() time.Time
	faults []error
	ahead  bool // somebody has told of rights that were not granted
}

func (d *desk) Exchange(_ context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away {
		return nil, errors.New("nobody is here")
	}
	l, err := wire.DecodeLease(wire.AppendLease(nil, l, key))
	if err != nil {
		return nil, err
	}
	now := d.now().UnixMilli()
	reply := &wire.LeaseReply{Epoch: d.book.Epoch}
	for i := range l.Items {
		l.Items[i].Report.Holder = l.Holder // as a hub does
		reply.Items = append(reply.Items, d.item(&l.Items[i], now))
	}
	if err := d.book.Check(); err != nil {
		d.faults = append(d.faults, err)
	}
	return wire.DecodeLeaseReply(wire.AppendLeaseReply(nil, reply))
}

func (d *desk) beAway(away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

func (d *desk) item(it *wire.LeaseItem, now int64) (ans wire.LeaseAnswer) {
	if it.Customer == wire.AllTold {
		return ans // it is about no book
	}
	if no := d.book.Fold(it.Report, now); no != nil {
		d.ahead = d.ahead || no.Code == ledger.CodeAhead
		return wire.LeaseAnswer{Code: no.Code}
	}
	if it.Ask != nil {
		award, no := d.book.Grant(*it.Ask, now)
		if no != nil {
			ans.Denied = no.Code
		} else {
			ans.Award = &award
		}
	}
	for _, p := range d.book.Periods {
		for _, l := range p.Lines {
			if l.Holder == it.Report.Holder {
				ans.Known = append(ans.Known, ledger.Reported{Span: p.Span, Source: l.Source, Vector: l.Vector})
			}
		}
	}
	totals := d.book.Totals(now)
	ans.Totals = &totals
	return ans
}

// A stand is a customer with one metered feature, a hub, and meters on tins.
type stand struct {
	testing.TB
	world *checker.World
	rec   checker.Record
	desk  *desk
}

// newStand makes a customer whose plan has an allowance of calls.
func newStand(t testing.TB, a checker.Allowance) *stand {
	t.Helper()
	w := checker.NewWorld(checker.WorldSpec{
		Features: []checker.Feature{{ID: 0, Key: "calls", Type: checker.Metered}},
		Plans: []checker.PlanSpec{{ID: 0, Newest: true, Plan: checker.Plan{Key: "team", Version: 1,
			Allow: []checker.Grantable{{Feature: 0, Allowance: a}}}}},
	})
	rec, err := checker.AppendRecord(nil, &checker.Customer{ID: "acme", Subs: []checker.Subscription{{ID: "main",
		StartsAt: 1000, Phases: []checker.Phase{{From: math.MinInt64, Status: checker.Active}}}}})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{now: time.Now}
	d.book.SetTerms(ledger.Terms{Limit: a.Limit, Overdraft: a.Overdraft, Soft: a.Soft || a.Unlimited || a.Advisory,
		Rollover: a.Rollover, Since: 1, Until: ledger.Forever}, ledger.Rule{Per: a.Per}, time.Now().UnixMilli())
	return &stand{TB: t, world: w, rec: rec, desk: d}
}

// open runs a meter on a tin; stop ends it in order.
func (s *stand) open(v *tin) (m *Meter, stop func()) { return s.openWith(v, NewClock(time.Now)) }

func (s *stand) openWith(v *tin, c *Clock) (m *Meter, stop func()) {
	s.Helper()
	return s.openOn(Options{Vault: v, Hub: s.desk, Clock: c})
}

func (s *stand) openOn(o Options) (m *Meter, stop func()) {
	s.Helper()
	if v, ok := o.Vault.(*tin); ok {
		v.who.Incarnation++
	}
	m, err := New(o)
	if err != nil {
		s.Fatal(err)
	}
	return m, s.running(m)
}

// running runs a meter until it is told to stop.
func (s *stand) running(m *Meter) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	}
}

// request is for q calls; a key of 0 is none.
func (s *stand) request(q int64, key byte) *Request {
	r := &Request{Customer: "acme", Feature: "calls", Ask: &checker.Ask{Quantity: q},
		Held: &checker.Held{World: s.world, Feature: s.world.Feature([]byte("calls")), Record: s.rec}}
	if key != 0 {
		r.Keyed, r.Key, r.Payload[0] = true, [16]byte{key}, byte(q)
		r.Render = func(d *checker.Decision) []byte { return []byte(d.Reason.String()) }
	}
	return r
}

// check decides without counting.
func (s *stand) check(m *Meter, q int64) checker.Decision {
	r := s.request(q, 0)
	m.Use([]byte(r.Customer), []byte(r.Feature), nil, &r.Held.Use)
	return checker.Decide(r.Held, r.Ask, time.Now().UnixMilli())
}

func (s *stand) fact(q int64, key byte) Fact {
	return Fact{Customer: "acme", Feature: "calls", Quantity: q, Key: [16]byte{key}, Held: s.request(0, 0).Held}
}

func (s *stand) consume(m *Meter, q int64) Result {
	s.Helper()
	res, err := m.Consume(s.Context(), s.request(q, 0))
	if err != nil {
		s.Fatal(err)
	}
	return res
}

// folded is what the hub has of the open period.
func (s *stand) folded() ledger.Totals {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	for _, err := range s.desk.faults {
		s.Error(err)
	}
	return s.desk.book.Totals(time.Now().UnixMilli())
}

// publish has totals come down to a meter.
func (s *stand) publish(m *Meter, t ledger.Totals) {
	m.told(replica.Entry{Key: replica.CountKey(replica.KindTotals, replica.DefaultGroup, "acme", "calls"), Rev: 1,
		Value: ledger.AppendTotals(nil, &t)})
}

// give changes the hub's book.
func (s *stand) give(id string, amount, until int64) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	s.desk.book.SetGrant(ledger.Grant{ID: id, Amount: amount, Priority: 50, Until: until})
}

// alone leaves the customer nothing but a grant of 10, of which no document tells the period.
func (s *stand) alone() {
	s.desk.book = ledger.Book{}
	s.desk.book.SetTerms(ledger.Terms{Until: ledger.Forever}, ledger.Rule{Per: checker.Never}, time.Now().UnixMilli())
	s.give("voucher", 10, ledger.Forever)
}

// wants has rights asked for that nobody waits for.
func (m *Meter) wants(n int64) {
	a := m.account(keyOf("acme", "calls"))
	a.mu.Lock()
	defer a.mu.Unlock()
	m.want(a, n)
}
