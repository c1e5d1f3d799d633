package hub

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
)

// attempts bounds how often a write is decided anew because others were faster.
const attempts = 24

// A held is a customer as the log has it.
type held struct {
	id     string
	exists bool
	doc    catalog.Customer
	rev    uint64 // of its document; 0: it does not exist
	home   uint64 // of what stands under the default group's key; 0: nothing
	recent []replica.Command
}

// customer reads a customer, wherever its group is.
func (h *Hub) customer(ctx context.Context, id string) (held, error) {
	for range attempts {
		c, err := h.customerOnce(ctx, id)
		if !errors.Is(err, errMoved) {
			return c, err
		}
	}
	return held{}, replica.ErrConflict
}

// errMoved says that a customer changed its group while it was read.
var errMoved = errors.New("the customer was moved")

func (h *Hub) customerOnce(ctx context.Context, id string) (held, error) {
	e, ok, err := get(ctx, h.docs, replica.CustomerKey("", id))
	if err != nil || !ok {
		return held{id: id, recent: e.Recent}, err
	}
	c := held{id: id, home: e.Rev, recent: e.Recent}
	if group, moved := catalog.DecodePointer(e.Value); moved {
		e, ok, err = get(ctx, h.docs, replica.CustomerKey(group, id))
		if err == nil && !ok {
			err = errMoved
		}
		if err != nil {
			return held{id: id}, err
		}
		c.recent = append(c.recent, e.Recent...)
	}
	c.exists, c.rev = true, e.Rev
	if c.doc, err = catalog.DecodeCustomer(e.Value); err != nil {
		return held{}, fmt.Errorf("document %q at %d: %w", e.Key, e.Rev, err)
	}
	return c, nil
}

// puts says what has to be written so that the customer becomes next; nil: nothing remains of it. The new key goes
// before the old one's tombstone, so that no follower sees the customer gone while it moves.
func (c *held) puts(next *catalog.Customer) []replica.Put {
	home, old := replica.CustomerKey("", c.id), replica.CustomerKey(c.doc.Group, c.id)
	var out []replica.Put
	if next != nil {
		group := next.Group
		key := replica.CustomerKey(group, c.id)
		put := replica.Put{Key: key, Value: catalog.EncodeCustomer(*next)}
		switch key {
		case home:
			put.Expect = c.home
		case old:
			put.Expect = c.rev
		}
		out = append(out, put)
		if key != home && key == old {
			return out
		}
		if key != home {
			out = append(out, replica.Put{Key: home, Expect: c.home, Value: catalog.EncodePointer(group)})
		}
		if c.exists && key != old && old != home {
			out = append(out, replica.Put{Key: old, Expect: c.rev, Delete: true})
		}
		return out
	}
	if old != home {
		out = append(out, replica.Put{Key: old, Expect: c.rev, Delete: true})
	}
	return append(out, replica.Put{Key: home, Expect: c.home, Delete: true})
}

// An edit decides what becomes of a customer: nil is nothing, the customer is deleted.
type edit func(v *view, c held) (next *catalog.Customer, err error)

// turn is the queue of a customer's writers on this hub.
func (h *Hub) turn(id string) *sync.Mutex {
	return &h.turns[maphash.String(h.seed, id)%uint64(len(h.turns))]
}

// change applies an edit to a customer and answers the write.
func (h *Hub) change(c *call, id string, decide edit) error {
	cmd, err := c.command()
	if err != nil {
		return err
	}
	turn := h.turn(id)
	turn.Lock()
	defer turn.Unlock()
	ctx, last := c.r.Context(), error(replica.ErrConflict)
	for n := range attempts {
		rev, err := h.changeOnce(c, cmd, id, decide)
		if err == nil {
			h.follow(ctx, rev, id)
			return c.wrote(rev)
		}
		if !errors.Is(err, replica.ErrConflict) && !errors.Is(err, replica.ErrUnknown) {
			return err
		}
		last = err
		pause(ctx, time.Duration(rand.Int64N(int64(n+1)*int64(2*time.Millisecond))))
		if _, err := h.fresh(ctx); err != nil {
			return err
		}
	}
	return last
}

// changeOnce reads, decides and writes. ErrConflict and ErrUnknown may be tried again: a write that was applied
// after all is found by its command.
func (h *Hub) changeOnce(c *call, cmd command, id string, decide edit) (uint64, error) {
	ctx := c.r.Context()
	v, err := h.recent(ctx)
	if err != nil {
		return 0, err
	}
	cu, err := h.customer(ctx, id)
	if err != nil {
		return 0, err
	}
	if rev, ok, err := cmd.done(cu.recent); ok || err != nil {
		return rev, err
	}
	if err := c.precondition(cu.rev); err != nil {
		return 0, err
	}
	next, err := decide(v, cu)
	if isFault(err) { // perhaps this hub only does not know yet what another one wrote
		if v, err = h.fresh(ctx); err == nil {
			next, err = decide(v, cu)
		}
	}
	if err != nil {
		return 0, err
	}
	if err := h.stamp(v, cu, next); err != nil {
		return 0, err
	}
	puts := cu.puts(next)
	cuts, err := h.cuts(v, cu, next)
	if err != nil {
		return 0, err
	}
	if len(cuts) > 0 || next != nil && namesMore(cu.doc.Uses(), next.Uses()) {
		puts = append(puts, replica.Put{Key: replica.KindCatalog, Expect: v.catRev})
	}
	rev, err := h.putCut(ctx, cmd.id, cuts, puts)
	if err == nil {
		h.moved(ctx, rev, cu, next)
	}
	return rev, err
}

// isFault tells whether an edit found its document at odds with the catalogue.
func isFault(err error) bool {
	var faults catalog.Faults
	return errors.As(err, &faults)
}

// namesMore tells whether a customer begins to name something. If so the write also compares the catalogue, so that
// what it names cannot vanish under it.
func namesMore(old, next catalog.Uses) bool {
	return more(old.Plans, next.Plans) || more(old.Addons, next.Addons) || more(old.Features, next.Features)
}

func more(old, next map[string]bool) bool {
	for name := range next {
		if !old[name] {
			return true
		}
	}
	return false
}

// vet holds the subscriptions of a customer against the catalogue. old is what the customer names already.
func (v *view) vet(old catalog.Uses, c catalog.Customer) error {
	if err := v.catalogue.CheckCustomer(c, v.has); err != nil {
		return err
	}
	d := v.catalogue.Dropping
	if d == nil {
		return nil
	}
	uses := c.Uses()
	for _, kind := range []struct {
		name                string
		old, uses, dropping map[string]bool
	}{{"plan", old.Plans, uses.Plans, d.Plans}, {"add-on", old.Addons, uses.Addons, d.Addons},
		{"feature", old.Features, uses.Features, d.Features}} {
		for key := range kind.uses {
			if kind.dropping[key] && !kind.old[key] {
				return refuse(http.StatusConflict, "being_dropped",
					"%s %q is being taken out of the catalogue right now; try again", kind.name, key)
			}
		}
	}
	return nil
}

// notFound says that there is no such customer.
func notFound(id string) *problem {
	return refuse(http.StatusNotFound, "customer_not_found",
		"there is no customer %q; PUT /v1/customers/{id} makes one", id)
}
