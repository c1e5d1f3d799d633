package hub

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
)

// Enrolment says how sidecars get credentials for NATS.
type Enrolment struct {
	Open   bool   // NATS lets everybody in: nobody needs credentials
	Issuer Issuer // nil: there is no key to make any with
	// Revoke lets a user in no more and ends its connections. It may be repeated. nil: only who runs NATS can.
	Revoke func(user string) error
	URL    string // of NATS, as far as this hub knows where sidecars reach it
}

// An Issuer makes credentials.
type Issuer interface {
	// Issue makes a user that may do what a sidecar does, until a time; zero: for ever. It answers its public key, and a
	// NATS credentials file, which it does not keep.
	Issue(name string, groups []string, until time.Time) (user string, creds []byte, err error)
}

// An enrolmentDoc is an enrolment as it is answered.
type enrolmentDoc struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	User        string     `json:"user"`
	Groups      []string   `json:"groups"` // empty: all
	CreatedAt   time.Time  `json:"created_at"`
	CreatedBy   string     `json:"created_by"`
	ExpiresAt   *time.Time `json:"expires_at"`
	Revision    uint64     `json:"revision"`
	NATS        string     `json:"nats_url,omitempty"`    // only where it was just made
	Credentials string     `json:"credentials,omitempty"` // the secret; likewise
}

func (e enrolment) document() enrolmentDoc {
	return enrolmentDoc{ID: e.ID, Name: e.Name, User: e.User, Groups: append([]string{}, e.Groups...),
		CreatedAt: e.CreatedAt, CreatedBy: e.CreatedBy, ExpiresAt: e.ExpiresAt, Revision: e.rev}
}

// readEnrolment reads the body. The error is catalog.Faults.
func readEnrolment(n catalog.Node, now time.Time) (e enrolment, err error) {
	err = readFields(n, `{"name": "berlin-1"}`, func(key string, n catalog.Node) error { return e.field(key, n, now) })
	return e, err
}

func (e *enrolment) field(key string, n catalog.Node, now time.Time) (err error) {
	switch {
	case key == "name":
		e.Name, err = shortText(n)
		return err
	case key == "groups" && n.Kind != catalog.List:
		return notAList(n)
	case key == "groups":
		return e.follow(n.Items)
	case key == "expires_at" && n.Kind == catalog.Null:
	case key == "expires_at":
		at, err := catalog.ParseTime(n.Text)
		if err == nil && !at.After(now) {
			return catalog.Fault{Problem: "it lies in the past",
				Remedy: "choose a later time, or leave it out for credentials that do not expire"}
		}
		e.ExpiresAt = &at
		return err
	default:
		return fmt.Errorf("this field is not known; known here: name, groups, expires_at")
	}
	return nil
}

// maxEnrolledGroups keeps credentials short enough for one line of NATS's protocol.
const maxEnrolledGroups = 32

func (e *enrolment) follow(groups []catalog.Node) error {
	if len(groups) > maxEnrolledGroups {
		return fmt.Errorf("at most %d groups can be named; leave them out for all", maxEnrolledGroups)
	}
	for _, g := range groups {
		if g.Kind != catalog.Text || !catalog.ValidGroup(g.Text) {
			return fmt.Errorf("%q is no group; it has 1 to 64 letters, digits, - and _", g.Text)
		}
		if !slices.Contains(e.Groups, g.Text) {
			e.Groups = append(e.Groups, g.Text)
		}
	}
	return nil
}

// issuer answers who makes credentials, or why nobody does.
func (h *Hub) issuer() (Issuer, error) {
	switch from := h.opts.Enrolment; {
	case from.Issuer != nil:
		return from.Issuer, nil
	case from.Open:
		return nil, refuse(http.StatusConflict, "enrolment_not_needed",
			"NATS lets everybody in: start the sidecar with --nats and without credentials, it enrols itself")
	}
	return nil, refuse(http.StatusConflict, "enrolment_not_possible", "this hub has no key to make credentials with: all "+
		"share those of --nats-creds. Give it --nats-signing-key, if NATS runs in operator mode; or, with --embed-nats on "+
		"an address other than loopback, leave --nats-creds out")
}

