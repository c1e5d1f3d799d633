package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A link passes a connection on, until it is cut.
type link struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	state linkState
	open  map[net.Conn]bool // true: bytes of it were swallowed
	moved chan struct{}     // closed, and made anew, when the state changes
}

type linkState int

const (
	flowing linkState = iota
	stalled           // nothing comes through, and nobody is told
	severed           // connections are closed, and none is taken
	mute              // what the near end says is swallowed; it hears the far end
	deaf              // what the far end says is swallowed; it hears the near end
)

// A conn is one end of a connection, and what its bytes are swallowed by.
type conn struct {
	net.Conn
	lost linkState
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, to: to, open: map[net.Conn]bool{}, moved: make(chan struct{})}
	t.Cleanup(func() {
		_ = listener.Close()
		l.set(severed)
	})
	go l.serve()
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

func (l *link) mend() { l.set(flowing) }

// set changes the state. A connection with a hole in it does not outlive what made the hole.
func (l *link) set(s linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
	close(l.moved)
	l.moved = make(chan struct{})
	for c, holed := range l.open {
		if s == severed || holed {
			_ = c.Close()
			delete(l.open, c)
		}
	}
}

func (l *link) serve() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil || !l.keep(near, far) {
			_ = near.Close()
			continue
		}
		go l.pass(conn{near, mute}, conn{far, deaf})
		go l.pass(conn{far, deaf}, conn{near, mute})
	}
}

// keep takes a connection in, unless the link is broken.
func (l *link) keep(near, far net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == severed {
		_ = far.Close()
		return false
	}
	l.open[near], l.open[far] = false, false
	return true
}

// pass moves bytes one way; while the link is silent they wait.
func (l *link) pass(from, to conn) {
	defer l.end(from.Conn, to.Conn)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if l.fate(from, to) {
			n = 0
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err == io.EOF || err != nil {
			return
		}
	}
}

// end closes both ends.
func (l *link) end(ends ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range ends {
		_ = c.Close()
		delete(l.open, c)
	}
}

// fate waits while nothing comes through, and tells whether what was read is swallowed.
func (l *link) fate(from, to conn) bool {
	for {
		l.mu.Lock()
		s, moved := l.state, l.moved
		lost := s == from.lost || l.open[from.Conn]
		if _, open := l.open[from.Conn]; open && lost {
			l.open[from.Conn], l.open[to.Conn] = true, true
		}
		l.mu.Unlock()
		if s != stalled || lost {
			return lost
		}
		<-moved
	}
}
