package hub

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// A usageDoc is what became of one feature in one period, as it is answered.
type usageDoc struct {
	Feature   string     `json:"feature"`
	Start     *time.Time `json:"period_start"` // null: since ever
	End       *time.Time `json:"period_end"`   // null: it has none
	Used      int64      `json:"used"`
	Overage   int64      `json:"overage"`
	Limit     *int64     `json:"limit"` // null: unlimited
	Unlimited bool       `json:"unlimited,omitempty"`
	InDoubt   int64      `json:"in_doubt"`
}

// counts answers who counts, or that nobody does.
func (h *Hub) counts() (*counting.Counter, error) {
	if h.counter == nil {
		return nil, refuse(http.StatusServiceUnavailable, "not_counting", "this hub was started without counting")
	}
	return h.counter, nil
}

func (h *Hub) getUsage(c *call) error {
	count, err := h.counts()
	if err != nil {
		return err
	}
	id, err := c.id("id")
	if err != nil {
		return err
	}
	in, err := c.span()
	if err != nil {
		return err
	}
	all, err := count.Usage(c.r.Context(), id, in)
	if err != nil {
		return unavailable(err)
	}
	if len(all) == 0 { // usage outlives its customer; one that never was has none
		if _, err := h.existing(c); err != nil {
			return err
		}
	}
	feature := c.r.URL.Query().Get("feature")
	out := []usageDoc{}
	slices.SortFunc(all, func(a, b counting.Used) int {
		return cmp.Or(compare(a.Feature, b.Feature), cmp.Compare(a.Span.Start, b.Span.Start))
	})
	for _, u := range all {
		if feature == "" || feature == u.Feature {
			out = append(out, usageOf(u))
		}
	}
	if feature != "" && len(out) == 0 {
		if err := h.isCounted(c, feature); err != nil {
			return err
		}
	}
	return c.answer(struct {
		Customer string     `json:"customer"`
		Usage    []usageDoc `json:"usage"`
	}{id, out})
}

// isCounted tells what is wrong with a feature of which there is no usage, if there never will be any.
func (h *Hub) isCounted(c *call, feature string) error {
	v, err := h.wait(c.r.Context(), h.written.Load())
	if err != nil {
		return err
	}
	if f := v.index.World().Feature([]byte(feature)); f != nil && f.Type == checker.Metered {
		return nil
	}
	return catalog.Faults{{Path: "feature", Problem: fmt.Sprintf("%.40q is no metered feature of the catalogue", feature),
		Remedy: "GET /v1/catalog lists the features"}}
}

func usageOf(u counting.Used) usageDoc {
	out := usageDoc{Feature: u.Feature, Used: u.Used, Overage: u.Overage, InDoubt: u.Doubt}
	out.Start, out.End = bounds(u.Span)
	if out.Unlimited = u.Limit >= ledger.MaxUnits; !out.Unlimited {
		out.Limit = &u.Limit
	}
	return out
}

// span reads from and to.
func (c *call) span() (ledger.Span, error) {
	in := ledger.Span{Start: 0, End: math.MaxInt64}
	var faults catalog.Faults
	for name, into := range map[string]*int64{"from": &in.Start, "to": &in.End} {
		text := c.r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		at, err := catalog.ParseTime(text)
		if err != nil {
			faults = append(faults, faultOf(catalog.Field{Key: name}, err))
		}
		*into = at.UnixMilli()
	}
	if len(faults) == 0 && in.Start >= in.End {
		faults = catalog.Faults{{Path: "to", Problem: "it is not after from", Remedy: "choose a later time"}}
	}
	if len(faults) > 0 {
		return in, faults
	}
	return in, nil
}

