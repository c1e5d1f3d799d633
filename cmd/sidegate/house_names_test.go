package main

import (
	"go/ast"
	"strings"
)

// packagesAnswer wants one package comment in a room, that begins with the question it answers.
func packagesAnswer(r *room, say sayer) {
	var documented int
	var last *ast.File
	for _, s := range r.code() {
		last = s.file
		if s.file.Doc == nil {
			continue
		}
		documented++
		answers := strings.HasPrefix(s.file.Doc.Text(), "Package "+s.file.Name.Name+" answers ")
		if s.file.Name.Name == "main" {
			answers = strings.HasPrefix(s.file.Doc.Text(), "Command ")
		}
		if !answers {
			say(s.file.Package, "the comment of package %s does not begin with what it answers", s.file.Name.Name)
		}
	}
	if last != nil && documented != 1 {
		say(last.Package, "package %s has %d package comments, not 1", last.Name.Name, documented)
	}
}

// documented wants a comment at everything that other packages can name, fields of structs excepted.
func documented(r *room, say sayer) {
	for _, s := range r.code() {
		for _, d := range s.file.Decls {
			documentedDecl(d, say)
		}
	}
}

func documentedDecl(d ast.Decl, say sayer) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if owner := ownerOf(d); d.Name.IsExported() && (owner == "" || ast.IsExported(owner)) && d.Doc == nil {
			say(d.Pos(), "%s has no comment", nameOf(d))
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			documentedSpec(spec, d.Doc, say)
		}
	}
}

// documentedSpec looks at a type, at its methods if it is an interface, or at constants and variables, which may share
// the comment of their group.
func documentedSpec(spec ast.Spec, group *ast.CommentGroup, say sayer) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return
		}
		if spec.Doc == nil && group == nil {
			say(spec.Pos(), "%s has no comment", spec.Name.Name)
		}
		if methods, ok := spec.Type.(*ast.InterfaceType); ok {
			documentedFields(methods.Methods, say)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && spec.Doc == nil && spec.Comment == nil && group == nil {
				say(name.Pos(), "%s has no comment", name.Name)
			}
		}
	}
}

func documentedFields(fields *ast.FieldList, say sayer) {
	for _, f := range fields.List {
		for _, name := range f.Names {
			if name.IsExported() && f.Doc == nil && f.Comment == nil {
				say(name.Pos(), "%s has no comment", name.Name)
			}
		}
	}
}
