package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Limits on what the tests of real processes wait for.
const (
	patience = 30 * time.Second // for what must happen at some time
	promptly = 2 * time.Second  // for the end after SIGTERM
)

// A workshop builds programs and starts them as processes of their own.
type workshop struct {
	dir  string   // short, for the paths of sockets
	self string   // this program
	nats string   // a NATS server
	env  []string // the first admin token first
}

// firstToken protects nothing.
const firstToken = "first-admin-token-0001"

// build compiles this program and the NATS server that it is tested with.
func build(t *testing.T) *workshop {
	t.Helper()
	dir, err := os.MkdirTemp("", "sg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	w := &workshop{dir: dir, self: filepath.Join(dir, "sidegate"), nats: filepath.Join(dir, "nats-server"),
		env: []string{"SIDEGATE_TOKEN=" + firstToken, "TMPDIR=" + filepath.Join(dir, "tmp")}}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "SIDEGATE_") && !strings.HasPrefix(entry, "TMPDIR=") {
			w.env = append(w.env, entry)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for program, pkg := range map[string]string{w.self: ".", w.nats: "github.com/nats-io/nats-server/v2"} {
		if out, err := exec.Command("go", "build", "-o", program, pkg).CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", pkg, err, out)
		}
	}
	return w
}

// A process is one that was started.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of both outputs; closed at the end
	ready map[string]string

	mu  sync.Mutex
	all []string
}

// start begins a process, which ends with the test at the latest.
func (w *workshop) start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, args...)}
	p.begin(w)
	return p
}

// pipe begins a command of this program that reads what it is fed.
func (w *workshop) pipe(t *testing.T, args ...string) (*process, io.WriteCloser) {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(w.self, args...)}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.begin(w)
	return p, in
}

func (p *process) begin(w *workshop) {
	p.t.Helper()
	out, in := io.Pipe()
	p.lines, p.cmd.Env = make(chan string, 1000), w.env
	p.cmd.Stdout, p.cmd.Stderr = in, in
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go p.read(out)
	go func() { in.CloseWithError(errors.Join(p.cmd.Wait(), io.EOF)) }()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for range p.lines {
			continue
		}
		if p.t.Failed() {
			p.t.Logf("%s said:\n%s", strings.Join(p.cmd.Args, " "), strings.Join(p.said(), "\n"))
		}
	})
}

// read passes lines on, and drops those that nobody waits for.
func (p *process) read(out io.Reader) {
	defer close(p.lines)
	for scan := bufio.NewScanner(out); scan.Scan(); {
		p.mu.Lock()
		p.all = append(p.all, scan.Text())
		p.mu.Unlock()
		select {
		case p.lines <- scan.Text():
		default:
		}
	}
}

// said are all lines so far.
func (p *process) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.all...)
}

// until waits for a line that matches, and answers its groups.
func (p *process) until(pattern string) []string {
	p.t.Helper()
	line := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		select {
		case text, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%v ended without a line like %s", p.cmd.Args, pattern)
			}
			if m := line.FindStringSubmatch(text); m != nil {
				return m
			}
		case <-deadline:
			p.t.Fatalf("%v had no line like %s", p.cmd.Args, pattern)
		}
	}
}

// run starts this program and waits for its ready line.
func (w *workshop) run(t *testing.T, args ...string) *process {
	t.Helper()
	p := w.start(t, w.self, args...)
	p.ready = named(p.until(`^ready .*`)[0])
	return p
}

// end waits for the end, and answers the exit code; -1 after a signal.
func (p *process) end(within time.Duration) int {
	p.t.Helper()
	deadline := time.After(within)
	for {
		select {
		case _, ok := <-p.lines:
			if !ok {
				return p.cmd.ProcessState.ExitCode()
			}
		case <-deadline:
			p.t.Fatalf("%v did not end within %v", p.cmd.Args, within)
		}
	}
}

// stop asks the process to end, which it must do well and promptly.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if code := p.end(promptly); code != 0 {
		p.t.Errorf("%v ended with %d, want 0", p.cmd.Args, code)
	}
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.end(patience)
}

// An outcome is what a command answered.
type outcome struct {
	code int
	text string
	doc  map[string]any // of --output json
}

// revision is the one in the answer, as an argument.
func (o outcome) revision() string { return fmt.Sprintf("%.0f", o.doc["revision"]) }

// cli runs a command of this program to its end, with JSON for its answer.
func (w *workshop) cli(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(w.self, append(args, "--output", "json")...)
	cmd.Env = w.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	o := outcome{code: cmd.ProcessState.ExitCode(), text: stdout.String() + stderr.String()}
	_ = json.Unmarshal(stdout.Bytes(), &o.doc) // one that is no document has no fields either
	return o
}

// must is cli for a command that has to end with a code.
func (w *workshop) must(t *testing.T, code int, args ...string) outcome {
	t.Helper()
	o := w.cli(t, args...)
	if o.code != code {
		t.Fatalf("sidegate %s: got %d, want %d: %s", strings.Join(args, " "), o.code, code, o.text)
	}
	return o
}

// follows waits until the sidecar at an address knows a customer at a revision.
func (w *workshop) follows(t *testing.T, check, customer, revision string) {
	t.Helper()
	w.must(t, 0, "explain", customer, "ai-credits", "min_revision="+revision, "wait_ms=20000", "--sidecar="+check)
}

// fetch asks for a document.
func fetch(t *testing.T, url, token string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: got %s, %v", url, resp.Status, err)
	}
	return doc
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it did not happen that %s", what)
		}
	}
}
