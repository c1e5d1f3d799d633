package main

import (
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// A floor is how far up a package lives. It may import from below only; on the ground, from rows above its own.
type floor int

const (
	ground   floor = iota // pure: no clock, no goroutine, no I/O, no logging
	memory                // what is known, to be read
	follower              // what is known, kept up to date
	adapter               // one technology each; they know nothing of one another
	assembly              // adapters put together
	commands              // flags and exit codes
)

// project is the module's path.
const project = "github.com/sidegate/sidegate/"

// A place is a row of the table: what a package of the project may import of it, and what its tests may besides.
type place struct {
	dir     string
	floor   floor
	imports string
	tests   string
}

// house is every package of the project. Whoever imports more than the row says breaks a rule, and so does a row that
// says more than is imported.
var house = []place{
	{"checker", ground, "", ""},
	{"checker/catalog", ground, "checker", "sync/text"},
	{"replica", ground, "", "replica/logtest"},
	{"replica/ledger", ground, "checker", ""},
	{"sync/wire", ground, "replica replica/ledger", ""},
	{"sync/text", ground, "checker/catalog", ""},
	{"checker/index", memory, "checker", ""},
	{"replica/follow", follower, "checker checker/catalog checker/index replica", "replica/disk"},
	{"replica/meter", follower, "checker replica replica/ledger sync/wire", "replica/vault"},
	{"checker/httpapi", adapter, "checker checker/catalog checker/index replica replica/follow replica/meter", ""},
	{"replica/disk", adapter, "replica", "checker"},
	{"replica/vault", adapter, "replica", ""},
	{"replica/logtest", adapter, "replica", ""},
	{"sync/stream", adapter, "replica sync/wire", "replica/logtest"},
	{"sync/hub/counting", adapter, "replica replica/ledger sync/wire", "checker"},
	{"sync/hub/outbox", adapter, "replica", ""},
	{"bench/world", adapter, "checker/catalog", ""},
	{"replica/site", assembly, "checker/httpapi replica replica/disk replica/follow replica/ledger replica/meter " +
		"replica/vault sync/wire", "checker/catalog"},
	{"sync/hub", assembly, "checker checker/catalog checker/index replica replica/follow replica/ledger " +
		"sync/hub/counting sync/hub/outbox sync/text sync/wire", "sync/stream"},
	{"bench", assembly, "bench/world", "checker checker/catalog checker/index sync/text"},
	{"cmd/sidegate", commands, "bench bench/world checker/catalog replica/site sync/hub sync/stream sync/text", ""},
}

// libraries are the rooms of each library. One that is not here is not used.
var libraries = map[string]string{
	"github.com/cespare/xxhash":      "checker/index replica replica/disk replica/meter replica/vault",
	"github.com/dgraph-io/badger":    "replica/disk",
	"go.etcd.io/bbolt":               "replica/vault",
	"github.com/hashicorp/raft":      "replica/quorum",
	"github.com/valyala/fasthttp":    "checker/httpapi replica/site bench",
	"github.com/nats-io":             "sync/stream",
	"github.com/tidwall/btree":       "sync/hub sync/hub/counting sync/hub/outbox",
	"go.yaml.in/yaml":                "sync/text",
	"github.com/VictoriaMetrics":     "checker/httpapi sync/hub",
	"github.com/spf13":               "cmd/sidegate",
	"github.com/schollz/progressbar": "cmd/sidegate",
	"golang.org/x/term":              "cmd/sidegate",
	"golang.org/x/sys":               "bench replica/disk",

	"golang.org/x/sync": "bench cmd/sidegate replica/follow replica/logtest replica/meter replica/site sync/hub " +
		"sync/hub/counting sync/hub/outbox sync/stream",

	"github.com/standard-webhooks": "sync/hub", // in tests, as an oracle
}

// rowOf is the row of a package.
func rowOf(dir string) (row place, found bool) {
	if at := slices.IndexFunc(house, func(p place) bool { return p.dir == dir }); at >= 0 {
		return house[at], true
	}
	return place{}, false
}

// importsOf calls each with every import of a room, without quotes.
func importsOf(r *room, each func(s *source, at token.Pos, what string)) {
	for _, s := range r.files {
		for _, spec := range s.file.Imports {
			each(s, spec.Pos(), strings.Trim(spec.Path.Value, "`\""))
		}
	}
}

func pointDown(r *room, say sayer) {
	here, found := rowOf(r.dir)
	if !found {
		say(r.files[0].file.Package, "package %s has no row in the table of house_imports_test.go", r.dir)
		return
	}
	code, tests := strings.Fields(here.imports), strings.Fields(here.tests)
	used := map[string]bool{}
	importsOf(r, func(s *source, at token.Pos, what string) {
		dir, ours := strings.CutPrefix(what, project)
		if !ours || dir == r.dir {
			return
		}
		if !slices.Contains(code, dir) && !(s.test && slices.Contains(tests, dir)) {
			say(at, "%s must not import %s", r.dir, dir)
		}
		used[dir] = used[dir] || !s.test || slices.Contains(tests, dir)
	})
	for _, dir := range slices.Concat(code, tests) {
		if !used[dir] {
			say(r.files[0].file.Package, "%s does not import %s; its row can be shorter", r.dir, dir)
		}
	}
}

// TestHouseTablePointsDown holds the table itself: what its rows permit are floors below, or rows above on the ground.
func TestHouseTablePointsDown(t *testing.T) {
	for at, here := range house {
		for _, dir := range strings.Fields(here.imports) {
			below, found := rowOf(dir)
			isEarlier := here.floor == ground && slices.Contains(house[:at], below)
			if !found || below.floor >= here.floor && !isEarlier {
				t.Errorf("%s may import %s, which is not below it", here.dir, dir)
			}
		}
	}
}

func oneRoom(r *room, say sayer) {
	importsOf(r, func(_ *source, at token.Pos, what string) {
		head, _, _ := strings.Cut(what, "/")
		if !strings.Contains(head, ".") || strings.HasPrefix(what, project) {
			return // the standard library and the project
		}
		library := libraryOf(what)
		if rooms := strings.Fields(libraries[library]); library == "" {
			say(at, "%s has no room in the table of house_imports_test.go", what)
		} else if !slices.Contains(rooms, r.dir) {
			say(at, "%s lives in %s, not in %s", library, strings.Join(rooms, ", "), r.dir)
		}
	})
}

// libraryOf is the line of the table that a package falls under; empty if there is none.
func libraryOf(name string) string {
	for ; name != "."; name = path.Dir(name) {
		if _, ok := libraries[name]; ok {
			return name
		}
	}
	return ""
}

// impure is what of the standard library the ground floor does without. A folder includes what is in it.
var impure = strings.Fields("os io/fs io/ioutil embed log net/http net/rpc net/smtp syscall runtime database")

func pure(r *room, say sayer) {
	if here, found := rowOf(r.dir); !found || here.floor != ground {
		return
	}
	importsOf(r, func(s *source, at token.Pos, what string) {
		if !s.test && isImpure(what) {
			say(at, "%s is pure, and must not import %s", r.dir, what)
		}
	})
	for _, s := range r.code() {
		for at, name := range uses(s, "time", clock+" "+timers) {
			say(at, "%s is pure, and must not use time.%s: time is an argument", r.dir, name)
		}
		for at, name := range uses(s, "context", "WithTimeout WithDeadline WithTimeoutCause WithDeadlineCause") {
			say(at, "%s is pure, and must not use context.%s: time is an argument", r.dir, name)
		}
		for at := range goroutines(s.file) {
			say(at, "%s is pure, and must not start goroutines", r.dir)
		}
	}
}

func isImpure(name string) bool {
	for dir := name; dir != "."; dir = path.Dir(dir) {
		if slices.Contains(impure, dir) {
			return true
		}
	}
	return name == "net" // net/netip and net/url open nothing
}

// noFiles keeps sync/ free of a package, so that the standard library's needs no other name.
func noFiles(r *room, say sayer) {
	if slices.Contains([]string{"sync", "cmd", "deploy", "."}, r.dir) {
		say(r.files[0].file.Package, "%s holds folders only", r.dir)
	}
}
