// Package text answers what a YAML or JSON file says, as a catalog.Node with the lines it stands on.
//
// It knows nothing of catalogues or configurations; it only refuses what no careful writer means: keys that stand
// twice, several documents in one file, tags that make types, aliases that grow without bound.
//
// # Invariants
//   - YAML is total: every input gives a node or catalog.Faults, in time and memory bounded by the input's size.
//
// # Concurrency
//
// All functions are pure.
package text

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sidegate/sidegate/checker/catalog"
)

// maxNodes is how many nodes a document may have once its aliases are written out.
const maxNodes = catalog.MaxNodes

// YAML reads one YAML document; JSON is one too. The error is catalog.Faults. If all that is wrong is keys that stand
// twice, the document is answered as well, with the first of each, so that a caller can tell what else is wrong.
func YAML(data []byte) (catalog.Node, error) {
	if !utf8.Valid(data) {
		return catalog.Node{}, fault("", 0, "the document is not valid UTF-8", "save it as UTF-8")
	}
	if deep(data) {
		return catalog.Node{}, tooDeep("", 0)
	}
	if separators(data) > maxNodes {
		return catalog.Node{}, tooMany("", 0)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return catalog.Node{}, fault("", 0, "the document is empty", "")
		}
		return catalog.Node{}, malformed(err, data)
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return catalog.Node{}, fault("", second.Line, "there is a second document in it", "keep one")
	}
	c := converter{left: maxNodes}
	n, err := c.node(doc.Content[0], "", 0)
	switch {
	case err != nil:
		return catalog.Node{}, err
	case len(c.twice) > 0:
		return n, c.twice
	}
	return n, nil
}

// deep tells whether flow brackets nest beyond what is allowed, before a recursive parser meets them.
func deep(data []byte) bool {
	depth := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			if depth++; depth > 1000 {
				return true
			}
		case ']', '}':
			depth--
		case '\n':
			if depth < 0 {
				depth = 0
			}
		}
	}
	return false
}

// separators bounds the nodes of a document before yaml builds them, each of which takes far more memory than its text.
func separators(data []byte) int {
	count := 0
	for i, c := range data {
		blank := i+1 == len(data) || data[i+1] <= ' '
		switch {
		case c == ',' || c == '[' || c == '{' || c == '\n' || c == '*':
			count++
		case (c == '-' || c == ':' || c == '?') && blank:
			count++
		}
	}
	return count
}

var lineOf = regexp.MustCompile(`line (\d+): `)

// malformed is a fault of the parser, which names no line where the first is meant, and at times the one before a tab.
func malformed(err error, data []byte) error {
	problem, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := lineOf.FindStringSubmatchIndex(problem); m != nil {
		line, _ = strconv.Atoi(problem[m[2]:m[3]])
		problem = problem[:m[0]] + problem[m[1]:]
	}
	lines := bytes.Split(data, []byte{'\n'})
	for at := max(line, 1); at <= min(line+1, len(lines)); at++ {
		text := lines[at-1]
		if indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]; bytes.ContainsRune(indent, '\t') {
			return fault("", at, "it is not YAML: "+problem, "indent with spaces, not with tabs")
		}
	}
	return fault("", line, "it is not YAML: "+problem, "")
}

func fault(path string, line int, problem, remedy string) error {
	return catalog.Faults{{Path: path, Line: line, Problem: problem, Remedy: remedy}}
}

func tooDeep(path string, line int) error {
	return fault(path, line, fmt.Sprintf("it is nested deeper than %d levels", catalog.MaxDepth), "flatten it")
}

func tooMany(path string, line int) error {
	return fault(path, line, fmt.Sprintf("it has more than %d parts", maxNodes), "make it smaller")
}

// A converter turns yaml's nodes into the catalogue's, aliases written out.
type converter struct {
	left  int            // nodes that may still come
	twice catalog.Faults // keys that stand twice
}

func (c *converter) node(n *yaml.Node, path string, depth int) (catalog.Node, error) {
	if depth > catalog.MaxDepth {
		return catalog.Node{}, tooDeep(path, n.Line)
	}
	if c.left--; c.left < 0 {
		return catalog.Node{}, tooMany(path, n.Line)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.node(n.Alias, path, depth+1)
	case yaml.ScalarNode:
		return scalar(n, path)
	case yaml.SequenceNode:
		return c.list(n, path, depth)
	case yaml.MappingNode:
		return c.mapping(n, path, depth)
	}
	return catalog.Node{}, fault(path, n.Line, "it is nothing that a document can hold", "")
}

func (c *converter) list(n *yaml.Node, path string, depth int) (catalog.Node, error) {
	out := catalog.Node{Kind: catalog.List, Line: n.Line}
	if n.ShortTag() != "!!seq" {
		return out, tagged(n, path)
	}
	for i, item := range n.Content {
		v, err := c.node(item, fmt.Sprintf("%s[%d]", path, i), depth+1)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, v)
	}
	return out, nil
}

func (c *converter) mapping(n *yaml.Node, path string, depth int) (catalog.Node, error) {
	out := catalog.Node{Kind: catalog.Map, Line: n.Line}
	if n.ShortTag() != "!!map" {
		return out, tagged(n, path)
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := catalog.Join(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			return out, fault(path, key.Line, "a key must be a plain text", "write merged keys out")
		case !plainTag(key.ShortTag()):
			return out, tagged(key, path)
		case seen[key.Value]:
			c.twice = append(c.twice, catalog.Fault{Path: at, Line: key.Line, Problem: "this key stands twice",
				Remedy: "keep one of them"})
			continue
		}
		seen[key.Value] = true
		v, err := c.node(n.Content[i+1], at, depth+1)
		if err != nil {
			return out, err
		}
		out.Fields = append(out.Fields, catalog.Field{Key: key.Value, Line: key.Line, Value: v})
	}
	return out, nil
}

func scalar(n *yaml.Node, path string) (catalog.Node, error) {
	out := catalog.Node{Line: n.Line, Text: n.Value}
	switch n.ShortTag() {
	case "!!null":
		out.Text = ""
	case "!!bool":
		out.Kind, out.Text = catalog.Bool, strings.ToLower(n.Value)
	case "!!int":
		v, ok := new(big.Int).SetString(strings.ReplaceAll(n.Value, "_", ""), 0)
		if !ok {
			return out, fault(path, n.Line, fmt.Sprintf("%.40q is not a number", n.Value), "quote it if it is a text")
		}
		out.Kind, out.Text = catalog.Number, v.String()
	case "!!float":
		f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return out, fault(path, n.Line, fmt.Sprintf("%.40q is not a number", n.Value), "quote it if it is a text")
		}
		out.Kind, out.Text = catalog.Number, strconv.FormatFloat(f, 'g', -1, 64)
	case "!!str", "!!timestamp":
		out.Kind = catalog.Text
	default:
		return out, tagged(n, path)
	}
	return out, nil
}

// plainTag tells whether a key's tag is one that plain texts have by themselves.
func plainTag(tag string) bool {
	return slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp"}, tag)
}

func tagged(n *yaml.Node, path string) error {
	return fault(path, n.Line, fmt.Sprintf("the tag %s is not taken", n.Tag), "leave it out")
}
