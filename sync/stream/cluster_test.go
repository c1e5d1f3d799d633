package stream_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
)

// clusterOf starts servers that keep logs together.
func clusterOf(t *testing.T, n int) (servers []*server.Server, urls string) {
	t.Helper()
	var routes []*url.URL
	for i := range n {
		o := &server.Options{ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true,
			StoreDir: t.TempDir(), JetStreamMaxStore: 64 << 30, NoLog: true, NoSigs: true, Routes: routes,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: server.RANDOM_PORT}}
		if n > 1 && i == 0 { // alone it would not know that it is one of several
			o.Routes = []*url.URL{{Scheme: "nats", Host: "127.0.0.1:1"}}
		}
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.Shutdown)
		if !s.ReadyForConnections(10 * time.Second) {
			t.Fatal("a server does not begin")
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: s.ClusterAddr().String()})
		servers, urls = append(servers, s), urls+","+s.ClientURL()
	}
	return servers, urls[1:]
}

func TestInAClusterThreeServersKeepEveryLog(t *testing.T) {
	servers, urls := clusterOf(t, 3)
	_, js := direct(t, &lab{url: urls})
	logs := map[string]*stream.Stream{}
	for _, name := range []string{"docs", "books", stream.Totals} {
		log, err := stream.Open(t.Context(), stream.Options{URL: urls, Name: name, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(log.Close)
		logs[name] = log
	}
	for _, name := range []string{"SIDEGATE_DOCS_1", "SIDEGATE_BOOKS_1", "SIDEGATE_TOTALS_1"} {
		st, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.CachedInfo().Config.Replicas; got != 3 {
			t.Errorf("%s: %d servers keep it, want 3", name, got)
		}
	}
	first := put(t, logs["docs"], document("catalog", "a"))
	servers[0].Shutdown()
	second, id := uint64(0), replica.CommandID{1}
	for end := time.Now().Add(time.Minute); second == 0; <-time.After(50 * time.Millisecond) { // others are elected first
		var err error
		second, err = logs["docs"].Put(t.Context(), id, replica.Put{Key: "catalog", Expect: first, Value: []byte("b")},
			document("meta/x", "c"))
		if err != nil && time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if _, rev := head(t, logs["docs"]); rev != second {
		t.Errorf("the head is %d after the loss of a server, want %d", rev, second)
	}
}

func TestOneServerKeepsALogThatWasAskedForSo(t *testing.T) {
	_, urls := clusterOf(t, 2)
	log, err := stream.Open(t.Context(), stream.Options{URL: urls, Name: "docs", Create: true, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	put(t, log, document("catalog", "a"))
}
