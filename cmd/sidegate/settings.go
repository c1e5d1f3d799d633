package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sidegate/sidegate/checker/catalog"
)

// A setting is one line of the table of flags. Its environment variable is SIDEGATE_ and the flag in capitals.
type setting struct {
	flag   string
	usage  string // the word in backquotes stands for the value
	def    string
	field  func(*Config) any  // a *string, *int or *bool
	valid  func(string) error // reads on from the value: "is not …"; nil: anything goes
	words  []string           // all values there are; nil: too many
	secret bool
}

// settings is the table of flags.
func settings() []setting {
	return []setting{
		{flag: "listen", usage: "check API: `ADDRESS` host:port, or unix:/path", def: "127.0.0.1:7070",
			field: func(c *Config) any { return &c.Listen }, valid: socket},
		{flag: "ops-listen", usage: "probes and metrics: `ADDRESS` host:port", def: "127.0.0.1:7071",
			field: func(c *Config) any { return &c.OpsListen }, valid: address},
		{flag: "hub-listen", usage: "hub API: `ADDRESS` host:port", def: "127.0.0.1:7080",
			field: func(c *Config) any { return &c.HubListen }, valid: address},
		{flag: "nats-listen", usage: "embedded NATS: `ADDRESS` host:port", def: "127.0.0.1:7422",
			field: func(c *Config) any { return &c.NATSListen }, valid: address},
		{flag: "nats", usage: "`URL` of NATS (nats, tls, ws or wss); several separated by commas",
			field: func(c *Config) any { return &c.NATS }, valid: natsURLs},
		{flag: "nats-creds", usage: "`FILE` with credentials for NATS",
			field: func(c *Config) any { return &c.NATSCreds }},
		{flag: "nats-replicas", usage: "`N` servers of NATS that keep a new log, 1 to 5; 0: 3 in a cluster, or else 1",
			def: "0", field: func(c *Config) any { return &c.Replicas }, valid: replicas},
		{flag: "nats-signing-key", usage: "`SEED` of NATS's account, or of its signing key, to enrol sidecars with; " +
			"better in SIDEGATE_NATS_SIGNING_KEY_FILE", secret: true,
			field: func(c *Config) any { return &c.NATSSigningKey }},
		{flag: "embed-nats", usage: "run NATS inside this process", def: "false",
			field: func(c *Config) any { return &c.EmbedNATS }},
		{flag: "data", usage: "`DIR` for what must survive a restart", field: func(c *Config) any { return &c.Data }},
		{flag: "groups", usage: "`GROUPS` of customers to follow, separated by commas; none: all",
			field: func(c *Config) any { return &c.Groups }, valid: groupNames},
		{flag: "environment", usage: "`NAME` of the environment, for checks that name none",
			field: func(c *Config) any { return &c.Environment }},
		{flag: "app-version", usage: "`VERSION` of the app, for checks that name none",
			field: func(c *Config) any { return &c.AppVersion }},
		{flag: "customers", usage: "`N` synthetic customers to add, c1 to cN", def: "0",
			field: func(c *Config) any { return &c.Customers }, valid: count},
		{flag: "hub", usage: "`URL` of the hub", def: "http://127.0.0.1:7080",
			field: func(c *Config) any { return &c.Hub }, valid: httpURL},
		{flag: "sidecar", usage: "`URL` of the sidecar, or unix:/path", def: "http://127.0.0.1:7070",
			field: func(c *Config) any { return &c.Sidecar }, valid: sidecarURL},
		{flag: "token", usage: "`TOKEN` for the hub; better in SIDEGATE_TOKEN or SIDEGATE_TOKEN_FILE", secret: true,
			field: func(c *Config) any { return &c.Token }},
		{flag: "vault-key", usage: "`KEY` that encrypts what is counted on disk, 32 bytes as hex or base64; better in " +
			"SIDEGATE_VAULT_KEY or SIDEGATE_VAULT_KEY_FILE", secret: true,
			field: func(c *Config) any { return &c.VaultKey }},
		{flag: "out", usage: "`FILE` to make for the credentials, which only its owner can read",
			field: func(c *Config) any { return &c.Out }},
		{flag: "output", usage: "`FORMAT`: human or json", def: "human", words: []string{"human", "json"},
			field: func(c *Config) any { return &c.Output }},
		{flag: "log-level", usage: "`LEVEL`: debug, info, warn or error", def: "info",
			words: []string{"debug", "info", "warn", "error"}, field: func(c *Config) any { return &c.LogLevel }},
	}
}

// allFlags are the names of all settings.
func allFlags() []string {
	var out []string
	for _, s := range settings() {
		out = append(out, s.flag)
	}
	return out
}

// A value is a setting as a flag.
type value struct {
	setting
	to any
}

