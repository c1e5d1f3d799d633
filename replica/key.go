package replica

import (
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Kinds of documents: the part of a key before the first slash or at sign.
const (
	KindCatalog   = "catalog"
	KindPlan      = "plan"
	KindCustomer  = "customer"
	KindToken     = "token"
	KindMeta      = "meta"
	KindLedger    = "ledger"    // the book of a customer and a feature
	KindHistory   = "history"   // what became of periods that books keep no more
	KindFleet     = "fleet"     // a holder
	KindEnrolment = "enrolment" // who may connect to NATS
	KindTotals    = "totals"    // what sidecars are told of a book
	KindWebhook   = "webhook"   // an address that hears of what happens
	KindEvent     = "event"     // what a webhook is still to hear
	KindOutcome   = "outcome"   // what became of a webhook's events
)

// DefaultGroup is the group of a customer that names none.
const DefaultGroup = "default"

// A Key names a document: kind, group of customers (empty for documents that everybody follows) and id.
// In text: catalog, plan/team/3, customer/acme (default group), customer@eu/acme, meta/digest.
type Key struct {
	Kind  string
	Group string
	ID    string
}

// CustomerKey is the key of a customer's document in its group; an empty group is the default one.
func CustomerKey(group, id string) string {
	if group == "" || group == DefaultGroup {
		return KindCustomer + "/" + id
	}
	return KindCustomer + "@" + group + "/" + id
}

// PlanKey is the key of one version of a plan.
func PlanKey(plan string, version uint32) string {
	return KindPlan + "/" + plan + "/" + strconv.FormatUint(uint64(version), 10)
}

// CountKey is the key of a document about a customer and a feature. An empty group is none, not the default one.
func CountKey(kind, group, customer, feature string) string {
	if group != "" {
		kind += "@" + group
	}
	return kind + "/" + slashless.Replace(customer) + "/" + slashless.Replace(feature)
}

// ParseCount takes the id of such a document apart.
func ParseCount(id string) (customer, feature string, ok bool) {
	customer, feature, ok = strings.Cut(id, "/")
	return slashed.Replace(customer), slashed.Replace(feature), ok && !strings.Contains(feature, "/")
}

// Ids of which one follows another must not have what stands between them.
var (
	slashless = strings.NewReplacer("/", "%2F", "%", "%25")
	slashed   = strings.NewReplacer("%2F", "/", "%25", "%")
)

// ParseKey takes a key apart. A key without a slash is a kind alone.
func ParseKey(key string) Key {
	head, id, _ := strings.Cut(key, "/")
	kind, group, _ := strings.Cut(head, "@")
	if kind == KindCustomer && group == "" {
		group = DefaultGroup
	}
	return Key{Kind: kind, Group: group, ID: id}
}

// DigestKey is the document in which a hub says what the digest was at a revision. The digest does not cover it.
const DigestKey = KindMeta + "/digest"

// DocHash is a document's part of the digest, which is the sum of all: xxhash64 of key, a zero byte and value; 0 for a
// tombstone and for the digest's own document.
func DocHash(key string, value []byte) uint64 {
	if value == nil || key == DigestKey {
		return 0
	}
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(key)
	_, _ = d.Write([]byte{0})
	_, _ = d.Write(value)
	return d.Sum64()
}
