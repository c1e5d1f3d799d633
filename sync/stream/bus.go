package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// ErrNobody says that a request found nobody to answer it. It was not taken.
var ErrNobody = errors.New("no hub listens")

// Ask sends a request past the log, on its connection, and waits for the answer until ctx ends or the connection is
// lost. An error does not say whether the request was taken, except for ErrNobody.
func (s *Stream) Ask(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if !s.nc.IsConnected() {
		return nil, fmt.Errorf("%w: %w", ErrNobody, nats.ErrDisconnected)
	}
	short, release := s.wait(ctx)
	defer release()
	m, err := s.nc.RequestWithContext(short, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, fmt.Errorf("request to a hub: %w", err)
	}
	return m.Data, nil
}

// Answer gives each request of a subject to one of all that answer it, and handle's result back, until ctx ends. handle
// is called one by one; it passes on what takes long, and replies later.
func (s *Stream) Answer(ctx context.Context, subject string, handle func(data []byte, reply func([]byte))) error {
	sub, err := s.nc.QueueSubscribe(subject, "hubs", func(m *nats.Msg) {
		if !strings.HasPrefix(m.Reply, inboxes) {
			return // an answer is written with the hub's permissions: not where the log has a document
		}
		handle(m.Data, func(answer []byte) { _ = m.Respond(answer) }) // one who is gone asks again
	})
	if err != nil {
		return fmt.Errorf("listening to holders: %w", err)
	}
	<-ctx.Done()
	_ = sub.Unsubscribe()
	return nil
}
