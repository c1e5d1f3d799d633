// Command sidegate is the whole product in one binary: hub, sidecar, a development set-up of both, and their client.
//
// It turns flags, environment and file into one Config, and a Config into running parts. It holds no rules.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	exitDenied = 3
)

func main() {
	err := runUntilTold()
	tell(os.Stderr, err)
	os.Exit(exitCode(err))
}

// runUntilTold has a first signal end the program in order, and a second one at once.
func runUntilTold() error {
	told := make(chan os.Signal, 2)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		<-told
		stop()
		<-told
		os.Exit(exitFailed)
	}()
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := newRoot(stdout, stderr)
	root.SetArgs(append([]string{}, args...)) // cobra would take nil for the process's own
	return root.ExecuteContext(ctx)
}

// errDenied is what check ends with when the answer is no.
var errDenied = errors.New("denied")

// A failure is an error of a command that was called as it should be.
type failure struct {
	error
	machine bool // the caller asked for JSON
}

func (f failure) Unwrap() error { return f.error }

// A misuse is an error in how a command was called, found by the command itself or by whom it asked.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

func exitCode(err error) int {
	var failed failure
	var misused misuse
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errDenied):
		return exitDenied
	case errors.As(err, &misused):
		return exitUsage
	case errors.As(err, &failed):
		return exitFailed
	}
	return exitUsage // cobra's own: unknown commands, flags and arguments
}

// tell writes an error for who called: a text for people, one line of JSON for machines.
func tell(w io.Writer, err error) {
	if err == nil || errors.Is(err, errDenied) {
		return
	}
	var failed failure
	if !errors.As(err, &failed) || !failed.machine {
		fmt.Fprintln(w, "sidegate:", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "\n  "))
		return
	}
	p := &problem{}
	if !errors.As(err, &p) || p.Code == "" {
		p = &problem{Status: p.Status, Code: "failed", Detail: err.Error()}
	}
	var out bytes.Buffer
	if json.NewEncoder(&out).Encode(p) == nil { // texts and numbers always do
		_, _ = w.Write(out.Bytes())
	}
}

// built is what git describe said when make built this binary. The linker writes it; nothing else does.
var built string

// version is what this binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionOf(info, built)
}

// versionOf is what make says, else the module's version, else the revision that the go command noted.
func versionOf(info *debug.BuildInfo, described string) string {
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	switch v := info.Main.Version; {
	case described != "":
		return described
	case v != "" && v != "(devel)":
		return v
	case revision != "":
		return revision + dirty
	}
	return "unknown"
}
