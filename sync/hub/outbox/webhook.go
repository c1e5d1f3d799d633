package outbox

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// Bounds.
const (
	MaxWebhooks = 16     // webhooks that there can be
	MaxPending  = 10_000 // events that may wait for one webhook; of more the oldest are dropped
	maxURL      = 2048
)

// KeepOld is how long a secret is signed with after another one has taken its place.
const KeepOld = 24 * time.Hour

// A Webhook is an address that hears of what happens, as the log holds it.
type Webhook struct {
	ID          string    `json:"-"`
	URL         string    `json:"url"`
	Events      []string  `json:"events,omitempty"` // types that it wants; none: all
	Description string    `json:"description,omitempty"`
	Disabled    bool      `json:"disabled,omitempty"`
	Gone        bool      `json:"gone,omitempty"` // it was disabled because it answered 410
	CreatedAt   time.Time `json:"created_at"`
	Keys        []Key     `json:"keys"` // the newest first
}

// A Key is what requests to a webhook are signed with.
type Key struct {
	Secret []byte `json:"secret"`
	Until  int64  `json:"until,omitempty"` // unix milliseconds; 0: it is the one in force
}

// version is the first byte of every document.
const version = 1

func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return append([]byte{version}, data...), err
}

func decode(value []byte, v any) error {
	if len(value) == 0 || value[0] != version {
		return errors.New("stored document of a webhook: unknown format version")
	}
	return json.Unmarshal(value[1:], v)
}

// Encode is the webhook as a document.
func (w *Webhook) Encode() ([]byte, error) { return encode(w) }

// DecodeWebhook reads a document.
func DecodeWebhook(id string, value []byte) (Webhook, error) {
	w := Webhook{ID: id}
	err := decode(value, &w)
	return w, err
}

// WebhookKey is the key of a webhook's document.
func WebhookKey(id string) string { return replica.KindWebhook + "/" + id }

func outcomeKey(id string) string { return replica.KindOutcome + "/" + id }

func eventKey(webhook, id string) string { return replica.CountKey(replica.KindEvent, "", webhook, id) }

// wants tells whether a webhook is to hear of a type of events.
func (w *Webhook) wants(kind string) bool {
	return !w.Disabled && (len(w.Events) == 0 || slices.Contains(w.Events, kind))
}

// secretPrefix stands before a secret where people see it.
const secretPrefix = "whsec_"

// NewKey makes a key of 32 random bytes.
func NewKey() Key {
	k := Key{Secret: make([]byte, 32)}
	_, _ = rand.Read(k.Secret) // it never fails
	return k
}

// String is the key as a receiver is given it.
func (k Key) String() string { return secretPrefix + base64.StdEncoding.EncodeToString(k.Secret) }

// ParseKey reads a key that somebody chose: whsec_ and 24 to 64 bytes in base64.
func ParseKey(text string) (Key, error) {
	coded, ok := strings.CutPrefix(text, secretPrefix)
	raw, err := base64.StdEncoding.DecodeString(coded)
	if !ok || err != nil || len(raw) < 24 || len(raw) > 64 {
		return Key{}, errors.New("it must be whsec_ and 24 to 64 bytes in base64; leave it out and one is made")
	}
	return Key{Secret: raw}, nil
}

// Rotate puts a key in force. The one before is signed with too, until KeepOld after now.
func (w *Webhook) Rotate(k Key, now time.Time) {
	kept := []Key{k}
	if len(w.Keys) > 0 {
		old := w.Keys[0]
		old.Until = now.Add(KeepOld).UnixMilli()
		kept = append(kept, old)
	}
	w.Keys = kept
}

// CheckURL tells what is wrong with an address: it must be https, or http to this machine, and hold no password.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("it must be an address such as https://example.com/hooks")
	case len(text) > maxURL:
		return fmt.Errorf("it has more than %d bytes", maxURL)
	case u.User != nil:
		return errors.New("it must not hold a user name or password; requests are signed, and what must be secret can " +
			"stand in the path")
	case u.Fragment != "":
		return errors.New("it must not have a fragment")
	case u.Scheme == "https" || u.Scheme == "http" && isLocal(u.Hostname()):
		return nil
	}
	return errors.New("it must begin with https://; http:// is for addresses of this machine alone")
}

func isLocal(host string) bool {
	at, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && at.IsLoopback()
}
