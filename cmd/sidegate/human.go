package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sidegate/sidegate/checker/catalog"
)

// A view writes an answer for people.
type view func(out *bytes.Buffer, n catalog.Node)

// show writes an answer: as it is for machines, through a view for people.
func (a *app) show(c *Config, answer []byte, as view) error {
	if c.Output == "json" {
		_, err := fmt.Fprintf(a.stdout, "%s\n", bytes.TrimSpace(answer))
		return err
	}
	n, err := catalog.ParseJSON(answer)
	if err != nil {
		_, err := a.stdout.Write(answer)
		return err
	}
	var out bytes.Buffer
	as(&out, n)
	_, err = a.stdout.Write(out.Bytes())
	return err
}

// lines is the view of any document: a line per field.
func lines(out *bytes.Buffer, n catalog.Node) { aligned(out, rows(n, "")) }

// A row is a name and a text.
type row [2]string

// rows takes a document apart; what is nested gets names with dots. Fields in without are left out.
func rows(n catalog.Node, prefix string, without ...string) []row {
	var out []row
	for _, f := range n.Fields {
		name := catalog.Join(prefix, f.Key)
		switch {
		case slices.Contains(without, name):
		case f.Value.Kind == catalog.Map && len(f.Value.Fields) > 0:
			out = append(out, rows(f.Value, name, without...)...)
		default:
			out = append(out, row{name, cmp.Or(inline(f.Value), "-")})
		}
	}
	return out
}

// aligned writes rows as two columns.
func aligned(out *bytes.Buffer, all []row) {
	width := 0
	for _, r := range all {
		width = max(width, utf8.RuneCountInString(r[0]))
	}
	for _, r := range all {
		fmt.Fprintf(out, "%-*s  %s\n", width, r[0], r[1])
	}
}

// table writes lines of cells under their heads. Columns in which nothing stands are left out.
func table(out *bytes.Buffer, heads []string, cells [][]string) {
	if len(cells) == 0 {
		out.WriteString("none\n")
		return
	}
	widths := make([]int, len(heads))
	for _, line := range cells {
		for i, cell := range line {
			if cell != "" {
				widths[i] = max(widths[i], utf8.RuneCountInString(heads[i]), utf8.RuneCountInString(cell))
			}
		}
	}
	for _, line := range append([][]string{heads}, cells...) {
		var text strings.Builder
		for i, cell := range line {
			if widths[i] > 0 {
				fmt.Fprintf(&text, "%-*s  ", widths[i], cell)
			}
		}
		out.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
}

// at finds a field by its path; what is not there is Null.
func at(n catalog.Node, path ...string) catalog.Node {
	for _, key := range path {
		i := slices.IndexFunc(n.Fields, func(f catalog.Field) bool { return f.Key == key })
		if i < 0 {
			return catalog.Node{}
		}
		n = n.Fields[i].Value
	}
	return n
}

// word is a field in one line; empty if there is none.
func word(n catalog.Node, path ...string) string {
	if n = at(n, path...); n.Kind == catalog.Null {
		return ""
	}
	return inline(n)
}

// words are several fields of a document.
func words(n catalog.Node, keys ...string) []string {
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = word(n, key)
	}
	return out
}

// inline is anything on one line.
func inline(n catalog.Node) string {
	var parts []string
	switch {
	case n.Kind == catalog.Null, (n.Kind == catalog.Map || n.Kind == catalog.List) && len(n.Fields)+len(n.Items) == 0:
		return "-"
	}
	switch n.Kind {
	case catalog.Map:
		for _, f := range n.Fields {
			parts = append(parts, f.Key+"="+inline(f.Value))
		}
		return strings.Join(parts, " ")
	case catalog.List:
		separator := ", "
		for _, item := range n.Items {
			if item.Kind == catalog.Map {
				separator = "; "
			}
			parts = append(parts, inline(item))
		}
		return strings.Join(parts, separator)
	}
	if strings.ContainsFunc(n.Text, unicode.IsControl) {
		return strconv.Quote(n.Text) // a name must not steer a terminal
	}
	return n.Text
}
