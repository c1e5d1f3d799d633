package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// command is an id that is easy to find in a dump.
func command(n byte) replica.CommandID {
	return replica.CommandID(bytes.Repeat([]byte{n}, 16))
}

// messages are one of everything.
func messages() map[string]wire.Message {
	ring := []replica.Command{{ID: command(0xC0)}}
	for i := byte(1); i < replica.Remembered; i++ {
		ring = append(ring, replica.Command{ID: command(0xC0 + i), Rev: 1<<20 - uint64(i)})
	}
	return map[string]wire.Message{
		"document": {
			Kind: wire.Document, Reader: 1, Entry: 0x0102030405060708, Count: 1, Key: "customer/acme",
			Recent: ring[:1], Value: []byte(`{"name":"Acme"}`),
		},
		"empty document": {Kind: wire.Document, Reader: 1, Count: 1, Key: "catalog", Recent: ring[:1], Value: []byte{}},
		"first of an entry": {
			Kind: wire.Document, Reader: 1, Entry: 0x0102030405060708, Position: 1, Count: 1000,
			Later: []string{"", "default", "eu west"}, Key: "customer@eu west/é.*>", Recent: ring, Value: []byte("v"),
		},
		"tombstone": {Kind: wire.Tombstone, Reader: 1, Entry: 1, Count: 1, Key: "customer/acme", Recent: ring[:2]},
		"marker":    {Kind: wire.Marker, Reader: 1, Entry: 1 << 63, Count: 2, Later: []string{"default"}, Value: []byte{}},
		"origin":    {Kind: wire.Origin, Reader: 1, Entry: 1, Count: 1, Value: []byte("2x1b3c4d5e6f7g8h")},
	}
}

func TestMessagesLookAsTheyAlwaysDid(t *testing.T) {
	for name, m := range messages() {
		golden := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".hex")
		got := hex.Dump(wire.Append(nil, m))
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
	}
}

func TestAMessageIsReadAsItWasWritten(t *testing.T) {
	for name, m := range messages() {
		got, err := wire.Decode(wire.Append(nil, m))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, m)
		}
	}
}

func TestAMessageIsNeverReadInPart(t *testing.T) {
	for name, m := range messages() {
		whole := wire.Append(nil, m)
		for n := range len(whole) - len(m.Value) {
			if got, err := wire.Decode(whole[:n]); !errors.Is(err, wire.ErrDamaged) {
				t.Errorf("%s, the first %d bytes: got %+v, %v", name, n, got, err)
			}
		}
	}
}

