package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
)

// A stranger imports every package as an empty one: here only names of the room itself matter.
type stranger struct{}

func (stranger) Import(name string) (*types.Package, error) {
	base := path.Base(name)
	if strings.HasPrefix(base, "v") && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(name))
	}
	empty := types.NewPackage(name, strings.TrimSuffix(base, ".go"))
	empty.MarkComplete()
	return empty, nil
}

// constant wants package variables to keep the value they begin with. It sees assignments, to elements and fields too,
// addresses taken, and types made to change; it does not see what a called function does with a map or a pointer.
func constant(r *room, say sayer) {
	meant := meanings(r)
	for _, n := range r.nodes() {
		for _, e := range changed(n) {
			sayChanged(e, meant, say)
		}
	}
	for _, s := range r.files {
		for _, d := range s.file.Decls {
			if group, ok := d.(*ast.GenDecl); ok && group.Tok == token.VAR {
				sayChangeable(group, say)
			}
		}
	}
}

// meanings says of each name in a room what it stands for, as far as the room alone can tell.
func meanings(r *room) map[*ast.Ident]types.Object {
	byPackage := map[string][]*ast.File{}
	for _, s := range r.files {
		byPackage[s.file.Name.Name] = append(byPackage[s.file.Name.Name], s.file)
	}
	known := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: stranger{}, Error: func(error) {}} // the strangers' names are all unknown
	for name, files := range byPackage {
		_, _ = config.Check(name, r.fset, files, known)
	}
	return known.Uses
}

// changed are the expressions that a node changes, or takes the address of so that others can.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		return n.Lhs
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		return slices.DeleteFunc([]ast.Expr{n.Key, n.Value}, func(e ast.Expr) bool { return e == nil })
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && slices.Contains([]string{"delete", "clear", "copy"}, f.Name) {
			return n.Args[:1]
		}
	}
	return nil
}

func sayChanged(e ast.Expr, meant map[*ast.Ident]types.Object, say sayer) {
	base := baseOf(e)
	switch object := meant[base].(type) {
	case *types.Var:
		if object.Parent() == object.Pkg().Scope() {
			say(e.Pos(), "%s is a variable of the package, and is changed", base.Name)
		}
	case *types.PkgName:
		say(e.Pos(), "a variable of package %s is changed", base.Name)
	}
}

// baseOf is the name that an expression begins with; nil if there is none.
func baseOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// sayChangeable finds locks, counters, pools and channels at package level: whoever has one means to change it.
func sayChangeable(group *ast.GenDecl, say sayer) {
	for n := range ast.Preorder(group) {
		switch n := n.(type) {
		case *ast.FuncLit:
			return
		case *ast.ChanType:
			say(n.Pos(), "a channel at package level belongs to nobody")
		case *ast.SelectorExpr:
			if from := textOf(n.X); from == "sync" || from == "atomic" {
				say(n.Pos(), "%s.%s at package level is made to change", from, n.Sel.Name)
			}
		}
	}
}
