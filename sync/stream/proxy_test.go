package stream_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// A proxy stands between a log and its server, and does what networks do.
type proxy struct {
	listener net.Listener
	server   string // host:port
	group    errgroup.Group

	mu    sync.Mutex
	conns map[net.Conn]bool
	lose  bool // the next acknowledgement of a write, and the connection with it
	down  bool // takes no new connections
}

func newProxy(t *testing.T, server string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: server, conns: map[net.Conn]bool{}}
	p.group.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		_ = p.group.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) accept() error {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return nil
		}
		server, err := net.Dial("tcp", p.server)
		if err == nil && p.isDown() {
			_ = server.Close()
			err = net.ErrClosed
		}
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.group.Go(func() error { return p.pipe(server, client, nil) })
		p.group.Go(func() error { return p.pipe(client, server, p.loses) })
	}
}

// pipe copies until either side ends, or what passes by is to be lost.
func (p *proxy) pipe(to, from net.Conn, lost func([]byte) bool) error {
	defer func() { _ = to.Close() }()
	defer func() { _ = from.Close() }()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil || lost != nil && lost(buf[:n]) {
			return nil
		}
		if _, err := io.Copy(to, bytes.NewReader(buf[:n])); err != nil {
			return nil
		}
	}
}

// loses tells whether what the server sends is an acknowledgement that is to be lost.
func (p *proxy) loses(data []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.lose || !bytes.Contains(data, []byte(`{"stream":"SIDEGATE_`)) {
		return false
	}
	p.lose = false
	return true
}

// loseReply lets the next acknowledgement of a write be lost.
func (p *proxy) loseReply(*testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = true
}

func (p *proxy) isDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down
}

// setDown begins or ends an outage for new connections.
func (p *proxy) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// cut ends every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}
