package main

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/pflag"
)

// tools are the commands about the program itself.
func (a *app) tools() []command {
	return []command{
		{use: "config", short: "The effective configuration", under: []command{
			{use: "check", short: "Say what is wrong with environment and file", run: func(_ context.Context, c *Config, _ []string) error {
				_, _, err := c.everything()
				if err == nil {
					fmt.Fprintln(a.stdout, "ok")
				}
				return err
			}},
			{use: "print", short: "Show every setting and where it comes from, secrets redacted",
				run: func(_ context.Context, c *Config, _ []string) error {
					all, set, err := c.everything()
					if err != nil {
						return err
					}
					return all.print(a.stdout, set)
				}},
		}},
		{use: "health", short: "Probe this machine's sidecar: exit code 0 if it can answer checks", settings: []string{"ops-listen"},
			run: func(ctx context.Context, c *Config, _ []string) error {
				_, err := newClient("http://"+c.OpsListen, "").do(ctx, request{method: "GET", path: "/readyz"})
				if err == nil {
					fmt.Fprintln(a.stdout, "ok")
				}
				return err
			}},
		{use: "version", short: "What this binary was built from", run: func(context.Context, *Config, []string) error {
			_, err := fmt.Fprintf(a.stdout, "sidegate %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		}},
	}
}

// everything resolves all settings, whichever command would use them.
func (c *Config) everything() (*Config, *pflag.FlagSet, error) {
	var all Config
	set := pflag.NewFlagSet("all", pflag.ContinueOnError)
	var flags []string
	for _, s := range settings() {
		flags = append(flags, s.flag)
	}
	all.register(set, flags)
	all.file = c.file
	return &all, set, all.resolve(set, os.LookupEnv)
}
