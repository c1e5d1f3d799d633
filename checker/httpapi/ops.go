package httpapi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/follow"
	"github.com/sidegate/sidegate/replica/meter"
)

// An api is one of the calls that decide.
type api uint8

const (
	apiCheck api = iota
	apiChecks
	apiEntitlements
	apiExplain
	apiConsume
	apiUsage
	apiReserve
	apiCommit
	apiCancel
	apiRefund
	apiCount
)

var apiNames = [apiCount]string{"check", "checks", "entitlements", "explain", "consume", "usage",
	"reserve", "commit", "cancel", "refund"}

// timedOne is of how many requests one is timed: reading a clock twice costs as much as finding a customer.
const timedOne = 16

// meters counts decisions and shows how the replica stands.
type meters struct {
	set     *metrics.Set
	reasons [apiCount][64]atomic.Uint64 // by checker.Reason
	errors  [apiCount]atomic.Uint64     // requests that got no decision
	took    [apiCount]*metrics.PrometheusHistogram
}

func newMeters(a *API) *meters {
	m := &meters{set: metrics.NewSet()}
	for which, name := range apiNames {
		m.calls(api(which), name)
	}
	for _, r := range checker.Reasons() {
		name := fmt.Sprintf("sidegate_decisions_total{allowed=%q,reason=%q}", fmt.Sprint(r.Allows()), r.String())
		m.set.NewGauge(name, func() float64 {
			return m.sum(func(_ api, reason checker.Reason) bool { return reason == r })
		})
	}
	source := a.o.Source
	gauge := func(name string, value func() float64) { m.set.NewGauge("sidegate_"+name, value) }
	gauge("revision", func() float64 { return float64(source.Index().Load().Revision()) })
	gauge("customers", func() float64 { return float64(source.Index().Load().Len()) })
	gauge("snapshot_age_seconds", func() float64 { return float64(a.age(a.o.Now().UnixMilli())) / 1000 })
	gauge("replication_lag_seconds", func() float64 {
		if s := source.Status(); s.Linked && s.Revision >= s.Head {
			return 0
		}
		return float64(a.age(a.o.Now().UnixMilli())) / 1000
	})
	gauge("hub_connected", func() float64 { return number(source.Status().Linked) })
	gauge("stored_revision", func() float64 { return float64(source.Status().Stored) })
	if m := a.o.Meter; m != nil {
		gauge("usage_unreported", func() float64 { return float64(m.Status().Unreported) })
		gauge("rights_held", func() float64 { return float64(m.Status().Held) })
		gauge("usage_linked", func() float64 { return number(m.Status().Linked) })
	}
	gauge("alarms", func() float64 { return float64(len(a.alarms(source.Status()))) })
	return m
}

// calls shows what becomes of the requests of one call.
func (m *meters) calls(which api, name string) {
	m.took[which] = m.set.NewPrometheusHistogramExt(fmt.Sprintf("sidegate_check_duration_seconds{api=%q}", name),
		[]float64{1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, 0.1, 1})
	for _, allowed := range []bool{true, false} {
		result := map[bool]string{true: "allowed", false: "denied"}[allowed]
		m.set.NewGauge(fmt.Sprintf("sidegate_checks_total{api=%q,result=%q}", name, result), func() float64 {
			return m.sum(func(of api, reason checker.Reason) bool { return of == which && reason.Allows() == allowed })
		})
	}
	m.set.NewGauge(fmt.Sprintf("sidegate_checks_total{api=%q,result=%q}", name, "error"), func() float64 {
		return float64(m.errors[which].Load())
	})
}

// sum adds up the decisions that are wanted.
func (m *meters) sum(wanted func(api, checker.Reason) bool) float64 {
	total := uint64(0)
	for which := range m.reasons {
		for reason := range m.reasons[which] {
			if wanted(api(which), checker.Reason(reason)) {
				total += m.reasons[which][reason].Load()
			}
		}
	}
	return float64(total)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *meters) count(which api, r checker.Reason) { m.reasons[which][r&63].Add(1) }

// OpsHandler serves probes and metrics.
func (a *API) OpsHandler(ctx *fasthttp.RequestCtx) {
	if !ctx.IsGet() && !ctx.IsHead() {
		problem(ctx, wrongMethod(ctx, fasthttp.MethodGet))
		return
	}
	path, _, _ := split(ctx)
	switch string(path) {
	case "/livez":
		text(ctx, 200, "ok\n")
	case "/startupz", "/readyz":
		if !a.isLoaded() {
			text(ctx, 503, "no verified snapshot yet\n")
			return
		}
		text(ctx, 200, "ok\n")
	case "/metrics":
		var out bytes.Buffer
		a.metrics.set.WritePrometheus(&out)
		metrics.WriteProcessMetrics(&out)
		text(ctx, 200, out.String())
	default:
		problem(ctx, trouble{status: 404, code: "not_found",
			detail: "there is nothing at this path; see /livez, /startupz, /readyz and /metrics"})
	}
}

