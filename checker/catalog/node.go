package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// NodeKind is what sort of thing a Node is.
type NodeKind uint8

// The kinds of nodes.
const (
	Null NodeKind = iota
	Bool
	Number
	Text
	List
	Map
)

var nodeKinds = [...]string{"nothing", "true or false", "a number", "a text", "a list", "a mapping"}

// String names the kind for people.
func (k NodeKind) String() string { return nodeKinds[k] }

// A Node is a piece of a document, from JSON or YAML alike.
type Node struct {
	Kind   NodeKind
	Text   string // Bool: true or false; Number: a JSON number; Text
	Line   int    // from 1; 0: unknown
	Items  []Node
	Fields []Field
}

// A Field is one key of a Map.
type Field struct {
	Key   string
	Line  int
	Value Node
}

// Limits on a document.
const (
	MaxDepth = 64        // levels of nesting
	MaxNodes = 1_000_000 // nodes
)

// ParseJSON reads one JSON document strictly. Keys that occur twice, trailing data, invalid UTF-8, half surrogates,
// nesting beyond MaxDepth and more than MaxNodes nodes are Faults.
func ParseJSON(data []byte) (Node, error) {
	if !utf8.Valid(data) {
		return Node{}, Faults{{Problem: "the document is not valid UTF-8", Remedy: "save it as UTF-8"}}
	}
	p := jsonParser{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1, left: MaxNodes}
	p.dec.UseNumber()
	n, err := p.value("", 0)
	if err != nil {
		return Node{}, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return Node{}, p.fault("", "there is something after the end of the document", "send one JSON document")
	}
	return n, nil
}

type jsonParser struct {
	dec  *json.Decoder
	data []byte
	seen int // bytes whose lines are counted
	line int
	left int // nodes that may still come
}

func (p *jsonParser) here() int {
	at := min(int(p.dec.InputOffset()), len(p.data))
	if at > p.seen {
		p.line += bytes.Count(p.data[p.seen:at], []byte{'\n'})
		p.seen = at
	}
	return p.line
}

func (p *jsonParser) fault(path, problem, remedy string) error {
	return Faults{{Path: path, Line: p.here(), Problem: problem, Remedy: remedy}}
}

func (p *jsonParser) value(path string, depth int) (Node, error) {
	if depth > MaxDepth {
		return Node{}, p.fault(path, fmt.Sprintf("it is nested deeper than %d levels", MaxDepth), "flatten it")
	}
	if p.left--; p.left < 0 {
		return Node{}, p.fault(path, fmt.Sprintf("it has more than %d parts", MaxNodes), "make it smaller")
	}
	from := p.dec.InputOffset()
	token, err := p.dec.Token()
	if err != nil {
		return Node{}, p.malformed(path, err)
	}
	n := Node{Line: p.here()}
	switch t := token.(type) {
	case nil:
	case bool:
		n.Kind, n.Text = Bool, fmt.Sprint(t)
	case json.Number:
		n.Kind, n.Text = Number, t.String()
	case string:
		n.Kind, n.Text = Text, t
		if p.halved(t, from) {
			return n, p.fault(path, "it has half a surrogate pair", "write the character itself")
		}
	case json.Delim:
		if t == '[' {
			return p.list(n, path, depth)
		}
		return p.fields(n, path, depth)
	}
	return n, nil
}

// halved tells whether a text that was read from an offset on holds a replacement character that nobody wrote: what the
// decoder makes of an escape that is half a surrogate pair, so that different texts would become one.
func (p *jsonParser) halved(text string, from int64) bool {
	count := strings.Count(text, "\ufffd")
	if count == 0 {
		return false
	}
	source := p.data[from:p.dec.InputOffset()]
	written := bytes.Count(source, []byte("\ufffd")) + bytes.Count(bytes.ToLower(source), []byte(`\ufffd`))
	return written < count
}

func (p *jsonParser) malformed(path string, err error) error {
	problem := "it is not JSON"
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		problem += ": " + syntax.Error()
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		problem += ": it ends too early"
	}
	return p.fault(path, problem, "send one JSON document")
}

func (p *jsonParser) list(n Node, path string, depth int) (Node, error) {
	n.Kind = List
	for p.dec.More() {
		item, err := p.value(fmt.Sprintf("%s[%d]", path, len(n.Items)), depth+1)
		if err != nil {
			return n, err
		}
		n.Items = append(n.Items, item)
	}
	if _, err := p.dec.Token(); err != nil {
		return n, p.malformed(path, err)
	}
	return n, nil
}

func (p *jsonParser) fields(n Node, path string, depth int) (Node, error) {
	n.Kind = Map
	for p.dec.More() {
		from := p.dec.InputOffset()
		token, err := p.dec.Token()
		if err != nil {
			return n, p.malformed(path, err)
		}
		key, ok := token.(string)
		if !ok {
			return n, p.malformed(path, io.ErrUnexpectedEOF)
		}
		line := p.here()
		if p.halved(key, from) {
			return n, p.fault(Join(path, key), "the key has half a surrogate pair", "write the character itself")
		}
		if n.has(key) {
			return n, p.fault(Join(path, key), "this key stands twice", "keep one of them")
		}
		value, err := p.value(Join(path, key), depth+1)
		if err != nil {
			return n, err
		}
		n.Fields = append(n.Fields, Field{key, line, value})
	}
	if _, err := p.dec.Token(); err != nil {
		return n, p.malformed(path, err)
	}
	return n, n.distinct(path)
}

// manyFields is from how many keys on duplicates are looked for once, at the end, instead of key by key.
const manyFields = 32

func (n *Node) has(key string) bool {
	if len(n.Fields) >= manyFields {
		return false
	}
	return slices.ContainsFunc(n.Fields, func(f Field) bool { return f.Key == key })
}

func (n *Node) distinct(path string) error {
	if len(n.Fields) < manyFields {
		return nil
	}
	seen := make(map[string]bool, len(n.Fields))
	for _, f := range n.Fields {
		if seen[f.Key] {
			return Faults{{Path: Join(path, f.Key), Line: f.Line, Problem: "this key stands twice",
				Remedy: "keep one of them"}}
		}
		seen[f.Key] = true
	}
	return nil
}

// JSON writes the node as JSON.
func (n Node) JSON() []byte { return n.appendJSON(nil) }

func (n Node) appendJSON(out []byte) []byte {
	switch n.Kind {
	case Bool, Number:
		return append(out, n.Text...)
	case Text:
		return appendText(out, n.Text)
	case List:
		out = append(out, '[')
		for i, item := range n.Items {
			if i > 0 {
				out = append(out, ',')
			}
			out = item.appendJSON(out)
		}
		return append(out, ']')
	case Map:
		out = append(out, '{')
		for i, f := range n.Fields {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendText(out, f.Key), ':')
			out = f.Value.appendJSON(out)
		}
		return append(out, '}')
	}
	return append(out, "null"...)
}

func appendText(out []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		return append(out, `""`...) // a string always marshals
	}
	return append(out, quoted...)
}

// Join makes the path of a key. A key that would be misread as a path is quoted, one too long to be an id is cut, so
// that a path never grows with what a stranger sends.
func Join(path, key string) string {
	if len(key) > 256 {
		key = strings.ToValidUTF8(key[:64], "") + "…"
	}
	if strings.ContainsAny(key, ".[]\" ") || key == "" {
		key = string(appendText(nil, key))
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
