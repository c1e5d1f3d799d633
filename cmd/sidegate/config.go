package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/sync/text"
)

// Config is everything that can be set, for all commands.
type Config struct {
	Listen      string
	OpsListen   string
	HubListen   string
	NATSListen  string
	NATS        string
	NATSCreds   string
	EmbedNATS   bool
	Data        string
	Groups      string
	Environment string
	AppVersion  string
	Customers   int
	Hub         string
	Sidecar     string
	Token       string
	Output      string
	LogLevel    string

	file   string            // --config
	origin map[string]string // where a setting came from, by flag; absent: the default
}

// A setting is one line of the table of flags. Its environment variable is SIDEGATE_ and the flag in capitals.
type setting struct {
	flag, usage string
	secret      bool
	bind        func(c *Config, set *pflag.FlagSet, flag, usage string)
}

func text1(field func(*Config) *string, def string) func(*Config, *pflag.FlagSet, string, string) {
	return func(c *Config, set *pflag.FlagSet, flag, usage string) { set.StringVar(field(c), flag, def, usage) }
}

// settings is the table of flags.
func settings() []setting {
	return []setting{
		{"listen", "check API: host:port, or unix:/path", false, text1(func(c *Config) *string { return &c.Listen }, "127.0.0.1:7070")},
		{"ops-listen", "probes and metrics: host:port", false, text1(func(c *Config) *string { return &c.OpsListen }, "127.0.0.1:7071")},
		{"hub-listen", "hub API: host:port", false, text1(func(c *Config) *string { return &c.HubListen }, "127.0.0.1:7080")},
		{"nats-listen", "embedded NATS: host:port", false, text1(func(c *Config) *string { return &c.NATSListen }, "127.0.0.1:7422")},
		{"nats", "URL of NATS; several separated by commas", false, text1(func(c *Config) *string { return &c.NATS }, "")},
		{"nats-creds", "file with credentials for NATS", false, text1(func(c *Config) *string { return &c.NATSCreds }, "")},
		{"embed-nats", "run NATS inside this process", false, func(c *Config, set *pflag.FlagSet, flag, usage string) {
			set.BoolVar(&c.EmbedNATS, flag, false, usage)
		}},
		{"data", "directory for what must survive a restart", false, text1(func(c *Config) *string { return &c.Data }, "")},
		{"groups", "groups of customers to follow, separated by commas; empty: all", false, text1(func(c *Config) *string { return &c.Groups }, "")},
		{"environment", "environment of checks that name none", false, text1(func(c *Config) *string { return &c.Environment }, "")},
		{"app-version", "version of the app for checks that name none", false, text1(func(c *Config) *string { return &c.AppVersion }, "")},
		{"customers", "synthetic customers to add, c1 to cN", false, func(c *Config, set *pflag.FlagSet, flag, usage string) {
			set.IntVar(&c.Customers, flag, 0, usage)
		}},
		{"hub", "URL of the hub", false, text1(func(c *Config) *string { return &c.Hub }, "http://127.0.0.1:7080")},
		{"sidecar", "URL of the sidecar, or unix:/path", false, text1(func(c *Config) *string { return &c.Sidecar }, "http://127.0.0.1:7070")},
		{"token", "admin token of the hub; better in SIDEGATE_TOKEN or SIDEGATE_TOKEN_FILE", true, text1(func(c *Config) *string { return &c.Token }, "")},
		{"output", "human or json", false, text1(func(c *Config) *string { return &c.Output }, "human")},
		{"log-level", "debug, info, warn or error", false, text1(func(c *Config) *string { return &c.LogLevel }, "info")},
	}
}

// register adds the flags that a command has.
func (c *Config) register(set *pflag.FlagSet, flags []string) {
	c.origin = map[string]string{}
	for _, s := range settings() {
		for _, flag := range flags {
			if s.flag == flag {
				s.bind(c, set, s.flag, s.usage)
			}
		}
	}
	set.StringVar(&c.file, "config", "", "YAML file with any of these flags as keys")
}

