package bench

import (
	"context"
	"time"
)

// Bootstrap measures how a sidecar starts over a world of a given size.
type Bootstrap struct {
	Program   string
	Customers int
}

// A Start is what Bootstrap measured.
type Start struct {
	Customers int           `json:"customers"`
	Import    time.Duration `json:"import_ns"`  // the hub's bulk import
	Cold      time.Duration `json:"cold_ns"`    // empty disk to ready, from the log
	Warm      time.Duration `json:"warm_ns"`    // warm disk to ready; median of five
	Peak      int64         `json:"peak"`       // bytes resident at most, during the cold start
	Resident  int64         `json:"resident"`   // bytes, after a warm start and a thousand checks
	Offline   time.Duration `json:"offline_ns"` // warm disk to ready with the hub gone
	Stop      time.Duration `json:"stop_ns"`    // SIGTERM to the end of the process
}

// Run imports the world, starts a sidecar on an empty disk, then again and again on the warm one.
func (s Bootstrap) Run(ctx context.Context) (Start, error) {
	out := Start{Customers: s.Customers}
	p, err := newPlant(ctx, s.Program, anyCore)
	if err != nil {
		return out, err
	}
	defer p.close()
	if out.Import, err = p.load(ctx, s.Customers); err != nil {
		return out, err
	}
	if err := p.follow(ctx, "", anyCore); err != nil {
		return out, err
	}
	out.Cold = p.sidecar.took
	if out.Peak, err = p.sidecar.memory("VmHWM:"); err != nil {
		return out, err
	}
	var warm []time.Duration
	for range 5 {
		if _, err := p.sidecar.stop(); err != nil {
			return out, err
		}
		if err := p.follow(ctx, "", anyCore); err != nil {
			return out, err
		}
		warm = append(warm, p.sidecar.took)
	}
	out.Warm = time.Duration(median(warm, func(d time.Duration) float64 { return float64(d) }))
	return out, s.settle(ctx, p, &out)
}

// settle measures memory after a thousand checks, the way out, and a start without the hub.
func (s Bootstrap) settle(ctx context.Context, p *plant, out *Start) error {
	gets, _ := Throughput{Customers: s.Customers, Seed: 1}.asks()
	if _, err := meanSize("tcp", hostOf(p.sidecar.ready["check"]), gets); err != nil {
		return err
	}
	var err error
	if out.Resident, err = p.sidecar.memory("VmRSS:"); err != nil {
		return err
	}
	if out.Stop, err = p.sidecar.stop(); err != nil {
		return err
	}
	p.hub.kill()
	if err := p.follow(ctx, "", anyCore); err != nil {
		return err
	}
	out.Offline = p.sidecar.took
	return nil
}