func TestANewerMessageIsRefused(t *testing.T) {
	whole := wire.Append(nil, messages()["document"])
	encoding := append([]byte{wire.Version + 1}, whole[1:]...)
	level := append([]byte{whole[0], wire.Level + 1}, whole[2:]...)
	for _, b := range [][]byte{encoding, level, encoding[:2]} {
		if _, err := wire.Decode(b); !errors.Is(err, wire.ErrNewer) {
			t.Errorf("%x: got %v, want ErrNewer", b, err)
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	doc := messages()["document"]
	for what, change := range map[string]func(m *wire.Message){
		"an unknown kind":                       func(m *wire.Message) { m.Kind = 9 },
		"a position outside the entry":          func(m *wire.Message) { m.Position = 1 },
		"an entry of nothing":                   func(m *wire.Message) { m.Count = 0 },
		"an entry without end":                  func(m *wire.Message) { m.Count = 1 << 30 },
		"groups of messages that do not follow": func(m *wire.Message) { m.Later = []string{"eu"} },
		"a tombstone with a value":              func(m *wire.Message) { m.Kind = wire.Tombstone },
		"a command of this entry further down":  func(m *wire.Message) { m.Recent = append(m.Recent, m.Recent[0]) },
		"a newest command of another entry":     func(m *wire.Message) { m.Recent = []replica.Command{{Rev: 7}} },
	} {
		m := doc
		m.Recent = slices.Clone(doc.Recent)
		change(&m)
		if _, err := wire.Decode(wire.Append(nil, m)); !errors.Is(err, wire.ErrDamaged) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages() {
		f.Add(wire.Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.Decode(b)
		if err != nil {
			if !errors.Is(err, wire.ErrDamaged) && !errors.Is(err, wire.ErrNewer) {
				t.Fatalf("an error of neither kind: %v", err)
			}
			return
		}
		if again := wire.Append(nil, m); !bytes.Equal(again, b) {
			t.Fatalf("%x was read as %+v, which is written as %x", b, m, again)
		}
	})
}

func TestSubjects(t *testing.T) {
	for key, want := range map[string]string{
		"catalog":           "sg.docs-1.%.catalog.%",
		"plan/team/3":       "sg.docs-1.%.plan.team%2F3",
		"customer/acme":     "sg.docs-1.default.customer.acme",
		"customer@eu/a b.c": "sg.docs-1.eu.customer.a%20b%2Ec",
		"customer@%/*>":     "sg.docs-1.%25.customer.%2A%3E",
		"meta/digest":       "sg.docs-1.%.meta.digest",
		"customer/%":        "sg.docs-1.default.customer.%25",
		"customer/é":        "sg.docs-1.default.customer.%C3%A9",
	} {
		if got, err := wire.Space("docs-1").Subject(key); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", key, got, err, want)
		}
	}
	got := fmt.Sprint(wire.Space("docs-1").Followed(replica.Filter{Groups: []string{"eu", "a.b", "eu"}}))
	if want := "[sg.docs-1.%.> sg.docs-1.eu.> sg.docs-1.a%2Eb.>]"; got != want {
		t.Errorf("followed: got %s, want %s", got, want)
	}
}

func FuzzSubject(f *testing.F) {
	for _, pair := range [][2]string{
		{"customer/a", "customer/A"}, {"customer/%41", "customer/A"}, {"customer/a.b", "customer/a%2Eb"},
		{"customer@a/b", "customer/a/b"}, {"customer@a.b/c", "customer@a/b.c"}, {"plan/a", "plan@a"}, {"x", "x/%"},
		{"customer/" + strings.Repeat("x", 256), "customer/" + strings.Repeat("x", 257)}, {"customer/\x00", "customer/*"},
		{"ledger/" + strings.Repeat("~", 1600), "ledger/" + strings.Repeat("%2F", 256) + "/" + strings.Repeat("%2F", 256)},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, err := wire.Space("docs-1").Subject(one)
		if err != nil {
			if !errors.Is(err, replica.ErrKey) {
				t.Fatalf("%q: an error of another kind: %v", one, err)
			}
			return
		}
		checkSubject(t, one, a)
		if b, err := wire.Space("docs-1").Subject(other); err == nil && (a == b) != (one == other) {
			t.Fatalf("%q has %s, and %q has %s", one, a, other, b)
		}
	})
}

// checkSubject holds a subject to what NATS allows, and to giving back what it was made of.
func checkSubject(t *testing.T, key, subject string) {
	tokens := strings.Split(subject, ".")
	if len(tokens) != 5 || len(subject) > 3900 {
		t.Fatalf("%q: %d tokens, %d bytes: %s", key, len(tokens), len(subject), subject)
	}
	for _, token := range tokens {
		if token == "" || strings.ContainsAny(token, " *>\t\r\n") {
			t.Fatalf("%q: token %q of %s", key, token, subject)
		}
	}
	k, want := replica.Key{}, replica.ParseKey(key)
	for i, part := range []*string{&k.Group, &k.Kind, &k.ID} {
		id, ok := wire.ParseToken(tokens[2+i])
		if !ok {
			t.Fatalf("%q: %s stands for nothing", key, tokens[2+i])
		}
		*part = id
	}
	if k != want {
		t.Fatalf("%s reads as %+v, want %+v", subject, k, want)
	}
}
