package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"github.com/sidegate/sidegate/checker"
)

// meters counts decisions and shows how the replica stands.
type meters struct {
	set     *metrics.Set
	reasons [64]atomic.Uint64 // by checker.Reason
}

func newMeters(a *API) *meters {
	m := &meters{set: metrics.NewSet()}
	for _, r := range checker.Reasons() {
		name := fmt.Sprintf("sidegate_decisions_total{allowed=%q,reason=%q}", fmt.Sprint(r.Allows()), r.String())
		m.set.NewGauge(name, func() float64 { return float64(m.reasons[r].Load()) })
	}
	gauge := func(name string, value func() float64) { m.set.NewGauge("sidegate_"+name, value) }
	gauge("revision", func() float64 { return float64(a.o.Source.Index().Load().Revision()) })
	gauge("customers", func() float64 { return float64(a.o.Source.Index().Load().Len()) })
	gauge("snapshot_age_seconds", func() float64 { return float64(a.age(a.o.Now().UnixMilli())) / 1000 })
	gauge("linked", func() float64 { return number(a.o.Source.Status().Linked) })
	gauge("stored_revision", func() float64 { return float64(a.o.Source.Status().Stored) })
	gauge("alarms", func() float64 { return float64(len(a.o.Source.Status().Alarms)) })
	return m
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *meters) count(r checker.Reason) { m.reasons[r&63].Add(1) }

// OpsHandler serves probes and metrics.
func (a *API) OpsHandler(ctx *fasthttp.RequestCtx) {
	if !ctx.IsGet() && !ctx.IsHead() {
		wrongMethod(ctx, fasthttp.MethodGet)
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

func (a *API) status(ctx *fasthttp.RequestCtx) {
	s := a.o.Source.Status()
	doc := statusDocument{Mode: "disconnected", Version: a.o.Version, Revision: s.Revision, Customers: s.Customers,
		Lineage: lineage{s.Lineage.Log, s.Lineage.Created, s.Lineage.Nonce},
		AgeMs:   a.age(a.o.Now().UnixMilli()), Digest: digestCheck{string(s.Digest), s.Digested},
		Hub: hubLink{s.Linked}, Disk: diskState{s.Stored}, Alarms: []alarmReport{}}
	switch {
	case !a.isLoaded():
		doc.Mode, doc.AgeMs = "loading", 0
	case s.Linked:
		doc.Mode = "connected"
	}
	for name, remedy := range s.Alarms {
		doc.Alarms = append(doc.Alarms, alarmReport{name, remedy})
	}
	slices.SortFunc(doc.Alarms, func(x, y alarmReport) int { return strings.Compare(x.Name, y.Name) })
	body, err := json.Marshal(doc)
	if err != nil {
		problem(ctx, trouble{status: 500, code: "internal", detail: "the status cannot be written"})
		return
	}
	answer(ctx, body)
}