// A holderDoc is a holder as it is answered.
type holderDoc struct {
	ID          string          `json:"id"`
	About       json.RawMessage `json:"about"`
	Revision    uint64          `json:"revision"` // of its snapshot, as it said last; 0: it did not
	Lag         uint64          `json:"lag"`      // revisions that it was behind this hub
	Incarnation uint64          `json:"incarnation"`
	EnrolledAt  *time.Time      `json:"enrolled_at"`
	LastSeen    *time.Time      `json:"last_seen"`
	AgeMS       int64           `json:"age_ms"` // since then
	Trust       string          `json:"trust"`  // trusted, quarantined, written_off, destroyed or retired
	FencedAt    *time.Time      `json:"fenced_at,omitempty"`
	FencedBy    string          `json:"fenced_by,omitempty"` // a token
	ClonedAt    *time.Time      `json:"cloned_at,omitempty"` // when its vault was noticed to be used twice
	Books       int             `json:"books"`               // customers and features that it has counted
	Quarantined int             `json:"books_quarantined"`
	Held        int64           `json:"rights_held"`
	InDoubt     int64           `json:"in_doubt"`
}

func (h *Hub) getFleet(c *call) error {
	count, err := h.counts()
	if err != nil {
		return err
	}
	all, err := count.Fleet(c.r.Context())
	if err != nil {
		return unavailable(err)
	}
	retired, err := c.flag("retired")
	if err != nil {
		return err
	}
	now, out := h.now().UnixMilli(), []holderDoc{}
	v, _ := h.shelf.load()
	for _, s := range all {
		if s.Fence == counting.Retired && !retired {
			continue
		}
		d := holderDoc{ID: hex.EncodeToString(s.ID[:]), About: s.About, Incarnation: s.Incarnation,
			EnrolledAt: moment(s.Enrolled), LastSeen: moment(s.Heard), AgeMS: max(0, now-s.Heard), Trust: "trusted",
			FencedAt: moment(s.Fenced), FencedBy: s.By, ClonedAt: moment(s.Cloned), Books: s.Books,
			Quarantined: s.Quarantined, Held: s.Held, InDoubt: s.Doubt}
		switch {
		case s.Fence != "":
			d.Trust = s.Fence
		case s.Quarantined > 0:
			d.Trust = "quarantined"
		}
		if d.About == nil {
			d.About = json.RawMessage("null")
		}
		var about struct{ Revision uint64 }
		if json.Unmarshal(d.About, &about) == nil && about.Revision > 0 {
			d.Revision, d.Lag = about.Revision, v.rev-min(v.rev, about.Revision)
		}
		out = append(out, d)
	}
	lesson, err := count.Lesson(c.r.Context())
	if err != nil {
		return unavailable(err)
	}
	return c.answer(struct {
		Holders  []holderDoc  `json:"holders"`
		Epoch    uint64       `json:"epoch"`    // of the books: how often they may have lost something
		Learning *learningDoc `json:"learning"` // null: no book waits
		Accepted *acceptDoc   `json:"accepted"` // null: nobody said not to wait
	}{out, count.Epoch(), learningOf(lesson), acceptOf(count.Acceptance())})
}

// A learningDoc is what books wait for that have lost something.
type learningDoc struct {
	Since   *time.Time `json:"since"`
	Books   int        `json:"books"`
	Awaited []string   `json:"awaited"` // holders that have not told yet what they hold
	AtRisk  int64      `json:"at_risk"` // units of hard limits that may be consumed twice if they are not waited for
}

func learningOf(l counting.Lesson) *learningDoc {
	if l.Books == 0 {
		return nil
	}
	out := &learningDoc{Since: moment(l.Since), Books: l.Books, Awaited: []string{}, AtRisk: l.AtRisk}
	for _, id := range l.Awaited {
		out.Awaited = append(out.Awaited, hex.EncodeToString(id[:]))
	}
	return out
}

// An acceptDoc is who said under this epoch that holders are not waited for, and when.
type acceptDoc struct {
	At *time.Time `json:"at"`
	By string     `json:"by"` // a token
}

func acceptOf(a counting.Acceptance) *acceptDoc {
	if a.At == 0 {
		return nil
	}
	return &acceptDoc{moment(a.At), a.By}
}