func text(ctx *fasthttp.RequestCtx, status int, body string) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString(body)
}

// statusDocument is how a sidecar stands.
type statusDocument struct {
	Mode      string        `json:"mode"` // connected, disconnected, or loading
	Version   string        `json:"version"`
	Lineage   lineage       `json:"lineage"`
	Revision  uint64        `json:"revision"`
	AgeMs     int64         `json:"age_ms"`
	Customers int           `json:"customers"`
	Digest    digestCheck   `json:"digest"`
	Hub       hubLink       `json:"hub"`
	Disk      diskState     `json:"disk"`
	Usage     *usageState   `json:"usage,omitempty"` // left out where nothing is counted
	Alarms    []alarmReport `json:"alarms"`
}

type lineage struct {
	Log     string `json:"log"`
	Created int64  `json:"created"`
	Nonce   string `json:"nonce"`
}

type digestCheck struct {
	State    string `json:"state"`
	Revision uint64 `json:"revision"`
}

type hubLink struct {
	Linked bool `json:"linked"`
}

type diskState struct {
	Revision uint64 `json:"revision"`
}

type alarmReport struct {
	Name   string `json:"name"`
	Remedy string `json:"remedy"`
}

// usageState is how counting stands.
type usageState struct {
	Holder     string     `json:"holder"`
	Linked     bool       `json:"linked"`      // the last exchange with a hub succeeded
	Accounts   int        `json:"accounts"`    // customers times features that are counted here
	RightsHeld int64      `json:"rights_held"` // units of hard limits that can be consumed without the hub
	Unreported int        `json:"unreported"`  // accounts of which the hub does not know everything
	ReportedAt *time.Time `json:"reported_at"` // of the last exchange that succeeded; null: none yet
}

func newUsageState(s meter.Status) *usageState {
	u := &usageState{Holder: hex.EncodeToString(s.Holder[:]), Linked: s.Linked, Accounts: s.Accounts, RightsHeld: s.Held,
		Unreported: s.Unreported}
	if !s.Reported.IsZero() {
		u.ReportedAt = &s.Reported
	}
	return u
}

// silentFor is how long no hub may answer before that is an alarm.
const silentFor = 10 * time.Second

// alarms are what an operator has to see to, by name.
func (a *API) alarms(s follow.Status) []alarmReport {
	all := []alarmReport{}
	for name, remedy := range s.Alarms {
		all = append(all, alarmReport{name, remedy})
	}
	if a.o.Meter != nil {
		if u := a.o.Meter.Status(); u.Silent && a.o.Now().Sub(u.Reported) > silentFor {
			all = append(all, alarmReport{"hub_silent", "no hub answers, so usage is kept here and no rights are granted; " +
				"look whether a hub and NATS run, and whether this sidecar's credentials are still good: its log says more"})
		}
	}
	slices.SortFunc(all, func(x, y alarmReport) int { return strings.Compare(x.Name, y.Name) })
	return all
}

func (a *API) status(ctx *fasthttp.RequestCtx, query []byte) {
	if !ctx.IsGet() && !ctx.IsHead() {
		problem(ctx, wrongMethod(ctx, fasthttp.MethodGet))
		return
	}
	if t, ok := emptyQuery(query); !ok {
		problem(ctx, t)
		return
	}
	s := a.o.Source.Status()
	doc := statusDocument{Mode: "disconnected", Version: a.o.Version, Revision: s.Revision, Customers: s.Customers,
		Lineage: lineage{s.Lineage.Log, s.Lineage.Created, s.Lineage.Nonce},
		AgeMs:   a.age(a.o.Now().UnixMilli()), Digest: digestCheck{string(s.Digest), s.Digested},
		Hub: hubLink{s.Linked}, Disk: diskState{s.Stored}, Alarms: a.alarms(s)}
	if a.o.Meter != nil {
		doc.Usage = newUsageState(a.o.Meter.Status())
	}
	switch {
	case !a.isLoaded():
		doc.Mode, doc.AgeMs = "loading", 0
	case s.Linked:
		doc.Mode = "connected"
	}
	body, err := json.Marshal(doc)
	if err != nil {
		problem(ctx, trouble{status: 500, code: "internal", detail: "the status cannot be written"})
		return
	}
	answer(ctx, body)
}
