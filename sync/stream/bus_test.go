package stream_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
)

func TestARequestReachesOneThatListens(t *testing.T) {
	l := newLab(t)
	asks, answers := l.open(t, stream.Options{}), l.open(t, stream.Options{})
	if _, err := asks.Ask(t.Context(), "sg.test", nil); !errors.Is(err, stream.ErrNobody) {
		t.Fatalf("nobody listens: got %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- answers.Answer(ctx, "sg.test", func(data []byte, reply func([]byte)) {
			reply(append([]byte("re: "), data...))
		})
	}()
	var got []byte
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && got == nil; {
		got, _ = asks.Ask(t.Context(), "sg.test", []byte("x"))
	}
	if !bytes.Equal(got, []byte("re: x")) {
		t.Fatalf("got %q", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	l.server.Shutdown()
	begin := time.Now()
	if _, err := asks.Ask(t.Context(), "sg.test", nil); err == nil || time.Since(begin) > 2*time.Second {
		t.Fatalf("a lost server: got %v after %v", err, time.Since(begin))
	}
	l.start(t, l.address())
}

func TestTheLogOfTotalsIsALog(t *testing.T) {
	l := newLab(t)
	s := l.open(t, stream.Options{Name: stream.Totals})
	rev := uint64(0)
	for range 3 {
		var err error
		put := replica.Put{Key: "totals@default/acme", Expect: rev, Value: []byte("x")}
		if rev, err = s.Put(t.Context(), replica.CommandID{byte(rev + 1)}, put); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := s.Get(t.Context(), "totals@default/acme"); err != nil || e.Rev != rev {
		t.Fatalf("got %+v, %v", e, err)
	}
}
