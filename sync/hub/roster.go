package hub

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// An enrolment is who may connect to NATS, as the books hold it. The credentials themselves are nowhere.
type enrolment struct {
	ID        string     `json:"-"`
	Name      string     `json:"name,omitempty"`
	User      string     `json:"user"` // public key, by which NATS knows it
	Groups    []string   `json:"groups,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"` // a token
	ExpiresAt *time.Time `json:"expires_at,omitempty"`

	rev uint64
}

// enrolmentVersion is the first byte of a stored enrolment.
const enrolmentVersion = 1

func (e enrolment) encode() ([]byte, error) {
	data, err := json.Marshal(e)
	return append([]byte{enrolmentVersion}, data...), err
}

func decodeEnrolment(id string, from replica.Entry) (enrolment, error) {
	e := enrolment{ID: id, rev: from.Rev}
	if len(from.Value) == 0 || from.Value[0] != enrolmentVersion {
		return e, errors.New("stored enrolment: unknown format version")
	}
	return e, json.Unmarshal(from.Value[1:], &e)
}

func enrolmentKey(id string) string { return replica.KindEnrolment + "/" + id }

// A roster watches a follower of the books and knows every enrolment. It stands before the keyring among those who
// watch, so that whoever waited for the keyring finds the same revision here.
type roster struct {
	mu    sync.Mutex
	known map[string]enrolment
	next  map[string]enrolment // what Published makes known: the same one, unless the books are being read anew
}

func newRoster() *roster {
	m := map[string]enrolment{}
	return &roster{known: m, next: m}
}

// Reset begins anew. What is known stays so until the other log is read.
func (r *roster) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = map[string]enrolment{}
}

// Apply takes a document in.
func (r *roster) Apply(e replica.Entry) {
	key := replica.ParseKey(e.Key)
	if key.Kind != replica.KindEnrolment {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.next, key.ID)
	if e.Deleted() {
		return
	}
	if one, err := decodeEnrolment(key.ID, e); err == nil { // one of a newer hub is not shown by this one
		r.next[key.ID] = one
	}
}

// Published makes known what was taken in.
func (r *roster) Published(uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = r.next
}

// list is every enrolment, the oldest first.
func (r *roster) list() []enrolment {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]enrolment, 0, len(r.known))
	for _, e := range r.known {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b enrolment) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}