// accept ends waiting for holders.
func (h *Hub) accept(c *call) error {
	count, err := h.counts()
	if err != nil {
		return err
	}
	n, err := c.json()
	if err != nil {
		return err
	}
	epoch, err := readAccept(n)
	if err != nil {
		return err
	}
	w, err := h.changeBook(c, counting.EpochKey, func(e replica.Entry, exists bool) (puts []replica.Put, err error) {
		if exists {
			puts, err = count.Accept(e, epoch, c.who.ID)
		}
		if err == nil && len(puts) == 0 {
			err = refuse(http.StatusConflict, "another_epoch", "the books are in epoch %d, and epoch 0 waits for nobody; GET "+
				"/v1/fleet shows what is at risk now", count.Epoch())
		}
		return puts, err
	})
	if err != nil {
		return err
	}
	if !w.again {
		h.log.Warn("holders are not waited for any more that may hold rights", "epoch", epoch, "by", c.who.ID)
	}
	return c.wroteAs(w.rev, struct {
		Revision uint64 `json:"revision"`
		Epoch    uint64 `json:"epoch"`
	}{w.rev, epoch})
}

// readAccept reads {epoch}.
func readAccept(n catalog.Node) (epoch uint64, err error) {
	named := false
	err = readFields(n, `{"epoch": 1}`, func(key string, n catalog.Node) (err error) {
		if key != "epoch" {
			return unknownField("epoch")
		}
		named = true
		if epoch, err = strconv.ParseUint(n.Text, 10, 64); err != nil || n.Kind != catalog.Number {
			return errors.New("it must be a whole number")
		}
		return nil
	})
	if err == nil && !named {
		err = catalog.Faults{{Path: "epoch", Problem: "it is missing", Remedy: "name the epoch that GET /v1/fleet shows"}}
	}
	return epoch, err
}

// unknownField refuses a field that is none of those that are known.
func unknownField(known string) catalog.Fault {
	return catalog.Fault{Problem: "this field is not known", Remedy: "known here: " + known}
}

func (h *Hub) fence(c *call) error {
	count, err := h.counts()
	if err != nil {
		return err
	}
	raw, err := hex.DecodeString(c.name("holder"))
	if err != nil || len(raw) != len(ledger.HolderID{}) {
		return noHolder(c.name("holder"))
	}
	n, err := c.optionalJSON()
	if err != nil {
		return err
	}
	destroyed, err := readFence(n)
	if err != nil {
		return err
	}
	f := counting.Fencing{ID: ledger.HolderID(raw), How: counting.WrittenOff, By: c.who.ID}
	if destroyed {
		f.How = counting.Destroyed
	}
	w, err := h.changeBook(c, counting.HolderKey(f.ID), func(e replica.Entry, exists bool) ([]replica.Put, error) {
		if !exists {
			return nil, noHolder(c.name("holder"))
		}
		puts, how, err := count.Fence(c.r.Context(), e, f)
		if err == nil && how != f.How {
			err = refuse(http.StatusConflict, "already_fenced", "this holder is fenced already, as %s, and stays so", how)
		}
		return puts, err
	})
	if err != nil {
		return err
	}
	books, err := count.Part(c.r.Context(), f.ID) // of a repetition too: the hub that was asked first may have died
	if err != nil {                               // it is fenced; Mend does the rest, or whoever repeats this
		return fmt.Errorf("%w: %w", replica.ErrUnknown, err)
	}
	if !w.again {
		h.log.Warn("a holder was declared lost", "holder", c.name("holder"), "trust", f.How, "books", books, "by", c.who.ID)
	}
	return c.wroteAs(w.rev, struct {
		Revision uint64 `json:"revision"`
		Holder   string `json:"holder"`
		Trust    string `json:"trust"`
		Books    int    `json:"books"`
	}{w.rev, c.name("holder"), f.How, books})
}

func noHolder(id string) *problem {
	return refuse(http.StatusNotFound, "holder_not_found", "there is no holder %q; GET /v1/fleet lists them", id)
}

// readFence reads {destroyed?}.
func readFence(n catalog.Node) (destroyed bool, err error) {
	err = readFields(n, `{"destroyed": true}`, func(key string, n catalog.Node) (err error) {
		if key != "destroyed" {
			return unknownField("destroyed")
		}
		destroyed, err = truth(n)
		return err
	})
	return destroyed, err
}
