package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/sync/text"
)

// Config is everything that can be set, for all commands.
type Config struct {
	Listen         string
	OpsListen      string
	HubListen      string
	NATSListen     string
	NATS           string
	NATSCreds      string
	NATSSigningKey string
	Replicas       int
	EmbedNATS      bool
	Data           string
	Groups         string
	Environment    string
	AppVersion     string
	Customers      int
	Hub            string
	Sidecar        string
	Token          string
	VaultKey       string
	Out            string
	Output         string
	LogLevel       string

	file   string            // --config
	origin map[string]string // where a setting came from, by flag; absent: the default
}

// register adds the flags that a command has.
func (c *Config) register(set *pflag.FlagSet, flags []string) {
	c.origin = map[string]string{}
	for _, s := range settings() {
		for _, flag := range flags {
			if s.flag == flag {
				s.add(c, set)
			}
		}
	}
	set.StringVar(&c.file, "config", "", "YAML `FILE` with flags as keys; each is also a variable, such as SIDEGATE_HUB")
}

func variable(flag string) string {
	return "SIDEGATE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// A lookup finds an environment variable.
type lookup func(name string) (value string, set bool)

// filled is a lookup for which an empty variable is none: that is how scripts and container files leave one out.
func (l lookup) filled(name string) (string, bool) {
	value, _ := l(name)
	return value, value != ""
}

// resolve fills in what no flag says, from the environment and then from the file. Errors name the source.
func (c *Config) resolve(set *pflag.FlagSet, env lookup) error {
	if c.file == "" {
		c.file, _ = env.filled(variable("config"))
	}
	file, err := readConfig(c.file)
	if file == nil {
		return err
	}
	errs := []error{err}
	for _, s := range settings() {
		flag := set.Lookup(s.flag)
		if flag == nil {
			continue
		}
		if flag.Changed {
			c.origin[s.flag] = "flag"
			continue
		}
		found, err := s.find(env, file)
		if err == nil && found.source != "" {
			c.origin[s.flag] = found.source
			if err = flag.Value.Set(found.value); err != nil {
				err = fmt.Errorf("--%s, from %s: %s %w", s.flag, found.source, shown(found.value), err)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// shown is a wrong value as an error may show it. Secrets are never wrong, but a URL may hold one.
func shown(value string) string {
	if strings.Contains(value, "@") {
		return "the value"
	}
	return fmt.Sprintf("%q", value)
}

// A finding is a value and where it stood; without a source it stood nowhere.
type finding struct{ value, source string }

// find looks a setting up outside the flags.
func (s setting) find(env lookup, file map[string]finding) (finding, error) {
	name := variable(s.flag)
	value, direct := env.filled(name)
	path, inFile := env.filled(name + "_FILE")
	switch {
	case direct && inFile && s.secret:
		return finding{}, fmt.Errorf("%s and %s_FILE are both set; unset one of them", name, name)
	case direct:
		return finding{value, name}, nil
	case inFile && s.secret:
		return secretFrom(path, name+"_FILE")
	}
	if f, ok := file[s.flag]; ok {
		return f, nil
	}
	if f, ok := file[s.flag+"-file"]; ok {
		return secretFrom(f.value, f.source)
	}
	return finding{}, nil
}

func secretFrom(path, source string) (finding, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return finding{}, fmt.Errorf("%s: %w", source, err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return finding{}, fmt.Errorf("%s: the file %s is empty; write the secret into it, or unset %s", source, path, source)
	}
	return finding{secret, source}, nil
}

// readConfig reads the file strictly: only the names of flags are keys, each with one plain value. What is right is
// answered beside the error, so that its values can be checked too; nil: nothing could be read.
func readConfig(path string) (map[string]finding, error) {
	out := map[string]finding{}
	if path == "" {
		return out, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	n, err := text.YAML(data)
	var faults catalog.Faults // keys that stand twice leave the rest to be read
	if err != nil && (n.Kind != catalog.Map || !errors.As(err, &faults)) {
		return nil, fmt.Errorf("--config %s: %w", path, err)
	}
	for _, f := range n.Fields {
		source := fmt.Sprintf("%s line %d", path, f.Line)
		switch {
		case !known(f.Key):
			faults = append(faults, catalog.Fault{Path: f.Key, Line: f.Line, Problem: "this key is not known",
				Remedy: "keys are the names of flags; sidegate config print shows them"})
		case f.Value.Kind == catalog.List || f.Value.Kind == catalog.Map:
			faults = append(faults, catalog.Fault{Path: f.Key, Line: f.Line,
				Problem: "it must be one value, not " + f.Value.Kind.String(), Remedy: "several are one text, with commas"})
		default:
			out[f.Key] = finding{f.Value.Text, source}
		}
	}
	if n.Kind != catalog.Map {
		faults = append(faults, catalog.Fault{Problem: "it must be a mapping of flags to values",
			Remedy: "such as listen: 127.0.0.1:7070"})
	}
	if len(faults) == 0 {
		return out, nil
	}
	slices.SortStableFunc(faults, func(a, b catalog.Fault) int { return cmp.Compare(a.Line, b.Line) })
	return out, fmt.Errorf("--config %s: %w", path, faults)
}

func known(key string) bool {
	for _, s := range settings() {
		if key == s.flag || s.secret && key == s.flag+"-file" {
			return true
		}
	}
	return false
}
