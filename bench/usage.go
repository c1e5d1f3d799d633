package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// Usage measures consumption: how much of it goes through beside checks and beside a counter without limits, how long
// one caller waits beside a plain sync of the same disk, and when another sidecar shows what was used.
type Usage struct {
	Program   string
	Customers int           // of the world; those that consume come on top
	Rounds    int           // interleaved rounds, each of everything
	Round     time.Duration // length of one measurement
	Samples   int           // uses that are waited for on another sidecar
	Seed      uint64
}

// A Consumption is what Usage measured.
type Consumption struct {
	Beside  []Beside `json:"beside"`
	Redis   string   `json:"redis"` // what it was, or why there is none
	Visible Spread   `json:"visible"`
}

// A Beside is one of us next to one of others, in each round and as medians of what the rounds' own ratios are.
type Beside struct {
	Name      string    `json:"name"`
	Other     string    `json:"other"`
	Customers int       `json:"customers"`
	Callers   int       `json:"callers"`
	Ours      []Traffic `json:"ours"`
	Others    []Traffic `json:"others"`
	Ratio     float64   `json:"throughput_ratio"`
	P50Ratio  float64   `json:"p50_ratio"`
	P99Ratio  float64   `json:"p99_ratio"`
	CPU       float64   `json:"cpu_us"` // our server's processor time per request, microseconds, median
	OtherCPU  float64   `json:"other_cpu_us"`
	Cold      int       `json:"cold_denials"` // before the first round, while no rights were held yet
}

const (
	usageCallers = 64
	// consumers is how many customers there are that consume; the largest of consumerCounts.
	consumers = 1000
	// warming is how long each contest is under load before it is measured, so that rights are held.
	warming = time.Second
)

// Features of the consumers, by how they are counted.
const (
	exactFeature   = "ci-minutes"
	chunkedFeature = "api-calls"
	softFeature    = "package-transfer"
)

// consumerCounts are over how many customers consumption is spread.
func consumerCounts() []int { return []int{1, 64, consumers} }

// A contest is two kinds of traffic that are measured in turns.
type contest struct {
	Beside
	ours, others         side
	ourCosts, otherCosts []float64 // microseconds a request, in each round
}

// A side is one of the two.
type side struct {
	drive func(ctx context.Context, d time.Duration) (Traffic, error)
	at    *process // that serves it; nil: none
}

// Run measures throughput and one caller first, then visibility on sidecars that start afresh.
func (s Usage) Run(ctx context.Context) (Consumption, error) {
	var out Consumption
	if err := s.compete(ctx, &out); err != nil {
		return out, err
	}
	var err error
	out.Visible, err = s.visible(ctx)
	return out, err
}

