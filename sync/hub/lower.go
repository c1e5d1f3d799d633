package hub

import (
	"context"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// marked tells whether a hub is about to replace the catalogue.
func (v *view) marked() bool { return v.catalogue.Dropping != nil || v.catalogue.Lowering }

// A holding is what a customer has by one document.
type holding struct {
	record checker.Record
	grants map[string]catalog.Grant
}

// holdingOf packs a document; the zero holding if there is none.
func holdingOf(names *checker.Names, c *catalog.Customer) (holding, error) {
	if c == nil {
		return holding{}, nil
	}
	rec, err := catalog.Pack(names, *c)
	return holding{rec, c.Grants}, err
}

// cuts are the features of which a customer may consume less once its document is next; nil: it is deleted.
func (h *Hub) cuts(v *view, cu held, next *catalog.Customer) ([]counting.Cut, error) {
	if h.counter == nil || !cu.exists {
		return nil, nil
	}
	names := v.names.Clone()
	old, err := holdingOf(names, &cu.doc)
	if err != nil {
		return nil, err
	}
	becomes, err := holdingOf(names, next)
	if err != nil {
		return nil, err
	}
	return v.cut(held{id: cu.id, rev: cu.rev}, old, becomes, h.now().UnixMilli()), nil
}

// cut compares two holdings of a customer. The basis is above every revision that its terms can follow from until the
// next document is written: the write compares the catalogue and the customer.
func (v *view) cut(cu held, old, next holding, now int64) []counting.Cut {
	w := v.index.World()
	basis := max(cu.rev, v.catRev) + 1
	var cuts []counting.Cut
	for _, f := range w.Features() {
		if f.Type != checker.Metered {
			continue
		}
		before, after := old.offer(w, f.Key, basis, now), next.offer(w, f.Key, basis, now)
		if after.Less(&before) {
			cuts = append(cuts, counting.Cut{Customer: cu.id, Feature: f.Key, Offer: after})
		}
	}
	return cuts
}

// offer is what the customer may consume of a feature by a catalogue.
func (o *holding) offer(w *checker.World, feature string, basis uint64, now int64) counting.Offer {
	held := checker.Held{World: w, Feature: w.Feature([]byte(feature)), Record: o.record}
	return offerOf(&held, grantsOf(o.grants, feature), basis, now)
}

// putCut writes documents by which customers may consume less: the books first. It returns when no hub grants by what
// was before.
func (h *Hub) putCut(ctx context.Context, id replica.CommandID, cuts []counting.Cut, puts []replica.Put,
) (uint64, error) {
	if len(cuts) == 0 {
		return h.put(ctx, id, puts...)
	}
	missing, err := h.counter.Lower(ctx, cuts)
	if err != nil {
		return 0, unavailable(err)
	}
	rev, err := h.put(ctx, id, puts...)
	if err != nil || !missing {
		return rev, err
	}
	if _, err := h.wait(ctx, rev); err != nil {
		return 0, err
	}
	if err := h.counter.Settle(ctx, cuts); err != nil {
		return 0, unavailable(err)
	}
	return rev, nil
}

// follow makes the books of customers follow what was written. Where it fails they follow later: when something is
// consumed, or when they are tended.
func (h *Hub) follow(ctx context.Context, rev uint64, customers ...string) {
	if h.counter == nil {
		return
	}
	v, err := h.wait(ctx, rev)
	for _, id := range customers {
		if err == nil && h.counter.Books() > 0 {
			err = h.counter.Refresh(ctx, id)
		}
		if err == nil {
			err = h.counter.Begin(ctx, id, v.granted(id)...)
		}
	}
	if err != nil {
		h.log.Warn("books do not follow a customer yet; they will", "error", err)
	}
}

// moved lets the totals of a customer follow it into another group, or none. Where it fails they are put right when a
// hub starts.
func (h *Hub) moved(ctx context.Context, rev uint64, cu held, next *catalog.Customer) {
	if h.counter == nil || h.counter.Books() == 0 || !cu.exists || next != nil && next.Group == cu.doc.Group {
		return
	}
	_, err := h.wait(ctx, rev)
	if err == nil {
		err = h.counter.Move(ctx, cu.id, cu.doc.Group)
	}
	if err != nil {
		h.log.Warn("totals did not follow a customer into another group", "customer", cu.id, "error", err)
	}
}

// followAll makes all books follow a catalogue.
func (h *Hub) followAll(ctx context.Context, rev uint64) {
	if h.counter == nil || h.counter.Books() == 0 {
		return
	}
	_, err := h.wait(ctx, rev)
	if err == nil {
		_, err = h.counter.Sweep(ctx)
	}
	if err != nil {
		h.log.Warn("books do not follow the catalogue yet; they will", "error", err)
	}
}

// lowerAll takes from the books what the next catalogue takes from customers, and answers the revision that the
// catalogue is to be replaced at. While it does, a mark in the catalogue keeps every hub from raising a book or
// beginning one: who decided before the mark is noticed at the gate, who decides after it sees the mark.
func (h *Hub) lowerAll(ctx context.Context, v *view, next catalog.Catalogue, rev uint64) (uint64, error) {
	if h.counter == nil || v.catRev == 0 {
		return rev, nil
	}
	d := newDescent(v, next, h.now().UnixMilli())
	if !d.lowers(v) {
		return rev, nil
	}
	marked := v.catalogue
	marked.Dropping, marked.Lowering = dropped(v.catalogue, next), true
	rev, err := h.put(ctx, counting.NewCommand(), replica.Put{Key: replica.KindCatalog, Expect: rev,
		Value: catalog.EncodeCatalogue(marked)})
	if err != nil {
		return 0, err
	}
	if v, err = h.wait(ctx, rev); err != nil {
		return 0, err
	}
	err = h.counter.LowerAll(ctx, d.features, func(customer, feature string) counting.Offer {
		c, _ := v.cards.Get(card{id: customer})
		grants, _ := v.grants.Get(customer)
		has := holding{v.index.Record([]byte(customer)), grants}
		return has.offer(d.next, feature, max(c.rev, rev), d.now)
	})
	if err != nil {
		return 0, unavailable(err) // the mark is taken back by whoever finds it later
	}
	return rev, nil
}

// A descent compares what customers may consume by the catalogue in force and by the next one.
type descent struct {
	next     *checker.World
	features map[string]bool // metered ones of which somebody may hold something else
	now      int64
}

func newDescent(v *view, next catalog.Catalogue, now int64) descent {
	versions := next.NewVersions(v.newest)
	d := descent{features: map[string]bool{}, now: now}
	for _, key := range touched(v, next, versions) {
		if v.catalogue.Features[key].Type == "metered" {
			d.features[key] = true
		}
	}
	for _, p := range v.plans {
		versions = append(versions, p.PlanVersion)
	}
	d.next = catalog.Compile(v.names.Clone(), next, versions)
	return d
}

// lowers tells whether anybody may consume less.
func (d *descent) lowers(v *view) bool {
	if len(d.features) == 0 {
		return false
	}
	for rec := range v.index.All() {
		has := holding{record: rec}
		for key := range d.features {
			before, after := has.offer(v.index.World(), key, 0, d.now), has.offer(d.next, key, 0, d.now)
			if after.Less(&before) {
				return true
			}
		}
	}
	return false
}
