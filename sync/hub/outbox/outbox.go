package outbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// Options say what an Outbox works on. Log, Now and Command are required.
type Options struct {
	Log     replica.Log // where webhooks and events stand
	Now     func() time.Time
	Command func() replica.CommandID // names a write that nobody else names
	Logger  *slog.Logger             // nil: silent
}

// An Outbox knows the webhooks, and what they are still to hear.
type Outbox struct {
	o      Options
	log    *slog.Logger
	client *http.Client
	wake   chan struct{}
	Stats  Stats

	mu    sync.Mutex
	known *state
	next  *state // what Published makes known: the same one, unless the log is being read anew
}

// Stats count what an Outbox does.
type Stats struct {
	Events    atomic.Int64 // that were to be written, one for each webhook that wants it
	Delivered atomic.Int64
	Failed    atomic.Int64 // attempts
	GivenUp   atomic.Int64 // events whose last attempt failed
	Dropped   atomic.Int64 // events of webhooks that have too many, are disabled or are gone
}

// An Event is something that happened.
type Event struct {
	ID   string // see Name
	Type string
	At   time.Time
	Data any // as JSON, what the event says
}

// Name is the id of an event that is named by some parts, for good.
func Name(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "evt_" + hex.EncodeToString(sum[:16])
}

// A stored event is what the log has of it, for one webhook. Times are unix milliseconds.
type stored struct {
	Type   string          `json:"type"`
	At     int64           `json:"at"`
	Body   json.RawMessage `json:"body"`             // as it is sent
	Due    int64           `json:"due"`              // of the next attempt; while one is made, when it counts as lost
	Tries  int             `json:"tries,omitempty"`  // attempts so far, one that is under way included
	Status int             `json:"status,omitempty"` // of the last one
	Error  string          `json:"error,omitempty"`
}

// New makes an Outbox. It must be told the log, by a follower that watches with it, and Run.
func New(o Options) (*Outbox, error) {
	if o.Log == nil || o.Now == nil || o.Command == nil {
		return nil, errors.New("outbox: it needs a log, a clock and names for writes")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := newState()
	return &Outbox{o: o, log: o.Logger, client: client(), wake: make(chan struct{}, 1), known: s, next: s}, nil
}

func (o *Outbox) now() int64 { return o.o.Now().UnixMilli() }

// Puts says what has to be written for an event: nothing if no webhook wants it.
func (o *Outbox) Puts(e *Event) []replica.Put {
	var to []string
	o.mu.Lock()
	for id, b := range o.known.boxes {
		if b.rev != 0 && b.hook.wants(e.Type) {
			to = append(to, id)
		}
	}
	o.mu.Unlock()
	if len(to) == 0 {
		return nil
	}
	text, err := body(e.Type, e.At, e.Data)
	if err == nil {
		text, err = encode(stored{Type: e.Type, At: e.At.UnixMilli(), Body: text, Due: e.At.UnixMilli()})
	}
	if err != nil {
		o.log.Error("an event cannot be told", "type", e.Type, "error", err)
		return nil
	}
	slices.Sort(to)
	puts := make([]replica.Put, len(to))
	for i, id := range to {
		puts[i] = replica.Put{Key: eventKey(id, e.ID), Value: text}
	}
	o.Stats.Events.Add(int64(len(puts)))
	return puts
}

// A Standing is how a webhook does.
type Standing struct {
	Webhook
	Revision uint64
	Pending  int // events that are not delivered yet
	Outcome  Outcome
}

// List is every webhook by id.
func (o *Outbox) List() []Standing {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := []Standing{}
	for _, b := range o.known.boxes {
		if b.rev != 0 {
			out = append(out, b.standing())
		}
	}
	slices.SortFunc(out, func(x, y Standing) int { return strings.Compare(x.ID, y.ID) })
	return out
}

// Find is one webhook; false if it is not known here.
func (o *Outbox) Find(id string) (Standing, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.known.boxes[id]
	if b == nil || b.rev == 0 {
		return Standing{}, false
	}
	return b.standing(), true
}

func (b *box) standing() Standing {
	return Standing{Webhook: b.hook, Revision: b.rev, Pending: b.waiting.Len(), Outcome: b.outcome.plus(b.fresh)}
}

// Pending is how many events are not delivered yet.
func (o *Outbox) Pending() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range o.known.boxes {
		n += b.waiting.Len()
	}
	return n
}
