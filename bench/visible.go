package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// usesPerSecond is the mean rate of the uses that are waited for; they come at random, so that they hit the sidecar
	// anywhere between two reports.
	usesPerSecond = 20
	// pollEvery is how often the other sidecar is asked; a measured time may be too long by as much.
	pollEvery = 2 * time.Millisecond
	// visibleWithin is after what time a use that does not show is an error.
	visibleWithin = 30 * time.Second
	// spreadOver is over how many customers the uses are spread: each is seen before its next one.
	spreadOver = 200
)

// A use is one that does not show on the other sidecar yet.
type use struct {
	customer int
	want     int64 // used
	since    time.Time
}

// A watch is visibility being measured.
type watch struct {
	s    Usage
	a, b *line
	r    *rand.Rand
	used [spreadOver]int64
	open []use
	took []uint32
	busy map[int]bool // customers with a use that does not show yet
}

func newWatch(s Usage) *watch {
	return &watch{s: s, r: rand.New(rand.NewPCG(s.Seed, 4)), busy: map[int]bool{}}
}

// visible consumes at one sidecar and asks another until it shows.
func (s Usage) visible(ctx context.Context) (Spread, error) {
	p, err := s.plant(ctx)
	if err != nil {
		return Spread{}, err
	}
	defer p.close()
	other, err := p.another(ctx, "other", "127.0.0.1:0", serverCore)
	if err != nil {
		return Spread{}, err
	}
	defer other.kill()
	w := newWatch(s)
	if w.a, err = dialLine("tcp", hostOf(p.sidecar.ready["check"])); err != nil {
		return Spread{}, err
	}
	defer w.a.close()
	if w.b, err = dialLine("tcp", hostOf(other.ready["check"])); err != nil {
		return Spread{}, err
	}
	defer w.b.close()
	if err := w.run(ctx); err != nil {
		return Spread{}, fmt.Errorf("visibility: %w", err)
	}
	return spread(w.took), nil
}

// run makes the uses and asks for those that do not show yet, by turns.
func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	made, due := 0, time.Now()
	for len(w.took) < w.s.Samples {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for ; made < w.s.Samples && time.Now().After(due); made++ {
			if err := w.make(); err != nil {
				return err
			}
			due = due.Add(time.Duration(w.r.ExpFloat64() * float64(time.Second) / usesPerSecond))
		}
		if err := w.look(); err != nil {
			return err
		}
	}
	return nil
}

// make consumes one unit of a customer that has none on its way.
func (w *watch) make() error {
	customer := w.r.IntN(spreadOver)
	for w.busy[customer] {
		if customer = w.r.IntN(spreadOver); len(w.busy) == spreadOver {
			return errors.New("no use shows any more")
		}
	}
	told, err := askSoft(w.a, "/v1/consume", customer)
	if err != nil {
		return err
	}
	if !told.Allowed {
		return errors.New("a soft feature was denied: " + told.Reason)
	}
	w.used[customer]++
	w.busy[customer] = true
	w.open = append(w.open, use{customer, w.used[customer], time.Now()})
	return nil
}

// look asks for every use that does not show yet.
func (w *watch) look() error {
	left := w.open[:0]
	for _, u := range w.open {
		told, err := askSoft(w.b, "/v1/check", u.customer)
		if err != nil {
			return err
		}
		took := time.Since(u.since)
		switch {
		case told.Used > u.want:
			return fmt.Errorf("%d used, %d consumed", told.Used, u.want)
		case told.Used == u.want:
			w.took = append(w.took, uint32(min(took, 4*time.Second)))
			delete(w.busy, u.customer)
		case took > visibleWithin:
			return fmt.Errorf("a use does not show after %v", visibleWithin)
		default:
			left = append(left, u)
		}
	}
	w.open = left
	return nil
}

// A told is what visibility reads of a decision.
type told struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason"`
	Used    int64  `json:"used"`
}

// askSoft asks about the soft feature of a customer.
func askSoft(of *line, path string, customer int) (out told, err error) {
	a, err := of.exchange(Post(path, about(consumerID(customer), softFeature)))
	if err == nil && !a.ok {
		err = fmt.Errorf("%s: %.200s", path, a.body)
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(a.body, &out)
}