func variable(flag string) string {
	return "SIDEGATE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// resolve fills in what no flag says, from the environment and then from the file. Errors name the source.
func (c *Config) resolve(set *pflag.FlagSet, lookup func(string) (string, bool)) error {
	if c.file == "" {
		c.file, _ = lookup(variable("config"))
	}
	file, err := readConfig(c.file)
	if err != nil {
		return err
	}
	for _, s := range settings() {
		flag := set.Lookup(s.flag)
		if flag == nil {
			continue
		}
		if flag.Changed {
			c.origin[s.flag] = "flag"
			continue
		}
		value, source, err := s.find(lookup, file)
		if err != nil {
			return err
		}
		if source == "" {
			continue
		}
		if err := flag.Value.Set(value); err != nil {
			return fmt.Errorf("--%s from %s: %w", s.flag, source, err)
		}
		c.origin[s.flag] = source
	}
	return c.check()
}

// find looks a setting up outside the flags; an empty source means that it is nowhere.
func (s setting) find(lookup func(string) (string, bool), file map[string]string) (value, source string, err error) {
	name := variable(s.flag)
	if value, ok := lookup(name); ok {
		return value, name, nil
	}
	if path, ok := lookup(name + "_FILE"); ok && s.secret {
		value, err := secretFrom(path)
		return value, name + "_FILE", err
	}
	if value, ok := file[s.flag]; ok {
		return value, "the file", nil
	}
	if path, ok := file[s.flag+"-file"]; ok {
		value, err := secretFrom(path)
		return value, "the file", err
	}
	return "", "", nil
}

func secretFrom(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// readConfig reads the file strictly: only the names of flags are keys, each with one plain value.
func readConfig(path string) (map[string]string, error) {
	out := map[string]string{}
	if path == "" {
		return out, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	n, err := text.YAML(data)
	if err != nil {
		return nil, fmt.Errorf("--config %s: %w", path, err)
	}
	var faults catalog.Faults
	for _, f := range n.Fields {
		switch {
		case !known(f.Key):
			faults = append(faults, catalog.Fault{Path: f.Key, Line: f.Line, Problem: "this key is not known",
				Remedy: "keys are the names of flags"})
		case f.Value.Kind == catalog.List || f.Value.Kind == catalog.Map:
			faults = append(faults, catalog.Fault{Path: f.Key, Line: f.Line, Problem: "it must be one value, not " + f.Value.Kind.String()})
		default:
			out[f.Key] = f.Value.Text
		}
	}
	if n.Kind != catalog.Map {
		faults = append(faults, catalog.Fault{Problem: "it must be a mapping of flags to values"})
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("--config %s: %w", path, faults)
	}
	return out, nil
}

func known(key string) bool {
	for _, s := range settings() {
		if key == s.flag || s.secret && key == s.flag+"-file" {
			return true
		}
	}
	return false
}

// check looks for what is wrong with the values themselves. Messages name the flag.
func (c *Config) check() error {
	var errs []error
	if c.Output != "" && c.Output != "human" && c.Output != "json" {
		errs = append(errs, fmt.Errorf("--output: %q is neither human nor json", c.Output))
	}
	if c.Customers < 0 || c.Customers > 10_000_000 {
		errs = append(errs, fmt.Errorf("--customers: %d is not from 0 to 10000000", c.Customers))
	}
	if _, err := c.level(); err != nil {
		errs = append(errs, err)
	}
	for _, group := range c.groups() {
		if !catalog.ValidGroup(group) {
			errs = append(errs, fmt.Errorf("--groups: %q is no group; 1 to 64 letters, digits, - and _", group))
		}
	}
	return errors.Join(errs...)
}

// groups are those to follow; nil: all.
func (c *Config) groups() []string {
	if c.Groups == "" {
		return nil
	}
	return strings.Split(c.Groups, ",")
}

// print writes the effective configuration, secrets redacted.
func (c *Config) print(w io.Writer, set *pflag.FlagSet) error {
	for _, s := range settings() {
		value, origin := set.Lookup(s.flag).Value.String(), c.origin[s.flag]
		if s.secret && value != "" {
			value = "(redacted)"
		}
		if origin == "" {
			origin = "default"
		}
		if _, err := fmt.Fprintf(w, "%s: %q # %s\n", s.flag, value, origin); err != nil {
			return err
		}
	}
	return nil
}
