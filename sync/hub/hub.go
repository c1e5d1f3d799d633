package hub

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/follow"
	"github.com/sidegate/sidegate/sync/hub/counting"
	"github.com/sidegate/sidegate/sync/hub/outbox"
	"github.com/sidegate/sidegate/sync/wire"
)

// Options say what a hub works on. Docs, Books and Now are required.
type Options struct {
	Docs  replica.Log // what sidecars follow: catalogue, plans, customers
	Books replica.Log // what only hubs follow: tokens, and what is counted
	// Bus brings what holders ask; nil: nothing is counted here.
	Bus Bus
	// Totals is where sidecars are told what all of them together used, one document an entry; nil: they are not.
	Totals replica.Log
	// Enrolment is how sidecars get credentials for NATS.
	Enrolment Enrolment
	Now       func() time.Time
	Log       *slog.Logger // nil: silent
	// FirstToken becomes the first admin token of empty books; 16 or more visible ASCII characters. Empty: one is
	// made; see NewToken.
	FirstToken string
	// Listener is where the API is served; nil: nowhere, the caller serves Handler. Run closes it.
	Listener net.Listener
}

// A Bus brings requests that do not go through a log, each to one of all hubs that listen.
type Bus interface {
	// Answer calls handle with each request of a subject, one by one, until ctx ends. reply may be called later.
	Answer(ctx context.Context, subject string, handle func(data []byte, reply func([]byte))) error
}

// A Hub is the vendor's side of one log.
type Hub struct {
	opts    Options
	docs    replica.Log
	books   replica.Log
	now     func() time.Time
	log     *slog.Logger
	mux     *http.ServeMux
	metrics *meters
	shelf   *shelf
	keys    *keyring
	roster  *roster
	tail    *follow.Follower  // of the documents
	reader  *reader           // of the books
	counter *counting.Counter // nil: nothing is counted
	outbox  *outbox.Outbox
	ready   chan struct{}
	first   atomic.Pointer[string]
	written atomic.Uint64 // the newest revision that this hub wrote
	// turns let writers of one customer queue here instead of conflicting in the log.
	turns [64]sync.Mutex
	seed  maphash.Seed

	tendEvery time.Duration
}

// New makes a hub. It touches nothing before Run.
func New(o Options) (*Hub, error) {
	switch {
	case o.Docs == nil || o.Books == nil || o.Now == nil:
		return nil, errors.New("hub: it needs two logs and a clock")
	case o.FirstToken != "":
		if err := CheckSecret(o.FirstToken); err != nil {
			return nil, fmt.Errorf("hub: first token (SIDEGATE_TOKEN): %w", err)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Hub{opts: o, docs: o.Docs, books: o.Books, now: o.Now, log: o.Log, shelf: newShelf(), keys: newKeyring(),
		roster: newRoster(), ready: make(chan struct{}), seed: maphash.MakeSeed(), tendEvery: tendEvery}
	h.tail = follow.New(follow.Options{Log: o.Docs, Watch: h.shelf, Now: o.Now, Logger: o.Log.With("log", "docs")})
	h.shelf.follower = h.tail
	var err error
	if h.outbox, err = outbox.New(outbox.Options{Log: o.Books, Now: o.Now, Command: counting.NewCommand,
		Logger: o.Log}); err != nil {
		return nil, err
	}
	h.reader = &reader{books: o.Books, log: o.Log.With("log", "books"),
		watch: []follow.Watcher{h.outbox, h.roster, h.keys}}
	if o.Bus != nil {
		if h.counter, err = counting.New(counting.Options{Books: o.Books, Totals: o.Totals, Seller: seller{h},
			Herald: herald{h}, Now: o.Now, Log: o.Log}); err != nil {
			return nil, err
		}
		h.reader.watch = append(h.reader.watch, h.counter)
	}
	h.metrics = newMeters(h)
	h.mount()
	return h, nil
}

// Handler is the API. It answers 503 until Ready.
func (h *Hub) Handler() http.Handler { return h }

// Ready is closed when requests are served.
func (h *Hub) Ready() <-chan struct{} { return h.ready }

func (h *Hub) isReady() bool {
	select {
	case <-h.ready:
		return true
	default:
		return false
	}
}

// NewToken is the first admin token, if this hub made one: to be shown once. Empty otherwise, and before Ready.
func (h *Hub) NewToken() string {
	if secret := h.first.Load(); secret != nil {
		return *secret
	}
	return ""
}

// Times of the server's life.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	endTimeout    = time.Second // for requests under way, once the hub is told to stop
)

// Run follows the logs and serves until ctx ends. It returns nil then.
func (h *Hub) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.tail.Run(ctx) })
	group.Go(func() error { return h.reader.run(ctx) })
	if h.counter != nil {
		group.Go(func() error { return h.counter.Run(ctx) })
		group.Go(func() error { return h.listen(ctx) })
	}
	group.Go(func() error { return h.outbox.Run(ctx) })
	group.Go(func() error { return h.start(ctx) })
	group.Go(func() error { return h.tend(ctx) })
	if h.opts.Listener != nil {
		server := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
			ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelWarn)}
		group.Go(func() error {
			if err := server.Serve(h.opts.Listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("hub: %w", err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
			defer cancel()
			if server.Shutdown(end) != nil {
				return server.Close()
			}
			return nil
		})
	}
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// listen answers holders, once documents and books are known.
func (h *Hub) listen(ctx context.Context) error {
	if !await(ctx, h.ready) {
		return nil
	}
	return h.opts.Bus.Answer(ctx, wire.LeaseSubject, h.counter.Handle)
}

// start becomes ready when documents and books are known and somebody can log in.
func (h *Hub) start(ctx context.Context) error {
	for {
		err := h.begin(ctx)
		if err == nil {
			_, err = h.fresh(ctx)
		}
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		h.log.Warn("waiting for the log", "error", err)
		pause(ctx, time.Second)
	}
	if h.counter == nil || await(ctx, h.counter.Ready()) {
		close(h.ready)
	}
	return nil
}

// await waits until a channel is closed. It is false if ctx ended first.
func await(ctx context.Context, closed <-chan struct{}) bool {
	select {
	case <-closed:
		return true
	case <-ctx.Done():
		return false
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
