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
	open  map[net.Conn]bool
	moved chan struct{} // closed, and made anew, when the state changes
}

type linkState int

const (
	flowing linkState = iota
	stalled           // nothing comes through, and nobody is told
	severed           // connections are closed, and none is taken
)

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

// cut stops everything, with closed connections or in silence.
func (l *link) cut(silently bool) {
	if silently {
		l.set(stalled)
		return
	}
	l.set(severed)
}

func (l *link) mend() { l.set(flowing) }

func (l *link) set(s linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
	close(l.moved)
	l.moved = make(chan struct{})
	if s == severed {
		for c := range l.open {
			_ = c.Close()
		}
		clear(l.open)
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
		go l.pass(near, far)
		go l.pass(far, near)
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
	l.open[near], l.open[far] = true, true
	return true
}

// pass moves bytes one way; while the link is silent they wait.
func (l *link) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		l.wait()
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

func (l *link) wait() {
	for {
		l.mu.Lock()
		s, moved := l.state, l.moved
		l.mu.Unlock()
		if s != stalled {
			return
		}
		<-moved
	}
}
