package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// Throughput compares /v1/check with the floor while subscriptions change.
type Throughput struct {
	Program   string // the sidegate binary
	Customers int
	Rounds    int           // interleaved rounds, each of floor and product
	Round     time.Duration // length of one measurement
	Changes   int           // subscription changes per second
	Seed      uint64
}

// A Compared is the product beside the floor, in each round and as medians.
type Compared struct {
	Name       string    `json:"name"`
	Product    []Traffic `json:"product"`
	Floor      []Traffic `json:"floor"`
	Ratio      float64   `json:"throughput_ratio"` // of medians
	P99Ratio   float64   `json:"p99_ratio"`        // of medians
	CPU        float64   `json:"cpu_us"`           // server processor time per request, microseconds, median
	FloorCPU   float64   `json:"floor_cpu_us"`
	CPURatio   float64   `json:"cpu_ratio"` // floor's by product's: 1 is as cheap as the floor
	productCPU []float64
	floorCPU   []float64
}

const (
	connections = 8
	pairs       = 2000
	serverCore  = 0
	clientCore  = 1
)

// A rival is a pair of servers under one kind of load.
type rival struct {
	name, network  string
	product, floor string // addresses
	requests       [][]byte
	servers        [2]*process
}

// Run measures GET and POST over TCP and GET over a Unix socket.
func (s Throughput) Run(ctx context.Context) ([]Compared, error) {
	p, err := newPlant(ctx, s.Program, clientCore)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if _, err := p.load(ctx, s.Customers); err != nil {
		return nil, err
	}
	if err := p.follow(ctx, "", serverCore); err != nil {
		return nil, err
	}
	restore, err := pinAll(clientCore)
	if err != nil {
		return nil, err
	}
	defer restore()
	tcp, err := s.overTCP(ctx, p)
	if err != nil {
		return nil, err
	}
	p.sidecar.kill()
	overSocket, err := s.overSocket(ctx, p)
	return append(tcp, overSocket...), err
}

func (s Throughput) overTCP(ctx context.Context, p *plant) ([]Compared, error) {
	address := hostOf(p.sidecar.ready["check"])
	gets, posts := s.asks()
	size, err := meanSize("tcp", address, gets)
	if err != nil {
		return nil, err
	}
	floor, err := start(ctx, launch{program: s.Program, core: serverCore,
		args: []string{"bench", "floor", "--listen", "127.0.0.1:0", "--size", strconv.Itoa(size)}})
	if err != nil {
		return nil, err
	}
	defer floor.kill()
	servers := [2]*process{p.sidecar, floor}
	return s.compare(ctx, p, []rival{
		{"GET /v1/check", "tcp", address, floor.ready["floor"], gets, servers},
		{"POST /v1/check", "tcp", address, floor.ready["floor"], posts, servers},
	})
}

func (s Throughput) overSocket(ctx context.Context, p *plant) ([]Compared, error) {
	path, floorPath := filepath.Join(p.dir, "check.sock"), filepath.Join(p.dir, "floor.sock")
	if err := p.follow(ctx, "unix:"+path, serverCore); err != nil {
		return nil, err
	}
	gets, _ := s.asks()
	size, err := meanSize("unix", path, gets)
	if err != nil {
		return nil, err
	}
	floor, err := start(ctx, launch{program: s.Program, core: serverCore,
		args: []string{"bench", "floor", "--listen", "unix:" + floorPath, "--size", strconv.Itoa(size)}})
	if err != nil {
		return nil, err
	}
	defer floor.kill()
	return s.compare(ctx, p, []rival{
		{"GET /v1/check, Unix socket", "unix", path, floorPath, gets, [2]*process{p.sidecar, floor}}})
}

// asks makes the requests: random customers and features of the world, the same for every run of a seed.
func (s Throughput) asks() (gets, posts [][]byte) {
	r := rand.New(rand.NewPCG(s.Seed, 1))
	features := featureKeys()
	for range pairs {
		customer := "c" + strconv.Itoa(1+r.IntN(s.Customers))
		feature := features[r.IntN(len(features))]
		gets = append(gets, Get("/v1/check?customer="+url.QueryEscape(customer)+"&feature="+url.QueryEscape(feature)))
		body, err := json.Marshal(map[string]string{"customer": customer, "feature": feature})
		if err != nil {
			panic(err) // two strings always marshal
		}
		posts = append(posts, Post("/v1/check", body))
	}
	return gets, posts
}

// meanSize is the mean length of the answers.
func meanSize(network, address string, requests [][]byte) (int, error) {
	total := 0
	for _, req := range requests[:200] {
		body, err := fetch(network, address, req)
		if err != nil {
			return 0, err
		}
		total += len(body)
	}
	return total / 200, nil
}

// compare measures the rivals in turns while subscriptions change.
func (s Throughput) compare(ctx context.Context, p *plant, rivals []rival) ([]Compared, error) {
	out := make([]Compared, len(rivals))
	for i := range rivals {
		out[i].Name = rivals[i].name
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	group, writing := errgroup.WithContext(writing)
	group.Go(func() error { return s.change(writing, p) })
	for round := range s.Rounds * len(rivals) {
		i := round % len(rivals)
		if err := s.round(ctx, rivals[i], &out[i]); err != nil {
			return nil, err
		}
	}
	stop()
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	for i := range out {
		out[i].judge()
	}
	return out, nil
}

// round measures the product, then the floor.
func (s Throughput) round(ctx context.Context, r rival, out *Compared) error {
	product, cpu, err := s.measure(ctx, r, r.product, r.servers[0])
	if err != nil {
		return err
	}
	floor, floorCPU, err := s.measure(ctx, r, r.floor, r.servers[1])
	if err != nil {
		return err
	}
	out.Product, out.Floor = append(out.Product, product), append(out.Floor, floor)
	out.productCPU, out.floorCPU = append(out.productCPU, cpu), append(out.floorCPU, floorCPU)
	return nil
}

func (s Throughput) measure(ctx context.Context, r rival, address string, of *process) (Traffic, float64, error) {
	load := Load{Network: r.network, Address: address, Requests: r.requests, Connections: connections}
	return side{load.drive, of}.measure(ctx, s.Round)
}

// change makes subscription changes at an even pace until ctx ends.
func (s Throughput) change(ctx context.Context, p *plant) error {
	tick := time.NewTicker(time.Second / time.Duration(s.Changes))
	defer tick.Stop()
	r := rand.New(rand.NewPCG(s.Seed, 2))
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		customer := "c" + strconv.Itoa(1+r.IntN(s.Customers))
		if _, err := p.revise(ctx, customer, 1+r.IntN(5000)); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// judge fills in the medians.
func (c *Compared) judge() {
	c.Ratio = median(c.Product, Traffic.Rate) / median(c.Floor, Traffic.Rate)
	c.P99Ratio = median(c.Product, Traffic.p99) / median(c.Floor, Traffic.p99)
	same := func(f float64) float64 { return f }
	c.CPU, c.FloorCPU = median(c.productCPU, same), median(c.floorCPU, same)
	c.CPURatio = c.FloorCPU / c.CPU
}

func median[T any](of []T, by func(T) float64) float64 {
	all := make([]float64, len(of))
	for i := range of {
		all[i] = by(of[i])
	}
	slices.Sort(all)
	return all[len(all)/2]
}
