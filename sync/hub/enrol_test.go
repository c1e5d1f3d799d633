package hub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub"
)

// A mint issues credentials that open nothing.
type mint struct {
	asked   []string
	revoked []string
	fails   error
}

func (m *mint) Issue(name string, groups []string, until time.Time) (string, []byte, error) {
	m.asked = append(m.asked, fmt.Sprint(name, groups, until.IsZero()))
	return fmt.Sprint("U", len(m.asked)), []byte("the secret of " + name), m.fails
}

func (m *mint) revoke(user string) error {
	m.revoked = append(m.revoked, user)
	return m.fails
}

// enrolling is a bench whose hub makes credentials, and what it logged.
func enrolling(t *testing.T, m *mint) (*bench, *bytes.Buffer) {
	logged := &bytes.Buffer{}
	return newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: replica.NewMemory(),
		Log:       slog.New(slog.NewTextHandler(logged, nil)),
		Enrolment: hub.Enrolment{Issuer: m, Revoke: m.revoke, URL: "nats://hub:7422"}}), logged
}

// enrol is a call that must be answered with 201.
func (b *bench) enrol(body string, headers ...string) map[string]any {
	b.t.Helper()
	r := b.call("POST /v1/fleet/enrol", body, headers...)
	if r.status != http.StatusCreated {
		b.t.Fatalf("got %d %s", r.status, r.body)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *bench) enrolments() []any {
	b.t.Helper()
	return b.ok("GET /v1/fleet/enrolments", "")["enrolments"].([]any)
}

func TestASidecarIsEnrolledOnceAndItsSecretKeptNowhere(t *testing.T) {
	m := &mint{}
	b, logged := enrolling(t, m)
	made := b.enrol(`{"name":"berlin-1","groups":["eu","Us_2","eu"],"expires_at":"2027-01-01T00:00:00Z"}`)
	got := fmt.Sprint(made["name"], made["groups"], made["expires_at"], made["credentials"], made["nats_url"],
		made["user"], made["created_by"])
	if want := "berlin-1[eu Us_2]2027-01-01T00:00:00Zthe secret of berlin-1nats://hub:7422U1first"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	listed := b.enrolments()
	if len(listed) != 1 || listed[0].(map[string]any)["id"] != made["id"] {
		t.Errorf("listed are %v", listed)
	}
	_, _, all := b.books.Snapshot(t.Context(), replica.Filter{})
	for e, err := range all {
		if err != nil || bytes.Contains(e.Value, []byte("secret of")) {
			t.Errorf("the books hold %s, %v", e.Value, err)
		}
	}
	if strings.Contains(logged.String()+fmt.Sprint(listed), "secret of") || !strings.Contains(logged.String(), "user=U1") {
		t.Errorf("logged is %s", logged)
	}
	if b.enrol("")["expires_at"] != nil || m.asked[1] != "[] true" {
		t.Errorf("asked was %v", m.asked)
	}
}

func TestARepeatedEnrolmentMakesNoSecondUser(t *testing.T) {
	m := &mint{}
	b, _ := enrolling(t, m)
	first := b.enrol(`{"name":"x"}`, "Idempotency-Key", "k")
	again := b.enrol(`{"name":"x"}`, "Idempotency-Key", "k")
	if again["id"] != first["id"] || again["user"] != "U1" || again["credentials"] != nil || len(m.asked) != 1 {
		t.Errorf("got %v after %v", again, first)
	}
	b.refused("422 idempotency_key_reused", "POST /v1/fleet/enrol", `{"name":"y"}`, "Idempotency-Key", "k")
	b.enrol(`{"name":"x"}`, "Idempotency-Key", "other")
}

func TestAnEnrolmentThatCannotBeIsRefused(t *testing.T) {
	b, _ := enrolling(t, &mint{})
	many := `{"groups":["` + strings.Join(strings.Split(strings.Repeat("g", 33), ""), `","`) + `"]}`
	for _, body := range []string{`[]`, `{"nme":"x"}`, `{"name":1}`, `{"groups":"eu"}`, `{"groups":["a b"]}`,
		`{"groups":[1]}`, `{"expires_at":"2020-01-01T00:00:00Z"}`, `{"expires_at":"soon"}`, many,
		`{"name":"` + strings.Repeat("x", 257) + `"}`} {
		b.refused("400 bad_request", "POST /v1/fleet/enrol", body)
	}
	if got := b.enrolments(); len(got) != 0 {
		t.Errorf("listed are %v", got)
	}
}

func TestWithoutAKeyNobodyIsEnrolled(t *testing.T) {
	for want, how := range map[string]hub.Enrolment{"409 enrolment_not_needed": {Open: true},
		"409 enrolment_not_possible": {}} {
		b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: replica.NewMemory(), Enrolment: how})
		b.refused(want, "POST /v1/fleet/enrol", `{"name":"x"}`)
	}
}

func TestRevokingEndsAnEnrolment(t *testing.T) {
	m := &mint{}
	b, _ := enrolling(t, m)
	path := "DELETE /v1/fleet/enrolments/" + b.enrol(`{"name":"x"}`)["id"].(string)
	b.refused("404 enrolment_not_found", "DELETE /v1/fleet/enrolments/none", "")
	m.fails = errors.New("no")
	b.refused("500 internal", path, "")
	if len(b.enrolments()) != 1 {
		t.Error("an enrolment that was not revoked is not listed")
	}
	m.fails = nil
	b.ok(path, "", "Idempotency-Key", "k")
	b.ok(path, "", "Idempotency-Key", "k")
	b.refused("404 enrolment_not_found", path, "")
	if len(b.enrolments()) != 0 || !slices.Equal(m.revoked, []string{"U1", "U1"}) {
		t.Errorf("listed are %v, revoked %v", b.enrolments(), m.revoked)
	}
}

func TestWhatAnotherMustRevokeStaysUntilItExpires(t *testing.T) {
	m := &mint{}
	b := newBenchWith(t, hub.Options{Docs: replica.NewMemory(), Books: replica.NewMemory(),
		Enrolment: hub.Enrolment{Issuer: m}})
	path := "DELETE /v1/fleet/enrolments/" + b.enrol(`{"expires_at":"2026-11-23T13:00:00Z"}`)["id"].(string)
	if body := b.refused("409 revocation_not_possible", path, ""); !strings.Contains(body, "U1") {
		t.Errorf("got %s, want the user that is to be revoked", body)
	}
	b.clock.Add(time.Hour.Milliseconds())
	b.ok(path, "")
}
