package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/wire"
)

// A Stream is a JetStream stream as a log.
type Stream struct {
	opts   Options
	name   string
	space  wire.Space
	nc     *nats.Conn
	log    *slog.Logger
	batch  chan struct{} // one token for each entry of several messages under way: the server drops what is too much
	recent cache

	mu      sync.Mutex
	changed chan struct{}                 // closed, and made anew, when the connection comes back
	alarmed bool                          // the log is nearly full, and that was said
	waits   map[uint64]context.CancelFunc // whoever waits for an answer that a lost connection will not bring
	waited  uint64                        // the last key of waits
	trouble error                         // why the last attempt to connect failed; nil: none did, or one succeeded since
}

var _ replica.Log = (*Stream)(nil)

// batches is how many entries of several messages one process sends at the same time. A server takes 10,000 messages
// in flight, so several hubs fit.
const batches = 4

// Open opens a log, and with Options.Create makes it if it is missing. See there for what it waits for.
func Open(ctx context.Context, o Options) (*Stream, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Stream{
		opts: o, name: o.stream(), space: o.space(), log: o.Log.With("log", o.stream()),
		batch: make(chan struct{}, batches), changed: make(chan struct{}), waits: map[uint64]context.CancelFunc{},
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	if !o.Create {
		return s, nil
	}
	if err := s.create(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// connect begins to connect. The connection is tried for ever: a follower outlives any hub.
func (s *Stream) connect() error {
	opts := []nats.Option{
		nats.Name("sidegate"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(200 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 300*time.Millisecond),
		nats.ReconnectBufSize(-1), // a write that waits for a connection is one that nobody knows the outcome of
		nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(*nats.Conn) { s.connected() }),
		nats.ReconnectHandler(func(*nats.Conn) { s.connected() }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { s.unreached(err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { s.disconnected(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if refused(err) { // it comes here at every later attempt
				s.unreached(err)
				return
			}
			s.log.Warn("NATS reports an error", "error", err)
		}),
	}
	who, err := s.opts.credentials()
	if err != nil {
		return err
	}
	nc, err := nats.Connect(s.opts.URL, append(opts, who...)...)
	if err != nil {
		return fmt.Errorf("connection to NATS: %w", err)
	}
	s.nc = nc
	return nil
}

// connected tells every tail that what it follows may be another log now.
func (s *Stream) connected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed, s.trouble = make(chan struct{}), nil
	s.log.Info("connected to NATS")
}

// unreached notes why an attempt to connect failed. That the credentials are refused is said: somebody has to act.
func (s *Stream) unreached(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused(err) {
		err = fmt.Errorf("%w: %w", ErrCredentials, err)
		if !errors.Is(s.trouble, ErrCredentials) {
			s.log.Warn("NATS does not let this process in; it is tried again and again", "error", err)
		}
	}
	s.trouble = err
}

// Trouble is why NATS was not reached when it was tried last; nil if it was, or if that is not known yet.
func (s *Stream) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// disconnected ends the waiting for answers, which will not come. err is nil where this side closes the connection.
func (s *Stream) disconnected(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.waits {
		cancel()
	}
	if err != nil {
		s.log.Warn("connection to NATS lost", "error", err)
	}
}

// wait gives a context for one answer of the server. It ends early if the connection is lost. Release it.
func (s *Stream) wait(ctx context.Context) (short context.Context, release func()) {
	short, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited++
	place := s.waited
	s.waits[place] = cancel
	return short, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waits, place)
		cancel()
	}
}

// waitError tells a lost connection from a caller who does not want to wait any longer.
func waitError(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return nats.ErrDisconnected
	}
	return err
}

// reconnect gives a channel that is closed when the connection comes back.
func (s *Stream) reconnect() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Close ends the connection. Tails and snapshots end with their contexts, not with Close.
func (s *Stream) Close() { s.nc.Close() }

// Connected tells whether NATS can be reached right now.
func (s *Stream) Connected() bool { return s.nc.IsConnected() }

// create makes the stream and its nonce, or finds them. Several may do so at once: the first nonce stays.
func (s *Stream) create(ctx context.Context) error {
	js, err := jetstream.New(s.nc)
	if err != nil {
		return fmt.Errorf("log %s: %w", s.name, err)
	}
	for level := slog.LevelWarn; ; level = slog.LevelDebug { // said once, not three times a second
		err = s.createOnce(ctx, js)
		if err == nil || !retriable(err) {
			return err
		}
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return fmt.Errorf("log %s: NATS did not answer: %w", s.name, err)
		}
		s.log.Log(ctx, level, "waiting for NATS", "error", cmp.Or(s.Trouble(), err)) // by now it is known what failed
	}
}

func (s *Stream) createOnce(ctx context.Context, js jetstream.JetStream) error {
	if !s.nc.IsConnected() {
		return nats.ErrDisconnected
	}
	short, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	found, err := js.Stream(short, s.name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = s.make(short, js)
	} else if err == nil {
		s.compare(found.CachedInfo().Config.Replicas)
	}
	if err != nil {
		return fmt.Errorf("log %s: %w", s.name, err)
	}
	if err := s.ensureNonce(ctx); err != nil {
		return fmt.Errorf("log %s: %w", s.name, err)
	}
	return nil
}

// retriable tells whether a fault may pass by itself while a server starts.
func retriable(err error) bool {
	return errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrReconnectBufExceeded) || unsettled(err)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Head answers the lineage and the last revision written, read from the stream's leader.
func (s *Stream) Head(ctx context.Context) (replica.Lineage, uint64, error) {
	p, err := s.position(ctx, seen{})
	return p.lineage, p.end, err
}

// A streamState is what matters of the server's answer about a stream.
type streamState struct {
	Error  *jetstream.APIError `json:"error"`
	Config struct {
		Name     string `json:"name"`
		MaxBytes int64  `json:"max_bytes"`
	} `json:"config"`
	Created time.Time `json:"created"`
	State   struct {
		Bytes   uint64 `json:"bytes"`
		LastSeq uint64 `json:"last_seq"`
	} `json:"state"`
}

func (st *streamState) lineage(nonce string) replica.Lineage {
	return replica.Lineage{Log: st.Config.Name, Created: st.Created.UnixNano(), Nonce: nonce}
}

func (s *Stream) state(ctx context.Context) (*streamState, error) {
	var st streamState
	if err := s.ask(ctx, "STREAM.INFO."+s.name, nil, &st); err != nil {
		return nil, fmt.Errorf("state of log %s: %w", s.name, err)
	}
	if st.Error != nil {
		return nil, fmt.Errorf("state of log %s: %w", s.name, refusal(st.Error))
	}
	s.alarm(&st)
	return &st, nil
}

// refusal is what the server answered instead; replica.ErrGone if it has no such log.
func refusal(err *jetstream.APIError) error {
	if err.ErrorCode == jetstream.JSErrCodeStreamNotFound {
		return fmt.Errorf("%w: %w", replica.ErrGone, err)
	}
	return err
}

// alarm says once that the log is four fifths full: above its limit it takes no more writes.
func (s *Stream) alarm(st *streamState) {
	full := st.Config.MaxBytes > 0 && st.State.Bytes >= uint64(st.Config.MaxBytes)/5*4
	s.mu.Lock()
	defer s.mu.Unlock()
	if full && !s.alarmed {
		s.log.Error("the log is nearly full and will stop taking writes; raise its MaxBytes",
			"bytes", st.State.Bytes, "max_bytes", st.Config.MaxBytes)
	}
	s.alarmed = full
}

// ask sends one request to the JetStream API and reads the answer into resp.
func (s *Stream) ask(ctx context.Context, what string, req, resp any) error {
	var body []byte
	if req != nil {
		var err error
		if body, err = json.Marshal(req); err != nil {
			return err
		}
	}
	if !s.nc.IsConnected() {
		return nats.ErrDisconnected
	}
	short, release := s.wait(ctx)
	defer release()
	m, err := s.nc.RequestWithContext(short, api+what, body)
	if err != nil {
		return waitError(ctx, err)
	}
	return json.Unmarshal(m.Data, resp)
}

// api is where the server listens for requests about streams.
const api = "$JS.API."
