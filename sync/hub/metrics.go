package hub

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

// meters count what the hub does.
type meters struct {
	set        *metrics.Set
	failedPuts *metrics.Counter
	imported   *metrics.Counter
}

func newMeters(h *Hub) *meters {
	set := metrics.NewSet()
	set.NewGauge("sidegate_hub_revision", func() float64 {
		if v, _ := h.shelf.load(); v != nil {
			return float64(v.rev)
		}
		return 0
	})
	set.NewGauge("sidegate_hub_customers", func() float64 {
		if v, _ := h.shelf.load(); v != nil {
			return float64(v.cards.Len())
		}
		return 0
	})
	if h.counter != nil {
		h.countMetrics(set)
	}
	h.tellMetrics(set)
	return &meters{set, set.NewCounter("sidegate_hub_puts_failed_total"), set.NewCounter("sidegate_hub_imported_total")}
}

// request counts one request.
func (m *meters) request(pattern string, w *recorder) {
	method, route, _ := strings.Cut(pattern, " ")
	m.set.GetOrCreateCounter(fmt.Sprintf("sidegate_hub_requests_total{method=%q,route=%q,code=%q}",
		method, route, w.code())).Inc()
}

// countMetrics tell what is counted.
func (h *Hub) countMetrics(set *metrics.Set) {
	set.NewGauge("sidegate_hub_books", func() float64 { return float64(h.counter.Books()) })
	set.NewGauge("sidegate_hub_books_epoch", func() float64 { return float64(h.counter.Epoch()) })
	stats := &h.counter.Stats
	counters(set, map[string]*atomic.Int64{"leases": &stats.Leases, "reports": &stats.Items,
		"reports_refused": &stats.Refused, "books_written": &stats.Written, "book_entries": &stats.Entries,
		"book_conflicts": &stats.Conflicts, "totals_published": &stats.Totals})
}

// tellMetrics tell what webhooks are told.
func (h *Hub) tellMetrics(set *metrics.Set) {
	set.NewGauge("sidegate_hub_webhook_pending", func() float64 { return float64(h.outbox.Pending()) })
	stats := &h.outbox.Stats
	counters(set, map[string]*atomic.Int64{"webhook_events": &stats.Events, "webhook_delivered": &stats.Delivered,
		"webhook_attempts_failed": &stats.Failed, "webhook_given_up": &stats.GivenUp, "webhook_dropped": &stats.Dropped})
}

// counters are metrics that only grow.
func counters(set *metrics.Set, all map[string]*atomic.Int64) {
	for name, n := range all {
		set.NewGauge("sidegate_hub_"+name+"_total", func() float64 { return float64(n.Load()) })
	}
}
