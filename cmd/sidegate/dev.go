package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/bench/world"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica/site"
	"github.com/sidegate/sidegate/sync/stream"
)

// dev runs everything in one process.
func (a *app) dev(ctx context.Context, c *Config, args []string) error {
	data, cleanUp, err := devData(c)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	defer cleanUp()
	if c.origin["log-level"] == "" {
		c.LogLevel = "warn" // what is shown at the start should be what to try
	}
	c.EmbedNATS, c.Data = true, data
	return a.runBounded(a.everything)(ctx, c, args)
}

// everything runs hub, NATS and sidecar on --data.
func (a *app) everything(ctx context.Context, c *Config, _ []string) error {
	v, err := a.newVendor(ctx, c)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer v.close()
	logs, err := openLogs(ctx, stream.Options{URL: v.url, Creds: c.NATSCreds, Identity: v.identity, Log: a.logger(c)})
	if err != nil {
		return err
	}
	defer logs.close()
	s, err := a.newSite(c, logs, filepath.Join(c.Data, "sidecar"))
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.run(ctx) })
	group.Go(func() error { return s.Run(ctx) })
	group.Go(func() error {
		if err := a.furnish(ctx, c, v, s); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	})
	return group.Wait()
}

// furnish brings the samples in, waits until the sidecar has them, and says what to try.
func (a *app) furnish(ctx context.Context, c *Config, v *vendor, s *site.Site) error {
	for _, ready := range []<-chan struct{}{v.hub.Ready(), s.Ready()} {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ready:
		}
	}
	token := cmp.Or(v.hub.NewToken(), c.Token)
	if token != "" {
		cl := newClient(v.listener.Addr().String(), token)
		if err := a.loadSamples(ctx, cl, c.Customers); err != nil {
			return fmt.Errorf("samples: %w", err)
		}
	}
	fmt.Fprintf(a.stdout, "ready %s %s\n", siteAddresses(s), v.addresses())
	a.showToken(v)
	check := curl(s.Addrs().Check)
	fmt.Fprintf(a.stdout, "try:\n  %s/v1/check?customer=acme&feature=ci-minutes&quantity=10'\n"+
		"  %s/v1/explain?customer=expired&feature=private-repos'\n"+
		"  %s/v1/customers/trial/entitlements'\n"+
		"sidegate dev --help says how to change the catalogue and upgrade a customer\n", check, check, check)
	return nil
}

// curl begins a command that asks the check API.
func curl(address string) string {
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		return "curl --unix-socket '" + path + "' 'http://localhost"
	}
	return "curl 'http://" + address
}

// loadSamples applies the sample catalogue to an empty hub, and adds the sample and synthetic customers.
func (a *app) loadSamples(ctx context.Context, cl *client, synthetic int) error {
	_, err := cl.do(ctx, request{method: "GET", path: "/v1/catalog"})
	var p *problem
	if err == nil {
		return nil // an earlier run has been here
	}
	if errors.As(err, &p) && p.Status == 401 {
		return errors.New("the data is of an earlier run, whose tokens are others; give one of those in SIDEGATE_TOKEN, " +
			"none at all, or another --data")
	}
	if !errors.As(err, &p) || p.Status != 404 {
		return err
	}
	_, err = cl.do(ctx, request{"PUT", "/v1/catalog", bytes.NewReader(world.Catalogue()), "application/yaml"})
	if err != nil {
		return err
	}
	now := time.Now()
	var given []catalog.Customer
	for _, sample := range world.Samples(now) {
		if sample.ID != "" {
			given = append(given, sample.Customer)
		}
	}
	in := a.watched(world.Lines(given, 1, synthetic, now), -1)
	answer, err := cl.do(ctx, request{"POST", "/v1/import", in, "application/x-ndjson"})
	if err != nil {
		return err
	}
	var done struct {
		Failed int             `json:"failed"`
		Errors json.RawMessage `json:"errors"`
	}
	if err := json.Unmarshal(answer, &done); err != nil {
		return err
	}
	if done.Failed > 0 {
		return fmt.Errorf("%d customers were not imported: %.500s", done.Failed, done.Errors)
	}
	return nil
}
