package hub

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/follow"
)

// A card is what a list shows, and a search looks at, of one customer.
type card struct {
	id      string
	name    string
	group   string // empty: the default one
	rev     uint64
	home    uint64 // revision of the document that points at the group; 0 in the default group
	revoked bool
}

func byID(a, b card) bool { return a.id < b.id }

// A view is everything the hub knows at one revision. It is never changed.
type view struct {
	rev       uint64
	index     *index.View
	cards     *btree.BTreeG[card]
	grants    *btree.Map[string, map[string]catalog.Grant] // of customers that have any, by id; not to be changed
	catalogue catalog.Catalogue
	catRev    uint64 // revision of the catalogue's document; 0: there is none
	plans     []planDoc
	newest    map[string]catalog.PlanVersion // of dropped plans too
	versions  map[planKey]bool
	names     *checker.Names // not to be changed; Clone it
	digest    follow.Digest
	digestRev uint64 // revision of the digest's document; 0: there is none
	digested  bool   // that digest is of the revision before its own, so that followers can compare it
}

type planKey struct {
	plan    string
	version uint32
}

// A planDoc is one version of a plan, with the revision that brought it.
type planDoc struct {
	catalog.PlanVersion
	rev uint64
}

// has tells whether a plan has a version.
func (v *view) has(plan string, version uint32) bool { return v.versions[planKey{plan, version}] }

// A shelf watches a follower of the documents and keeps the newest view.
type shelf struct {
	follower *follow.Follower

	mu      sync.Mutex
	view    *view
	changed chan struct{} // closed, and made anew, with every view

	// The follower's goroutine's own:
	next  view
	plans map[string]planDoc
	homes map[string]uint64 // revisions of documents that point at a group, by customer
	stale bool              // plans changed since next.plans was made
	named int               // names in next.names
}

func newShelf() *shelf {
	s := &shelf{changed: make(chan struct{})}
	s.Reset()
	return s
}

// Reset forgets what was told. What was published stays.
func (s *shelf) Reset() {
	s.next = view{cards: btree.NewBTreeGOptions(byID, btree.Options{NoLocks: true}), names: checker.NewNames(),
		grants: &btree.Map[string, map[string]catalog.Grant]{}}
	s.plans, s.homes, s.stale, s.named = map[string]planDoc{}, map[string]uint64{}, true, -1
}

// Apply takes a document in. One that cannot be read stops the follower before it comes here.
func (s *shelf) Apply(e replica.Entry) {
	switch k := replica.ParseKey(e.Key); k.Kind {
	case replica.KindCustomer:
		s.customer(k, e)
	case replica.KindCatalog:
		s.next.catalogue, s.next.catRev = catalog.Catalogue{}, 0
		if c, err := catalog.DecodeCatalogue(e.Value); err == nil {
			s.next.catalogue, s.next.catRev = c, e.Rev
		}
	case replica.KindPlan:
		s.stale = true
		delete(s.plans, e.Key)
		if p, err := catalog.DecodePlan(e.Value); err == nil {
			s.plans[e.Key] = planDoc{p, e.Rev}
		}
	case replica.KindMeta:
		if e.Key == replica.DigestKey {
			s.digest(e)
		}
	}
}

func (s *shelf) digest(e replica.Entry) {
	var d follow.Digest
	s.next.digestRev, s.next.digested = liveRev(e), false
	if before, _ := s.load(); len(e.Value) > 0 && before != nil && json.Unmarshal(e.Value[1:], &d) == nil {
		s.next.digested = d.Revision == before.rev
	}
}

// liveRev is the revision to expect of a document.
func liveRev(e replica.Entry) uint64 {
	if e.Deleted() {
		return 0
	}
	return e.Rev
}

// customer keeps a customer's card. One that moved has documents under two keys for a while; the card is of the one
// that is no pointer.
func (s *shelf) customer(k replica.Key, e replica.Entry) {
	group := groupOf(k.Group)
	held, known := s.next.cards.Get(card{id: k.ID})
	_, pointer := catalog.DecodePointer(e.Value)
	if pointer {
		s.homes[k.ID] = e.Rev
	} else if group == "" {
		delete(s.homes, k.ID)
	}
	switch {
	case pointer || e.Deleted():
		if known && held.group == group {
			s.next.cards.Delete(held)
			s.next.grants.Delete(k.ID)
		} else if known && pointer {
			held.home = e.Rev
			s.next.cards.Set(held)
		}
	default:
		c, err := catalog.DecodeCustomer(e.Value)
		if err != nil {
			return
		}
		s.next.cards.Set(card{id: strings.Clone(k.ID), name: c.Name, group: group, rev: e.Rev,
			home: s.homes[k.ID], revoked: c.Status == "revoked"})
		if len(c.Grants) > 0 {
			s.next.grants.Set(strings.Clone(k.ID), c.Grants)
		} else {
			s.next.grants.Delete(k.ID)
		}
	}
}

// groupOf is a group as documents hold it: empty for the default one.
func groupOf(group string) string {
	if group == replica.DefaultGroup {
		return ""
	}
	return group
}

// Published makes what was told the newest view.
func (s *shelf) Published(rev uint64) {
	if s.stale {
		s.sortPlans()
	}
	if names := s.follower.Names(); names.Len() != s.named {
		s.next.names, s.named = names.Clone(), names.Len()
	}
	v := s.next
	v.rev, v.index, v.digest = rev, s.follower.Index().Load(), s.follower.Digest()
	v.cards, v.grants = s.next.cards.Copy(), s.next.grants.Copy()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = &v
	close(s.changed)
	s.changed = make(chan struct{})
}

// sortPlans lists the plan versions by key and version.
func (s *shelf) sortPlans() {
	s.stale = false
	n := &s.next
	n.plans, n.newest, n.versions = nil, map[string]catalog.PlanVersion{}, map[planKey]bool{}
	for _, p := range s.plans {
		n.plans = append(n.plans, p)
		n.versions[planKey{p.Key, p.Version}] = true
		if p.Version > n.newest[p.Key].Version {
			n.newest[p.Key] = p.PlanVersion
		}
	}
	sortPlans(n.plans)
}

// load is the newest view and a channel that is closed when there is a newer one.
func (s *shelf) load() (*view, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view, s.changed
}

// wait answers a view of at least a revision.
func (s *shelf) wait(ctx context.Context, rev uint64) (*view, error) {
	for {
		v, changed := s.load()
		if v != nil && v.rev >= rev {
			return v, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
