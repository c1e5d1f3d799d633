package main

import (
	"go/ast"
	"unicode/utf8"
)

// The budget. A tab counts as one column: how wide it looks is the reader's choice.
const (
	maxLines      = 400
	maxColumns    = 120
	maxFunction   = 60 // lines, from func to the closing brace
	maxDepth      = 3  // blocks within blocks of one function; a case is no block of its own
	maxParameters = 4
)

func shortFiles(r *room, say sayer) {
	for _, s := range r.files {
		if n := len(s.lines); n > maxLines {
			say(s.file.FileStart, "the file has %d lines, more than %d", n, maxLines)
		}
	}
}

func shortLines(r *room, say sayer) {
	for _, s := range r.files {
		for i, line := range s.lines {
			if n := utf8.RuneCountInString(line); n > maxColumns {
				say(r.fset.File(s.file.FileStart).LineStart(i+1), "the line has %d columns, more than %d", n, maxColumns)
			}
		}
	}
}

func shortFunctions(r *room, say sayer) {
	for _, f := range r.nodes() {
		switch f.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			if n := r.fset.Position(f.End()).Line - r.fset.Position(f.Pos()).Line + 1; n > maxFunction {
				say(f.Pos(), "the function has %d lines, more than %d", n, maxFunction)
			}
		}
	}
}

func fewParameters(r *room, say sayer) {
	for _, n := range r.nodes() {
		if f, ok := n.(*ast.FuncType); ok && f.Params.NumFields() > maxParameters {
			say(f.Pos(), "the function has %d parameters, more than %d", f.Params.NumFields(), maxParameters)
		}
	}
}

func shallow(r *room, say sayer) {
	for _, s := range r.files {
		ast.Walk(nest{depth: 0, say: say}, s.file)
	}
}

// A nest walks down and counts the blocks it is in.
type nest struct {
	depth  int
	parent ast.Node
	say    sayer
}

func (n nest) Visit(node ast.Node) ast.Visitor {
	if node == nil {
		return nil
	}
	if opensBlock(n.parent, node) {
		n.depth++
		if n.depth == maxDepth+1 {
			n.say(node.Pos(), "the block is %d deep, more than %d", n.depth, maxDepth)
		}
	}
	n.parent = node
	return n
}

// opensBlock tells a block of its own from an else-if, and from a function that is not within another.
func opensBlock(parent, node ast.Node) bool {
	switch node.(type) {
	case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt, *ast.FuncLit:
		return true
	case *ast.IfStmt:
		outer, ok := parent.(*ast.IfStmt)
		return !ok || outer.Else != node
	}
	return false
}
