package main

import (
	"go/ast"
	"go/token"
	"iter"
	"slices"
	"strings"
)

// Names of package time: those that read the clock, and those that wait for it.
const (
	clock  = "Now Since Until"
	timers = "After AfterFunc NewTimer NewTicker Tick Sleep"
)

// uses are the places of a file that name something of a package, called or not.
func uses(s *source, pkg, names string) iter.Seq2[token.Pos, string] {
	called := localName(s.file, pkg)
	return func(yield func(token.Pos, string) bool) {
		for n := range ast.Preorder(s.file) {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(strings.Fields(names), sel.Sel.Name) {
				continue
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == called && !yield(sel.Pos(), sel.Sel.Name) {
				return
			}
		}
	}
}

// localName is what a file calls a package of the standard library.
func localName(file *ast.File, pkg string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value == `"`+pkg+`"` && spec.Name != nil {
			return spec.Name.Name
		}
	}
	return pkg
}

func importsPackage(file *ast.File, pkg string) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"`+pkg+`"` })
}

// awake lets nobody sleep but those whose time is virtual.
func awake(r *room, say sayer) {
	for _, s := range r.files {
		if s.test && importsPackage(s.file, "testing/synctest") {
			continue
		}
		for at := range uses(s, "time", "Sleep") {
			say(at, "wait for what is to happen, not for time to pass")
		}
	}
}

// timeIsGiven leaves the clock to commands and measurements. Everything else is told what time it is.
func timeIsGiven(r *room, say sayer) {
	if r.dir == "bench" || strings.HasPrefix(r.dir, "cmd/") {
		return
	}
	for _, s := range r.code() {
		for at, name := range uses(s, "time", clock) {
			say(at, "time.%s is for assembly; here time is an argument", name)
		}
	}
}

func noInit(r *room, say sayer) {
	for _, n := range r.nodes() {
		if f, ok := n.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			say(f.Pos(), "init runs unasked; let the caller call")
		}
	}
}

// goroutines are the places where some begin, each with the group that is waited for; empty for a go statement.
func goroutines(root ast.Node) iter.Seq2[token.Pos, string] {
	return func(yield func(token.Pos, string) bool) {
		for n := range ast.Preorder(root) {
			group, begins := begin(n)
			if begins && !yield(n.Pos(), group) {
				return
			}
		}
	}
}

func begin(n ast.Node) (group string, begins bool) {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "", true
	case *ast.CallExpr:
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Go" || sel.Sel.Name == "TryGo") {
			return textOf(sel.X), true
		}
	}
	return "", false
}

// owned wants every goroutine to end before the function that began it: a group is waited for where it is filled, and
// the go statement, which nobody can wait for, is for Run and its likes.
func owned(r *room, say sayer) {
	for _, s := range r.code() {
		for _, d := range s.file.Decls {
			ownedIn(d, say)
		}
	}
}

func ownedIn(d ast.Decl, say sayer) {
	name := "a package variable"
	if f, ok := d.(*ast.FuncDecl); ok {
		name = f.Name.Name
	}
	for at, group := range goroutines(d) {
		if group == "" && !strings.HasPrefix(strings.ToLower(name), "run") {
			say(at, "a go statement in %s: only a Run may", name)
		} else if group != "" && !waitsFor(d, group) {
			say(at, "%s fills the group %s and does not wait for it", name, group)
		}
	}
}

func waitsFor(d ast.Decl, group string) bool {
	for n := range ast.Preorder(d) {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Wait" && textOf(sel.X) == group {
			return true
		}
	}
	return false
}

// textOf is how a chain of names is written.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return textOf(e.X) + "." + e.Sel.Name
	}
	return "(an expression)"
}
