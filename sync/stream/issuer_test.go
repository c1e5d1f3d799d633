package stream_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
	"github.com/sidegate/sidegate/sync/wire"
)

// A gate is an embedded server with an operator, and the hub's logs on it.
type gate struct {
	server *stream.Embedded
	dir    string
	logs   map[string]*stream.Stream
}

func newGate(t *testing.T, dir string) *gate {
	t.Helper()
	g := &gate{dir: dir, logs: map[string]*stream.Stream{}}
	var err error
	if g.server, err = stream.Embed(stream.EmbedOptions{Listen: "0.0.0.0:0", Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.server.Shutdown)
	for _, name := range []string{"docs", "books", stream.Totals} {
		g.logs[name] = g.open(t, stream.Options{Name: name, Identity: g.server.Identity(), Create: true})
	}
	return g
}

func (g *gate) open(t *testing.T, o stream.Options) *stream.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o.URL, o.Beat = g.server.URL(), 100*time.Millisecond
	s, err := stream.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// issue makes a user: its public key and its credentials file.
func (g *gate) issue(t *testing.T, until time.Time) (user, file string) {
	t.Helper()
	user, text, err := g.server.Issuer().Issue("edge-1", []string{"eu", "Us_2"}, until)
	if err != nil {
		t.Fatal(err)
	}
	return user, creds(t, string(text))
}

// follow is what a sidecar does with a log: a snapshot, and then the next document with a key.
func follow(t *testing.T, s *stream.Stream, f replica.Filter, meanwhile func()) (all []string, next string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	waitFor(t, s.Connected)
	lineage, rev, docs := s.Snapshot(ctx, f)
	for e, err := range docs {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Key)
	}
	meanwhile()
	for e, err := range s.Tail(ctx, lineage, rev, f) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Key != "" {
			return all, e.Key
		}
	}
	t.Fatal("nothing came")
	return nil, ""
}

func TestAnEnrolledSidecarFollowsAndAsks(t *testing.T) {
	g := newGate(t, t.TempDir())
	put(t, g.logs["docs"], document("customer@eu/acme", "a"))
	_, file := g.issue(t, time.Time{})
	for name, filter := range map[string]replica.Filter{"all": {}, "some": {Groups: []string{"eu"}}} {
		docs := g.open(t, stream.Options{Name: "docs", Creds: file})
		key := "customer@eu/" + name
		all, next := follow(t, docs, filter, func() { put(t, g.logs["docs"], document(key, "b")) })
		if len(all) == 0 || next != key {
			t.Errorf("%s: got %v and then %s", name, all, next)
		}
	}
	totals := g.open(t, stream.Options{Name: stream.Totals, Creds: file})
	if _, next := follow(t, totals, replica.Filter{}, func() {
		put(t, g.logs[stream.Totals], document("totals@eu/acme/x", "1"))
	}); next != "totals@eu/acme/x" {
		t.Errorf("of the totals came %s", next)
	}
	go func() {
		_ = g.logs["books"].Answer(t.Context(), wire.LeaseSubject, func(data []byte, reply func([]byte)) {
			reply(append([]byte("got "), data...))
		})
	}()
	answer, err := totals.Ask(t.Context(), wire.LeaseSubject, []byte("x"))
	for errors.Is(err, stream.ErrNobody) {
		answer, err = totals.Ask(t.Context(), wire.LeaseSubject, []byte("x"))
	}
	if string(answer) != "got x" || err != nil {
		t.Errorf("got %s, %v", answer, err)
	}
}

// An intruder is a connection with a sidecar's credentials that tries what it must not.
type intruder struct {
	nc      *nats.Conn
	refused chan error
}

