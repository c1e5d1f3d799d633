package stream

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/sidegate/sidegate/sync/wire"
)

// An Issuer makes users of a NATS account that may do what a sidecar does, and nothing else.
type Issuer struct {
	key     nkeys.KeyPair
	account string // public key
	scoped  bool   // what the key's users may do stands with the account
}

// The reasons why there is no issuer.
var (
	errSeed    = errors.New("it is not the seed of a NATS account, or of a signing key of one; such a seed begins with SA")
	errAccount = errors.New("--nats-signing-key also needs --nats-creds with a credentials file of the same account, " +
		"which says what account that is")
)

// NewIssuer makes users with a key of an account whose NATS is elsewhere: the account's seed, or that of a signing key
// without a scope. creds is a credentials file of the same account, which names it.
func NewIssuer(seed, creds string) (*Issuer, error) {
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(seed)))
	if err != nil || !nkeys.IsValidPublicAccountKey(public(pair)) {
		return nil, errSeed
	}
	if creds == "" {
		return nil, errAccount
	}
	data, err := os.ReadFile(creds)
	if err != nil {
		return nil, fmt.Errorf("credentials for NATS: %w", err)
	}
	u, err := userOf(data)
	if err != nil {
		return nil, errAccount
	}
	i := &Issuer{key: pair, account: u.IssuerAccount}
	if i.account == "" {
		i.account = u.Issuer
	}
	return i, nil
}

// Issue makes a user. It answers its public key, and the text of a credentials file, which is kept nowhere. The groups
// are those that the sidecar is to follow; NATS does not hold it to them. until is when the user ends; zero: never.
func (i *Issuer) Issue(name string, groups []string, until time.Time) (user string, creds []byte, err error) {
	return mint(i.key, func(u *jwt.UserClaims) {
		u.Name = name
		if public(i.key) != i.account {
			u.IssuerAccount = i.account
		}
		for _, g := range groups {
			u.Tags = append(u.Tags, groupTag+g)
		}
		if !until.IsZero() {
			u.Expires = until.Unix()
		}
		if u.SetScoped(i.scoped); !i.scoped {
			u.Permissions = sidecarMay(inboxOf(u.Subject))
		}
	})
}

// mint makes a user, and what its credentials file holds.
func mint(signer nkeys.KeyPair, fill func(*jwt.UserClaims)) (user string, creds []byte, err error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", nil, err
	}
	defer pair.Wipe()
	user = public(pair)
	claims := jwt.NewUserClaims(user)
	fill(claims)
	text, err := claims.Encode(signer)
	if err != nil {
		return "", nil, err
	}
	seed, err := pair.Seed()
	if err != nil {
		return "", nil, err
	}
	creds, err = jwt.FormatUserConfig(text, seed)
	return user, creds, err
}

// inboxOf is where a user, and nobody else, gets answers.
func inboxOf(user string) string { return inboxes + user }

// inboxes begin so, whosever they are.
const inboxes = "_INBOX."

// sidecarMay are the permissions of a sidecar: to follow documents and totals, and to ask hubs. It is held to them by
// the server. DESIGN.md says what they do not keep anybody from.
func sidecarMay(inbox string) jwt.Permissions {
	var p jwt.Permissions
	p.Sub.Allow.Add(inbox + ".>")
	p.Pub.Allow.Add(wire.LeaseSubject)
	for _, name := range []string{"docs", Totals} {
		o := Options{Name: name, Epoch: 1}
		stream := o.stream()
		p.Pub.Allow.Add(
			api+"STREAM.INFO."+stream, api+"STREAM.MSG.GET."+stream,
			api+"CONSUMER.CREATE."+stream+".*", api+"CONSUMER.INFO."+stream+".*", api+"CONSUMER.DELETE."+stream+".*",
			"$JS.ACK."+stream+".>", "$JS.FC."+stream+".>")
	}
	return p
}

// groupTag begins the tags of a user that name groups.
const groupTag = "group:"

// Enrolled is what a credentials file says of its user: the name, and which groups it is to follow; empty and nil: the
// file does not say.
func Enrolled(creds string) (name string, groups []string) {
	data, err := os.ReadFile(creds)
	if err != nil {
		return "", nil
	}
	u, err := userOf(data)
	if err != nil {
		return "", nil
	}
	for _, tag := range u.Tags {
		if group, ok := strings.CutPrefix(tag, groupTag); ok {
			groups = append(groups, group)
		}
	}
	return u.Name, groups
}
