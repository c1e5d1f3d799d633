// Command sidegate is the whole product in one binary: hub, sidecar, a development set-up of both, and their client.
//
// It turns flags, environment and file into one Config, and a Config into running parts. It holds no rules.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	exitDenied = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, errDenied) {
		fmt.Fprintln(os.Stderr, "sidegate:", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	os.Exit(exitCode(err))
}

// errDenied is what check ends with when the answer is no.
var errDenied = errors.New("denied")

// A failure is an error of a command that was called as it should be.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// A misuse is an error in how a command was called, found by the command itself.
type misuse struct{ error }

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

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// An app is what every command writes to.
type app struct {
	stdout io.Writer
	stderr io.Writer
}

// A command is a line of the table: what it is called, what it takes, and what it does with the configuration.
type command struct {
	use      string // with its arguments
	short    string
	long     string
	args     cobra.PositionalArgs // nil: none
	settings []string             // flags
	run      func(ctx context.Context, c *Config, args []string) error
	under    []command
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	a := &app{stdout, stderr}
	root := &cobra.Command{
		Use:   "sidegate",
		Short: "May this customer do this, now? Entitlement checks on localhost",
		Long: "Sidegate tells an application what a customer may do, on localhost, with or without a network.\n" +
			"Start with: sidegate dev",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	for _, group := range [][]command{a.servers(), a.sidecarClients(), a.hubClients(), a.tools()} {
		for _, c := range group {
			root.AddCommand(a.build(c))
		}
	}
	root.AddCommand(a.benchCommand())
	return root
}

// build makes a cobra command of a line of the table.
func (a *app) build(c command) *cobra.Command {
	cmd := &cobra.Command{Use: c.use, Short: c.short, Long: c.long, Args: c.args, DisableFlagsInUseLine: true}
	if c.args == nil {
		cmd.Args = cobra.NoArgs
	}
	for _, sub := range c.under {
		cmd.AddCommand(a.build(sub))
	}
	if c.run == nil {
		cmd.Args = cobra.MinimumNArgs(1)
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return fmt.Errorf("unknown command %q for %q; see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
		}
		return cmd
	}
	var config Config
	config.register(cmd.Flags(), c.settings)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := config.resolve(cmd.Flags(), os.LookupEnv); err != nil {
			return misuse{err}
		}
		if err := c.run(cmd.Context(), &config, args); err != nil {
			return failure{err}
		}
		return nil
	}
	return cmd
}

// version is what this binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
