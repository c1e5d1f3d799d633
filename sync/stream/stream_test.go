package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
	"github.com/sidegate/sidegate/sync/wire"
)

func put(t *testing.T, s *stream.Stream, puts ...replica.Put) uint64 {
	t.Helper()
	rev, err := s.Put(t.Context(), replica.CommandID([]byte(fmt.Sprintf("%-16.16s", puts[0].Key))), puts...)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func head(t *testing.T, s *stream.Stream) (replica.Lineage, uint64) {
	t.Helper()
	l, rev, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l, rev
}

func document(key, value string) replica.Put { return replica.Put{Key: key, Value: []byte(value)} }

// direct connects past the log to the server.
func direct(t *testing.T, l *lab) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(l.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func TestTheStreamIsWhatTheRulesSay(t *testing.T) {
	l := newLab(t)
	s := l.open(t, stream.Options{MaxBytes: 1 << 20, MaxConsumers: 7})
	put(t, s, document("catalog", "c"))
	_, js := direct(t, l)
	st, err := js.Stream(t.Context(), "SIDEGATE_DOCS_1")
	if err != nil {
		t.Fatal(err)
	}
	c := st.CachedInfo().Config
	got := fmt.Sprint(c.MaxMsgsPerSubject, c.Discard, c.DenyDelete, c.DenyPurge, c.AllowAtomicPublish, c.AllowDirect,
		c.AllowRollup, c.MaxConsumers, c.MaxBytes, c.Storage, c.Retention, c.PersistMode)
	want := "1 DiscardNew true true true false false 7 1048576 File Limits Default"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := st.Purge(t.Context()); err == nil {
		t.Error("the log was purged")
	}
	if err := st.DeleteMsg(t.Context(), 2); err == nil {
		t.Error("a document was deleted from the log")
	}
}

func TestLogsAreMadeAsLargeAsTheServerCanReserve(t *testing.T) {
	for store, want := range map[int64]string{40 << 30: "16384 16384 MiB", 20 << 30: "16384 4096 MiB",
		3 << 30: "2048 1024 MiB", 700 << 20: "512 MiB, then max_file_store"} {
		got := reserved(t, store)
		if got != want {
			t.Errorf("of %d MiB: got %s, want %s", store>>20, got, want)
		}
	}
}

// startServer starts a server of the usual kind but for what the options say.
func startServer(t *testing.T, o *server.Options) *server.Server {
	o.Host, o.Port, o.JetStream, o.StoreDir = "127.0.0.1", server.RANDOM_PORT, true, t.TempDir()
	o.NoLog, o.NoSigs = true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not begin")
	}
	return s
}

func TestADocumentThatTheServerDoesNotTakeNamesTheRemedy(t *testing.T) {
	s := startServer(t, &server.Options{MaxPayload: 64 << 10, MaxPending: 1 << 20})
	log, err := stream.Open(t.Context(), stream.Options{URL: s.ClientURL(), Name: "books", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	large := document("customer/a", strings.Repeat("x", 100<<10))
	entry := []replica.Put{large, document("customer/b", "y")}
	for what, puts := range map[string][]replica.Put{"alone": {large}, "in an entry": entry} {
		_, err := log.Put(t.Context(), replica.CommandID{1}, puts...)
		if err == nil || !strings.Contains(err.Error(), "set max_payload of the NATS servers") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// reserved is how large the two logs become on a server with a limit to its store.
func reserved(t *testing.T, store int64) string {
	s := startServer(t, &server.Options{JetStreamMaxStore: store})
	nc, js := direct(t, &lab{url: s.ClientURL()})
	defer nc.Close()
	out := ""
	for _, name := range []string{"docs", "books"} {
		log, err := stream.Open(t.Context(), stream.Options{URL: s.ClientURL(), Name: name, Create: true})
		if err != nil {
			return out + "MiB, then " + regexp.MustCompile("max_file_store").FindString(err.Error())
		}
		defer log.Close()
		st, err := js.Stream(t.Context(), "SIDEGATE_"+strings.ToUpper(name)+"_1")
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprint(st.CachedInfo().Config.MaxBytes>>20, " ")
	}
	return out + "MiB"
}

func TestATombstoneIsForgottenAfterThirtyDays(t *testing.T) {
	l := newLab(t)
	s := l.open(t, stream.Options{})
	rev := put(t, s, document("customer/acme", "a"))
	put(t, s, replica.Put{Key: "customer/acme", Expect: rev, Delete: true})
	_, js := direct(t, l)
	st, err := js.Stream(t.Context(), "SIDEGATE_DOCS_1")
	if err != nil {
		t.Fatal(err)
	}
	m, err := st.GetLastMsgForSubject(t.Context(), "sg.docs-1.default.customer.acme")
	if err != nil {
		t.Fatal(err)
	}
	ttl, err := time.ParseDuration(m.Header.Get("Nats-TTL"))
	if err != nil || ttl != 30*24*time.Hour {
		t.Errorf("got %v, %v, want 30 days", ttl, err)
	}
}

func TestHubsThatBeginTogetherShareALog(t *testing.T) {
	l := newLab(t)
	one, _ := head(t, l.open(t, stream.Options{}))
	other, _ := head(t, l.open(t, stream.Options{}))
	if one != other {
		t.Errorf("%+v and %+v", one, other)
	}
}

func TestALaterEpochIsAnotherLogAboveTheEarlier(t *testing.T) {
	l := newLab(t)
	first, second := l.open(t, stream.Options{}), l.open(t, stream.Options{Epoch: 2})
	early, late := put(t, first, document("catalog", "1")), put(t, second, document("catalog", "2"))
	if late <= early || late <= 1<<40 {
		t.Errorf("revision %d of the second epoch, %d of the first", late, early)
	}
	a, _ := head(t, first)
	b, _ := head(t, second)
	if a.Log != "SIDEGATE_DOCS_1" || b.Log != "SIDEGATE_DOCS_2" {
		t.Errorf("logs %s and %s", a.Log, b.Log)
	}
	if e, err := first.Get(t.Context(), "catalog"); err != nil || string(e.Value) != "1" {
		t.Errorf("the first epoch holds %s, %v", e.Value, err)
	}
}

func TestDocsAndBooksLieBesideEachOther(t *testing.T) {
	l := newLab(t)
	docs := l.open(t, stream.Options{})
	books, err := stream.Open(t.Context(), stream.Options{URL: l.url, Name: "books", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer books.Close()
	put(t, docs, document("meta/x", "docs"))
	put(t, books, document("meta/x", "books"))
	if e, err := docs.Get(t.Context(), "meta/x"); err != nil || string(e.Value) != "docs" {
		t.Errorf("docs hold %s, %v", e.Value, err)
	}
}

func TestAFollowerOpensBeforeThereIsAnythingToFollow(t *testing.T) {
	l := newLab(t)
	hub := l.open(t, stream.Options{})
	lineage, rev := head(t, hub)
	p := newProxy(t, l.address())
	p.setDown(true)
	s, err := stream.Open(t.Context(), stream.Options{URL: p.url(), Name: "docs", Beat: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Connected() {
		t.Error("it is connected to nothing")
	}
	if _, _, err := s.Head(t.Context()); err == nil {
		t.Error("it has a head without a connection")
	}
	if _, err := s.Put(t.Context(), replica.CommandID{1}, document("catalog", "c")); errors.Is(err, replica.ErrUnknown) {
		t.Error("a write that was never sent is said to be unknown")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	put(t, hub, document("catalog", "c"))
	p.setDown(false)
	for e, err := range s.Tail(ctx, lineage, rev, replica.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Key == "catalog" {
			break
		}
	}
	if ctx.Err() != nil || !s.Connected() {
		t.Error("the tail did not begin when the server came")
	}
}

// TestALogThatIsGoneIsSaidToBe wipes the store of a server that goes on: nobody makes an empty log behind one's back.
func TestALogThatIsGoneIsSaidToBe(t *testing.T) {
	l := newLab(t)
	s := l.open(t, stream.Options{Create: true})
	rev := put(t, s, document("catalog", "c"))
	lineage, _ := head(t, s)
	_, js := direct(t, l)
	if err := js.DeleteStream(t.Context(), "SIDEGATE_DOCS_1"); err != nil {
		t.Fatal(err)
	}
	_, _, headless := s.Head(t.Context())
	_, unread := s.Get(t.Context(), "catalog")
	_, unwritten := s.Put(t.Context(), replica.CommandID{1}, document("customer/acme", "a"))
	_, unchanged := s.Put(t.Context(), replica.CommandID{2}, replica.Put{Key: "catalog", Expect: rev, Value: []byte("d")})
	for what, err := range map[string]error{"head": headless, "get": unread, "put": unwritten, "change": unchanged} {
		if !errors.Is(err, replica.ErrGone) {
			t.Errorf("%s: got %v, want that the log is gone", what, err)
		}
	}
	again := l.open(t, stream.Options{Create: true})
	if got, _ := head(t, again); got == lineage {
		t.Error("the log made anew has the lineage of the one that is gone")
	}
}

func TestAnOutcomeThatCannotBeReadIsUnknown(t *testing.T) {
	l := newLab(t)
	p := newProxy(t, l.address())
	s := l.open(t, stream.Options{URL: p.url()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	p.loseReply(t)
	p.setDown(true)
	if _, err := s.Put(ctx, replica.CommandID{1}, document("catalog", "c")); !errors.Is(err, replica.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	p.setDown(false)
	other := l.open(t, stream.Options{})
	e, err := other.Get(t.Context(), "catalog")
	if err != nil || len(e.Recent) != 1 || e.Recent[0].ID != (replica.CommandID{1}) {
		t.Errorf("the write was not applied as this test needs it: %v, %v", e, err)
	}
	rev, err := other.Put(t.Context(), replica.CommandID{1}, document("catalog", "c"))
	if err != nil || rev != e.Rev {
		t.Errorf("the same command again: got %d, %v, want %d", rev, err, e.Rev)
	}
}

func TestAMessageThatMustNotBeIgnoredEndsTheTail(t *testing.T) {
	x := []byte("x")
	for name, c := range map[string]struct {
		message wire.Message
		want    error
	}{
		"newer":           {wire.Message{Reader: wire.Level + 1, Count: 1, Key: "catalog", Value: x}, wire.ErrNewer},
		"another subject": {wire.Message{Count: 1, Key: "plan/a/1", Value: x}, wire.ErrDamaged},
	} {
		l := newLab(t)
		s := l.open(t, stream.Options{})
		lineage, rev := head(t, s)
		nc, _ := direct(t, l)
		if _, err := nc.Request("sg.docs-1.%.catalog.%", wire.Append(nil, c.message), time.Second); err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range s.Tail(t.Context(), lineage, rev, replica.Filter{}) {
			last = err
		}
		if !errors.Is(last, c.want) {
			t.Errorf("%s: the tail ended with %v, want %v", name, last, c.want)
		}
		if _, err := s.Get(t.Context(), "catalog"); !errors.Is(err, c.want) {
			t.Errorf("%s: get: %v, want %v", name, err, c.want)
		}
	}
}

func TestAFullLogRefusesAndKeepsWhatItHas(t *testing.T) {
	l := newLab(t)
	s := l.open(t, stream.Options{MaxBytes: 64 << 10})
	rev := put(t, s, document("catalog", "c"))
	big := string(make([]byte, 40<<10))
	put(t, s, document("customer/a", big))
	_, err := s.Put(t.Context(), replica.CommandID{1}, document("customer/b", big))
	if err == nil || errors.Is(err, replica.ErrConflict) || errors.Is(err, replica.ErrUnknown) {
		t.Errorf("a write to a full log: %v", err)
	}
	if e, err := s.Get(t.Context(), "catalog"); err != nil || e.Rev != rev {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestAnOversizedDocumentIsRefusedAtOnce(t *testing.T) {
	s := newLab(t).open(t, stream.Options{})
	huge := string(make([]byte, 9<<20))
	for _, puts := range [][]replica.Put{
		{document("catalog", huge)}, {document("catalog", huge), document("customer/a", "a")},
	} {
		_, err := s.Put(t.Context(), replica.CommandID{1}, puts...)
		if err == nil || errors.Is(err, replica.ErrUnknown) {
			t.Errorf("got %v", err)
		}
	}
	put(t, s, document("catalog", "c"))
}

func TestABacklogLargerThanFlowControlComesWhole(t *testing.T) {
	s := newLab(t).open(t, stream.Options{})
	lineage, from := head(t, s)
	value := string(make([]byte, 4<<10))
	const entries = 12 // of 1,000 documents: 48 MiB
	last := uint64(0)
	for n := range entries {
		var puts []replica.Put
		for i := range replica.MaxPuts {
			puts = append(puts, document("customer/c"+strconv.Itoa(n)+"-"+strconv.Itoa(i), value))
		}
		last = put(t, s, puts...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	next, stop := iter.Pull2(s.Tail(ctx, lineage, from, replica.Filter{}))
	defer stop()
	documents := 0
	for {
		e, err, ok := next()
		if err != nil || !ok {
			t.Fatalf("after %d documents: %v", documents, err)
		}
		if e.Key != "" {
			documents++
		}
		if e.Whole && e.Rev >= last {
			break
		}
	}
	if documents != entries*replica.MaxPuts {
		t.Errorf("%d documents came", documents)
	}
}
