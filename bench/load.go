package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Load is closed-loop traffic: each connection sends its next request when the answer to the last is in. One thread
// serves all connections, without a scheduler or a netpoller between it and the sockets, so that little of what is
// measured is the load itself.
type Load struct {
	Network     string   // tcp or unix
	Address     string   // host:port or path
	Requests    [][]byte // whole HTTP/1.1 requests, sent in turn
	Connections int
	Duration    time.Duration

	read reader // nil: readAnswer
}

// A Traffic is what a Load measured.
type Traffic struct {
	Requests int           `json:"requests"`
	Errors   int           `json:"errors"`           // answers other than 200, and denials that were not to be
	Denied   int           `json:"denied,omitempty"` // of the errors: a 200 that denies
	Elapsed  time.Duration `json:"elapsed_ns"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
}

// Rate is requests per second.
func (t Traffic) Rate() float64 { return float64(t.Requests) / t.Elapsed.Seconds() }

// Run drives the load until its duration is over. A connection that breaks is an error.
func (l Load) Run(ctx context.Context) (Traffic, error) {
	if l.Connections < 1 || len(l.Requests) == 0 {
		return Traffic{}, errors.New("a load needs a connection and a request")
	}
	if l.read == nil {
		l.read = readAnswer
	}
	d := driver{load: l}
	defer d.close()
	if err := d.connect(); err != nil {
		return Traffic{}, fmt.Errorf("load: %w", err)
	}
	begin := time.Now()
	if err := d.drive(ctx, begin.Add(l.Duration)); err != nil {
		return Traffic{}, fmt.Errorf("load: %w", err)
	}
	out := summed(d.took, time.Since(begin))
	out.Errors, out.Denied = d.errors, d.denied
	return out, nil
}

// summed sums up how long each of many requests took, in nanoseconds; it sorts them.
func summed(took []uint32, elapsed time.Duration) Traffic {
	slices.Sort(took)
	return Traffic{Requests: len(took), Elapsed: elapsed, P50: percentile(took, 50), P99: percentile(took, 99)}
}

// percentile reads sorted nanoseconds.
func percentile(sorted []uint32, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return time.Duration(sorted[(len(sorted)-1)*p/100])
}

// A driver is a load under way.
type driver struct {
	load    Load
	epoll   int
	callers map[int32]*caller // by descriptor
	errors  int
	denied  int
	took    []uint32 // nanoseconds
}

// A caller is one connection of a load.
type caller struct {
	fd   int
	next int // request
	sent time.Time
	got  []byte
}

func (d *driver) connect() error {
	to, err := resolve(d.load.Network, d.load.Address)
	if err != nil {
		return err
	}
	d.callers = map[int32]*caller{}
	if d.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	for i := range d.load.Connections {
		fd, err := dial(to)
		if err != nil {
			return err
		}
		c := &caller{fd: fd, next: i * len(d.load.Requests) / d.load.Connections, got: make([]byte, 0, 64<<10)}
		d.callers[int32(fd)] = c
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(d.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return err
		}
	}
	return nil
}

func resolve(network, address string) (unix.Sockaddr, error) {
	if network == "unix" {
		return &unix.SockaddrUnix{Name: address}, nil
	}
	to, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}, nil
}

// dial makes a connection that does not block once it is there.
func dial(to unix.Sockaddr) (int, error) {
	family := unix.AF_INET
	if _, local := to.(*unix.SockaddrUnix); local {
		family = unix.AF_UNIX
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	err = unix.Connect(fd, to)
	if err == nil && family == unix.AF_INET {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err = errors.Join(err, unix.SetNonblock(fd, true)); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func (d *driver) close() {
	for _, c := range d.callers {
		_ = unix.Close(c.fd)
	}
	if d.epoll > 0 {
		_ = unix.Close(d.epoll)
	}
}

// drive sends and receives until a moment has come.
func (d *driver) drive(ctx context.Context, until time.Time) error {
	for _, c := range d.callers {
		if err := d.send(c); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, len(d.callers))
	for ctx.Err() == nil && time.Now().Before(until) {
		n, err := unix.EpollWait(d.epoll, events, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for i := range max(0, n) {
			if err := d.receive(d.callers[events[i].Fd]); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (d *driver) send(c *caller) error {
	request := d.load.Requests[c.next%len(d.load.Requests)]
	c.next++
	c.sent, c.got = time.Now(), c.got[:0]
	n, err := unix.Write(c.fd, request)
	if err == nil && n < len(request) {
		err = errors.New("the socket did not take a request whole")
	}
	return err
}

// receive takes in what has come, and sends the next request if that was the rest.
func (d *driver) receive(c *caller) error {
	n, err := unix.Read(c.fd, c.got[len(c.got):cap(c.got)])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	if err == nil && n == 0 {
		err = errors.New("the server closed a connection")
	}
	if err != nil {
		return err
	}
	c.got = c.got[:len(c.got)+n]
	a, err := d.load.read(c.got)
	if err != nil || a.left != 0 {
		return err
	}
	if !a.ok {
		d.errors++
	}
	if a.denied {
		d.denied++
	}
	d.took = append(d.took, uint32(min(time.Since(c.sent), 4*time.Second)))
	return d.send(c)
}
