package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
)

// tools are the commands about the program itself.
func (a *app) tools() []command {
	return []command{
		{use: "config", short: "The effective configuration", under: []command{
			{use: "check", short: "Say what is wrong with flags, environment and file", settings: allFlags(),
				run: func(_ context.Context, c *Config, _ []string) error { return a.say(c, row{"config", "ok"}) }},
			{use: "print", short: "Show every setting and where it comes from, secrets redacted", settings: allFlags(),
				example: "  sidegate config print --config sidegate.yaml",
				run:     func(_ context.Context, c *Config, _ []string) error { return a.printConfig(c) }},
		}},
		{use: "health", short: "Probe a process: exit code 0 if it is ready, else 1",
			long: "Without --hub the sidecar of this machine is asked, at the address of --ops-listen. A hub is asked\n" +
				"only if the flag --hub says so: SIDEGATE_HUB is set wherever the hub's clients run, and does not count.",
			example:  "  sidegate health\n  sidegate health --hub http://127.0.0.1:7080",
			settings: []string{"ops-listen", "hub", "output"}, run: a.health},
		{use: "version", short: "What this binary was built from", settings: []string{"output"},
			run: func(_ context.Context, c *Config, _ []string) error {
				return a.say(c, row{"sidegate", version()}, row{"go", runtime.Version()},
					row{"platform", runtime.GOOS + "/" + runtime.GOARCH})
			}},
	}
}

// say shows facts that no server was asked for.
func (a *app) say(c *Config, facts ...row) error {
	var n catalog.Node
	n.Kind = catalog.Map
	for _, f := range facts {
		n.Fields = append(n.Fields, catalog.Field{Key: f[0], Value: catalog.Node{Kind: catalog.Text, Text: f[1]}})
	}
	return a.show(c, n.JSON(), lines)
}

// probeTimeout is how long a process may take to say that it is ready.
const probeTimeout = 5 * time.Second

func (a *app) health(ctx context.Context, c *Config, _ []string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cl := newClient(c.OpsListen, "")
	cl.help = "is a sidecar running, with this --ops-listen?"
	if c.origin["hub"] == "flag" {
		cl = c.toHub()
	}
	if _, err := cl.do(ctx, request{method: "GET", path: "/readyz"}); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	return a.say(c, row{"health", "ok"})
}

// A printed setting is one of config print.
type printed struct {
	Value string `json:"value"`
	From  string `json:"from"`
}

// printConfig writes the effective configuration: YAML that --config takes, with where each value comes from.
func (a *app) printConfig(c *Config) error {
	all, width := map[string]printed{}, 0
	for _, s := range settings() {
		p := printed{redacted(value{s, s.field(c)}.String()), c.origin[s.flag]}
		if s.secret && p.Value != "" {
			p.Value = "(redacted)"
		}
		if p.From == "" {
			p.From = "default"
		}
		all[s.flag] = p
		width = max(width, len(s.flag)+len(fmt.Sprintf("%q", p.Value)))
	}
	var out bytes.Buffer
	for _, s := range settings() {
		p := all[s.flag]
		fmt.Fprintf(&out, "%s: %-*q # %s\n", s.flag, width-len(s.flag), p.Value, p.From)
	}
	if c.Output == "json" {
		out.Reset()
		if err := json.NewEncoder(&out).Encode(all); err != nil {
			return err
		}
	}
	_, err := a.stdout.Write(out.Bytes())
	return err
}
