package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/bench/world"
)

func TestRealProcesses(t *testing.T) {
	w := build(t)
	for name, test := range map[string]func(*testing.T, *workshop){
		"dev suggests what works and leaves nothing behind":          devSuggestsWhatWorks,
		"what the page of the sidecar's API shows is so":             examplesOfThePageAreTrue,
		"dev with a data directory goes on where it ended":           devGoesOn,
		"an answer survives hub and log, and a restart without them": answersSurvive,
		"a sidecar killed during an import misses nothing":           killedDuringImport,
		"who still waits, or loads, ends when told to":               endsWhenToldTo,
		"clients hold up nobody's end":                               endsDespiteItsClients,
		"a full disk stops writing, until there is room":             survivesAFullDisk,
		"told twice, a server ends at once":                          endsAtOnceWhenToldTwice,
		"a frozen log holds up nobody's end":                         endsWithAFrozenLog,
	} {
		t.Run(name, func(t *testing.T) { test(t, w) })
	}
}

// anywhere has every address choose a free port.
func anywhere(args ...string) []string {
	flags := map[string][]string{"dev": {"--listen", "--ops-listen", "--hub-listen", "--nats-listen"},
		"sidecar": {"--listen", "--ops-listen"}, "hub": {"--hub-listen", "--nats-listen"}}
	for _, flag := range flags[args[0]] {
		args = append(args, flag, "127.0.0.1:0")
	}
	return args
}

