package site

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
)

// start runs a sidecar until the test ends or stop is called.
func start(t *testing.T, o Options) (s *Site, stop func()) {
	t.Helper()
	o.OpsListen, o.Now = "127.0.0.1:0", time.Now
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		begin := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v to stop", took)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

// fill writes a catalogue and a customer.
func fill(t *testing.T, log replica.Log) {
	t.Helper()
	c := catalog.Catalogue{Features: map[string]catalog.Feature{"sso": {Type: "boolean"}, "calls": {Type: "metered"}},
		Plans: map[string]catalog.Plan{"team": {Allow: map[string]catalog.Allowance{"sso": {Value: []byte("true")},
			"calls": {Limit: 100, Per: "month", Mode: "soft"}}}}}
	cu := catalog.Customer{ID: "acme", Subscriptions: map[string]catalog.Subscription{"main": {Plan: "team",
		StartsAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	if _, err := log.Put(t.Context(), replica.CommandID{1},
		replica.Put{Key: replica.KindCatalog, Value: catalog.EncodeCatalogue(c)},
		replica.Put{Key: replica.PlanKey("team", 1), Value: catalog.EncodePlan(c.NewVersions(nil)[0])},
		replica.Put{Key: replica.CustomerKey("", "acme"), Value: catalog.EncodeCustomer(cu)}); err != nil {
		t.Fatal(err)
	}
}

// get answers the status and the body of what is at a host and path.
func get(t *testing.T, client *http.Client, target string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

func TestASidecarAnswersFromItsDiskWhenTheLogIsGone(t *testing.T) {
	log, dir := replica.NewMemory(), t.TempDir()
	fill(t, log)
	s, stop := start(t, Options{Listen: "127.0.0.1:0", Data: dir, Log: log})
	<-s.Ready()
	check := "/v1/check?customer=acme&feature=sso"
	if got := get(t, http.DefaultClient, s.Addrs().Check+check); !strings.Contains(got, `"allowed":true`) {
		t.Errorf("got %s", got)
	}
	stop()
	s, _ = start(t, Options{Listen: "127.0.0.1:0", Data: dir, Log: gone{}})
	<-s.Ready()
	if got := get(t, http.DefaultClient, s.Addrs().Check+check); !strings.Contains(got, `"allowed":true`) {
		t.Errorf("got %s", got)
	}
	if got := get(t, http.DefaultClient, s.Addrs().Ops+"/readyz"); !strings.HasPrefix(got, "200") {
		t.Errorf("readyz: got %s", got)
	}
	if got := get(t, http.DefaultClient, s.Addrs().Check+"/v1/status"); !strings.Contains(got, `"mode":"disconnected"`) {
		t.Errorf("status: got %s", got)
	}
}

func TestAnEmptyLogMakesReady(t *testing.T) {
	s, _ := start(t, Options{Listen: "127.0.0.1:0", Data: t.TempDir(), Log: replica.NewMemory()})
	<-s.Ready()
	got := get(t, http.DefaultClient, s.Addrs().Check+"/v1/check?customer=a&feature=b")
	if !strings.Contains(got, "unknown_customer") {
		t.Errorf("got %s", got)
	}
}

func TestChecksAreAnsweredOverAUnixSocket(t *testing.T) {
	log, path := replica.NewMemory(), filepath.Join(t.TempDir(), "s.sock")
	fill(t, log)
	s, stop := start(t, Options{Listen: "unix:" + path, Log: log})
	<-s.Ready()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	if got := get(t, client, "sidecar/v1/check?customer=acme&feature=sso"); !strings.Contains(got, `"allowed":true`) {
		t.Errorf("got %s", got)
	}
	if _, err := New(Options{Listen: "unix:" + path, OpsListen: "127.0.0.1:0", Log: log, Now: time.Now}); err == nil ||
		!strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a socket in use: got %v", err)
	}
	client.CloseIdleConnections()
	stop()
	leave(t, path)
	s, _ = start(t, Options{Listen: "unix:" + path, Log: log})
	<-s.Ready()
}

// leave makes a socket file that nobody listens on, as a killed process does.
func leave(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// gone is a log that cannot be reached.
type gone struct{ replica.Log }

func (gone) Head(context.Context) (replica.Lineage, uint64, error) {
	return replica.Lineage{}, 0, context.DeadlineExceeded
}

func (gone) Tail(context.Context, replica.Lineage, uint64, replica.Filter) iter.Seq2[replica.Entry, error] {
	return func(yield func(replica.Entry, error) bool) { yield(replica.Entry{}, context.DeadlineExceeded) }
}

// TestASlowClientDoesNotHoldUpTheEnd has clients that send half a request, and say nothing at all.
func TestASlowClientDoesNotHoldUpTheEnd(t *testing.T) {
	s, stop := start(t, Options{Listen: "127.0.0.1:0", Data: t.TempDir(), Log: replica.NewMemory()})
	<-s.Ready()
	for _, half := range []string{"", "GET /v1/ch", "POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"} {
		conn, err := net.Dial("tcp", s.Addrs().Check)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, half); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(t, http.DefaultClient, s.Addrs().Check+"/v1/status"); !strings.HasPrefix(got, "200") {
		t.Errorf("got %s", got)
	}
	begin := time.Now()
	stop()
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// TestAnEndBeforeTheBeginningIsAnEnd tells a sidecar to stop before it serves.
func TestAnEndBeforeTheBeginningIsAnEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		s, err := New(Options{Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0", Log: replica.NewMemory(), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// post answers what a POST of JSON is answered.
func post(t *testing.T, target, body string) string {
	t.Helper()
	resp, err := http.Post("http://"+target, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, got)
}

// A sidecar whose disk has no room for its first vault still answers checks, and refuses to count.
func TestChecksAreAnsweredWhereThereIsNoRoomToCount(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil { // less than is kept free
		t.Skipf("a small disk cannot be mounted here (it takes root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	log := replica.NewMemory()
	fill(t, log)
	s, stop := start(t, Options{Listen: "127.0.0.1:0", Data: dir, Log: log})
	defer stop() // before the disk is taken away
	<-s.Ready()
	check := get(t, http.DefaultClient, s.Addrs().Check+"/v1/check?customer=acme&feature=calls")
	if !strings.Contains(check, `"allowed":true`) {
		t.Errorf("a check: got %s", check)
	}
	for call, body := range map[string]string{
		"consume":               `{"customer":"acme","feature":"calls","quantity":7}`,
		"reservations":          `{"customer":"acme","feature":"calls","quantity":7,"ttl":"1m"}`,
		"reservations/x/commit": `{"quantity":7}`,
		"usage":                 `{}`,
	} {
		got := post(t, s.Addrs().Check+"/v1/"+call, body)
		if !strings.HasPrefix(got, "507 ") || !strings.Contains(got, `"storage_full"`) {
			t.Errorf("%s: got %s", call, got)
		}
	}
}

func TestWhatWasConsumedSurvivesARestartWithoutAHub(t *testing.T) {
	log, dir := replica.NewMemory(), t.TempDir()
	fill(t, log)
	body := `{"customer":"acme","feature":"calls","quantity":7,"idempotency_key":"k"}`
	for _, want := range []string{`"used":7,"remaining":93`, `"replayed":true`} {
		s, stop := start(t, Options{Listen: "127.0.0.1:0", Data: dir, Log: log})
		<-s.Ready()
		if got := post(t, s.Addrs().Check+"/v1/consume", body); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
		check := get(t, http.DefaultClient, s.Addrs().Check+"/v1/check?customer=acme&feature=calls")
		if !strings.Contains(check, `"used":7,"remaining":93`) {
			t.Errorf("got %s", check)
		}
		stop()
	}
}
