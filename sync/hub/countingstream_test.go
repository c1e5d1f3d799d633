package hub_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/stream"
)

// twoHubs are two hubs that count on one NATS, stocked.
func twoHubs(t *testing.T) (a, b *bench, logs map[string]*stream.Stream) {
	t.Helper()
	logs = natsLogs(t)
	o := hub.Options{Docs: logs["docs"], Books: logs["books"], Totals: logs[stream.Totals], Bus: logs["books"]}
	a = newBenchWith(t, o)
	o.Now = a.time
	b = newBenchWith(t, o)
	a.stock()
	return a, b, logs
}

func TestTwoHubsOnNATSNeverGrantMoreThanTheLimit(t *testing.T) {
	a, _, logs := twoHubs(t)
	a.ok("POST /v1/import", lines(20, "team"))
	const holders = 12
	var wait sync.WaitGroup
	all := make([]*holder, holders)
	for i := range all {
		all[i] = a.holder(logs["docs"])
		wait.Go(func() {
			for n := range 80 {
				name := fmt.Sprintf("c%d", n%20)
				all[i].ask(name, "calls", int64(3*(n/20+1)))
				all[i].use(name, "calls", min(1, all[i].free(name, "calls")))
			}
			for c := range 20 {
				all[i].ask(fmt.Sprintf("c%d", c), "calls", -1)
			}
		})
	}
	wait.Wait()
	for c := range 20 {
		name := fmt.Sprintf("c%d", c)
		used, free := int64(0), int64(0)
		for _, h := range all {
			acc := h.account(name, "calls")
			used += acc.Used(acc.Span(ledger.Rule{}, h.now()))
			free += h.free(name, "calls")
		}
		if used+free > 100 {
			t.Errorf("%s: %d are used and %d held of 100", name, used, free)
		}
		key := totalsKey("default", name, "calls")
		waitTotals(t, logs[stream.Totals], key, func(s *ledger.Totals) bool { return s.Used == used && s.Out == free })
	}
}
