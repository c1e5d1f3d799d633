package stream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
)

// must is a value without its error, which a test cannot go on with.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// An elsewhere is a NATS that its own operator runs.
type elsewhere struct {
	pairs map[string]nkeys.KeyPair
	url   string
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{pairs: map[string]nkeys.KeyPair{}}
	for name, kind := range map[string]nkeys.PrefixByte{"operator": nkeys.PrefixByteOperator,
		"system": nkeys.PrefixByteAccount, "account": nkeys.PrefixByteAccount, "signing": nkeys.PrefixByteAccount,
		"user": nkeys.PrefixByteUser} {
		e.pairs[name] = must(nkeys.CreatePair(kind))
	}
	account := jwt.NewAccountClaims(e.public("account"))
	account.SigningKeys.Add(e.public("signing"))
	account.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	resolver := &server.MemAccResolver{}
	for _, a := range []*jwt.AccountClaims{account, jwt.NewAccountClaims(e.public("system"))} {
		_ = resolver.Store(a.Subject, must(a.Encode(e.pairs["operator"])))
	}
	operator := must(jwt.NewOperatorClaims(e.public("operator")).Encode(e.pairs["operator"]))
	s := must(server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true,
		StoreDir: t.TempDir(), NoLog: true, NoSigs: true, AccountResolver: resolver, SystemAccount: e.public("system"),
		TrustedOperators: []*jwt.OperatorClaims{must(jwt.DecodeOperatorClaims(operator))}}))
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not begin")
	}
	e.url = s.ClientURL()
	return e
}

func (e *elsewhere) public(name string) string { return must(e.pairs[name].PublicKey()) }

func (e *elsewhere) seed(name string) string { return string(must(e.pairs[name].Seed())) }

// creds are those of a user that may do anything in the account.
func (e *elsewhere) creds(t *testing.T, signer string) string {
	u := jwt.NewUserClaims(e.public("user"))
	if signer == "signing" {
		u.IssuerAccount = e.public("account")
	}
	text := must(u.Encode(e.pairs[signer]))
	return creds(t, string(must(jwt.FormatUserConfig(text, []byte(e.seed("user"))))))
}

func TestAKeyOfAnAccountElsewhereMakesUsersToo(t *testing.T) {
	e := newElsewhere(t)
	hub := must(stream.Open(t.Context(), stream.Options{URL: e.url, Name: "docs", Creds: e.creds(t, "account"),
		Create: true}))
	defer hub.Close()
	for _, pair := range [][2]string{{"account", "account"}, {"account", "signing"}, {"signing", "account"},
		{"signing", "signing"}} {
		issuer, err := stream.NewIssuer(e.seed(pair[0])+"\n", e.creds(t, pair[1]))
		if err != nil {
			t.Fatal(err)
		}
		_, text, err := issuer.Issue("edge", nil, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		file, key := creds(t, string(text)), "customer/"+pair[0]+"-"+pair[1]
		s := must(stream.Open(t.Context(), stream.Options{URL: e.url, Name: "docs", Creds: file}))
		if _, next := follow(t, s, replica.Filter{}, func() { put(t, hub, document(key, "a")) }); next != key {
			t.Errorf("%v: got %s", pair, next)
		}
		s.Close()
		in := intrude(t, e.url, file)
		if !in.isRefused(t, in.nc.Publish("sg.docs-1.default.customer.acme", nil)) {
			t.Errorf("%v: it may write", pair)
		}
	}
}

func TestAKeyThatMakesNoUsersIsRefused(t *testing.T) {
	e := newElsewhere(t)
	file := e.creds(t, "account")
	for name, with := range map[string][2]string{"no seed": {"x", file}, "a user's seed": {e.seed("user"), file},
		"an operator's": {e.seed("operator"), file}, "no account": {e.seed("account"), ""},
		"a password": {e.seed("account"), creds(t, "hub secret")}, "no file": {e.seed("account"), file + "x"}} {
		_, err := stream.NewIssuer(with[0], with[1])
		if err == nil || strings.Contains(err.Error(), with[0]) && len(with[0]) > 1 {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
