package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// output is what a command that must work writes.
func output(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), args, &stdout, &stderr); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	return stdout.String()
}

func TestEveryDefaultIsAValueThatItsFlagTakes(t *testing.T) {
	for _, s := range settings() {
		var c Config
		s.add(&c, pflag.NewFlagSet("test", pflag.ContinueOnError))
		v := value{s, s.field(&c)}
		if got := v.String(); got != s.def {
			t.Errorf("--%s: got %q, want the default %q", s.flag, got, s.def)
		}
		if err := v.Set(s.def); s.def != "" && err != nil {
			t.Errorf("--%s: its default %q %v", s.flag, s.def, err)
		}
	}
}

func TestTheVersionSaysWhatTheProgramWasBuiltFrom(t *testing.T) {
	at := debug.BuildSetting{Key: "vcs.revision", Value: "1936e88a912a8bfad06d2511f7bb187fe5544fc2"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	devel := debug.Module{Version: "(devel)"}
	for name, tc := range map[string]struct {
		info      debug.BuildInfo
		described string
		want      string
	}{
		"make":             {debug.BuildInfo{Main: devel}, "v1.2.3-4-g1936e88", "v1.2.3-4-g1936e88"},
		"go install":       {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "", "v1.2.3"},
		"go build":         {debug.BuildInfo{Settings: []debug.BuildSetting{at}}, "", "1936e88a912a"},
		"not committed":    {debug.BuildInfo{Settings: []debug.BuildSetting{at, changed}}, "", "1936e88a912a-dirty"},
		"nothing is known": {debug.BuildInfo{Main: devel}, "", "unknown"},
	} {
		if got := versionOf(&tc.info, tc.described); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// The linker ignores the name of a variable that is not there.
func TestMakeSaysTheVersion(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, name, _ := strings.Cut(string(makefile), "-X main.")
	name, _, _ = strings.Cut(name, "=")
	code, err := os.ReadFile("main.go")
	if err != nil || !strings.Contains(string(code), "\nvar "+name+" string\n") ||
		!strings.Contains(string(code), "versionOf(info, "+name+")") {
		t.Errorf("make writes main.%s, which is not what version answers: %v", name, err)
	}
}

func TestASecretFromAFileIsTheFileWithoutItsLastLineBreak(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("sg_from-a-file-0001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "sidegate.yaml")
	if err := os.WriteFile(config, []byte("token-file: "+file+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string]map[string]string{
		"the environment": {"SIDEGATE_TOKEN_FILE": file},
		"the YAML file":   {"SIDEGATE_CONFIG": config},
	} {
		var c Config
		set := pflag.NewFlagSet("test", pflag.ContinueOnError)
		c.register(set, []string{"token"})
		err := c.resolve(set, func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		})
		if err != nil || c.Token != "sg_from-a-file-0001" {
			t.Errorf("%s: got %q, %v", name, c.Token, err)
		}
	}
}

func TestNoPasswordIsShown(t *testing.T) {
	t.Setenv("SIDEGATE_NATS", "nats://hub:hush@127.0.0.1:4222,nats://hub:hush@127.0.0.2:4222")
	t.Setenv("SIDEGATE_TOKEN", "hush-hush-hush-hush")
	for _, format := range []string{"human", "json"} {
		shown := output(t, "config", "print", "--output", format)
		if strings.Contains(shown, "hush") || !strings.Contains(shown, "127.0.0.2") {
			t.Errorf("got %s", shown)
		}
	}
	t.Setenv("SIDEGATE_NATS", "nats://hub:hush@:not a port")
	err := run(t.Context(), []string{"config", "check"}, &bytes.Buffer{}, &bytes.Buffer{})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

func TestTheCatalogueThatIsShownIsAppliedAgainUnchanged(t *testing.T) {
	s := newShell(t)
	if got := s.command("sidegate catalog apply testdata/changed.yaml"); !strings.HasPrefix(got, "revision") {
		t.Fatal(got)
	}
	applied := s.revision
	for _, show := range []string{"> $DIR/shown.yaml", "--output json > $DIR/shown.json"} {
		s.command("sidegate catalog show " + show)
		_, file, _ := strings.Cut(show, "> ")
		s.command("sidegate catalog apply " + file)
		if s.revision != applied {
			t.Errorf("%s and applied: got revision %s, want %s still", show, s.revision, applied)
		}
	}
}

func TestShellsCompleteCommandsFlagsAndValues(t *testing.T) {
	for line, want := range map[string][]string{
		"":                               {"dev", "hub", "sidecar", "check", "catalog", "config", "completion"},
		"cat":                            {"catalog"},
		"catalog ":                       {"apply", "diff", "show", "versions"},
		"subscription c":                 {"cancel", "change", "convert"},
		"check --o":                      {"--output"},
		"check --output ":                {"human", "json"},
		"check --output=":                {"human", "json"},
		"dev --log-level ":               {"debug", "info", "warn", "error"},
		"check acme sso ":                {"quantity=", "value=", "min_revision="},
		"token create ci ":               {"scope=admin", "scope=provision", "expires_at="},
		"subscription cancel acme main ": {"at=now", "at=term_end"},
		"completion ":                    {"bash", "fish", "zsh"},
	} {
		got := completions(t, line)
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%q: got %q, want %q in it", line, got, w)
			}
		}
		if strings.HasPrefix(line, "check --output") && len(got) != len(want) {
			t.Errorf("%q: got %q, want nothing but %q", line, got, want)
		}
	}
	if got := completions(t, "token create ci scope=admin "); slices.Contains(got, "scope=support") {
		t.Errorf("got %q, want no scope a second time", got)
	}
}

// completions are what a shell is offered for a line.
func completions(t *testing.T, line string) []string {
	t.Helper()
	words := strings.Split(line, " ")
	var out []string
	for text := range strings.Lines(output(t, append([]string{"__complete"}, words...)...)) {
		text, _, _ = strings.Cut(strings.TrimSpace(text), "\t")
		out = append(out, text)
	}
	if len(out) == 0 || !strings.HasPrefix(out[len(out)-1], ":") {
		t.Fatalf("%q: got %q", line, out)
	}
	return out[:len(out)-1]
}

func TestCompletionScriptsCallThisProgram(t *testing.T) {
	for _, name := range []string{"bash", "zsh", "fish"} {
		script := output(t, "completion", name)
		if !strings.Contains(script, "sidegate") || !strings.Contains(script, "__complete") {
			t.Errorf("%s: got %.200q", name, script)
		}
	}
	err := run(t.Context(), []string{"completion", "tcsh"}, &bytes.Buffer{}, &bytes.Buffer{})
	if exitCode(err) != exitUsage {
		t.Errorf("an unknown shell: got %v", err)
	}
}

func TestExitCodesTellFailureFromMisuseFromDenial(t *testing.T) {
	for want, err := range map[int]error{
		0: nil, exitFailed: failure{error: errors.New("x")}, exitUsage: failure{error: misuse{errors.New("x")}},
		exitDenied: failure{error: errDenied},
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
	err := run(t.Context(), []string{"nonsense"}, &bytes.Buffer{}, &bytes.Buffer{})
	if got := exitCode(err); got != exitUsage {
		t.Errorf("an unknown command: got %d, want %d", got, exitUsage)
	}
}

func TestTextsOfStrangersCannotSteerATerminal(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out, stderr: &out}
	if err := a.show(&Config{}, []byte(`{"name":"\u001b[2Jgone","items":[{"x":"\u0007"}]}`), lines); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Errorf("got %q", out.String())
	}
}
