package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/bench/world"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica/site"
	"github.com/sidegate/sidegate/sync/stream"
)

// dev runs everything in one process.
func (a *app) dev(ctx context.Context, c *Config, _ []string) error {
	data, cleanUp, err := devData(c)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	defer cleanUp()
	c.EmbedNATS, c.Data = true, data
	v, err := a.newVendor(ctx, c)
	if err != nil {
		return err
	}
	defer v.close()
	log, err := stream.Open(ctx, stream.Options{URL: v.url, Creds: c.NATSCreds, Name: "docs", Log: a.logger(c)})
	if err != nil {
		return err
	}
	defer log.Close()
	s, err := a.newSite(c, log, filepath.Join(data, "sidecar"))
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
	if err := a.welcome(ctx, v); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.Ready():
	}
	token := c.Token
	if secret := v.hub.NewToken(); secret != "" {
		token = secret
	}
	if token != "" {
		cl := newClient("http://"+v.listener.Addr().String(), token)
		if err := loadSamples(ctx, cl, c.Customers); err != nil {
			return fmt.Errorf("sample: %w", err)
		}
	}
	fmt.Fprintf(a.stdout, "ready %s hub=http://%s nats=%s\n", siteAddresses(s), v.listener.Addr(), v.url)
	check := siteURL(s)
	fmt.Fprintf(a.stdout, "try:\n  curl '%s/v1/check?customer=acme&feature=ci-minutes&quantity=10'\n"+
		"  curl '%s/v1/explain?customer=expired&feature=private-repos'\n"+
		"  curl '%s/v1/customers/trial/entitlements'\n", check, check, check)
	return nil
}

func siteURL(s *site.Site) string { return "http://" + s.Addrs().Check }

// loadSamples applies the sample catalogue to an empty hub, and adds the sample and synthetic customers.
func loadSamples(ctx context.Context, cl *client, synthetic int) error {
	_, err := cl.do(ctx, request{method: "GET", path: "/v1/catalog"})
	var p *problem
	if err == nil {
		return nil // an earlier run has been here
	}
	if !errors.As(err, &p) || p.Status != 404 {
		return err
	}
	if _, err := cl.do(ctx, request{"PUT", "/v1/catalog", bytes.NewReader(world.Catalogue()), "application/yaml"}); err != nil {
		return err
	}
	now := time.Now()
	var given []catalog.Customer
	for _, sample := range world.Samples(now) {
		if sample.ID != "" {
			given = append(given, sample.Customer)
		}
	}
	answer, err := cl.do(ctx, request{"POST", "/v1/import", world.Lines(given, 1, synthetic, now), "application/x-ndjson"})
	if err != nil {
		return err
	}
	var done struct {
		Failed int             `json:"failed"`
		Errors json.RawMessage `json:"errors"`
	}
	if err := json.Unmarshal(answer, &done); err != nil || done.Failed > 0 {
		return fmt.Errorf("import: %d customers failed: %.500s, %w", done.Failed, done.Errors, errors.Join(err))
	}
	return nil
}
