package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/sidegate/sidegate/replica"
)

// A consumer is a place in the stream that the server keeps for one connection, and pushes from.
//
// The server's own ordered consumer is not used: it begins anew by itself wherever the stream is by then, without
// asking whether it is the same stream.
type consumer struct {
	s       *Stream
	name    string
	inbox   string // where it delivers, under each document's own subject; a literal one, for a wildcard wakes nobody
	sub     *nats.Subscription
	msgs    chan *nats.Msg
	stop    chan struct{}
	seen    uint64 // messages of this consumer that arrived
	waiting uint64 // messages it had to deliver when it was made
}

// lasting is how long the server keeps a consumer that nobody listens to.
const lasting = 30 * time.Second

// window is how many messages may be on their way, or here and not taken in. Flow control alone lets 32 MiB be, which
// is several times what a small replica has. Nothing is ever delivered twice: acknowledgements only move the window.
const window = 1024

type createRequest struct {
	Stream string                   `json:"stream_name"`
	Config jetstream.ConsumerConfig `json:"config"`
	Action string                   `json:"action"`
}

// consume makes a consumer of what a filter follows, from a sequence on.
func (s *Stream) consume(ctx context.Context, from uint64, f replica.Filter) (*consumer, error) {
	c := &consumer{
		s: s, name: nuid.Next(), inbox: s.nc.NewInbox(),
		msgs: make(chan *nats.Msg, 256), stop: make(chan struct{}),
	}
	var err error
	// The connection's own queue holds what arrives; flow control bounds it, so no limit may drop a message.
	if c.sub, err = s.nc.Subscribe(c.inbox, c.deliver); err != nil {
		return nil, err
	}
	if err = c.sub.SetPendingLimits(-1, -1); err == nil {
		err = c.create(ctx, from, f)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *consumer) create(ctx context.Context, from uint64, f replica.Filter) error {
	req := createRequest{Stream: c.s.name, Action: "create", Config: jetstream.ConsumerConfig{
		Name: c.name, DeliverSubject: c.inbox,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
		AckPolicy: jetstream.AckAllPolicy, MaxAckPending: window, MaxDeliver: 1, AckWait: 24 * time.Hour,
		MemoryStorage: true, Replicas: 1,
		FilterSubjects: c.s.space.Followed(f),
		FlowControl:    true, IdleHeartbeat: c.s.opts.Beat, InactiveThreshold: lasting,
	}}
	var resp struct {
		Error   *jetstream.APIError `json:"error"`
		Pending uint64              `json:"num_pending"`
	}
	if err := c.s.ask(ctx, "CONSUMER.CREATE."+c.s.name+"."+c.name, req, &resp); err != nil {
		return fmt.Errorf("follow log %s: %w", c.s.name, err)
	}
	if resp.Error != nil {
		return fmt.Errorf("follow log %s: %w", c.s.name, refusal(resp.Error))
	}
	c.waiting = resp.Pending
	return nil
}

// deliver runs on the connection's goroutine for this subscription.
func (c *consumer) deliver(m *nats.Msg) {
	select {
	case c.msgs <- m:
	case <-c.stop:
	}
}

// close tells the server to forget the consumer. It does not wait for an answer.
func (c *consumer) close() {
	close(c.stop)
	_ = c.sub.Unsubscribe()
	_ = c.s.nc.Publish(api+"CONSUMER.DELETE."+c.s.name+"."+c.name, nil)
}

// errMissed says that a consumer lost messages on their way here. Another one takes over from where it stood.
var errMissed = errors.New("messages were lost on their way")

// pushed reads the sequence of a message and how many follow, and counts it. errMissed: an earlier one did not
// arrive. That none follow is a hint, no more: the server counts a document that supersedes another a moment late.
func (c *consumer) pushed(m *nats.Msg) (seq, pending uint64, err error) {
	meta, err := m.Metadata()
	if err != nil {
		return 0, 0, fmt.Errorf("follow log %s: %w", c.s.name, err)
	}
	if meta.Sequence.Consumer != c.seen+1 {
		return 0, 0, errMissed
	}
	if c.seen++; c.seen%(window/4) == 0 {
		_ = c.s.nc.Publish(m.Reply, nil) // one that is lost is made up for by the next
	}
	return meta.Sequence.Stream, meta.NumPending, nil
}

// A signal is a message of the server about the consumer.
type signal struct {
	beat bool   // nothing is there to deliver
	upTo uint64 // sequence that the consumer has come to
	seen uint64 // messages that it has sent
}

// signalled reads a message without content. Flow control is answered: what came before it has been taken in.
func (c *consumer) signalled(m *nats.Msg) (signal, bool) {
	if len(m.Data) > 0 || m.Header.Get("Status") != "100" {
		return signal{}, false
	}
	if m.Reply != "" {
		_ = c.s.nc.Publish(m.Reply, nil)
		return signal{}, true
	}
	if stalled := m.Header.Get("Nats-Consumer-Stalled"); stalled != "" {
		_ = c.s.nc.Publish(stalled, nil)
		return signal{}, true
	}
	upTo, err1 := strconv.ParseUint(m.Header.Get("Nats-Last-Stream"), 10, 64)
	seen, err2 := strconv.ParseUint(m.Header.Get("Nats-Last-Consumer"), 10, 64)
	return signal{beat: err1 == nil && err2 == nil, upTo: upTo, seen: seen}, true
}
