package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
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
			long:     "Run a hub, an embedded NATS and a sidecar in one process, with a sample catalogue and customers.",
			settings: []string{"listen", "ops-listen", "hub-listen", "nats-listen", "data", "environment", "app-version", "customers", "token", "log-level"},
			run:      a.dev},
		{use: "hub", short: "Run the vendor's side: the admin API over the log",
			settings: []string{"hub-listen", "nats-listen", "nats", "nats-creds", "embed-nats", "data", "token", "log-level"},
			run:      a.hub},
		{use: "sidecar", short: "Run beside an app: answer checks from a snapshot of the log",
			settings: []string{"listen", "ops-listen", "nats", "nats-creds", "data", "groups", "environment", "app-version", "log-level"},
			run:      a.sidecar},
	}
}

// level is --log-level.
func (c *Config) level() (slog.Level, error) {
	var level slog.Level
	if c.LogLevel == "" {
		return level, nil
	}
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return level, fmt.Errorf("--log-level: %q is not debug, info, warn or error", c.LogLevel)
	}
	return level, nil
}

func (a *app) logger(c *Config) *slog.Logger {
	level, err := c.level()
	if err != nil {
		level = slog.LevelInfo // check has refused it
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// A vendor is the hub's part of a process.
type vendor struct {
	embedded *stream.Embedded // nil: NATS is elsewhere
	logs     []*stream.Stream
	hub      *hub.Hub
	listener net.Listener
	url      string // of NATS
}

// newVendor starts NATS if it is to be embedded, opens the logs and takes the hub's address.
func (a *app) newVendor(ctx context.Context, c *Config) (_ *vendor, err error) {
	v := &vendor{url: c.NATS}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	if v.listener, err = net.Listen("tcp", c.HubListen); err != nil {
		return nil, fmt.Errorf("--hub-listen: %w", err)
	}
	if c.EmbedNATS {
		if v.embedded, err = stream.Embed(stream.EmbedOptions{Listen: c.NATSListen, Dir: filepath.Join(c.Data, "nats"),
			Creds: c.NATSCreds}); err != nil {
			return nil, fmt.Errorf("embedded NATS (--nats-listen, --data): %w", err)
		}
		v.url = v.embedded.URL()
	}
	for _, name := range []string{"docs", "books"} {
		log, err := stream.Open(ctx, stream.Options{URL: v.url, Creds: c.NATSCreds, Name: name, Create: true,
			Log: a.logger(c)})
		if err != nil {
			return nil, fmt.Errorf("log (--nats): %w", err)
		}
		v.logs = append(v.logs, log)
	}
	v.hub, err = hub.New(hub.Options{Docs: v.logs[0], Books: v.logs[1], Now: time.Now, Log: a.logger(c),
		FirstToken: c.Token, Listener: v.listener})
	return v, err
}

// run serves until ctx ends.
func (v *vendor) run(ctx context.Context) error { return v.hub.Run(ctx) }

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

// welcome waits for the hub, and shows a token that it made.
func (a *app) welcome(ctx context.Context, v *vendor) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-v.hub.Ready():
	}
	if secret := v.hub.NewToken(); secret != "" {
		fmt.Fprintf(a.stdout, "first admin token, shown once: %s\n", secret)
	}
	return nil
}

func (a *app) hub(ctx context.Context, c *Config, _ []string) error {
	switch {
	case c.EmbedNATS == (c.NATS != ""):
		return misuse{errors.New("give --nats URL, or --embed-nats with --data DIR")}
	case c.EmbedNATS && c.Data == "":
		return misuse{errors.New("--embed-nats keeps the log: give it --data DIR")}
	}
	v, err := a.newVendor(ctx, c)
	if err != nil {
		return err
	}
	defer v.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.run(ctx) })
	group.Go(func() error {
		if a.welcome(ctx, v) != nil {
			return nil // it is ending
		}
		fmt.Fprintf(a.stdout, "ready hub=http://%s nats=%s\n", v.listener.Addr(), v.url)
		return nil
	})
	return group.Wait()
}

func (a *app) sidecar(ctx context.Context, c *Config, _ []string) error {
	if c.NATS == "" || c.Data == "" {
		return misuse{errors.New("give --nats URL, and --data DIR for the snapshot that survives restarts")}
	}
	log, err := stream.Open(ctx, stream.Options{URL: c.NATS, Creds: c.NATSCreds, Name: "docs", Log: a.logger(c)})
	if err != nil {
		return fmt.Errorf("log (--nats): %w", err)
	}
	defer log.Close()
	s, err := a.newSite(c, log, c.Data)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Run(ctx) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-s.Ready():
			fmt.Fprintf(a.stdout, "ready %s\n", siteAddresses(s))
		}
		return nil
	})
	return group.Wait()
}

func (a *app) newSite(c *Config, log *stream.Stream, data string) (*site.Site, error) {
	return site.New(site.Options{Listen: c.Listen, OpsListen: c.OpsListen, Data: data, Log: log, Groups: c.groups(),
		Environment: c.Environment, AppVersion: c.AppVersion, Version: version(), Now: time.Now, Logger: a.logger(c)})
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
