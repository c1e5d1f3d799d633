package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// A Report is what a run measured, and on what.
type Report struct {
	Command     string       `json:"command"`
	When        time.Time    `json:"when"`
	Machine     Machine      `json:"machine"`
	Throughput  []Compared   `json:"throughput,omitempty"`
	Propagation *Spread      `json:"propagation,omitempty"`
	Bootstrap   []Start      `json:"bootstrap,omitempty"`
	Usage       *Consumption `json:"usage,omitempty"`
}

// A Machine is where a run took place.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
	OS    string `json:"os"`
	Load  string `json:"load"` // averages of 1, 5 and 15 minutes before the run; empty: not known
}

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(data))[:3], " ")
	}
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			m.CPU = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			break
		}
	}
	return m
}

// JSON writes the report for machines.
func (r Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// Text writes the report for people.
func (r Report) Text(w io.Writer) error {
	out := printer{w: w}
	out.line("%s\n%s, %d cores, %s, %s, load %s, %s\n", r.Command, r.Machine.CPU, r.Machine.Cores, r.Machine.Go,
		r.Machine.OS, r.Machine.Load, r.When.Format(time.RFC3339))
	if len(r.Throughput) > 0 {
		out.line("%-28s %10s %10s %7s %9s %9s %7s %8s %8s %7s", "8 connections, one core", "req/s", "floor", "ratio",
			"p99", "floor", "ratio", "CPU us", "floor", "ratio")
	}
	for _, c := range r.Throughput {
		p99 := func(t Traffic) float64 { return float64(t.P99) }
		out.line("%-28s %10.0f %10.0f %7.3f %9v %9v %7.2f %8.2f %8.2f %7.3f", c.Name,
			median(c.Product, Traffic.Rate), median(c.Floor, Traffic.Rate), c.Ratio,
			time.Duration(median(c.Product, p99)).Round(time.Microsecond),
			time.Duration(median(c.Floor, p99)).Round(time.Microsecond), c.P99Ratio, c.CPU, c.FloorCPU, c.CPURatio)
		if n := failures(c.Product) + failures(c.Floor); n > 0 {
			out.line("  %d answers were not 200", n)
		}
	}
	if s := r.Propagation; s != nil {
		out.line("\nhub's acknowledgement to changed answer, %d changes: p50 %v, p90 %v, p99 %v, max %v", s.Count,
			s.P50.Round(time.Microsecond), s.P90.Round(time.Microsecond), s.P99.Round(time.Microsecond),
			s.Max.Round(time.Microsecond))
	}
	if len(r.Bootstrap) > 0 {
		out.line("\n%10s %12s %12s %12s %12s %14s %12s %10s", "customers", "import", "cold start", "its peak",
			"warm start", "without hub", "resident", "SIGTERM")
	}
	for _, b := range r.Bootstrap {
		ms := time.Millisecond
		out.line("%10d %12v %12v %8.1f MiB %12v %14v %8.1f MiB %10v", b.Customers, b.Import.Round(ms), b.Cold.Round(ms),
			mebi(b.Peak), b.Warm.Round(ms), b.Offline.Round(ms), mebi(b.Resident), b.Stop.Round(ms))
	}
	if r.Usage != nil {
		r.Usage.text(&out)
	}
	return out.err
}

// text writes what became of consumption.
func (c *Consumption) text(out *printer) {
	us := func(of []Traffic, by func(Traffic) float64) time.Duration {
		return time.Duration(median(of, by)).Round(time.Microsecond)
	}
	out.line("\n%-18s %-24s %9s %7s %9s %9s %7s %8s %8s %9s %9s %9s %9s %9s", "POST /v1/consume", "beside",
		"customers", "callers", "consume/s", "beside/s", "ratio", "CPU us", "beside", "p50", "beside", "p50 ratio",
		"p99", "beside")
	for i := range c.Beside {
		b := &c.Beside[i]
		out.line("%-18s %-24s %9d %7d %9.0f %9.0f %7.3f %8.2f %8.2f %9v %9v %9.2f %9v %9v",
			b.Name, b.Other, b.Customers, b.Callers,
			median(b.Ours, Traffic.Rate), median(b.Others, Traffic.Rate), b.Ratio, b.CPU, b.OtherCPU,
			us(b.Ours, Traffic.p50), us(b.Others, Traffic.p50), b.P50Ratio, us(b.Ours, Traffic.p99), us(b.Others, Traffic.p99))
		b.faults(out)
	}
	out.line("Redis: %s", c.Redis)
	v := c.Visible
	out.line("consumed at one sidecar to shown by another, %d uses: p50 %v, p90 %v, p99 %v, max %v", v.Count,
		v.P50.Round(time.Millisecond), v.P90.Round(time.Millisecond), v.P99.Round(time.Millisecond),
		v.Max.Round(time.Millisecond))
}

// faults writes what was not answered as it was to be.
func (b *Beside) faults(out *printer) {
	if n := failures(b.Ours) + failures(b.Others); n > 0 {
		denied := 0
		for _, t := range b.Ours {
			denied += t.Denied
		}
		out.line("  %d answers were not as they were to be; %d of them denied", n, denied)
	}
	if b.Cold > 0 {
		out.line("  %d denials before the first round, while the first rights were fetched", b.Cold)
	}
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func failures(of []Traffic) int {
	n := 0
	for _, t := range of {
		n += t.Errors
	}
	return n
}

// A printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	_, err := fmt.Fprintf(p.w, format+"\n", args...)
	p.err = errors.Join(p.err, err)
}
