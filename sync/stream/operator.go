package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// keysFile is where an embedded server keeps what it trusts, in its folder.
const keysFile = "keys.json"

// keysVersion is the version of that file.
const keysVersion = 1

// keys are the content of the file: seeds, and who is let in no more. Whoever can read it can write to the logs.
type keys struct {
	Version  int      `json:"version"`
	Operator string   `json:"operator"`
	System   string   `json:"system"`  // the server's own account, which nobody has a user of
	Account  string   `json:"account"` // has the logs; signs the hub's users
	Signing  string   `json:"signing"` // signs sidecars' users, and can give them no other permissions
	Revoked  []string `json:"revoked"` // public keys of users
}

// An operator is what an embedded server trusts instead of a password that all would share.
type operator struct {
	path     string
	operator nkeys.KeyPair
	system   nkeys.KeyPair
	account  nkeys.KeyPair
	signing  nkeys.KeyPair
	resolver server.MemAccResolver

	mu   sync.Mutex // over keys, the file, and telling the server
	keys keys
}

// openOperator reads the keys of a folder, or makes them.
func openOperator(dir string) (*operator, error) {
	o := &operator{path: filepath.Join(dir, keysFile)}
	data, err := os.ReadFile(o.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = o.make()
	case err == nil:
		err = json.Unmarshal(data, &o.keys)
	}
	if err == nil && o.keys.Version != keysVersion {
		err = fmt.Errorf("it has version %d, this program knows %d", o.keys.Version, keysVersion)
	}
	if err == nil {
		err = o.parse()
	}
	if err != nil {
		return nil, fmt.Errorf("keys of the embedded NATS in %s: %w", o.path, err)
	}
	return o, nil
}

// make makes keys, and keeps them before anybody trusts them.
func (o *operator) make() error {
	o.keys = keys{Version: keysVersion, Revoked: []string{}}
	for _, k := range []struct {
		kind nkeys.PrefixByte
		seed *string
	}{
		{nkeys.PrefixByteOperator, &o.keys.Operator}, {nkeys.PrefixByteAccount, &o.keys.System},
		{nkeys.PrefixByteAccount, &o.keys.Account}, {nkeys.PrefixByteAccount, &o.keys.Signing},
	} {
		pair, err := nkeys.CreatePair(k.kind)
		if err != nil {
			return err
		}
		seed, err := pair.Seed()
		if err != nil {
			return err
		}
		*k.seed = string(seed)
	}
	return o.save()
}

// save writes the file whole or not at all.
func (o *operator) save() error {
	data, err := json.MarshalIndent(o.keys, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(o.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(o.path+".new", o.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(o.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (o *operator) parse() error {
	for _, k := range []struct {
		seed string
		pair *nkeys.KeyPair
	}{
		{o.keys.Operator, &o.operator}, {o.keys.System, &o.system}, {o.keys.Account, &o.account},
		{o.keys.Signing, &o.signing},
	} {
		pair, err := nkeys.FromSeed([]byte(k.seed))
		if err != nil {
			return err
		}
		*k.pair = pair
	}
	return nil
}

// trust makes a server's options trust the operator, and nobody else.
func (o *operator) trust(opts *server.Options) error {
	id := public(o.operator)
	text, err := jwt.NewOperatorClaims(id).Encode(o.operator)
	if err != nil {
		return err
	}
	claims, err := jwt.DecodeOperatorClaims(text)
	if err != nil {
		return err
	}
	system := jwt.NewAccountClaims(public(o.system))
	for _, a := range []*jwt.AccountClaims{system, o.claims()} {
		if err := o.publish(a); err != nil {
			return err
		}
	}
	opts.TrustedOperators, opts.SystemAccount = []*jwt.OperatorClaims{claims}, public(o.system)
	opts.AccountResolver = &o.resolver
	return nil
}

// publish signs what an account may do, and lets the server find it.
func (o *operator) publish(a *jwt.AccountClaims) error {
	text, err := a.Encode(o.operator)
	if err != nil {
		return err
	}
	return o.resolver.Store(a.Subject, text)
}

// claims are what the account of the logs may do. What sidecars may do stands here and not in their credentials, so
// that it is always what this version of the hub says.
func (o *operator) claims() *jwt.AccountClaims {
	a := jwt.NewAccountClaims(public(o.account))
	a.Name = "sidegate"
	a.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit,
		Streams: jwt.NoLimit, Consumer: jwt.NoLimit, MaxAckPending: jwt.NoLimit}
	scope := jwt.NewUserScope()
	scope.Key, scope.Role = public(o.signing), "sidecar"
	scope.Template.Permissions = sidecarMay(inboxOf("{{subject()}}"))
	a.SigningKeys.AddScopedSigner(scope)
	for _, user := range o.keys.Revoked {
		a.RevokeAt(user, never)
	}
	return a
}

// never is later than the making of any user; a key is never used for another.
var never = time.Unix(1<<36, 0)

// identity are credentials with which the hub may do anything in the account. They are not kept.
func (o *operator) identity() ([]byte, error) {
	_, text, err := mint(o.account, func(u *jwt.UserClaims) { u.Name = "hub" })
	return text, err
}

// revoke lets a user in no more, and ends the connections that it has.
func (o *operator) revoke(s *server.Server, user string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.keys.Revoked, user) {
		o.keys.Revoked = append(o.keys.Revoked, user)
		if err := o.save(); err != nil {
			o.keys.Revoked = o.keys.Revoked[:len(o.keys.Revoked)-1]
			return fmt.Errorf("keys of the embedded NATS in %s: %w", o.path, err)
		}
	}
	claims := o.claims()
	if err := o.publish(claims); err != nil {
		return err
	}
	account, err := s.LookupAccount(claims.Subject)
	if err != nil {
		return err
	}
	s.UpdateAccountClaims(account, claims)
	return nil
}

// own moves the logs in a folder to the account that is to have them. They are another's if the server was open, or
// had one password, and now has an operator, or the other way round.
func own(dir, account string) error {
	jetstream := filepath.Join(dir, server.JetStreamStoreDir)
	folders, err := os.ReadDir(jetstream)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	to := filepath.Join(jetstream, account)
	for _, f := range folders {
		from := filepath.Join(jetstream, f.Name())
		if from == to || f.Name() != globalAccount && !nkeys.IsValidPublicAccountKey(f.Name()) || !holdsLogs(from) {
			continue
		}
		if holdsLogs(to) {
			return fmt.Errorf("there are logs in %s and in %s; move away what is not to be used", from, to)
		}
		if err := errors.Join(os.RemoveAll(to), os.Rename(from, to)); err != nil {
			return err
		}
	}
	return nil
}

// globalAccount has the logs of a server without an operator.
const globalAccount = "$G"

func holdsLogs(account string) bool {
	streams, err := os.ReadDir(filepath.Join(account, "streams"))
	return err == nil && len(streams) > 0
}

// public is the public half of a key that has one.
func public(pair nkeys.KeyPair) string {
	key, _ := pair.PublicKey() // it fails for keys that were wiped
	return key
}
