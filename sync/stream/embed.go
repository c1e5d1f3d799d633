package stream

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// EmbedOptions say how to run a NATS server inside this process.
type EmbedOptions struct {
	Listen string // host:port; port 0 picks a free one
	Dir    string // where the log is kept, made if missing
	// Creds is a file with the user and password that clients must show: two words. It may be empty on loopback
	// only, where the server is then open.
	Creds string
}

// An Embedded is a NATS server with JetStream inside this process. Every write is synced before it is answered.
type Embedded struct {
	server *server.Server
	dir    string
}

// ErrOpen refuses a server that anybody on the network could write to.
var ErrOpen = errors.New("an embedded NATS on an address other than loopback needs credentials")

// started is how long an embedded server may take to recover its log.
const started = 2 * time.Minute

// Embed starts a server and waits until it takes connections.
func Embed(o EmbedOptions) (*Embedded, error) {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("address of the embedded NATS: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port of the embedded NATS: %w", err)
	}
	if o.Creds == "" && !loopback(host) {
		return nil, ErrOpen
	}
	opts := &server.Options{
		ServerName: "sidegate",
		Host:       host, Port: int(number),
		JetStream: true, StoreDir: o.Dir, SyncAlways: true,
		JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: embedStore,
		MaxPayload: maxMessage, MaxPending: 256 << 20,
		NoLog: true, NoSigs: true, DontListen: false,
	}
	if number == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if o.Creds != "" {
		if opts.Username, opts.Password, err = readCreds(o.Creds); err != nil {
			return nil, err
		}
	}
	return start(opts)
}

func start(opts *server.Options) (*Embedded, error) {
	if err := os.MkdirAll(opts.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the embedded NATS: %w", err)
	}
	if err := free(opts); err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(started) {
		s.Shutdown()
		return nil, errors.New("embedded NATS: it does not take connections; is the folder writable?")
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		return nil, errors.New("embedded NATS: its log cannot be opened; is the folder writable?")
	}
	return &Embedded{server: s, dir: opts.StoreDir}, nil
}

// free tells whether the server's address can be taken: the server itself would only log that it cannot, and never
// become ready.
func free(opts *server.Options) error {
	if opts.Port == server.RANDOM_PORT {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(opts.Host, strconv.Itoa(opts.Port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// URL is where clients connect.
func (e *Embedded) URL() string { return e.server.ClientURL() }

// Shutdown stops the server and waits until its files are closed.
func (e *Embedded) Shutdown() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