func intrude(t *testing.T, url, file string) *intruder {
	t.Helper()
	in := &intruder{refused: make(chan error, 10)}
	var err error
	in.nc, err = nats.Connect(url, nats.UserCredentials(file), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { in.refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.nc.Close)
	return in
}

// isRefused tells whether the server refuses what was just done.
func (in *intruder) isRefused(t *testing.T, err error) bool {
	t.Helper()
	if err := errors.Join(err, in.nc.Flush()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-in.refused:
		return errors.Is(err, nats.ErrPermissionViolation)
	case <-time.After(50 * time.Millisecond):
		return false
	}
}

func TestAnEnrolledSidecarMayPublishNothingElse(t *testing.T) {
	g := newGate(t, t.TempDir())
	put(t, g.logs["docs"], document("customer/acme", "a"))
	_, file := g.issue(t, time.Time{})
	in := intrude(t, g.server.URL(), file)
	for _, subject := range strings.Fields(`
		sg.docs-1.default.customer.acme sg.docs-1.% sg.books-1.%.token.first sg.totals-1.default.totals.x sg.lease.2
		$JS.API.STREAM.CREATE.OTHER $JS.API.STREAM.UPDATE.SIDEGATE_DOCS_1 $JS.API.STREAM.DELETE.SIDEGATE_DOCS_1
		$JS.API.STREAM.PURGE.SIDEGATE_DOCS_1 $JS.API.STREAM.MSG.DELETE.SIDEGATE_DOCS_1 $JS.API.STREAM.LIST
		$JS.API.STREAM.NAMES $JS.API.STREAM.SNAPSHOT.SIDEGATE_DOCS_1 $JS.API.STREAM.RESTORE.SIDEGATE_DOCS_1
		$JS.API.STREAM.INFO.SIDEGATE_BOOKS_1 $JS.API.STREAM.MSG.GET.SIDEGATE_BOOKS_1 $JS.API.INFO
		$JS.API.DIRECT.GET.SIDEGATE_BOOKS_1 $JS.API.CONSUMER.CREATE.SIDEGATE_BOOKS_1.x $JS.API.CONSUMER.LIST.SIDEGATE_DOCS_1
		$JS.API.CONSUMER.CREATE.SIDEGATE_BOOKS_1 $JS.API.CONSUMER.DURABLE.CREATE.SIDEGATE_BOOKS_1.x
		$JS.API.CONSUMER.NAMES.SIDEGATE_DOCS_1 $JS.API.CONSUMER.CREATE.SIDEGATE_BOOKS_1.x.> $SYS.REQ.SERVER.PING
		_INBOX.x`) {
		if !in.isRefused(t, in.nc.Publish(subject, []byte("forged"))) {
			t.Errorf("%s was taken", subject)
		}
	}
	if e, err := g.logs["docs"].Get(t.Context(), "customer/acme"); err != nil || string(e.Value) != "a" {
		t.Errorf("the document is %s, %v", e.Value, err)
	}
}

func TestAnEnrolledSidecarMayListenToNobodyElse(t *testing.T) {
	g := newGate(t, t.TempDir())
	user, file := g.issue(t, time.Time{})
	other, _ := g.issue(t, time.Time{})
	in := intrude(t, g.server.URL(), file)
	for subject, want := range map[string]bool{wire.LeaseSubject: true, ">": true, "sg.>": true, "_INBOX.>": true,
		"_INBOX." + other + ".>": true, "_INBOX.*.>": true, "$JS.>": true, "$SYS.>": true,
		"_INBOX." + user + ".>": false, "_INBOX." + user + ".x": false} {
		_, err := in.nc.SubscribeSync(subject)
		if in.isRefused(t, err) != want {
			t.Errorf("%s: got %v", subject, !want)
		}
	}
}

func TestCredentialsThatAreOverAreRefused(t *testing.T) {
	g := newGate(t, t.TempDir())
	put(t, g.logs["docs"], document("customer/acme", "a"))
	revoked, file := g.issue(t, time.Time{})
	_, kept := g.issue(t, time.Time{})
	_, expired := g.issue(t, time.Now().Add(-time.Minute))
	_, other, err := newGate(t, t.TempDir()).server.Issuer().Issue("x", nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	open := g.open(t, stream.Options{Name: "docs", Creds: file})
	waitFor(t, open.Connected)
	if err := g.server.Revoke(revoked); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return !open.Connected() && errors.Is(open.Trouble(), stream.ErrCredentials) })
	g.again(t)
	for name, file := range map[string]string{"revoked": file, "expired": expired, "another's": creds(t, string(other))} {
		s := g.open(t, stream.Options{Name: "docs", Creds: file})
		waitFor(t, func() bool { return s.Trouble() != nil })
		if s.Connected() || !errors.Is(s.Trouble(), stream.ErrCredentials) {
			t.Errorf("%s: connected %v, trouble %v", name, s.Connected(), s.Trouble())
		}
	}
	waitFor(t, g.open(t, stream.Options{Name: "docs", Creds: kept}).Connected)
}

// again starts the server anew, at another address.
func (g *gate) again(t *testing.T) {
	t.Helper()
	g.server.Shutdown()
	*g = *newGate(t, g.dir)
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it did not happen")
		}
	}
}

