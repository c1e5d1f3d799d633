package main

import (
	"go/token"
	"slices"
	"strings"
	"testing"
)

// A broken is a file that breaks a rule; with an empty complaint, one that comes close and keeps it.
type broken struct {
	rule string
	path string
	text string
	want string // in the one complaint
}

func imports(pkg, path string) string { return "package " + pkg + "\nimport _ \"" + path + "\"" }

func body(statements string) string {
	return "package follow\nimport \"time\"\nfunc f(g group) {\n" + statements + "\n}"
}

// brokenWalls are imports that should not be.
func brokenWalls() []broken {
	const down, room, pure = "imports point down", "a library has one room", "the ground floor touches nothing"
	return []broken{
		{down, "checker/x.go", imports("checker", project+"replica"), "must not import replica"},
		{down, "checker/x_test.go", imports("checker", project+"sync/hub"), "must not import sync/hub"},
		{down, "replica/logtest/x.go", imports("logtest", "io"), "does not import replica; its row can be shorter"},
		{down, "replica/logtest/x_test.go", imports("logtest", project+"replica"), "does not import replica"},
		{down, "replica/logtest/x.go", imports("logtest", project+"replica"), ""},
		{down, "checker/new/x.go", "package new", "no row"},
		{room, "replica/follow/x.go", imports("follow", "github.com/dgraph-io/badger/v4"), "lives in replica/disk"},
		{room, "checker/x_test.go", imports("checker", "github.com/stretchr/testify"), "no room"},
		{room, "replica/disk/x.go", imports("disk", "github.com/dgraph-io/badger/v4/options"), ""},
		{room, "replica/follow/x.go", imports("follow", "net/http"), ""},
		{pure, "checker/x.go", imports("checker", "log/slog"), "must not import log/slog"},
		{pure, "checker/x.go", imports("checker", "net"), "must not import net"},
		{pure, "checker/x.go", imports("checker", "net/url"), ""},
		{pure, "checker/x_test.go", imports("checker", "os"), ""},
		{pure, "checker/x.go", "package checker\nfunc f() { go f() }", "must not start goroutines"},
		{pure, "checker/x.go", "package checker\nimport \"time\"\nvar now = time.Now", "must not use time.Now"},
		{pure, "replica/x.go", "package replica\nimport t \"time\"\nfunc f() { <-t.After(1) }", "time.After"},
		{pure, "replica/x.go", "package replica\nimport \"context\"\nvar f = context.WithTimeout", "context.WithTimeout"},
		{pure, "checker/index/x.go", imports("index", "os"), ""},
		{"folders that only hold others hold no .go", "sync/x.go", "package sync", "folders only"},
	}
}

// brokenBudgets are too large by one.
func brokenBudgets() []broken {
	const lines, columns, function = "files are short", "lines are short", "functions are short"
	const depth, parameters = "nesting is shallow", "parameters are few"
	const three = "for { if true { func() {"
	return []broken{
		{lines, "checker/x.go", "package checker" + strings.Repeat("\n", maxLines), ""},
		{lines, "checker/x_test.go", "package checker\n//" + strings.Repeat("\n", maxLines), "401 lines"},
		{columns, "checker/x.go", "package checker\n// " + strings.Repeat("é", maxColumns-3), ""},
		{columns, "checker/x.go", "package checker\n//  " + strings.Repeat("é", maxColumns-3), "121 columns"},
		{function, "checker/x.go", "package checker\nfunc f() {" + strings.Repeat("\n", maxFunction-1) + "}", ""},
		{function, "checker/x.go", "package checker\nfunc f() {" + strings.Repeat("\n", maxFunction) + "}", "61 lines"},
		{function, "checker/x.go", "package checker\nvar f = func() {" + strings.Repeat("\n", maxFunction) + "}", "61 lines"},
		{depth, "checker/x.go", body(three + "switch { case true: } }() } }"), "4 deep"},
		{depth, "checker/x.go", body(three + "func() { for { if true {} } }() }() } }"), "4 deep"},
		{depth, "checker/x.go", body("for { switch { case true: if true {} else if false {} else if false {} } }"), ""},
		{parameters, "checker/x.go", "package checker\nfunc f(a, b, c, d int)", ""},
		{parameters, "checker/x.go", "package checker\nfunc (f F) f(a, b, c, d int, e ...string)", "5 parameters"},
		{parameters, "checker/x.go", "package checker\ntype f interface{ f(a, b, c, d, e int) }", "5 parameters"},
	}
}

// brokenNames say too little.
func brokenNames() []broken {
	const names, answers = "exported names are documented", "packages say what they answer"
	const about = "// Package checker answers one question.\n"
	return []broken{
		{names, "checker/x.go", "package checker\nfunc F() {}", "F has no comment"},
		{names, "checker/x.go", "package checker\nfunc (t *T[K]) F() {}", "T.F has no comment"},
		{names, "checker/x.go", "package checker\ntype T struct{}", "T has no comment"},
		{names, "checker/x.go", "package checker\n// T is one.\ntype T interface { F() }", "F has no comment"},
		{names, "checker/x.go", "package checker\nconst (\n// A is one.\nA = 1\nB = 2\n)", "B has no comment"},
		{names, "checker/x.go", "package checker\n// All.\nconst (\nA = 1\nB = 2\n)\nvar C = 1 // one", ""},
		{names, "checker/x.go", "package checker\nfunc (t t) F() {}\nfunc f() {}", ""},
		{names, "checker/x_test.go", "package checker\nfunc F() {}", ""},
		{answers, "checker/x.go", about + "package checker", ""},
		{answers, "checker/x.go", "package checker", "0 package comments"},
		{answers, "checker/x.go", "// Package checker checks.\npackage checker", "does not begin with what it answers"},
		{answers, "cmd/x/x.go", "// Command x does it.\npackage main", ""},
		{answers, "cmd/x/x.go", "// Package main does it.\npackage main", "does not begin with what it answers"},
	}
}

