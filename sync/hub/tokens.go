package hub

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
)

// A tokenDoc is a token as it is answered.
type tokenDoc struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	Revision  uint64     `json:"revision"`
	Token     string     `json:"token,omitempty"` // the secret, only where it was just made
}

func (t token) document(rev uint64) tokenDoc {
	return tokenDoc{t.ID, t.Name, t.Scopes, t.CreatedAt, t.ExpiresAt, rev, ""}
}

// A tokenAsk is the body of PUT /v1/tokens/{id}.
type tokenAsk struct {
	token
	rotate bool
}

// readToken reads the body. The error is catalog.Faults.
func readToken(n catalog.Node) (tokenAsk, error) {
	var t tokenAsk
	if err := readFields(n, `{"scopes": ["provision"]}`, t.field); err != nil {
		return t, err
	}
	if len(t.Scopes) == 0 {
		return t, catalog.Faults{{Path: "scopes", Problem: "it is missing",
			Remedy: "one or more of " + strings.Join(scopes(), ", ")}}
	}
	return t, nil
}

func (t *tokenAsk) field(key string, n catalog.Node) (err error) {
	switch key {
	case "name":
		t.Name, err = shortText(n)
		return err
	case "scope":
		return t.scope(n)
	case "scopes":
		for _, item := range n.Items {
			if err := t.scope(item); err != nil {
				return err
			}
		}
		if n.Kind != catalog.List {
			return notAList(n)
		}
	case "expires_at":
		if n.Kind == catalog.Null {
			return nil
		}
		at, err := catalog.ParseTime(n.Text)
		t.ExpiresAt = &at
		return err
	case "rotate":
		t.rotate, err = truth(n)
		return err
	default:
		return fmt.Errorf("this field is not known; known here: name, scopes, expires_at, rotate")
	}
	return nil
}

func (t *tokenAsk) scope(n catalog.Node) error {
	if !contains(scopes(), n.Text) {
		return fmt.Errorf("%q is no scope; the scopes are %s", n.Text, strings.Join(scopes(), ", "))
	}
	if !contains(t.Scopes, n.Text) {
		t.Scopes = append(t.Scopes, n.Text)
	}
	return nil
}

// putToken makes a token, or changes what one may do. The secret is answered where it is made, and never again.
func (h *Hub) putToken(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	n, err := c.json()
	if err != nil {
		return err
	}
	ask, err := readToken(n)
	if err != nil {
		return err
	}
	ask.ID = id
	var secret string
	return h.changeToken(c, id, func(old *token) (*token, error) {
		next := ask.token
		secret = ""
		if next.ExpiresAt != nil && !next.ExpiresAt.After(h.now()) {
			return nil, catalog.Faults{{Path: "expires_at", Problem: "it lies in the past",
				Remedy: "choose a later time, or leave it out for a token that does not expire"}}
		}
		if old != nil {
			next.Hash, next.CreatedAt = old.Hash, old.CreatedAt
		}
		if old == nil || ask.rotate {
			secret = newSecret()
			hash := sha256.Sum256([]byte(secret))
			next.Hash, next.CreatedAt = hash[:], h.now().UTC().Truncate(time.Second)
		}
		return &next, nil
	}, func() string { return secret })
}

func (h *Hub) deleteToken(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	return h.changeToken(c, id, func(old *token) (*token, error) {
		if old == nil {
			return nil, noToken(id)
		}
		return nil, nil
	}, func() string { return "" })
}

func noToken(id string) *problem {
	return refuse(http.StatusNotFound, "token_not_found", "there is no token %q", id)
}

// changeToken writes what becomes of a token; nil: it is deleted.
func (h *Hub) changeToken(c *call, id string, decide func(old *token) (*token, error), secret func() string) error {
	w, err := h.changeBook(c, tokenKey(id), func(e replica.Entry, exists bool) ([]replica.Put, error) {
		var old *token
		if exists {
			t, err := decodeToken(e.Value)
			if err != nil {
				return nil, err
			}
			old = &t
		}
		next, err := decide(old)
		if err != nil {
			return nil, err
		}
		return h.tokenPuts(id, liveRev(e), old, next)
	})
	if err != nil {
		return err
	}
	if w.again {
		return c.wroteToken(id, w.rev, "")
	}
	return c.wroteToken(id, w.rev, secret())
}

func (c *call) wroteToken(id string, rev uint64, secret string) error {
	return c.wroteAs(rev, struct {
		Revision uint64 `json:"revision"`
		ID       string `json:"id"`
		Token    string `json:"token,omitempty"`
	}{rev, id, secret})
}

// tokenPuts says what to write. If an administrator's token goes, another one's must still be there.
func (h *Hub) tokenPuts(id string, rev uint64, old, next *token) ([]replica.Put, error) {
	put := replica.Put{Key: tokenKey(id), Expect: rev, Delete: next == nil}
	if next != nil {
		value, err := next.encode()
		if err != nil {
			return nil, err
		}
		put.Value = value
	}
	if old == nil || !old.lasting() || next != nil && next.lasting() {
		return []replica.Put{put}, nil
	}
	all := h.keys.list()
	other := slices.IndexFunc(all, func(t heldToken) bool { return t.ID != id && t.lasting() })
	if other < 0 {
		return nil, refuse(http.StatusConflict, "last_admin_token",
			"token %q is the last one with the scope admin that does not expire; make another one first", id)
	}
	return []replica.Put{put, {Key: tokenKey(all[other].ID), Expect: all[other].rev}}, nil
}

func (h *Hub) getToken(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	e, ok, err := get(c.r.Context(), h.books, tokenKey(id))
	if err != nil {
		return err
	}
	if !ok {
		return noToken(id)
	}
	t, err := decodeToken(e.Value)
	if err != nil {
		return err
	}
	return c.document(e.Rev, t.document(e.Rev))
}

func (h *Hub) listTokens(c *call) error {
	list := []tokenDoc{}
	for _, t := range h.keys.list() {
		list = append(list, t.document(t.rev))
	}
	return c.answer(struct {
		Tokens []tokenDoc `json:"tokens"`
	}{list})
}
