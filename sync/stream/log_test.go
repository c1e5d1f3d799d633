package stream_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/logtest"
	"github.com/sidegate/sidegate/sync/stream"
	"github.com/sidegate/sidegate/sync/wire"
)

func TestStream(t *testing.T) {
	logtest.Run(t, func(t *testing.T) logtest.Fixture {
		l := newLab(t)
		p := newProxy(t, l.address())
		s := l.open(t, stream.Options{URL: p.url()})
		return logtest.Fixture{
			Log:       s,
			LoseReply: p.loseReply,
			Cut:       func(*testing.T) { p.cut() },
			Half:      l.half,
			Save:      l.save,
			Recreate: func(t *testing.T) {
				_, rev, err := s.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				l.restart(t, func() { l.remove(t) })
				l.open(t, stream.Options{First: rev + 1})
			},
		}
	})
}

// A lab is an embedded server that can be stopped, damaged and started again at the same place.
type lab struct {
	server *stream.Embedded
	dir    string
	url    string
}

func newLab(t *testing.T) *lab {
	l := &lab{dir: filepath.Join(t.TempDir(), "nats")}
	l.start(t, "127.0.0.1:0")
	l.url = l.server.URL()
	t.Cleanup(func() { l.server.Shutdown() })
	return l
}

func (l *lab) address() string { return l.url[len("nats://"):] }

func (l *lab) start(t *testing.T, listen string) {
	t.Helper()
	var err error
	if l.server, err = stream.Embed(stream.EmbedOptions{Listen: listen, Dir: l.dir}); err != nil {
		t.Fatal(err)
	}
}

// restart stops the server, does something to its folder, and starts it again on the same port.
func (l *lab) restart(t *testing.T, meanwhile func()) {
	t.Helper()
	l.server.Shutdown()
	meanwhile()
	l.start(t, l.address())
}

func (l *lab) remove(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(l.dir); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) copy(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// save copies the server's folder. What it answers puts the copy back.
func (l *lab) save(t *testing.T) func() {
	backup := filepath.Join(t.TempDir(), "backup")
	l.restart(t, func() { l.copy(t, backup, l.dir) })
	return func() {
		l.restart(t, func() {
			l.remove(t)
			l.copy(t, l.dir, backup)
		})
	}
}

// open opens the log, quick to notice what happens to it.
func (l *lab) open(t *testing.T, o stream.Options) *stream.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o.Name, o.Create, o.Timeout = "docs", true, 8*time.Second
	o.Check, o.Beat = 200*time.Millisecond, 100*time.Millisecond
	if o.URL == "" {
		o.URL = l.url
	}
	s, err := stream.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// half writes the first message of an entry of two, and with finish the second: what a consumer sees while the
// server is applying a batch.
func (l *lab) half(t *testing.T, first, second string) (finish func()) {
	nc, err := nats.Connect(l.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	write := func(at uint32, key string, later []string) {
		subject, err := wire.Space("docs-1").Subject(key)
		if err != nil {
			t.Fatal(err)
		}
		m := wire.Message{
			Entry: 7, Position: at, Count: 2, Later: later, Key: key, Value: []byte("v"),
			Recent: []replica.Command{{ID: replica.CommandID{7}}},
		}
		if _, err := nc.Request(subject, wire.Append(nil, m), 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	write(0, first, []string{replica.DefaultGroup})
	return func() { write(1, second, nil) }
}
