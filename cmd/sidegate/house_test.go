package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The house rules are held by reading every file here: a test that asked the go command would be cached, and stay
// green. Each rule has a snippet in house_cases_test.go that breaks it.

// root is the repository, seen from this package.
const root = "../.."

// A source is one file.
type source struct {
	path  string // from the root
	test  bool
	lines []string
	file  *ast.File
}

// A room is a folder with Go files.
type room struct {
	dir   string // from the root
	fset  *token.FileSet
	files []*source
}

// A complaint is one breach of a rule.
type complaint struct {
	where string // the file, and the function if it is in one
	line  int
	what  string
}

// A sayer takes down a complaint.
type sayer func(at token.Pos, what string, args ...any)

// A rule looks through a room and says what is wrong with it.
type rule func(r *room, say sayer)

// rules are all of them, by what they claim.
func rules() map[string]rule {
	return map[string]rule{
		"imports point down":                        pointDown,
		"a library has one room":                    oneRoom,
		"the ground floor touches nothing":          pure,
		"files are short":                           shortFiles,
		"lines are short":                           shortLines,
		"functions are short":                       shortFunctions,
		"nesting is shallow":                        shallow,
		"parameters are few":                        fewParameters,
		"exported names are documented":             documented,
		"packages say what they answer":             packagesAnswer,
		"nothing runs before main":                  noInit,
		"package variables never change":            constant,
		"goroutines end with who began them":        owned,
		"nobody sleeps":                             awake,
		"time is an argument":                       timeIsGiven,
		"folders that only hold others hold no .go": noFiles,
	}
}

func TestHouseRulesAreKept(t *testing.T) {
	rooms := readRooms(t)
	for name, find := range rules() {
		t.Run(name, func(t *testing.T) {
			for _, c := range unexcused(name, complaints(rooms, find), exceptions) {
				t.Errorf("%s:%d: %s", c.where, c.line, c.what)
			}
		})
	}
	for _, e := range exceptions {
		if rules()[e.rule] == nil {
			t.Errorf("%s: there is no such rule as %q", e.where, e.rule)
		}
	}
	for _, p := range house {
		if !slices.ContainsFunc(rooms, func(r *room) bool { return r.dir == p.dir }) {
			t.Errorf("%s has a row in the table and no files", p.dir)
		}
	}
}

func TestHouseHasTheGivenTopLevel(t *testing.T) {
	var names []string
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	ignored, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strangers(names, strings.Fields(string(ignored))) {
		t.Errorf("%s: the top level is given, and has no such name", name)
	}
}

// strangers are the names that have no place at the top level. Dotfiles and what git ignores may lie there.
func strangers(names, ignored []string) []string {
	given := strings.Fields("cmd replica checker sync bench deploy go.mod go.sum Makefile README.md LICENSE")
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.Contains(given, name) || strings.HasPrefix(name, ".") ||
			slices.ContainsFunc(ignored, func(pattern string) bool {
				fits, _ := path.Match(strings.Trim(pattern, "/"), name)
				return fits
			})
	})
}

// An exception is a breach that is meant. One that nothing needs is itself a breach.
type exception struct {
	rule  string
	where string // a file, or a function in it
	why   string
}

// unexcused are the complaints that no exception covers, and one for each exception that covers none.
func unexcused(rule string, all []complaint, excuses []exception) []complaint {
	for _, e := range excuses {
		if e.rule != rule {
			continue
		}
		n := len(all)
		all = slices.DeleteFunc(all, func(c complaint) bool {
			return c.where == e.where || strings.HasPrefix(c.where, e.where+" ")
		})
		if len(all) == n {
			all = append(all, complaint{where: e.where, what: "nothing breaks the rule here; the exception can go"})
		}
	}
	return all
}

// readRooms parses every file that a person wrote.
func readRooms(t *testing.T) []*room {
	byDir := map[string]*room{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && isPassedOver(name):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &room{dir: dir, fset: token.NewFileSet()}
		}
		return byDir[dir].add(name, string(text))
	})
	if err != nil {
		t.Fatal(err)
	}
	var rooms []*room
	for _, r := range byDir {
		rooms = append(rooms, r)
	}
	slices.SortFunc(rooms, func(a, b *room) int { return strings.Compare(a.dir, b.dir) })
	return rooms
}

// isPassedOver tells the folders that hold no code of ours: hidden ones, what was built, and what tests read.
func isPassedOver(dir string) bool {
	return dir == "build" || path.Base(dir) == "testdata" || strings.HasPrefix(dir, ".") && dir != "."
}

// add parses a file into the room, unless a program wrote it.
func (r *room) add(name, text string) error {
	file, err := parser.ParseFile(r.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil || ast.IsGenerated(file) {
		return err
	}
	r.files = append(r.files, &source{path: name, test: strings.HasSuffix(name, "_test.go"),
		lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n"), file: file})
	return nil
}

// code are the files that are no tests.
func (r *room) code() []*source {
	return slices.DeleteFunc(slices.Clone(r.files), func(s *source) bool { return s.test })
}

// nodes are the syntax of all files.
func (r *room) nodes() (all []ast.Node) {
	for _, s := range r.files {
		all = slices.AppendSeq(all, ast.Preorder(s.file))
	}
	return all
}

// complaints are what a rule says, each with the place it is about.
func complaints(rooms []*room, find rule) []complaint {
	var all []complaint
	for _, r := range rooms {
		find(r, func(at token.Pos, what string, args ...any) {
			position := r.fset.Position(at)
			where := strings.TrimSpace(position.Filename + " " + r.function(at))
			all = append(all, complaint{where, position.Line, fmt.Sprintf(what, args...)})
		})
	}
	return all
}

// function is the name of the function around a place; empty outside.
func (r *room) function(at token.Pos) string {
	for _, s := range r.files {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Pos() <= at && at < f.End() {
				return nameOf(f)
			}
		}
	}
	return ""
}

// nameOf is the name of a function, of a method with its type.
func nameOf(f *ast.FuncDecl) string {
	if owner := ownerOf(f); owner != "" {
		return owner + "." + f.Name.Name
	}
	return f.Name.Name
}

// ownerOf is the type that a method belongs to; empty for a function.
func ownerOf(f *ast.FuncDecl) (owner string) {
	if f.Recv != nil {
		ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && owner == "" {
				owner = id.Name
			}
			return true
		})
	}
	return owner
}
