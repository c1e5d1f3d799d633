package hub

import (
	"strconv"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub/counting"
	"github.com/sidegate/sidegate/sync/hub/outbox"
)

// A herald lets webhooks hear of what those who count notice.
type herald struct{ h *Hub }

// eventTypes are what a webhook can ask to hear of.
func eventTypes() []string {
	return []string{counting.ThresholdReached, counting.LimitReached, counting.OverageStarted, counting.OverdraftStarted,
		counting.Adjusted}
}

// A noticeDoc is what an event says.
type noticeDoc struct {
	Customer  string     `json:"customer"`
	Feature   string     `json:"feature"`
	Plan      string     `json:"plan,omitempty"`
	Start     *time.Time `json:"period_start"` // null: since ever
	End       *time.Time `json:"period_end"`   // null: it has none
	Threshold int64      `json:"threshold,omitempty"`
	Used      int64      `json:"used"`
	UsedWas   *int64     `json:"previously_used,omitempty"`
	Limit     *int64     `json:"limit"` // null: unlimited
	Rolled    int64      `json:"rolled_over"`
	Grants    int64      `json:"grants"`
	Overage   int64      `json:"overage"`
}

// Puts says what has to be written so that webhooks hear of a notice.
func (l herald) Puts(n *counting.Notice) []replica.Put {
	e := outbox.Event{Type: n.Type, At: time.UnixMilli(n.At), ID: outbox.Name(n.Type, n.Customer, n.Feature,
		strconv.FormatInt(n.Span.Start, 10), strconv.FormatInt(n.Percent, 10), strconv.FormatUint(n.Book, 10))}
	d := noticeDoc{Customer: n.Customer, Feature: n.Feature, Threshold: n.Percent, Used: n.Used, Rolled: n.Rolled,
		Grants: n.Grants, Overage: n.Overage}
	if d.Start, d.End = bounds(n.Span); n.Limit < ledger.MaxUnits {
		d.Limit = &n.Limit
	}
	if n.Type == counting.Adjusted {
		d.UsedWas = &n.Was
	}
	if v, _ := l.h.shelf.load(); v != nil {
		held := v.index.Held([]byte(n.Customer), []byte(n.Feature))
		d.Plan = checker.Decide(&held, &checker.Ask{Quantity: 1, Anywhere: true}, n.At).Plan
	}
	e.Data = d
	return l.h.outbox.Puts(&e)
}

// bounds are a period's ends as answers show them; nil: it has none there.
func bounds(s ledger.Span) (start, end *time.Time) {
	if s.End != ledger.Forever {
		end = moment(s.End)
	}
	if s.Start > 0 {
		start = moment(s.Start)
	}
	return start, end
}
