package text

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"github.com/sidegate/sidegate/checker/catalog"
)

// shortest and widest say which mappings and lists Print keeps on one line: below the second level, up to this width.
const (
	outerLevels = 2
	widest      = 100 // bytes of JSON
)

// Print writes a document as YAML for people to edit; YAML reads it back as it was, but for line numbers. Numbers must
// be finite, as those of a document are that was read.
func Print(n catalog.Node) []byte {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if enc.Encode(printed(n, 0)) != nil || enc.Close() != nil {
		return n.JSON() // JSON is YAML too
	}
	return out.Bytes()
}

func printed(n catalog.Node, depth int) *yaml.Node {
	out := &yaml.Node{Kind: yaml.ScalarNode, Value: n.Text}
	switch n.Kind {
	case catalog.Null:
		out.Value = "null"
	case catalog.Text:
		out.Tag = "!!str" // quoted where it would be read as something else
	case catalog.List:
		out.Kind, out.Tag = yaml.SequenceNode, "!!seq"
		for _, item := range n.Items {
			out.Content = append(out.Content, printed(item, depth+1))
		}
	case catalog.Map:
		out.Kind, out.Tag = yaml.MappingNode, "!!map"
		for _, f := range n.Fields {
			key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.Key}
			out.Content = append(out.Content, key, printed(f.Value, depth+1))
		}
	}
	if out.Kind != yaml.ScalarNode && (len(out.Content) == 0 || depth >= outerLevels && len(n.JSON()) <= widest) {
		out.Style = yaml.FlowStyle
	}
	return out
}
