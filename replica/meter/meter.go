package meter

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// A Memory is an idempotency key, what was asked under it and what was answered.
type Memory struct {
	Key     [16]byte
	Payload [16]byte
	Answer  []byte
	At      int64 // unix milliseconds
}

// An Identity is who a holder is.
type Identity struct {
	Holder      ledger.HolderID
	Key         ed25519.PrivateKey
	Incarnation uint64
	Nonce       uint64
}

// A Vault remembers. Commit is called by one goroutine at a time and returns when everything is durable, or nothing is.
type Vault interface {
	// Identity is who the holder is now.
	Identity() Identity
	// Each tells every account; its bytes are lent for the call.
	Each(func(key string, account []byte) error) error
	// Commit writes accounts and memories, all or nothing.
	Commit(accounts map[string][]byte, memories []Memory) error
	// Find looks a key up that was committed; ok is false if it is not known, or not any more.
	Find(key [16]byte) (m Memory, ok bool, err error)
	// Renew makes another identity, which begins with these accounts and no others.
	Renew(why string, accounts map[string][]byte) error
}

// A Hub grants rights and takes reports in.
type Hub interface {
	// Exchange sends a lease, signed with key, and answers the reply. An error says that it is not known whether a hub
	// took it in, which does no harm.
	Exchange(ctx context.Context, l *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error)
}

// Options say what a meter works with. Vault and Clock are required.
type Options struct {
	Vault  Vault
	Hub    Hub // nil: there is none, and hard limits have no rights
	Clock  *Clock
	Logger *slog.Logger  // nil: silent
	Every  time.Duration // how often what changed is reported; 0: one second
	// Patience is how long a caller waits for rights that are not held here; 0: 220 ms, for an answer within 250.
	Patience time.Duration
	About    func() []byte // JSON for the fleet's list; nil: nothing
}

// ErrKeyReused refuses an idempotency key that was used for something else.
var ErrKeyReused = errors.New("the idempotency key was used for another request")

const shards = 64

// A Meter counts.
type Meter struct {
	o      Options
	log    *slog.Logger
	seed   maphash.Seed
	shards [shards]shard
	count  atomic.Int64 // accounts
	clock  *Clock

	gate sync.RWMutex // held by those who change accounts, and alone by the one who ends a batch; before all others
	next *batch       // what the next commit writes; under gate

	mu       sync.Mutex
	identity Identity
	promised map[[16]byte]*promise // keys that are being used right now
	waiting  map[*account]struct{} // accounts that want rights at once
	wake     chan struct{}         // there is something to commit
	urge     chan struct{}         // there is something to ask for
	soon     atomic.Bool           // there is something to commit in a while
	seen     uint64                // the highest revision of the books that a reply named
	why      string                // what a hub said why this holder is not trusted; empty: it is
	whyAt    int64                 // unix milliseconds of that
	talks    int                   // exchanges under way that tell something
	alarm    *former               // what is to be told of a name that was given up; nil: nothing
	toldAll  uint64                // one more than the epoch in which the hub was told that everything was told
	epoch    uint64                // of the books, as the last reply said
	isSole   atomic.Bool           // nobody else can have had this name before the process started
	leaving  atomic.Bool           // the last reports are made
	linked   atomic.Bool           // the last exchange with a hub succeeded
	astray   atomic.Bool           // the machine's clock is ahead of the hub's
	failing  atomic.Bool           // the last exchange with a hub failed
	reported atomic.Int64          // unix milliseconds of the last exchange that succeeded
}

type shard struct {
	sync.RWMutex
	accounts map[string]*account
}

// New makes a meter of what the vault has.
func New(o Options) (*Meter, error) {
	if o.Vault == nil || o.Clock == nil {
		return nil, errors.New("meter: options without a vault or a clock")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.Patience == 0 {
		o.Patience = 220 * time.Millisecond
	}
	m := &Meter{o: o, log: o.Logger, seed: maphash.MakeSeed(), next: newBatch(), promised: map[[16]byte]*promise{},
		waiting: map[*account]struct{}{}, wake: make(chan struct{}, 1), urge: make(chan struct{}, 1),
		identity: o.Vault.Identity(), clock: o.Clock}
	m.isSole.Store(m.identity.Incarnation <= 1)
	for i := range m.shards {
		m.shards[i].accounts = map[string]*account{}
	}
	if err := o.Vault.Each(m.load); err != nil {
		return nil, fmt.Errorf("meter: %w", err)
	}
	return m, nil
}

// load takes an account in as the vault has it.
func (m *Meter) load(key string, data []byte) error {
	led, err := ledger.DecodeAccount(data)
	if err != nil {
		return fmt.Errorf("account of %q: %w", strings.ReplaceAll(key, "\x00", " "), err)
	}
	a := m.account(key)
	a.led, a.durable = *led, append([]byte(nil), data...)
	a.version, a.saved = 1, 1 // the hub may not have it
	if a.led.Recover() {
		a.version++
	}
	if a.first = a.durable; a.version > a.saved {
		a.first = ledger.AppendAccount(nil, &a.led)
	}
	m.epoch = max(m.epoch, led.Epoch)
	m.change(a, func() {})
	return nil
}

// keyOf is what an account is found by; ids have no control characters.
func keyOf(customer, feature string) string { return customer + "\x00" + feature }

// account finds or makes one.
func (m *Meter) account(key string) *account {
	s := &m.shards[maphash.String(m.seed, key)%shards]
	s.RLock()
	a := s.accounts[key]
	s.RUnlock()
	if a != nil {
		return a
	}
	s.Lock()
	defer s.Unlock()
	if a = s.accounts[key]; a == nil {
		a = &account{key: key, led: ledger.NewAccount(), chunk: &chunk{}, isMet: m.isSole.Load(),
			answered: make(chan struct{})}
		s.accounts[key] = a
		m.count.Add(1)
	}
	return a
}

// find finds an account; nil if there is none. room is memory for the key.
func (m *Meter) find(customer, feature, room []byte) *account {
	if m.count.Load() == 0 {
		return nil
	}
	return m.lookup(append(append(append(room[:0], customer...), 0), feature...))
}

// lookup finds the account of a key; nil if there is none.
func (m *Meter) lookup(key []byte) *account {
	s := &m.shards[maphash.Bytes(m.seed, key)%shards]
	s.RLock()
	defer s.RUnlock()
	return s.accounts[string(key)]
}

// each calls f with every account, one shard after the other.
func (m *Meter) each(f func(*account)) {
	for i := range m.shards {
		s := &m.shards[i]
		s.RLock()
		all := make([]*account, 0, len(s.accounts))
		for _, a := range s.accounts {
			all = append(all, a)
		}
		s.RUnlock()
		for _, a := range all {
			f(a)
		}
	}
}

// those are the accounts of which something is true; they are locked while they are asked.
func (m *Meter) those(is func(*account) bool) (all []*account) {
	m.each(func(a *account) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if is(a) {
			all = append(all, a)
		}
	})
	return all
}

// Run writes and reports until ctx ends, gives back the rights that it holds, and reports once more.
func (m *Meter) Run(ctx context.Context) error {
	group := errgroup.Group{}
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return m.write(writing) })
	group.Go(func() error {
		defer stop()
		m.report(ctx)
		m.depart(context.WithoutCancel(ctx))
		return nil
	})
	return group.Wait()
}
