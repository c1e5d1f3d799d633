package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Propagation measures from the hub's acknowledgement to the changed answer on a sidecar of the same machine.
type Propagation struct {
	Program   string
	Customers int
	Changes   int
	PerSecond int
	Seed      uint64
}

// A Spread is how long something took.
type Spread struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Run makes the changes and waits for each to show, asking with min_revision.
func (s Propagation) Run(ctx context.Context) (Spread, error) {
	p, err := newPlant(ctx, s.Program, anyCore)
	if err != nil {
		return Spread{}, err
	}
	defer p.close()
	if _, err := p.load(ctx, s.Customers); err != nil {
		return Spread{}, err
	}
	if err := p.follow(ctx, "", anyCore); err != nil {
		return Spread{}, err
	}
	address := hostOf(p.sidecar.ready["check"])
	r := rand.New(rand.NewPCG(s.Seed, 3))
	tick := time.NewTicker(time.Second / time.Duration(s.PerSecond))
	defer tick.Stop()
	took := make([]uint32, 0, s.Changes)
	for i := range s.Changes {
		select {
		case <-ctx.Done():
			return Spread{}, ctx.Err()
		case <-tick.C:
		}
		d, err := s.once(ctx, p, address, change{living(r, s.Customers), 10_000 + i})
		if err != nil {
			return Spread{}, err
		}
		took = append(took, uint32(d))
	}
	return spread(took), nil
}

// A change is the limit that a customer gets.
type change struct {
	customer string
	limit    int
}

func (s Propagation) once(ctx context.Context, p *plant, address string, c change) (time.Duration, error) {
	revision, err := p.revise(ctx, c.customer, c.limit)
	if err != nil {
		return 0, err
	}
	acknowledged := time.Now()
	load := fmt.Sprintf("/v1/check?customer=%s&feature=ci-minutes&wait_ms=5000&min_revision=%d", c.customer, revision)
	body, err := fetch("tcp", address, Get(load))
	if err != nil {
		return 0, err
	}
	took := time.Since(acknowledged)
	if limit := limitOf(body); limit != c.limit {
		return 0, fmt.Errorf("%s at revision %d: limit %d, want %d: %s", c.customer, revision, limit, c.limit, body)
	}
	return took, nil
}

func spread(took []uint32) Spread {
	slices.Sort(took)
	return Spread{Count: len(took), P50: percentile(took, 50), P90: percentile(took, 90), P99: percentile(took, 99),
		Max: percentile(took, 100)}
}
