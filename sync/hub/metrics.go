package hub

import (
	"fmt"
	"strings"

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
	return &meters{set, set.NewCounter("sidegate_hub_puts_failed_total"), set.NewCounter("sidegate_hub_imported_total")}
}

// request counts one request.
func (m *meters) request(pattern string, w *recorder) {
	method, route, _ := strings.Cut(pattern, " ")
	m.set.GetOrCreateCounter(fmt.Sprintf("sidegate_hub_requests_total{method=%q,route=%q,code=%q}",
		method, route, w.code())).Inc()
}
