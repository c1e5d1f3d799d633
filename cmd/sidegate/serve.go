package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica/site"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/stream"
)

// servers are the commands that run until they are told to stop.
func (a *app) servers() []command {
	return []command{
		{use: "dev", short: "Run everything here, with a sample catalogue and customers",
			long: "That is a hub, an embedded NATS and a sidecar in one process. The data is gone when it ends, unless\n" +
				"--data says where to keep it.\n\n" +
				"It shows the first admin token. In another terminal, with that token, the catalogue can be changed:\n\n" +
				"  export SIDEGATE_TOKEN=sg_…\n" +
				"  sidegate catalog show > catalogue.yaml\n" +
				"  sidegate catalog apply catalogue.yaml        # after editing it\n\n" +
				"and a customer upgraded, which the sidecar's next answer shows:\n\n" +
				"  sidegate check hobby sso\n" +
				"  sidegate subscription change hobby main plan=enterprise\n" +
				"  sidegate check hobby sso",
			example: "  sidegate dev\n  sidegate dev --data ./data --customers 100000\n" +
				"  sidegate dev --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0 --hub-listen 127.0.0.1:0 --nats-listen 127.0.0.1:0",
			settings: []string{"listen", "ops-listen", "hub-listen", "nats-listen", "data", "environment", "app-version",
				"customers", "token", "vault-key", "log-level"},
			run: a.dev},
		{use: "hub", short: "Run the vendor's side: the admin API over the log",
			long: "The log is in NATS JetStream. On an empty one the hub makes the first admin token and shows it once,\n" +
				"or takes SIDEGATE_TOKEN (or SIDEGATE_TOKEN_FILE) for it.\n\n" +
				"An embedded NATS is open on loopback. On another address it lets in whom sidegate fleet enrol made\n" +
				"credentials for, or whoever has the user and password in the file of --nats-creds.",
			example: "  sidegate hub --nats nats://127.0.0.1:4222\n  sidegate hub --embed-nats --data ./hub\n" +
				"  sidegate hub --embed-nats --data ./hub --nats-listen 0.0.0.0:7422",
			settings: []string{"hub-listen", "nats-listen", "nats", "nats-creds", "nats-signing-key", "nats-replicas",
				"embed-nats", "data", "token", "log-level"},
			run: a.runBounded(a.hub)},
		{use: "sidecar", short: "Run beside an app: answer checks from a snapshot of the log",
			long: "It answers from its snapshot at once, with or without NATS, and follows the log when it can.",
			example: "  sidegate sidecar --nats nats://127.0.0.1:4222 --data ./sidecar\n" +
				"  sidegate sidecar --nats nats://127.0.0.1:4222 --data ./sidecar --listen unix:/run/sidegate.sock",
			settings: []string{"listen", "ops-listen", "nats", "nats-creds", "data", "groups", "environment",
				"app-version", "vault-key", "log-level"},
			run: a.runBounded(a.sidecar)},
	}
}

// endWithin is how long a server may take to close what it has, once it is told to stop. What is left open then is as
// after a crash, which loses nothing that was acknowledged.
const endWithin = 1500 * time.Millisecond

// runBounded makes a command end soon after its context, whatever holds it up: a NATS that is frozen, a disk that is
// slow, a log that is still being opened.
func (a *app) runBounded(run func(context.Context, *Config, []string) error,
) func(context.Context, *Config, []string) error {
	return func(ctx context.Context, c *Config, args []string) error {
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, c, args) }()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
		}
		a.logger(c).Info("told to stop")
		late := time.NewTimer(endWithin)
		defer late.Stop()
		select {
		case err := <-ended:
			return err
		case <-late.C:
			a.logger(c).Warn("ended before everything was closed; nothing acknowledged is lost", "after", endWithin)
			return nil
		}
	}
}

func (a *app) logger(c *Config) *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: c.level()}))
}