func devSuggestsWhatWorks(t *testing.T, w *workshop) {
	unset := *w
	unset.env = w.env[1:]
	p := unset.run(t, anywhere("dev", "--customers", "50")...)
	if first := p.said()[0]; !strings.HasPrefix(first, "ready ") {
		t.Errorf("the first line is %q, want the ready line", first)
	}
	token := p.until(`^first admin token, shown once: (sg_\S+)$`)[1]
	p.until(`^try:$`)
	for range 3 {
		url := p.until(`^  curl '(http://[^']+)'$`)[1]
		if doc := fetch(t, url, ""); doc["customer"] == nil {
			t.Errorf("%s: got %v", url, doc)
		}
	}
	list := fetch(t, p.ready["hub"]+"/v1/customers?limit=1", token)
	if want := float64(50 + len(world.Samples(time.Now())) - 2); list["total"] != want {
		t.Errorf("got %v customers, want the samples and 50 more, %v", list["total"], want)
	}
	p.stop()
	if left, err := os.ReadDir(filepath.Join(w.dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v, want no temporary data left", left, err)
	}
}

func devGoesOn(t *testing.T, w *workshop) {
	data := filepath.Join(w.dir, "dev")
	p := w.run(t, anywhere("dev", "--data", data)...)
	w.must(t, 0, "subscription", "change", "hobby", "main", "plan=enterprise", "--hub", p.ready["hub"])
	p.stop()
	if strings.Contains(strings.Join(p.said(), "\n"), "token") {
		t.Errorf("got %q, want no token shown that was given", p.said())
	}
	p = w.run(t, anywhere("dev", "--data", data)...)
	w.must(t, 0, "check", "hobby", "sso", "--sidecar", p.ready["check"])
	p.stop()
}

func endsWhenToldTo(t *testing.T, w *workshop) {
	hub := w.start(t, w.self, anywhere("hub", "--nats", "nats://127.0.0.1:1")...)
	hub.until("waiting for NATS.*connection refused")
	hub.stop()
	sidecar := w.start(t, w.self, anywhere("sidecar", "--nats", "nats://127.0.0.1:1", "--data",
		filepath.Join(w.dir, "waiting"))...)
	sidecar.until("interrupted")
	sidecar.stop()
	data := filepath.Join(w.dir, "loading")
	dev := w.start(t, w.self, anywhere("dev", "--data", data, "--customers", "1000000")...)
	eventually(t, "it loads customers", func() bool {
		log, err := filepath.Glob(filepath.Join(data, "nats/jetstream/*/streams/SIDEGATE_DOCS_1/msgs/*.blk"))
		if err != nil || len(log) == 0 {
			return false
		}
		info, err := os.Stat(log[0])
		return err == nil && info.Size() > 1<<20
	})
	dev.stop()
}

// broker starts a NATS server, as a process of its own, and answers its URL. port may be -1.
func (w *workshop) broker(t *testing.T, port string) (*process, string) {
	p := w.start(t, w.nats, "-a", "127.0.0.1", "-p", port, "-js", "-sd", filepath.Join(w.dir, "nats"))
	url := "nats://" + p.until(`Listening for client connections on (127\.0\.0\.1:\d+)`)[1]
	p.until(`Server is ready`)
	return p, url
}

func answersSurvive(t *testing.T, w *workshop) {
	nats, natsURL := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", natsURL)...)
	at := "--hub=" + hub.ready["hub"]
	data := filepath.Join(w.dir, "sidecar")
	sidecar := w.run(t, anywhere("sidecar", "--nats", natsURL, "--data", data)...)
	beside := "--sidecar=" + sidecar.ready["check"]

	w.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", at)
	w.must(t, 0, "customer", "put", "acme", "name=Acme", at)
	revision := w.must(t, 0, "subscription", "put", "acme", "main", "plan=team", at).revision()
	w.must(t, 0, "check", "acme", "private-repos", "min_revision="+revision, "wait_ms=20000", beside)
	w.must(t, exitDenied, "check", "acme", "sso", beside)

	revision = w.must(t, 0, "subscription", "change", "acme", "main", "plan=enterprise", at).revision()
	w.must(t, 0, "check", "acme", "sso", "min_revision="+revision, "wait_ms=20000", beside)
	eventually(t, "the snapshot is on disk", func() bool {
		stored := fetch(t, sidecar.ready["check"]+"/v1/status", "")["disk"].(map[string]any)["revision"].(float64)
		return stored >= w.must(t, 0, "check", "acme", "sso", beside).doc["revision"].(float64)
	})

	hub.kill()
	nats.kill()
	w.must(t, 0, "check", "acme", "sso", beside)
	sidecar.stop()
	socket := "unix:" + filepath.Join(w.dir, "s.sock")
	secret := strings.Replace(natsURL, "nats://", "nats://somebody:hush@", 1)
	sidecar = w.run(t, "sidecar", "--nats", secret, "--data", data, "--listen", socket, "--ops-listen", "127.0.0.1:0")
	begun := time.Now()
	if warning := sidecar.until(".*level=WARN.*")[0]; time.Since(begun) > soon+time.Second ||
		!strings.Contains(warning, "NATS is not reached") {
		t.Errorf("got %s after %v", warning, time.Since(begun))
	}
	beside = "--sidecar=" + socket
	w.must(t, 0, "check", "acme", "sso", "min_revision="+revision, beside)
	w.must(t, 0, "health", "--ops-listen", strings.TrimPrefix(sidecar.ready["ops"], "http://"))
	if status := w.must(t, 0, "status", beside); status.doc["mode"] != "disconnected" {
		t.Errorf("got %s, want mode disconnected", status.text)
	}

	warning := regexp.MustCompile(`nats=nats://somebody:xxxxx@127.0.0.1:\d+ revision=` + revision + ` error="?dial tcp`)
	if said := strings.Join(sidecar.said(), "\n"); !warning.MatchString(said) || strings.Contains(said, "hush") {
		t.Errorf("got %s, want a line like %s, and no password", said, warning)
	}
	nats, _ = w.broker(t, natsURL[strings.LastIndex(natsURL, ":")+1:])
	hub = w.run(t, anywhere("hub", "--nats", natsURL)...)
	at = "--hub=" + hub.ready["hub"]
	w.must(t, 0, "health", at)
	sidecar.until("level=INFO msg=\"connected to NATS\"")
	revision = w.must(t, 0, "subscription", "change", "acme", "main", "plan=free", at).revision()
	w.must(t, exitDenied, "check", "acme", "sso", "min_revision="+revision, "wait_ms=30000", beside)
	if status := w.must(t, 0, "status", beside); status.doc["mode"] != "connected" {
		t.Errorf("got %s, want mode connected", status.text)
	}
	sidecar.stop()
	hub.stop()
	nats.kill()
}

func killedDuringImport(t *testing.T, w *workshop) {
	const customers = 10_000
	hub := w.run(t, anywhere("hub", "--embed-nats", "--data", filepath.Join(w.dir, "hub"))...)
	at := "--hub=" + hub.ready["hub"]
	w.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", at)
	follow := anywhere("sidecar", "--nats", hub.ready["nats"], "--data", filepath.Join(w.dir, "killed"))
	sidecar := w.run(t, follow...)

	whole, err := io.ReadAll(world.Lines(nil, 1, customers, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	imports, in := w.pipe(t, "customer", "import", "-", at)
	cut := len(whole) * 4 / 5
	feed(t, in, whole[:cut])
	eventually(t, "the sidecar knows some customers", func() bool {
		return fetch(t, sidecar.ready["check"]+"/v1/status", "")["customers"].(float64) > 0
	})
	sidecar.kill()
	feed(t, in, whole[cut:])
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	revision := imports.until(`^revision +(\d+)$`)[1]
	if code := imports.end(patience); code != 0 {
		t.Fatalf("the import ended with %d", code)
	}

	sidecar = w.run(t, follow...)
	w.must(t, 0, "explain", "c1", "private-repos", "min_revision="+revision, "wait_ms=30000",
		"--sidecar", sidecar.ready["check"])
	status := fetch(t, sidecar.ready["check"]+"/v1/status", "")
	if status["customers"] != float64(customers) || status["digest"].(map[string]any)["state"] == "different" {
		t.Errorf("got %v, want %d customers and no other digest", status, customers)
	}
	for i := 1; i <= customers; i += 50 {
		sameEntitlements(t, fmt.Sprintf("/v1/customers/c%d/entitlements", i), hub, sidecar)
	}
	sidecar.stop()
	hub.stop()
}

func feed(t *testing.T, in io.Writer, data []byte) {
	t.Helper()
	if _, err := in.Write(data); err != nil {
		t.Fatal(err)
	}
}

// sameEntitlements holds what a sidecar says of a customer against what the hub says.
func sameEntitlements(t *testing.T, path string, hub, sidecar *process) {
	t.Helper()
	var at, beside []any
	same := func() bool { // a period may end between the two questions
		at = fetch(t, hub.ready["hub"]+path, firstToken)["entitlements"].([]any)
		beside = fetch(t, sidecar.ready["check"]+path, "")["entitlements"].([]any)
		return len(at) == len(beside) && !slices.ContainsFunc(at, func(e any) bool {
			of := func(x any) bool { return x.(map[string]any)["feature"] == e.(map[string]any)["feature"] }
			i := slices.IndexFunc(beside, of)
			return i < 0 || !alike(e.(map[string]any), beside[i].(map[string]any))
		})
	}
	if same() {
		return
	}
	if again := same(); !again {
		t.Errorf("%s: the hub says\n%v\nand the sidecar\n%v", path, at, beside)
	}
}

// alike tells whether two decisions share every field that the first one has.
func alike(a, b map[string]any) bool {
	for key, value := range a {
		if !reflect.DeepEqual(value, b[key]) {
			return false
		}
	}
	return true
}