// plant starts a hub with the world and those that consume.
func (s Usage) plant(ctx context.Context) (*plant, error) {
	p, err := newPlant(ctx, s.Program, clientCore)
	if err != nil {
		return nil, err
	}
	_, err = p.load(ctx, s.Customers)
	if err == nil {
		_, err = p.bring(ctx, writeConsumers)
	}
	if err == nil {
		err = p.follow(ctx, "", serverCore)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// consumerID names the i-th customer that consumes, from 0.
func consumerID(i int) string { return fmt.Sprintf("u%d", i) }

// writeConsumers writes customers whose limits no run reaches.
func writeConsumers(w io.Writer) error {
	out := bufio.NewWriter(w)
	for i := range consumers {
		fmt.Fprintf(out, `{"id":%q,"subscriptions":{"main":{"plan":"team","overrides":{`+
			`%q:{"limit":1000000000000,"per":"month"},`+
			`%q:{"limit":1000000000000,"per":"month","durability":"chunked"},`+
			`%q:{"limit":1000,"per":"month","mode":"soft"}}}}}`+"\n",
			consumerID(i), exactFeature, chunkedFeature, softFeature)
	}
	return out.Flush()
}

// compete measures the contests in turns.
func (s Usage) compete(ctx context.Context, out *Consumption) error {
	p, err := s.plant(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	restore, err := pinAll(clientCore)
	if err != nil {
		return err
	}
	defer restore()
	all := s.besideChecks(p)
	peers, err := findRedis(ctx, p.dir)
	if err != nil {
		return err
	}
	defer peers.close()
	out.Redis = peers.version
	for _, r := range peers.servers {
		all = append(all, &contest{
			Beside: Beside{Name: "exact", Other: r.name, Customers: usageCallers, Callers: usageCallers},
			ours:   side{consume(p, exactFeature, usageCallers).drive, p.sidecar},
			others: side{r.load(usageCallers).drive, r.process}})
	}
	all = append(all, oneCaller(p))
	for round := -1; round < s.Rounds; round++ {
		for _, c := range all {
			if err := c.round(ctx, round, s.Round); err != nil {
				return fmt.Errorf("%s beside %s: %w", c.Name, c.Other, err)
			}
		}
	}
	for _, c := range all {
		c.judge()
		out.Beside = append(out.Beside, c.Beside)
	}
	return nil
}

// besideChecks are consumption and checks of the same customers and features, by the same callers.
func (s Usage) besideChecks(p *plant) []*contest {
	var all []*contest
	for _, of := range []struct{ name, feature string }{{"exact", exactFeature}, {"chunked", chunkedFeature}} {
		for _, n := range consumerCounts() {
			check := asking(p, "/v1/check", of.feature, n)
			all = append(all, &contest{
				Beside: Beside{Name: of.name, Other: "POST /v1/check", Customers: n, Callers: usageCallers},
				ours:   side{consume(p, of.feature, n).drive, p.sidecar}, others: side{check.drive, p.sidecar}})
		}
	}
	return all
}

// asking is a load of requests about n customers.
func asking(p *plant, path, feature string, n int) Load {
	l := Load{Network: "tcp", Address: hostOf(p.sidecar.ready["check"]), Connections: usageCallers}
	for i := range n {
		l.Requests = append(l.Requests, Post(path, about(consumerID(i), feature)))
	}
	return l
}

// about is the body of a request.
func about(customer, feature string) []byte {
	return fmt.Appendf(nil, `{"customer":%q,"feature":%q}`, customer, feature)
}

// consume is a load of consumption, all of which is to be allowed.
func consume(p *plant, feature string, n int) Load {
	l := asking(p, "/v1/consume", feature, n)
	l.read = readAllowed
	return l
}

// oneCaller is a single caller beside the disk that the sidecar writes to.
func oneCaller(p *plant) *contest {
	one := consume(p, exactFeature, 1)
	one.Connections = 1
	disk := disk{filepath.Join(p.dir, "sidecar", "plain")}
	return &contest{Beside: Beside{Name: "exact", Other: "append 4 KiB, fdatasync", Customers: 1, Callers: 1},
		ours: side{one.drive, p.sidecar}, others: side{drive: disk.append}}
}

// drive runs the load for a time.
func (l Load) drive(ctx context.Context, d time.Duration) (Traffic, error) {
	l.Duration = d
	return l.Run(ctx)
}

// round measures both, ours first. Round -1 is not kept.
func (c *contest) round(ctx context.Context, n int, d time.Duration) error {
	if n < 0 {
		t, _, err := c.ours.measure(ctx, warming)
		c.Cold = t.Errors
		return err
	}
	ours, cost, err := c.ours.measure(ctx, d)
	if err != nil {
		return err
	}
	others, otherCost, err := c.others.measure(ctx, d)
	if err != nil {
		return err
	}
	if ours.Requests == 0 || others.Requests == 0 {
		return errors.New("nothing was answered in a whole round")
	}
	c.Ours, c.Others = append(c.Ours, ours), append(c.Others, others)
	c.ourCosts, c.otherCosts = append(c.ourCosts, cost), append(c.otherCosts, otherCost)
	return nil
}

// measure drives a side, and answers what a request costs its process in microseconds.
func (s side) measure(ctx context.Context, d time.Duration) (Traffic, float64, error) {
	if s.at == nil {
		t, err := s.drive(ctx, d)
		return t, 0, err
	}
	before, err := s.at.cpu()
	if err != nil {
		return Traffic{}, 0, err
	}
	t, err := s.drive(ctx, d)
	if err != nil {
		return t, 0, err
	}
	after, err := s.at.cpu()
	return t, float64((after - before).Nanoseconds()) / 1000 / float64(max(1, t.Requests)), err
}

// judge fills in the medians.
func (c *contest) judge() {
	c.Beside.judge()
	same := func(f float64) float64 { return f }
	c.CPU, c.OtherCPU = median(c.ourCosts, same), median(c.otherCosts, same)
}

func (b *Beside) judge() {
	rounds := make([]int, len(b.Ours))
	for i := range rounds {
		rounds[i] = i
	}
	ratio := func(of func(Traffic) float64) float64 {
		return median(rounds, func(i int) float64 { return of(b.Ours[i]) / of(b.Others[i]) })
	}
	b.Ratio, b.P50Ratio, b.P99Ratio = ratio(Traffic.Rate), ratio(Traffic.p50), ratio(Traffic.p99)
}

func (t Traffic) p50() float64 { return float64(t.P50) }
func (t Traffic) p99() float64 { return float64(t.P99) }
