package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRealProcessesEnrol is an operator's way with a hub that others reach over the network.
func TestRealProcessesEnrol(t *testing.T) {
	w := build(t)
	hub := w.run(t, "hub", "--embed-nats", "--data", filepath.Join(w.dir, "hub"), "--hub-listen", "127.0.0.1:0",
		"--nats-listen", "0.0.0.0:0")
	at, nats := "--hub="+hub.ready["hub"], strings.Replace(hub.ready["nats"], "0.0.0.0", outside(t), 1)
	w.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", at)
	w.must(t, 0, "customer", "put", "acme", "group=eu", at)
	revision := w.must(t, 0, "subscription", "put", "acme", "main", "plan=team", at).revision()

	file := filepath.Join(w.dir, "edge.creds")
	made := w.must(t, 0, "fleet", "enrol", "name=edge", "groups=eu,uk", "--out", file, at)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || made.doc["credentials"] != nil {
		t.Errorf("got %v, %v, %s", info, err, made.text)
	}
	w.must(t, 1, "fleet", "enrol", "--out", file, at) // it overwrites nothing
	args := anywhere("sidecar", "--nats", nats, "--nats-creds", file, "--data", filepath.Join(w.dir, "edge"))
	w.must(t, exitUsage, append(args, "--groups", "eu,us")...)
	edge := w.run(t, args...)
	beside := "--sidecar=" + edge.ready["check"]
	w.must(t, 0, "check", "acme", "private-repos", "min_revision="+revision, "wait_ms=20000", beside)
	eventually(t, "units can be consumed", func() bool {
		return w.cli(t, "consume", "acme", "ci-minutes", "quantity=10", beside).code == 0
	})
	eventually(t, "the hub has them", func() bool {
		used := w.must(t, 0, "customer", "usage", "acme", "feature=ci-minutes", at).doc["usage"].([]any)
		return len(used) == 1 && used[0].(map[string]any)["used"].(float64) >= 10
	})
	if list := w.must(t, 0, "fleet", "list", at); !strings.Contains(list.text, `"name":"edge"`) {
		t.Errorf("the fleet does not show the name that was enrolled: %s", list.text)
	}

	w.must(t, 0, "fleet", "revoke", made.doc["id"].(string), at)
	edge.until(`level=WARN .*NATS refuses the credentials`)
	w.must(t, 0, "check", "acme", "private-repos", beside)
	edge.stop()
	edge = w.run(t, args...)
	edge.until(`level=WARN .*NATS refuses the credentials`)
	w.must(t, 0, "check", "acme", "private-repos", "--sidecar="+edge.ready["check"])

	again := w.must(t, 0, "fleet", "enrol", "name=edge", at)
	secret := regexp.MustCompile(`SU[A-Z2-7]{56}`).FindString(again.doc["credentials"].(string))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{secret, regexp.MustCompile(`SU[A-Z2-7]{56}`).FindString(string(data))} {
		said := strings.Join(append(hub.said(), edge.said()...), "\n")
		if secret == "" || strings.Contains(said, secret) || strings.Contains(w.must(t, 0, "fleet", "enrolments", at).text,
			secret) {
			t.Errorf("the secret %q is told", secret)
		}
	}
	edge.stop()
	hub.stop()
}

func TestNATSIsNamedAsSidecarsMayReachIt(t *testing.T) {
	here, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{"nats://0.0.0.0:7422": "nats://" + here + ":7422",
		"nats://[::]:7422": "nats://" + here + ":7422", "nats://10.0.0.1:4222": "nats://10.0.0.1:4222",
		"tls://a:b@n1:4222, tls://tok@n2:4222": "tls://n1:4222,tls://n2:4222"} {
		if got := reachable(url); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
}

// outside is an address of this machine that is not loopback, if it has one.
func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}
