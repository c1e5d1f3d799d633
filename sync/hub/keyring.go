package hub

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// What a token may be for.
const (
	scopeAdmin     = "admin"     // everything
	scopeProvision = "provision" // customers, subscriptions and imports; reads the catalogue
	scopeSupport   = "support"   // reads everything, writes nothing
	scopePortal    = "portal"    // reads customers' entitlements
)

// A token is who a caller is, as the books hold it. The secret itself is nowhere.
type token struct {
	ID        string     `json:"id"`
	Name      string     `json:"name,omitempty"`
	Scopes    []string   `json:"scopes"`
	Hash      []byte     `json:"hash"` // SHA-256 of the secret, which has 256 random bits
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// tokenVersion is the first byte of a stored token.
const tokenVersion = 1

func (t token) encode() ([]byte, error) {
	data, err := json.Marshal(t)
	return append([]byte{tokenVersion}, data...), err
}

func decodeToken(value []byte) (token, error) {
	var t token
	if len(value) == 0 || value[0] != tokenVersion {
		return t, errors.New("stored token: unknown format version")
	}
	return t, json.Unmarshal(value[1:], &t)
}

// lasting tells whether the token is an administrator's that does not expire, of which one must remain.
func (t token) lasting() bool { return slices.Contains(t.Scopes, scopeAdmin) && t.ExpiresAt == nil }

// newSecret makes a secret of 256 random bits.
func newSecret() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // it never fails
	return "sg_" + base64.RawURLEncoding.EncodeToString(raw[:])
}

// CheckSecret tells whether a text may be the first admin token: 16 or more visible ASCII characters.
func CheckSecret(secret string) error {
	if len(secret) < 16 || len(secret) > 1024 {
		return errors.New("a token has 16 to 1024 characters")
	}
	if i := strings.IndexFunc(secret, func(c rune) bool { return c <= ' ' || c > '~' }); i >= 0 {
		return fmt.Errorf("a token has visible ASCII characters only; the one at %d is another", i+1)
	}
	return nil
}

// A keyring watches a follower of the books and knows every token.
type keyring struct {
	mu      sync.Mutex
	rev     uint64
	changed chan struct{} // closed, and made anew, when more is known
	ready   bool
	known   *ring // who is let in
	next    *ring // what Published makes known: the same one, unless the books are being read anew
}

// A ring is tokens by id, and ids by hash.
type ring struct {
	byHash map[[sha256.Size]byte]string
	tokens map[string]heldToken
}

func newRing() *ring {
	return &ring{byHash: map[[sha256.Size]byte]string{}, tokens: map[string]heldToken{}}
}

type heldToken struct {
	token
	rev uint64
}

func newKeyring() *keyring {
	r := newRing()
	return &keyring{changed: make(chan struct{}), known: r, next: r}
}

// Reset begins anew. The tokens that are known are let in until those of the other log are.
func (k *keyring) Reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = newRing()
}

// Apply takes a document in.
func (k *keyring) Apply(e replica.Entry) {
	key := replica.ParseKey(e.Key)
	if key.Kind != replica.KindToken {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, ok := k.next.tokens[key.ID]; ok {
		delete(k.next.tokens, key.ID)
		delete(k.next.byHash, [sha256.Size]byte(old.Hash))
	}
	t, err := decodeToken(e.Value)
	if e.Deleted() || err != nil || len(t.Hash) != sha256.Size {
		return // a token that cannot be read opens nothing
	}
	k.next.tokens[key.ID] = heldToken{t, e.Rev}
	k.next.byHash[[sha256.Size]byte(t.Hash)] = key.ID
}

// Published notes how much is known.
func (k *keyring) Published(rev uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known, k.rev, k.ready = k.next, rev, true
	close(k.changed)
	k.changed = make(chan struct{})
}

// wait returns when everything up to a revision is known.
func (k *keyring) wait(ctx context.Context, rev uint64) error {
	for {
		k.mu.Lock()
		reached, changed := k.ready && k.rev >= rev, k.changed
		k.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// find looks a secret up.
func (k *keyring) find(secret string) (token, bool) {
	hash := sha256.Sum256([]byte(secret))
	k.mu.Lock()
	defer k.mu.Unlock()
	id, ok := k.known.byHash[hash]
	return k.known.tokens[id].token, ok
}

// list is every token by id.
func (k *keyring) list() []heldToken {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]heldToken, 0, len(k.known.tokens))
	for _, t := range k.known.tokens {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b heldToken) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// authenticate finds out who calls.
func (h *Hub) authenticate(r *http.Request) (token, error) {
	kind, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(kind, "Bearer") || secret == "" {
		return token{}, refuse(http.StatusUnauthorized, "unauthorized",
			"send a token: Authorization: Bearer <token>; make one with sidegate token create")
	}
	t, ok := h.keys.find(secret)
	if !ok {
		t, ok = h.findFresh(r.Context(), secret)
	}
	switch {
	case !ok:
		return t, refuse(http.StatusUnauthorized, "unauthorized", "the token is not known; it may have been deleted")
	case t.ExpiresAt != nil && !h.now().Before(*t.ExpiresAt):
		return t, refuse(http.StatusUnauthorized, "token_expired", "token %q has expired; make a new one", t.ID)
	}
	return t, nil
}

// findFresh looks a secret up again once everything is known that other hubs wrote.
func (h *Hub) findFresh(ctx context.Context, secret string) (token, bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, head, err := h.books.Head(ctx); err != nil || h.keys.wait(ctx, head) != nil {
		return token{}, false
	}
	return h.keys.find(secret)
}

// begin writes the first admin token into empty books.
func (h *Hub) begin(ctx context.Context) error {
	_, head, err := h.books.Head(ctx)
	if err != nil {
		return fmt.Errorf("books: %w", err)
	}
	if err := h.keys.wait(ctx, head); err != nil {
		return err
	}
	if len(h.keys.list()) > 0 {
		if _, known := h.keys.find(h.opts.FirstToken); h.opts.FirstToken != "" && !known {
			h.log.Warn("SIDEGATE_TOKEN opens nothing here: there were tokens before, and it is none of them")
		}
		return nil
	}
	secret, made := h.opts.FirstToken, false
	if secret == "" {
		secret, made = newSecret(), true
	}
	hash := sha256.Sum256([]byte(secret))
	t := token{ID: "first", Name: "made with the log", Scopes: []string{scopeAdmin}, Hash: hash[:],
		CreatedAt: h.now().UTC().Truncate(time.Second)}
	value, err := t.encode()
	if err != nil {
		return err
	}
	rev, err := h.books.Put(ctx, replica.CommandID(hash[:16]), replica.Put{Key: tokenKey(t.ID), Value: value})
	switch {
	case errors.Is(err, replica.ErrConflict): // another hub began at the same time
		_, rev, err = h.books.Head(ctx)
	case err == nil && made:
		h.first.Store(&secret)
	}
	if err != nil {
		return fmt.Errorf("first token: %w", err)
	}
	return h.keys.wait(ctx, rev)
}

func tokenKey(id string) string { return replica.KindToken + "/" + id }
