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
	// Creds is a file with the user and password that clients must show: two words. Without it a server on loopback
	// is open; on another address it lets in whom its Issuer made credentials for.
	Creds string
}

// An Embedded is a NATS server with JetStream inside this process. Every write is synced before it is answered.
type Embedded struct {
	server   *server.Server
	dir      string
	operator *operator // nil: the server is open, or has one password
	identity []byte    // with an operator: credentials for the hub
}

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
	if err := os.MkdirAll(opts.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the embedded NATS: %w", err)
	}
	if err := free(opts); err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	if o.Creds == "" && !loopback(host) {
		return startTrusting(opts)
	}
	if err := own(o.Dir, globalAccount); err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	return start(opts)
}

// startTrusting starts a server with an operator.
func startTrusting(opts *server.Options) (*Embedded, error) {
	trusted, err := openOperator(opts.StoreDir)
	if err != nil {
		return nil, err
	}
	identity, err := trusted.identity()
	if err == nil {
		err = errors.Join(own(opts.StoreDir, public(trusted.account)), trusted.trust(opts))
	}
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	e, err := start(opts)
	if err != nil {
		return nil, err
	}
	e.operator, e.identity = trusted, identity
	return e, nil
}

func start(opts *server.Options) (*Embedded, error) {
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

// Identity are the hub's own credentials, for Options; nil: it needs none, or those of EmbedOptions.
func (e *Embedded) Identity() []byte { return e.identity }

// Issuer makes users of the server; nil: there are none, for it is open or has one password for all.
func (e *Embedded) Issuer() *Issuer {
	if e.operator == nil {
		return nil
	}
	return &Issuer{key: e.operator.signing, account: public(e.operator.account), scoped: true}
}

// Revoke lets a user of the Issuer in no more, and ends its connections.
func (e *Embedded) Revoke(user string) error { return e.operator.revoke(e.server, user) }

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
