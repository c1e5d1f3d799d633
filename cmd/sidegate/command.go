package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// An app is what every command writes to.
type app struct {
	stdout io.Writer
	stderr io.Writer
}

// A command is a line of the table: what it is called, what it takes, and what it does with the configuration.
type command struct {
	use      string // with its arguments: those in brackets may be left out, … stands for any number
	short    string
	long     string
	example  string
	names    []string // of name=value arguments, as far as they are known; a name with a value stands for itself
	settings []string // flags
	run      func(ctx context.Context, c *Config, args []string) error
	under    []command
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	a := &app{stdout, stderr}
	root := a.build(command{
		use:   "sidegate",
		short: "May this customer do this, now? Entitlement checks on localhost",
		long: "Sidegate tells an application what a customer may do, on localhost, with or without a network.\n\n" +
			"Every flag is also an environment variable (--hub is SIDEGATE_HUB) and a key of the YAML file that --config\n" +
			"names; a flag counts before the environment, the environment before the file.\n" +
			"Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 denied.",
		example: "  sidegate dev                          # everything on this machine, with samples\n" +
			"  sidegate check acme ci-minutes        # may acme use CI minutes?\n" +
			"  sidegate catalog show                 # what is sold",
	})
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if not .HasSubCommands}}", 1))
	root.SetOut(stdout)
	root.SetErr(stderr)
	for _, group := range []struct {
		id, title string
		commands  []command
	}{
		{"run", "Run:", a.servers()},
		{"ask", "Ask a sidecar:", a.sidecarClients()},
		{"hub", "Tell the hub:", a.hubClients()},
		{"tool", "About this program:", a.tools()},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, c := range group.commands {
			cmd := a.build(c)
			cmd.GroupID = group.id
			root.AddCommand(cmd)
		}
	}
	bench := a.benchCommand()
	bench.GroupID = "tool"
	root.AddCommand(bench)
	root.SetHelpCommandGroupID("tool")
	root.SetCompletionCommandGroupID("tool")
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			chooses(cmd)
		case "help":
			cmd.Run, cmd.RunE = nil, help
		}
	}
	return root
}

// help is cobra's own, but for what it does about a command that there is not.
func help(cmd *cobra.Command, args []string) error {
	about, rest, err := cmd.Root().Find(args)
	if err == nil && len(rest) > 0 {
		return about.RunE(about, rest) // which says what it has
	}
	if err != nil {
		return err
	}
	return about.Help()
}

// build makes a cobra command of a line of the table.
func (a *app) build(c command) *cobra.Command {
	cmd := &cobra.Command{Use: c.use, Short: c.short, Long: c.long, Example: c.example,
		DisableFlagsInUseLine: true, SilenceUsage: true, SilenceErrors: true}
	cmd.SetFlagErrorFunc(flagError)
	for _, sub := range c.under {
		cmd.AddCommand(a.build(sub))
	}
	if c.run == nil {
		chooses(cmd)
		return cmd
	}
	cmd.Args, cmd.ValidArgsFunction = takes(c.use), c.complete
	if c.long != "" {
		cmd.Long = c.short + ".\n\n" + c.long
	}
	if len(c.names) > 0 {
		cmd.Long = cmp.Or(cmd.Long, c.short+".") + "\n\nname=value arguments: " + strings.Join(c.names, ", ") + "."
	}
	var config Config
	config.register(cmd.Flags(), c.settings)
	for _, s := range settings() {
		if s.words != nil && cmd.Flags().Lookup(s.flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(s.flag, // it fails for unknown flags only
				cobra.FixedCompletions(s.words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := config.resolve(cmd.Flags(), os.LookupEnv); err != nil {
			return misuse{err}
		}
		if err := c.run(cmd.Context(), &config, args); err != nil {
			return failure{err, config.Output == "json"}
		}
		return nil
	}
	return cmd
}

// chooses makes a command one that only has others below it. It parses no flags, so that a misspelt command is what is
// complained about, and not a flag that the right one would have.
func chooses(cmd *cobra.Command) {
	cmd.DisableFlagParsing, cmd.SuggestionsMinimumDistance = true, 2
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "--help" || args[0] == "-h":
			return cmd.Help()
		case strings.HasPrefix(args[0], "-"):
			return fmt.Errorf("unknown flag %s; flags follow a command, see %s --help", args[0], cmd.CommandPath())
		}
		remedy := "see " + cmd.CommandPath() + " --help"
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			remedy = "did you mean " + strings.Join(near, " or ") + "?"
		}
		return fmt.Errorf("unknown command %q for %s; %s", args[0], cmd.CommandPath(), remedy)
	}
}

// takes counts arguments as use shows them.
func takes(use string) cobra.PositionalArgs {
	needed, most := arguments(use)
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < needed:
			return fmt.Errorf("an argument is missing: %s; see %s --help", cmd.UseLine(), cmd.CommandPath())
		case most >= 0 && len(args) > most:
			return fmt.Errorf("%q is an argument too many: %s", args[most], cmd.UseLine())
		case slices.Contains(args, ""):
			return fmt.Errorf("an argument is empty: %s", cmd.UseLine())
		}
		return nil
	}
}

// arguments says how many there must and may be; most is -1 for any number.
func arguments(use string) (needed, most int) {
	for _, word := range strings.Fields(use)[1:] {
		switch {
		case strings.Contains(word, "…"):
			return needed, -1
		case !strings.HasPrefix(word, "["):
			needed++
		}
		most++
	}
	return needed, most
}

// complete offers arguments to a shell.
func (c command) complete(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	words := strings.Fields(c.use)[1:]
	if len(args) < len(words) && strings.HasPrefix(words[len(args)], "FILE") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	given := map[string]bool{}
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		given[name] = true
	}
	if len(args) < len(words) && !strings.Contains(words[len(args)], "=") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, name := range c.names {
		name, value, _ := strings.Cut(name, "=")
		if !given[name] {
			out = append(out, name+"="+value)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// flagError names the flag and the remedy.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s: %s %w", invalid.GetFlag().Name, shown(invalid.GetValue()), invalid.Unwrap())
	case errors.As(err, &unknown):
		var flags []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, "--"+f.Name) })
		return fmt.Errorf("%w; %s has %s", err, cmd.CommandPath(), strings.Join(flags, ", "))
	}
	return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
}
