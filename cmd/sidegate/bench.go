package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/bench"
)

// benchCommand measures this binary from outside. It has flags of its own: what it measures is not configuration.
func (a *app) benchCommand() *cobra.Command {
	cmd := a.build(command{use: "bench", short: "Measure throughput, propagation, start-up and counting on this machine"})
	var o benchOptions
	for _, name := range []string{"throughput", "propagation", "bootstrap", "usage", "all"} {
		sub := &cobra.Command{Use: name, Short: "Measure " + name, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				if err := a.bench(cmd.Context(), name, o); err != nil {
					return failure{error: err}
				}
				return nil
			}}
		set := sub.Flags()
		set.IntVar(&o.customers, "customers", 100_000, "customers of the world that is measured")
		set.IntVar(&o.rounds, "rounds", 7, "interleaved rounds of throughput and usage")
		set.DurationVar(&o.round, "round", 3*time.Second, "length of one measurement of throughput or usage")
		set.IntVar(&o.changes, "changes", 10_000, "changes of propagation")
		set.IntVar(&o.largest, "largest", 1_000_000, "customers of the largest world of bootstrap")
		set.IntVar(&o.samples, "samples", 1000, "uses that are waited for on another sidecar")
		set.StringVar(&o.json, "json", "", "file for the report in JSON")
		cmd.AddCommand(sub)
	}
	var floor bench.Floor
	server := &cobra.Command{Use: "floor", Short: "The server that the check API is compared with", Args: cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := floor.Run(cmd.Context(), a.stdout); err != nil {
				return failure{error: err}
			}
			return nil
		}}
	server.Flags().StringVar(&floor.Listen, "listen", "127.0.0.1:0", "host:port or unix:/path")
	server.Flags().IntVar(&floor.Size, "size", 200, "bytes of the body")
	cmd.AddCommand(server)
	return cmd
}

type benchOptions struct {
	customers, rounds, changes, largest, samples int
	round                                        time.Duration
	json                                         string
}

// seed makes the load of every run the same.
const seed = 7

func (a *app) bench(ctx context.Context, what string, o benchOptions) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	r := bench.Report{Command: "sidegate bench " + what, When: time.Now().UTC().Truncate(time.Second),
		Machine: bench.ThisMachine()}
	wanted := func(name string) bool { return what == name || what == "all" }
	if wanted("throughput") {
		s := bench.Throughput{Program: program, Customers: o.customers, Rounds: o.rounds, Round: o.round, Changes: 200,
			Seed: seed}
		if r.Throughput, err = s.Run(ctx); err != nil {
			return err
		}
	}
	if wanted("propagation") {
		s := bench.Propagation{Program: program, Customers: o.customers, Changes: o.changes, PerSecond: 200, Seed: seed}
		spread, err := s.Run(ctx)
		if err != nil {
			return err
		}
		r.Propagation = &spread
	}
	if wanted("usage") {
		s := bench.Usage{Program: program, Customers: o.customers, Rounds: o.rounds, Round: o.round, Samples: o.samples,
			Seed: seed}
		usage, err := s.Run(ctx)
		if err != nil {
			return err
		}
		r.Usage = &usage
	}
	for n := 1000; wanted("bootstrap") && n <= o.largest; n *= 10 {
		start, err := bench.Bootstrap{Program: program, Customers: n}.Run(ctx)
		if err != nil {
			return err
		}
		r.Bootstrap = append(r.Bootstrap, start)
	}
	if err := r.Text(a.stdout); err != nil || o.json == "" {
		return err
	}
	var out strings.Builder
	if err := r.JSON(&out); err != nil {
		return err
	}
	return os.WriteFile(o.json, []byte(out.String()), 0o644)
}