// brokenHabits run, wait or change where they should not.
func brokenHabits() []broken {
	const early, vars, goes = "nothing runs before main", "package variables never change",
		"goroutines end with who began them"
	const sleep, now, code = "nobody sleeps", "time is an argument", "replica/follow/x.go"
	const v = "package follow\nvar v, w = map[string]struct{ n []int }{}, 1\nfunc f() { "
	return []broken{
		{early, code, "package follow\nfunc init() {}", "init runs unasked"},
		{early, code, "package follow\nfunc (t t) init() {}", ""},
		{vars, code, v + "w = 2 }", "w is a variable of the package"},
		{vars, code, v + "w++ }", "w is a variable of the package"},
		{vars, code, v + "for _, w = range []int{} {} }", "w is a variable of the package"},
		{vars, code, v + "(v[`a`]).n[0] = 2 }", "v is a variable of the package"},
		{vars, code, v + "delete(v, `a`) }", "v is a variable of the package"},
		{vars, code, v + "g(&w) }", "w is a variable of the package"},
		{vars, code, v + "w := v; w[`a`].n[0]++; var v int; v = 2; x.v = 3 }", ""},
		{vars, code, "package follow\nimport \"io\"\nfunc f() { io.EOF = nil }", "a variable of package io"},
		{vars, code, "package follow\nvar m struct{ sync.Mutex }", "sync.Mutex at package level"},
		{vars, code, "package follow\nvar c = make(chan int)", "a channel at package level"},
		{vars, code, "package follow\nvar e, f = errors.New(`e`), &flag", ""},
		{goes, code, body("go f(g)"), "a go statement in f"},
		{goes, code, body("g.Go(f)"), "does not wait"},
		{goes, code, body("g.Go(func() { h.Wait() })"), "does not wait"},
		{goes, code, body("g.Go(f)\ng.Wait()"), ""},
		{goes, code, "package follow\nfunc (f F) Run() { go f.Run() }", ""},
		{goes, code, "package follow\nvar f = func() { go g() }", "a go statement in a package variable"},
		{sleep, "replica/follow/x_test.go", body("time.Sleep(1)"), "wait for what is to happen"},
		{sleep, "replica/follow/x_test.go", "package follow\nimport \"testing/synctest\"\nvar pause = time.Sleep", ""},
		{sleep, code, "package follow\nimport \"time\"\nvar pause = time.Sleep", "wait for what is to happen"},
		{now, code, body("time.Now()"), "time.Now"},
		{now, code, body("time.Since(then)"), "time.Since"},
		{now, "replica/follow/x_test.go", body("time.Now()"), ""},
		{now, "cmd/sidegate/x.go", body("time.Now()"), ""},
	}
}

func TestHouseRulesCanBeBroken(t *testing.T) {
	unbroken := rules()
	for _, b := range slices.Concat(brokenWalls(), brokenBudgets(), brokenNames(), brokenHabits()) {
		t.Run(b.rule+" "+b.want, func(t *testing.T) {
			r := &room{dir: b.path[:strings.LastIndex(b.path, "/")], fset: token.NewFileSet()}
			if err := r.add(b.path, b.text); err != nil {
				t.Fatal(err)
			}
			got := complaints([]*room{r}, rules()[b.rule])
			switch {
			case b.want == "" && len(got) > 0:
				t.Errorf("%s\ncomplaints %v, want none", b.text, got)
			case b.want != "" && (len(got) != 1 || !strings.Contains(got[0].what, b.want)):
				t.Errorf("%s\ncomplaints %v, want one of %q", b.text, got, b.want)
			}
		})
		if b.want != "" {
			delete(unbroken, b.rule)
		}
	}
	for name := range unbroken {
		t.Errorf("no case breaks the rule %q", name)
	}
}

func TestHouseTakesAnExceptionOnlyWhereItIsNeeded(t *testing.T) {
	all := []complaint{{where: "a/x.go F"}, {where: "a/x.go G"}, {where: "a/xx.go F"}}
	for name, tc := range map[string]struct {
		where string
		want  []string
	}{
		"a function":    {"a/x.go F", []string{"a/x.go G", "a/xx.go F"}},
		"a file":        {"a/x.go", []string{"a/xx.go F"}},
		"one too many":  {"a/y.go", []string{"a/x.go F", "a/x.go G", "a/xx.go F", "a/y.go"}},
		"half a name's": {"a/x.go FF", []string{"a/x.go F", "a/x.go G", "a/xx.go F", "a/x.go FF"}},
	} {
		var got []string
		for _, c := range unexcused("r", slices.Clone(all), []exception{{"r", tc.where, ""}, {"other", "a/x.go F", ""}}) {
			got = append(got, c.where)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: left are %q, want %q", name, got, tc.want)
		}
	}
}

func TestHouseTopLevelCanBeBroken(t *testing.T) {
	names, ignored := []string{"cmd", ".ci", "build", "x.test", "docs", "main.go"}, []string{"/build/", "*.test"}
	if got, want := strangers(names, ignored), []string{"docs", "main.go"}; !slices.Equal(got, want) {
		t.Errorf("strangers are %q, want %q", got, want)
	}
}