// A vendor is the hub's part of a process.
type vendor struct {
	embedded *stream.Embedded // nil: NATS is elsewhere
	logs     []*stream.Stream
	hub      *hub.Hub
	listener net.Listener
	url      string // of NATS
	identity []byte // credentials for an embedded NATS that asks for them; nil: --nats-creds, or none
}

// newVendor starts NATS if it is to be embedded, opens the logs and takes the hub's address.
func (a *app) newVendor(ctx context.Context, c *Config) (_ *vendor, err error) {
	if c.Token != "" {
		if err := hub.CheckSecret(c.Token); err != nil {
			return nil, misuse{fmt.Errorf("--token or SIDEGATE_TOKEN: %w", err)}
		}
	}
	v := &vendor{url: c.NATS}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	if v.listener, err = net.Listen("tcp", c.HubListen); err != nil {
		return nil, freePort(fmt.Errorf("hub API: %w", err), "--hub-listen")
	}
	var room func() error
	if c.EmbedNATS {
		if v.embedded, err = stream.Embed(stream.EmbedOptions{Listen: c.NATSListen, Dir: filepath.Join(c.Data, "nats"),
			Creds: c.NATSCreds}); err != nil {
			return nil, freePort(err, "--nats-listen")
		}
		v.url, v.identity, room = v.embedded.URL(), v.embedded.Identity(), v.embedded.Room
	}
	enrolment, err := v.enrolment(c)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"docs", "books", stream.Totals} {
		log, err := stream.Open(ctx, stream.Options{URL: v.url, Creds: c.NATSCreds, Identity: v.identity, Name: name,
			Create: true, Replicas: c.Replicas, Room: room, Log: a.logger(c).With("nats", redacted(v.url))})
		if err != nil {
			return nil, fmt.Errorf("log (--nats): %w", err)
		}
		v.logs = append(v.logs, log)
	}
	v.hub, err = hub.New(hub.Options{Docs: v.logs[0], Books: v.logs[1], Totals: v.logs[2], Bus: v.logs[1],
		Enrolment: enrolment, Now: time.Now, Log: a.logger(c), FirstToken: c.Token, Listener: v.listener})
	return v, err
}

// run serves until ctx ends.
func (v *vendor) run(ctx context.Context) error { return v.hub.Run(ctx) }

// addresses are the hub's and NATS's, as the ready line names them.
func (v *vendor) addresses() string {
	return fmt.Sprintf("hub=http://%s nats=%s", v.listener.Addr(), redacted(v.url))
}

func (v *vendor) close() {
	if v.listener != nil {
		_ = v.listener.Close()
	}
	for _, log := range v.logs {
		log.Close()
	}
	if v.embedded != nil {
		v.embedded.Shutdown()
	}
}

// showToken shows the first admin token if this hub made it.
func (a *app) showToken(v *vendor) {
	if secret := v.hub.NewToken(); secret != "" {
		fmt.Fprintf(a.stdout, "first admin token, shown once: %s\n", secret)
	}
}

func (a *app) hub(ctx context.Context, c *Config, _ []string) error {
	switch {
	case c.EmbedNATS == (c.NATS != ""):
		return misuse{errors.New("give either --nats URL, or --embed-nats with --data DIR")}
	case c.EmbedNATS && c.Data == "":
		return misuse{errors.New("--embed-nats keeps the log: give it --data DIR")}
	case c.EmbedNATS && c.NATSSigningKey != "":
		return misuse{errors.New("--nats-signing-key is for a NATS elsewhere; an embedded one makes its own keys")}
	}
	v, err := a.newVendor(ctx, c)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer v.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.run(ctx) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-v.hub.Ready():
			fmt.Fprintf(a.stdout, "ready %s\n", v.addresses())
			a.showToken(v)
		}
		return nil
	})
	return group.Wait()
}