// enrol makes credentials for a sidecar. They are answered here, and never again. The document's id is that of the
// command, so that a repetition finds it.
func (h *Hub) enrol(c *call) error {
	issuer, err := h.issuer()
	if err != nil {
		return err
	}
	n, err := c.optionalJSON()
	if err != nil {
		return err
	}
	next, err := readEnrolment(n, h.now())
	if err != nil {
		return err
	}
	cmd, err := c.command()
	if err != nil {
		return err
	}
	next.ID, next.CreatedBy = hex.EncodeToString(cmd.id[:]), c.who.ID
	if old, repeated, err := h.enrolled(c, cmd, next.ID); err != nil || repeated {
		if err != nil {
			return err
		}
		return c.answerAs(http.StatusCreated, old.document())
	}
	var until time.Time
	if next.ExpiresAt != nil {
		until = *next.ExpiresAt
	}
	user, creds, err := issuer.Issue(next.Name, next.Groups, until)
	if err != nil {
		return fmt.Errorf("credentials for NATS: %w", err)
	}
	next.User, next.CreatedAt = user, h.now().UTC().Truncate(time.Second)
	value, err := next.encode()
	if err != nil {
		return err
	}
	next.rev, err = h.putBooks(c.r.Context(), cmd, replica.Put{Key: enrolmentKey(next.ID), Value: value})
	if err != nil {
		return err
	}
	h.log.Info("enrolled a sidecar", "id", next.ID, "name", next.Name, "user", user, "by", c.who.ID)
	doc := next.document()
	doc.Credentials, doc.NATS = string(creds), h.opts.Enrolment.URL
	return c.answerAs(http.StatusCreated, doc)
}

// enrolled looks for what an earlier request with the same Idempotency-Key made.
func (h *Hub) enrolled(c *call, cmd command, id string) (old enrolment, found bool, err error) {
	if !cmd.keyed {
		return old, false, nil
	}
	e, ok, err := get(c.r.Context(), h.books, enrolmentKey(id))
	if err != nil {
		return old, false, err
	}
	if ok {
		old, err = decodeEnrolment(id, e)
		return old, true, err
	}
	same := func(e enrolment) bool { return strings.HasPrefix(e.ID, id[:16]) }
	if slices.ContainsFunc(h.roster.list(), same) {
		return old, false, refuse(http.StatusUnprocessableEntity, "idempotency_key_reused",
			"this Idempotency-Key was used for another request; choose a new one")
	}
	return old, false, nil
}

func (h *Hub) listEnrolments(c *call) error {
	list := []enrolmentDoc{}
	for _, e := range h.roster.list() {
		list = append(list, e.document())
	}
	return c.answer(struct {
		Enrolments []enrolmentDoc `json:"enrolments"`
	}{list})
}

// revokeEnrolment lets a user in no more, and then takes its document away: if the second fails, both can be repeated.
func (h *Hub) revokeEnrolment(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if err := c.read(); err != nil {
		return err
	}
	var old enrolment
	w, err := h.changeBook(c, enrolmentKey(id), func(e replica.Entry, exists bool) ([]replica.Put, error) {
		if !exists {
			return nil, refuse(http.StatusNotFound, "enrolment_not_found",
				"there is no enrolment %q; GET /v1/fleet/enrolments lists them", id)
		}
		if old, err = decodeEnrolment(id, e); err != nil {
			return nil, err
		}
		return []replica.Put{{Key: enrolmentKey(id), Expect: e.Rev, Delete: true}}, h.shutOut(&old)
	})
	if err != nil {
		return err
	}
	if !w.again {
		h.log.Info("revoked the credentials of a sidecar", "id", id, "name", old.Name, "user", old.User, "by", c.who.ID)
	}
	return c.wroteOne(id, w.rev)
}

// shutOut has NATS let a user in no more.
func (h *Hub) shutOut(e *enrolment) error {
	if revoke := h.opts.Enrolment.Revoke; revoke != nil {
		if err := revoke(e.User); err != nil {
			return fmt.Errorf("revoking %s: %w", e.User, err)
		}
		return nil
	}
	if e.ExpiresAt != nil && !h.now().Before(*e.ExpiresAt) {
		return nil
	}
	return refuse(http.StatusConflict, "revocation_not_possible", "NATS is not run by this hub, and its credentials are "+
		"still good: whoever runs NATS can revoke user %s of the account (nsc revocations add-user)", e.User)
}