func TestTheKeysAreMadeOnceAndForTheOwnerOnly(t *testing.T) {
	g := newGate(t, t.TempDir())
	path := filepath.Join(g.dir, "keys.json")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	g.again(t)
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the keys are others, %v", err)
	}
	g.server.Shutdown()
	for _, content := range []string{"", "{}", strings.Replace(string(before), `"version": 1`, `"version": 2`, 1),
		strings.Replace(string(before), "SO", "SX", 1)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if e, err := stream.Embed(stream.EmbedOptions{Listen: "0.0.0.0:0", Dir: g.dir}); err == nil {
			e.Shutdown()
			t.Errorf("%q was taken for keys", content)
		} else if strings.Contains(err.Error(), "SA") {
			t.Errorf("the error holds a key: %v", err)
		}
	}
}

func TestLogsStayWhenAServerGetsAnOperatorOrLosesIt(t *testing.T) {
	dir := t.TempDir()
	var was replica.Lineage
	for i, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "127.0.0.1:0", "0.0.0.0:0"} {
		e, err := stream.Embed(stream.EmbedOptions{Listen: listen, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		s, err := stream.Open(t.Context(), stream.Options{URL: e.URL(), Name: "docs", Identity: e.Identity(), Create: true})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			was, _ = head(t, s)
			put(t, s, document("customer/acme", "a"))
		}
		doc, err := s.Get(t.Context(), "customer/acme")
		now, _ := head(t, s)
		if err != nil || string(doc.Value) != "a" || now != was {
			t.Errorf("start %d: got %s, %v, and %v after %v", i, doc.Value, err, now, was)
		}
		s.Close()
		e.Shutdown()
	}
}

func TestAUserSaysWhoItIsAndWhichGroupsItIsToFollow(t *testing.T) {
	g := newGate(t, t.TempDir())
	_, file := g.issue(t, time.Time{})
	if name, got := stream.Enrolled(file); name != "edge-1" || strings.Join(got, " ") != "eu Us_2" {
		t.Errorf("got %q, %v", name, got)
	}
	if name, got := stream.Enrolled(creds(t, "hub secret")); name != "" || got != nil {
		t.Errorf("of a password: got %v", got)
	}
}

func TestAHubAnswersIntoInboxesOnly(t *testing.T) {
	g := newGate(t, t.TempDir())
	rev := put(t, g.logs["docs"], document("customer/acme", "a"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := make(chan string, 10)
	go func() {
		_ = g.logs["books"].Answer(ctx, wire.LeaseSubject, func(data []byte, reply func([]byte)) {
			reply([]byte("forged"))
			heard <- string(data)
		})
	}()
	user, file := g.issue(t, time.Time{})
	in := intrude(t, g.server.URL(), file)
	waitFor(t, func() bool {
		inbox := "_INBOX." + user + ".x"
		err := errors.Join(in.nc.PublishRequest(wire.LeaseSubject, "sg.docs-1.default.customer.acme", []byte("bad")),
			in.nc.PublishRequest(wire.LeaseSubject, inbox, []byte("good")), in.nc.Flush())
		if err != nil {
			t.Fatal(err)
		}
		return len(heard) > 0
	})
	if what := <-heard; what != "good" {
		t.Errorf("a request with an answer to %s was heard", what)
	}
	if e, err := g.logs["docs"].Get(t.Context(), "customer/acme"); err != nil || e.Rev != rev {
		t.Errorf("the document is at %d, %v", e.Rev, err)
	}
}

// TestWhatPermissionsDoNotPrevent holds the one way past them that DESIGN.md admits, so that it is noticed when a later
// server closes it: an answer of JetStream itself goes wherever the request says, with the server's permissions.
func TestWhatPermissionsDoNotPrevent(t *testing.T) {
	g := newGate(t, t.TempDir())
	put(t, g.logs["docs"], document("customer/acme", "a"))
	_, file := g.issue(t, time.Time{})
	in := intrude(t, g.server.URL(), file)
	err := in.nc.PublishRequest("$JS.API.STREAM.INFO.SIDEGATE_DOCS_1", "sg.docs-1.default.customer.acme", nil)
	if in.isRefused(t, err) {
		t.Fatal("the server refuses it: take it out of DESIGN.md")
	}
	waitFor(t, func() bool {
		_, err := g.logs["docs"].Get(t.Context(), "customer/acme")
		return errors.Is(err, wire.ErrNewer) // damaged, and seen to be: JSON is no document, and cannot be made one
	})
}