func (a *app) sidecar(ctx context.Context, c *Config, _ []string) error {
	if c.NATS == "" || c.Data == "" {
		return misuse{errors.New("give --nats URL, and --data DIR for the snapshot that survives restarts")}
	}
	if err := c.followEnrolled(); err != nil {
		return err
	}
	logger := a.logger(c).With("nats", redacted(c.NATS))
	logs, err := openLogs(ctx, stream.Options{URL: c.NATS, Creds: c.NATSCreds, Log: logger})
	if err != nil {
		return fmt.Errorf("log (--nats): %w", err)
	}
	defer logs.close()
	s, err := a.newSite(c, logs, c.Data)
	if err != nil {
		return err
	}
	stayLean()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Run(ctx) })
	group.Go(func() error {
		warnIfAlone(ctx, logger, logs.docs, s)
		return nil
	})
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-s.Ready():
			fmt.Fprintf(a.stdout, "ready %s\n", siteAddresses(s))
			debug.FreeOSMemory() // what the start needed
		}
		return nil
	})
	return group.Wait()
}

// soon is how long a sidecar may look for NATS before the operator is told.
const soon = 800 * time.Millisecond

// warnIfAlone says that a sidecar begins without NATS, and what it does meanwhile. That NATS is reached later, or lost,
// the log says by itself.
func warnIfAlone(ctx context.Context, logger *slog.Logger, log *stream.Stream, s *site.Site) {
	timer := time.NewTimer(soon)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	if log.Connected() {
		return
	}
	select {
	case <-s.Ready():
		logger.Warn("NATS is not reached; checks are answered from the snapshot on disk, and it is tried again and again",
			"revision", s.Revision(), "error", log.Trouble())
	default:
		logger.Warn("NATS is not reached, and there is no snapshot to answer checks from yet; it is tried again and again",
			"error", log.Trouble())
	}
}

// stayLean trades processor time, of which a sidecar needs little, for memory, of which it often has little. GOGC
// counts before it.
func stayLean() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// logs are what a sidecar follows.
type logs struct{ docs, totals *stream.Stream }

// openLogs opens the logs that a sidecar follows, which need not be reachable.
func openLogs(ctx context.Context, o stream.Options) (l logs, err error) {
	o.Name = "docs"
	if l.docs, err = stream.Open(ctx, o); err != nil {
		return l, err
	}
	o.Name = stream.Totals
	if l.totals, err = stream.Open(ctx, o); err != nil {
		l.docs.Close()
	}
	return l, err
}

func (l logs) close() {
	l.docs.Close()
	l.totals.Close()
}

func (a *app) newSite(c *Config, from logs, data string) (*site.Site, error) {
	name, _ := stream.Enrolled(c.NATSCreds)
	s, err := site.New(site.Options{Name: name, Listen: c.Listen, OpsListen: c.OpsListen, Data: data, Log: from.docs,
		Totals: from.totals, Bus: from.totals, Groups: c.groups(), Environment: c.Environment,
		AppVersion: c.AppVersion, VaultKey: c.VaultKey, Version: version(), Now: time.Now, Logger: a.logger(c)})
	return s, freePort(err, "--listen or --ops-listen")
}

// freePort adds the remedy to an address that somebody else has.
func freePort(err error, flags string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; end the other process, or choose an address with %s (port 0 is a free one)", err, flags)
	}
	return err
}

// unlessEnded is an error of a start; one that was broken off on purpose is none.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func siteAddresses(s *site.Site) string {
	at := s.Addrs()
	if !strings.HasPrefix(at.Check, "unix:") {
		at.Check = "http://" + at.Check
	}
	return fmt.Sprintf("check=%s ops=http://%s", at.Check, at.Ops)
}

// devData is where dev keeps its data, and what removes it at the end.
func devData(c *Config) (string, func(), error) {
	if c.Data != "" {
		return c.Data, func() {}, os.MkdirAll(c.Data, 0o700)
	}
	dir, err := os.MkdirTemp("", "sidegate-dev-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
