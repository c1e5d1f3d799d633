package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keepsToItsVaultKey restarts a sidecar that has counted with another key for its vault, and without one.
func keepsToItsVaultKey(t *testing.T, shared *workshop) {
	w := shared.room(t, "vaultkey")
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	at := "--hub=" + hub.ready["hub"]
	revision := w.limited(t, "acme", 1000, at)
	right, wrong := keyFile(t, w, "right", "0123456789abcdef"), keyFile(t, w, "wrong", "fedcba9876543210")
	keyed := *w
	keyed.env = append([]string{"SIDEGATE_VAULT_KEY_FILE=" + right}, w.env...)
	first := keyed.besides(t, []string{url}, revision)[0]
	all := summon(&caller{t: t, name: "keyed", feature: "ai-credits", beside: first})
	eventually(t, "units are consumed", func() bool { return all.units() >= 100 })
	all.end()
	first.kill()

	data := filepath.Join(w.dir, "sidecar0")
	args := anywhere("sidecar", "--nats", url, "--data", data)
	before := contents(t, filepath.Join(data, "vault"))
	for env, want := range map[string]string{
		"SIDEGATE_VAULT_KEY_FILE=" + wrong: "another key; give the one it was made with",
		"SIDEGATE_VAULT_KEY_FILE=":         "no key is given; give the one it was made with",
	} {
		other := *w
		other.env = append([]string{env}, w.env...)
		p := other.start(t, w.self, args...)
		if code := p.end(patience); code != exitFailed {
			t.Errorf("%s: it ended with %d, want %d", env, code, exitFailed)
		}
		said := strings.Join(p.said(), "\n")
		for _, part := range []string{want, "--vault-key", "SIDEGATE_VAULT_KEY_FILE", filepath.Join(data, "vault")} {
			if !strings.Contains(said, part) {
				t.Errorf("%s: it said %q, want %q in it", env, said, part)
			}
		}
		if after := contents(t, filepath.Join(data, "vault")); after != before {
			t.Errorf("%s: the vault was changed", env)
		}
	}

	first.begin("check")
	all.agree(t, w, at)
	used := w.must(t, 0, "check", "acme", "ai-credits", first.flag()).doc["used"]
	if used != float64(all.units()) {
		t.Errorf("callers were told of %d units, the sidecar knows %v", all.units(), used)
	}
	first.kill()
	hub.kill()
	nats.kill()
}

// keyFile writes a key for a vault, which is some digits four times.
func keyFile(t *testing.T, w *workshop, name, digits string) (path string) {
	t.Helper()
	path = filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(strings.Repeat(digits, 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// contents are the files of a folder, whole.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("got %v, %v", entries, err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(e.Name() + "\n" + string(data) + "\n")
	}
	return out.String()
}