// String is the value as it was given.
func (v value) String() string {
	switch to := v.to.(type) {
	case *string:
		return *to
	case *int:
		return strconv.Itoa(*to)
	case *bool:
		return strconv.FormatBool(*to)
	}
	return ""
}

// Type is what the help shows for values that the usage does not name; empty for a flag that stands alone.
func (v value) Type() string {
	if _, ok := v.to.(*bool); ok {
		return "bool"
	}
	return "string"
}

// Set takes a value, or says what is wrong with it.
func (v value) Set(text string) error {
	if v.words != nil && !slices.Contains(v.words, text) {
		return fmt.Errorf("is none of %s", strings.Join(v.words, ", "))
	}
	if v.valid != nil {
		if err := v.valid(text); err != nil {
			return err
		}
	}
	var err error
	switch to := v.to.(type) {
	case *string:
		*to = text
	case *int:
		*to, err = strconv.Atoi(text)
	case *bool:
		if *to, err = strconv.ParseBool(text); err != nil {
			err = errors.New("is neither true nor false")
		}
	}
	return err
}

// add makes a flag of the setting.
func (s setting) add(c *Config, set *pflag.FlagSet) {
	v := value{s, s.field(c)}
	if s.def != "" {
		_ = v.Set(s.def) // a test holds that every default is a value
	}
	flag := set.VarPF(v, s.flag, "", s.usage)
	if flag.DefValue = s.def; v.Type() == "bool" {
		flag.NoOptDefVal = "true"
	}
}

func address(text string) error {
	_, number, err := net.SplitHostPort(text)
	if err != nil || port(number) != nil {
		return errors.New("is not host:port, such as 127.0.0.1:7070; port 0 picks a free one")
	}
	return nil
}

func port(text string) error {
	_, err := strconv.ParseUint(text, 10, 16)
	return err
}

func socket(text string) error {
	if path, ok := strings.CutPrefix(text, "unix:"); ok && path != "" {
		return nil
	}
	if err := address(text); err != nil {
		return fmt.Errorf("%w; nor is it unix:/path", err)
	}
	return nil
}

func httpURL(text string) error {
	u, err := url.Parse(withScheme(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("is not a URL such as http://127.0.0.1:7080")
	}
	return nil
}

// withScheme completes a URL of which only host and port were given.
func withScheme(text string) string {
	if strings.Contains(text, "://") {
		return text
	}
	return "http://" + text
}

func sidecarURL(text string) error {
	if path, ok := strings.CutPrefix(text, "unix:"); ok && path != "" {
		return nil
	}
	if httpURL(text) != nil {
		return errors.New("is neither a URL such as http://127.0.0.1:7070 nor unix:/path")
	}
	return nil
}

// natsURLs refuses what the client of NATS would try for ever, or not at all.
func natsURLs(text string) error {
	if text == "" {
		return nil
	}
	web := map[bool]bool{}
	for part := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) || u.Hostname() == "" ||
			u.Port() != "" && port(u.Port()) != nil {
			return errors.New("is not a URL such as nats://127.0.0.1:4222; it begins with nats://, tls://, ws:// or wss://, " +
				"and several are separated by commas")
		}
		web[strings.HasPrefix(u.Scheme, "ws")] = true
	}
	if len(web) > 1 {
		return errors.New("mixes ws:// or wss:// with others; NATS takes either")
	}
	return nil
}

func groupNames(text string) error {
	for group := range strings.SplitSeq(text, ",") {
		if text != "" && !catalog.ValidGroup(group) {
			return errors.New("is no list of groups; each has 1 to 64 letters, digits, - and _")
		}
	}
	return nil
}

func count(text string) error {
	const most = 10_000_000
	if n, err := strconv.Atoi(text); err != nil || n < 0 || n > most {
		return fmt.Errorf("is not a number from 0 to %d", most)
	}
	return nil
}

func replicas(text string) error {
	const most = 5
	if n, err := strconv.Atoi(text); err != nil || n < 0 || n > most {
		return fmt.Errorf("is not a number from 0 to %d", most)
	}
	return nil
}

// level is --log-level, which has been checked.
func (c *Config) level() slog.Level {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(c.LogLevel))
	return level
}

// groups are those to follow; nil: all.
func (c *Config) groups() []string {
	if c.Groups == "" {
		return nil
	}
	return strings.Split(c.Groups, ",")
}

// redacted is a URL, or several, without passwords.
func redacted(urls string) string {
	parts := strings.Split(urls, ",")
	for i, part := range parts {
		if u, err := url.Parse(strings.TrimSpace(part)); err == nil && u.User != nil {
			parts[i] = u.Redacted()
		}
	}
	return strings.Join(parts, ",")
}
