package follow

import (
	"fmt"
	"strings"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/replica"
)

// A mirror is the documents of a log as far as they have come, on their way into the index. One goroutine uses it.
type mirror struct {
	names     *checker.Names
	txn       *index.Txn
	catalogue catalog.Catalogue
	plans     map[string]catalog.PlanVersion // by key of the document
	others    map[string]uint64              // hashes of documents that have no record in the index, by key
	remade    bool                           // catalogue or plans changed since the world was compiled
	count     int                            // documents that the digest covers
	digest    uint64
	last      uint64  // revision of the newest document that the digest covers, tombstones included
	claim     *Digest // what a hub said last; nil: nothing new
}

func newMirror(names *checker.Names, txn *index.Txn) *mirror {
	return &mirror{names: names, txn: txn, plans: map[string]catalog.PlanVersion{}, others: map[string]uint64{}}
}

// apply takes a document in, and answers it as a store keeps it. An error means that the document cannot be read.
func (m *mirror) apply(e replica.Entry) (replica.StoredDoc, error) {
	doc := replica.StoredDoc{Key: e.Key, Rev: e.Rev, Value: e.Value, Hash: replica.DocHash(e.Key, e.Value)}
	err := m.take(&doc)
	return doc, err
}

// take applies a document; a record that comes with it spares the packing.
func (m *mirror) take(doc *replica.StoredDoc) error {
	if doc.Key != replica.DigestKey {
		m.last = max(m.last, doc.Rev)
	}
	k := replica.ParseKey(doc.Key)
	switch k.Kind {
	case replica.KindCustomer:
		return m.customer(k, doc)
	case replica.KindCatalog:
		if err := m.takeCatalogue(doc.Value); err != nil {
			return fmt.Errorf("document %q at %d: %w", doc.Key, doc.Rev, err)
		}
	case replica.KindPlan:
		if err := m.takePlan(doc); err != nil {
			return fmt.Errorf("document %q at %d: %w", doc.Key, doc.Rev, err)
		}
	case replica.KindMeta:
		if doc.Key == replica.DigestKey && doc.Value != nil {
			if d, err := decodeDigest(doc.Value); err == nil {
				m.claim = &d
			}
		}
	}
	m.setOther(doc.Key, doc.Hash)
	return nil
}

func (m *mirror) takeCatalogue(value []byte) error {
	if value == nil {
		m.catalogue = catalog.Catalogue{}
	} else {
		c, err := catalog.DecodeCatalogue(value)
		if err != nil {
			return err
		}
		m.catalogue = c
	}
	m.remade = true
	return nil
}

func (m *mirror) takePlan(doc *replica.StoredDoc) error {
	m.remade = true
	if doc.Value == nil {
		delete(m.plans, doc.Key)
		return nil
	}
	p, err := catalog.DecodePlan(doc.Value)
	if err == nil {
		// The store may lend its bytes only for the call.
		m.plans[strings.Clone(doc.Key)] = p
	}
	return err
}

// setOther notes the hash of a document without a record; 0 takes it out.
func (m *mirror) setOther(key string, hash uint64) {
	m.unsum(m.others[key])
	delete(m.others, key)
	if hash != 0 {
		m.others[strings.Clone(key)] = hash
		m.sum(hash)
	}
}

func (m *mirror) sum(hash uint64) {
	if hash != 0 {
		m.digest += hash
		m.count++
	}
}

func (m *mirror) unsum(hash uint64) {
	if hash != 0 {
		m.digest -= hash
		m.count--
	}
}

// customer takes a customer's document in. A customer that moved has documents under two keys for a while, of which
// the index holds the one that is no pointer.
func (m *mirror) customer(k replica.Key, doc *replica.StoredDoc) error {
	rec := checker.Record(doc.Record)
	if !rec.Readable() {
		rec = nil // packed by a program of another version
	}
	if _, moved := catalog.DecodePointer(doc.Value); doc.Value != nil && !moved && rec == nil {
		c, err := catalog.DecodeCustomer(doc.Value)
		if err == nil && c.ID != k.ID {
			err = fmt.Errorf("it holds customer %q", c.ID)
		}
		if err == nil {
			c.Group = groupOf(k)
			rec, err = catalog.Pack(m.names, c)
		}
		if err != nil {
			return fmt.Errorf("document %q at %d: %w", doc.Key, doc.Rev, err)
		}
		doc.Record = rec
	}
	held := m.txn.Record([]byte(k.ID))
	here := held != nil && string(held.Group()) == groupOf(k)
	switch {
	case rec == nil && here:
		old, _ := m.txn.Delete([]byte(k.ID))
		m.unsum(old)
		m.setOther(doc.Key, doc.Hash)
	case rec == nil:
		m.setOther(doc.Key, doc.Hash)
	default:
		m.setOther(doc.Key, 0)
		old, replaced := m.txn.Put(rec, doc.Hash)
		m.sum(doc.Hash)
		if replaced && here {
			m.unsum(old)
		} else if replaced {
			m.others[replica.CustomerKey(string(held.Group()), k.ID)] = old
		}
	}
	return nil
}

// groupOf is the group of a key as records hold it: empty for the default one.
func groupOf(k replica.Key) string {
	if k.Group == replica.DefaultGroup {
		return ""
	}
	return k.Group
}

// publish makes what was applied the newest view.
func (m *mirror) publish(x *index.Index, revision uint64) error {
	if m.remade {
		m.txn.SetWorld(m.compile())
		m.remade = false
	}
	if err := m.txn.Publish(revision); err != nil {
		return err
	}
	m.txn = x.Begin()
	return nil
}

func (m *mirror) compile() *checker.World {
	plans := make([]catalog.PlanVersion, 0, len(m.plans))
	for _, p := range m.plans {
		plans = append(plans, p)
	}
	return catalog.Compile(m.names, m.catalogue, plans)
}
