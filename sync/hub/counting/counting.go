package counting

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/wire"
)

// ErrNotYet says that the books are not known yet.
var ErrNotYet = errors.New("the books are not known yet")

// Options say what a Counter works on. Books, Seller and Now are required.
type Options struct {
	Books  replica.Log
	Totals replica.Log // nil: nobody is told totals
	Seller Seller
	Herald Herald // nil: nobody hears of anything
	Now    func() time.Time
	Log    *slog.Logger // nil: silent
	Lanes  int          // books are written by so many at the same time; 0: 2
}

// A Seller knows what customers bought, from documents that may be a moment old.
type Seller interface {
	// Offer is what consumption is counted against at a time, in unix milliseconds.
	Offer(customer, feature string, now int64) Offer
	// Fresh returns once every document that was written before the call is known.
	Fresh(ctx context.Context) error
}

// An Offer is what a customer may consume of a feature. Terms.Basis is the newest revision of the documents that they
// follow from: a revision of the catalogue or of the customer, and not of whatever else the log holds.
type Offer struct {
	Terms   ledger.Terms
	Rule    ledger.Rule
	Grants  []ledger.Grant // by ID, without Peak and Past
	Group   string         // of the customer; empty: the default one
	Known   bool           // there is such a customer, and the feature is metered
	Counted bool           // the customer holds it; if not Terms grant nothing
	Frozen  bool           // a catalogue that lowers limits is being written: nothing is raised, and no book begun
}

// A Counter is a hub's side of counting.
type Counter struct {
	o       Options
	log     *slog.Logger
	shelf   *shelf
	fleet   *fleet
	era     *era
	totals  *publisher
	queue   chan request
	lanes   []*lane
	pending atomic.Int64 // items that are not answered yet
	failing atomic.Bool  // the last holder could not be answered
	seed    maphash.Seed
	ready   chan struct{}
	once    sync.Once
	Stats   Stats
}

// Stats count what a Counter does.
type Stats struct {
	Leases    atomic.Int64 // requests that were answered
	Items     atomic.Int64 // reports in them
	Written   atomic.Int64 // books that were written
	Entries   atomic.Int64 // log entries that they were written by
	Conflicts atomic.Int64 // entries that another hub was faster with
	Refused   atomic.Int64 // requests or items that were refused
	Totals    atomic.Int64 // totals that were published
}

// A request is one message on its way.
type request struct {
	data  []byte
	reply func([]byte)
}

// Bounds on what waits.
const (
	maxRequests = 4096
	maxPending  = 1 << 18 // items
	admitters   = 16      // requests whose holder is looked up, or enrolled, at the same time
)

// New makes a Counter. It must be told the books, by a follower that watches with it, and Run.
func New(o Options) (*Counter, error) {
	if o.Books == nil || o.Seller == nil || o.Now == nil {
		return nil, errors.New("counting: it needs books, a seller and a clock")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Lanes == 0 {
		o.Lanes = 2
	}
	c := &Counter{o: o, log: o.Log, queue: make(chan request, maxRequests), seed: maphash.MakeSeed(),
		ready: make(chan struct{})}
	c.shelf, c.fleet, c.era = newShelf(), newFleet(c), newEra(c)
	c.totals = newPublisher(c)
	for range o.Lanes {
		c.lanes = append(c.lanes, &lane{c: c, wake: make(chan struct{}, 1)})
	}
	return c, nil
}

// now is the time in unix milliseconds.
func (c *Counter) now() int64 { return c.o.Now().UnixMilli() }

// Ready is closed when requests are answered.
func (c *Counter) Ready() <-chan struct{} { return c.ready }

// isReady tells whether requests are answered.
func (c *Counter) isReady() bool {
	select {
	case <-c.ready:
		return true
	default:
		return false
	}
}

// Handle takes a request in and returns at once; reply is called later, from another goroutine, or now if it is
// refused.
func (c *Counter) Handle(data []byte, reply func([]byte)) {
	if c.pending.Load() < maxPending && c.isReady() {
		select {
		case c.queue <- request{data, reply}:
			return
		default:
		}
	}
	c.refuse(reply, wire.CodeUnavailable, "too much is waiting at this hub, or it is starting; try again")
}

// refuse answers a request as a whole.
func (c *Counter) refuse(reply func([]byte), code, detail string) { c.refuseAt(0, reply, code, detail) }

// refuseAt is refuse at a revision that this hub may not have followed to yet.
func (c *Counter) refuseAt(rev uint64, reply func([]byte), code, detail string) {
	c.Stats.Refused.Add(1)
	answer := wire.LeaseReply{Code: code, Detail: detail, Epoch: c.era.number(), Revision: max(rev, c.shelf.head())}
	reply(wire.AppendLeaseReply(nil, &answer))
}

// Run answers requests until ctx ends; what waits then is not answered. It returns nil.
func (c *Counter) Run(ctx context.Context) error {
	if !c.begin(ctx) {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	for range admitters {
		group.Go(func() error { return c.admitAll(ctx) })
	}
	for _, l := range c.lanes {
		group.Go(func() error { return l.run(ctx) })
	}
	group.Go(func() error { return c.era.watch(ctx) })
	if c.o.Totals != nil {
		group.Go(func() error { return c.totals.run(ctx) })
	}
	return group.Wait()
}

// begin waits until the books are known, and finds out in which epoch they are. It is false if ctx ended.
func (c *Counter) begin(ctx context.Context) bool {
	for ctx.Err() == nil {
		err := c.shelf.known(ctx)
		if err == nil {
			err = c.era.begin(ctx)
		}
		if err == nil {
			c.once.Do(func() { close(c.ready) })
			return true
		}
		if ctx.Err() == nil {
			c.log.Warn("counting waits for the books", "error", err)
		}
		pause(ctx, time.Second)
	}
	return false
}

// Epoch counts how often the books may have lost something.
func (c *Counter) Epoch() uint64 { return c.era.number() }

// Books is how many books are known.
func (c *Counter) Books() int { return c.shelf.count() }

// lane is where the books of a customer are written.
func (c *Counter) lane(customer string) *lane {
	return c.lanes[maphash.String(c.seed, customer)%uint64(len(c.lanes))]
}

// NewCommand names a write that nobody else will name.
func NewCommand() replica.CommandID {
	var id replica.CommandID
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// get reads a document; a missing one is the zero Entry, and a tombstone has no revision to expect.
func get(ctx context.Context, log replica.Log, key string) (replica.Entry, error) {
	e, err := log.Get(ctx, key)
	if errors.Is(err, replica.ErrNotFound) || err == nil && e.Deleted() {
		return replica.Entry{}, nil
	}
	return e, err
}
