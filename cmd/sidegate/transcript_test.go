package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A transcript is a file in testdata: comments, and commands with what they answered. Lines on standard error begin
// with "! ", exit codes other than 0 stand last. What differs from run to run is masked. go test -update rewrites them;
// the difference is the review.

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the transcripts in testdata")
	os.Exit(m.Run())
}

func TestTheCommandLineDoesWhatItsTranscriptsSay(t *testing.T) {
	s := newShell(t)
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { s.compare(t, file) })
	}
}

// compare replays a transcript, or rewrites it.
func (s *shell) compare(t *testing.T, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := s.replay(string(want))
	if flag.Lookup("update").Value.String() == "true" {
		err = os.WriteFile(file, []byte(got), 0o644)
	} else if got != string(want) {
		err = fmt.Errorf("%s is another one now (go test -update shows it in the diff):\n%s", file,
			firstDifference(got, string(want)))
	}
	if err != nil {
		t.Error(err)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	command := ""
	for i := range min(len(g), len(w)) {
		if strings.HasPrefix(w[i], "$ ") {
			command = w[i]
		}
		if g[i] != w[i] {
			return fmt.Sprintf("line %d, after %s\n got %s\nwant %s", i+1, command, g[i], w[i])
		}
	}
	return fmt.Sprintf("it has %d lines instead of %d", len(g), len(w))
}

// A shell runs commands of this program against a dev set-up in this process.
type shell struct {
	dir      string // $DIR
	revision string // $REV: the last one that a command answered
	vars     map[string]string
}

// newShell starts sidegate dev, and ends it with the test.
func newShell(t *testing.T) *shell {
	s := &shell{dir: t.TempDir(), vars: map[string]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"dev", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--hub-listen",
			"127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--data", filepath.Join(s.dir, "dev")}, in, os.Stderr)
		in.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("dev ended with %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	for !strings.HasPrefix(lines.Text(), "sidegate dev --help") {
		if !lines.Scan() {
			t.Fatal("dev did not start:", lines.Err())
		}
		for name, value := range named(lines.Text()) {
			s.vars[name] = value
		}
		if _, secret, ok := strings.Cut(lines.Text(), "shown once: "); ok {
			t.Setenv("SIDEGATE_TOKEN", secret)
		}
	}
	t.Setenv("SIDEGATE_HUB", s.vars["hub"])
	t.Setenv("SIDEGATE_SIDECAR", s.vars["check"])
	t.Setenv("SIDEGATE_OPS_LISTEN", strings.TrimPrefix(s.vars["ops"], "http://"))
	return s
}

// named are the name=value parts of a ready line.
func named(line string) map[string]string {
	out := map[string]string{}
	for _, field := range strings.Fields(line) {
		if name, value, ok := strings.Cut(field, "="); ok && strings.HasPrefix(line, "ready") {
			out[name] = value
		}
	}
	return out
}

// replay runs the commands of a transcript and answers it with what they say now.
func (s *shell) replay(transcript string) string {
	var out strings.Builder
	last := "" // what the last line written was
	for line := range strings.Lines(transcript) {
		line = strings.TrimRight(line, "\n")
		kind := line[:min(1, len(line))]
		if kind != "$" && kind != "#" {
			continue
		}
		if last != "" && last != "#" {
			out.WriteString("\n")
		}
		last = kind
		out.WriteString(line + "\n")
		if kind == "$" {
			out.WriteString(s.mask(s.command(strings.TrimPrefix(line, "$ "))))
		}
	}
	return out.String()
}

// command runs a line: VARIABLE=value… sidegate arguments… > file.
func (s *shell) command(line string) string {
	words := s.split(line)
	for len(words) > 0 && words[0] != "sidegate" {
		name, value, _ := strings.Cut(words[0], "=")
		defer setenv(name, value)()
		words = words[1:]
	}
	var stdout, stderr bytes.Buffer
	var args []string
	file := ""
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case ">":
			i++
			file = words[i]
		default:
			args = append(args, words[i])
		}
	}
	err := run(context.Background(), args, &stdout, &stderr)
	tell(&stderr, err)
	if m := regexp.MustCompile(`(?m)^(?:\{"|)revision(?:":| +)(\d+)`).FindSubmatch(stdout.Bytes()); m != nil {
		s.revision = string(m[1])
	}
	out := stdout.String()
	if file != "" {
		if err := os.WriteFile(file, stdout.Bytes(), 0o600); err != nil {
			return err.Error()
		}
		out = ""
	}
	for line := range strings.Lines(stderr.String()) {
		out += "! " + line
	}
	if code := exitCode(err); code != 0 {
		out += fmt.Sprintf("exit %d\n", code)
	}
	return out
}

// setenv sets a variable until undo.
func setenv(name, value string) (undo func()) {
	old, had := os.LookupEnv(name)
	_ = os.Setenv(name, value)
	return func() {
		if _ = os.Unsetenv(name); had {
			_ = os.Setenv(name, old)
		}
	}
}

// split takes a line apart as a shell would: single and double quotes, and the shell's own $ variables.
func (s *shell) split(line string) []string {
	var out []string
	var word strings.Builder
	quote, begun := rune(0), false
	for _, c := range s.expand(line) {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case quote == 0 && c == ' ':
			if begun {
				out = append(out, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if begun {
		out = append(out, word.String())
	}
	return out
}

func (s *shell) expand(line string) string {
	return strings.NewReplacer("$DIR", s.dir, "$REV", s.revision, "$HUB", s.vars["hub"], "$OPS",
		strings.TrimPrefix(s.vars["ops"], "http://")).Replace(line)
}

// mask hides what differs from run to run, without moving what stands beside it in a table.
func (s *shell) mask(out string) string {
	out = strings.ReplaceAll(out, s.dir, "$DIR")
	for _, m := range []struct{ pattern, with string }{
		{`\b20[0-8]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, "YYYY-MM-DDThh:mm:ssZ"},
		{`127\.0\.0\.1:\d{5}\b`, "127.0.0.1:NNNNN"},
		{`sg_[\w-]{43}`, "sg_SECRET"},
		{`whsec_[\w+/]{43}=`, "whsec_SECRET"},
		{`((?:^|[ ."\n])(?:revision|age_ms|hub_head|applied_revision)(?:":| +))\d+`, "${1}N"},
		{`(created(?:":| +))\d{10,}`, "${1}N"},
		{`((?:newest|older|dropped) +\d+ +)\d+`, "${1}N"},
		{`(usage.linked +|"linked":)(true|false)(,"acc|\n)`, "${1}LINKED${3}"},
		{`(reported_at(?:":| +))(-|null|"?YYYY-MM-DDThh:mm:ssZ"?)`, "${1}TIME"},
		{`(nonce(?:":"| +))\w+`, "${1}NONCE"},
		{`(holder(?:":"| +))[0-9a-f]{32}`, "${1}HOLDER"},
		{`((?:digest.state +)|"state":")\w+`, "${1}STATE"},
		{`go1\.[\w.]+`, "GOVERSION"},
		{`cursor=[\w-]+`, "cursor=CURSOR"},
	} {
		out = regexp.MustCompile(m.pattern).ReplaceAllString(out, m.with)
	}
	return out
}
