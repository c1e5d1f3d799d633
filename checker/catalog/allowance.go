package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// limitKeys are the fields of an allowance that is a limit; a mapping with none of them is a value.
var limitKeys = [...]string{"limit", "unlimited", "per", "anchor", "mode", "overdraft", "rollover", "warn",
	"durability", "borrow"}

// allowance reads an allowance by its shape alone; fits tells whether it suits its feature.
func (r *finder) allowance(n Node, path string) Allowance {
	var a Allowance
	switch {
	case n.Kind == Null:
		r.fail(path, n.Line, "it grants nothing", "leave it out, or give it a value or a limit")
	case n.Kind != Map:
		r.value(&a.Value)(n, path)
	case !n.names(limitKeys[:]...) && n.names("value"):
		r.mapping(n, path, fields{"value": r.value(&a.Value), "enforce": r.oneOf(&a.Enforce, "advisory")})
		if n.lacks("value") {
			r.fail(Join(path, "value"), n.Line, "it is missing", "give the value that is granted")
		}
	case !n.names(limitKeys[:]...) && !n.names("enforce"):
		r.value(&a.Value)(n, path)
	default:
		r.limits(n, path, &a)
	}
	return a
}

// names tells whether one of the keys stands there, even with nothing behind it.
func (n *Node) names(keys ...string) bool {
	return slices.ContainsFunc(n.Fields, func(f Field) bool { return slices.Contains(keys, f.Key) })
}

// lacks tells whether none of the keys has something behind it.
func (n *Node) lacks(keys ...string) bool {
	return !slices.ContainsFunc(n.Fields, func(f Field) bool {
		return f.Value.Kind != Null && slices.Contains(keys, f.Key)
	})
}

func (r *finder) limits(n Node, path string, a *Allowance) {
	r.mapping(n, path, fields{
		"limit":      r.quantity(&a.Limit),
		"unlimited":  r.bool(&a.Unlimited),
		"per":        r.oneOf(&a.Per, perWords[1:]...),
		"anchor":     r.oneOf(&a.Anchor, "calendar", "subscription"),
		"mode":       r.oneOf(&a.Mode, "hard", "soft"),
		"overdraft":  r.quantity(&a.Overdraft),
		"rollover":   r.rollover(&a.Rollover),
		"warn":       r.percents(&a.Warn),
		"durability": r.oneOf(&a.Durability, "exact", "chunked"),
		"borrow":     r.duration(&a.Borrow),
		"enforce":    r.oneOf(&a.Enforce, "advisory"),
	})
	switch {
	case a.Unlimited && !n.lacks("limit"):
		r.fail(path, n.Line, "it has a limit and is unlimited", "keep one of them")
	case !a.Unlimited && n.lacks("limit"):
		r.fail(Join(path, "limit"), n.Line, "it is missing", "give a limit, or unlimited: true")
	}
}

func (r *finder) rollover(into **int64) func(Node, string) {
	return func(n Node, path string) {
		*into = nil
		if n.Kind == Null {
			return
		}
		var units int64
		r.mapping(n, path, fields{"max": r.quantity(&units)})
		if n.Kind == Map && n.lacks("max") {
			r.fail(Join(path, "max"), n.Line, "it is missing", "say how much is carried over, such as {max: 500}")
		}
		*into = &units
	}
}

func (r *finder) percents(into *[]int) func(Node, string) {
	return func(n Node, path string) {
		*into = nil
		if n.Kind == Null {
			return
		}
		if n.Kind != List || len(n.Items) > 16 {
			r.fail(path, n.Line, "it must be a list of at most 16 percentages", "such as [80, 100]")
			return
		}
		for i, item := range n.Items {
			p := int64(1)
			at := fmt.Sprintf("%s[%d]", path, i)
			r.atLeast(1, &p)(item, at)
			if p > 1000 {
				r.fail(at, item.Line, fmt.Sprintf("%d percent is too much", p), "1 to 1000")
			}
			*into = append(*into, int(p))
		}
	}
}

// A place is where an allowance stands, which decides what it needs.
type place struct {
	path  string
	line  int
	addon bool // add-ons need no period
}

// fits tells whether an allowance suits its feature.
func (r *finder) fits(a Allowance, f Feature, at place) {
	switch f.Type {
	case "boolean":
		if string(a.Value) != "true" && string(a.Value) != "false" {
			r.fail(at.path, at.line, "a boolean feature is allowed with true or false",
				"write true or false")
		}
	case "config":
		r.fitsConfig(a, f, at)
	case "metered":
		r.fitsMetered(a, at)
	default:
		r.fitsLevel(a, f, at)
	}
}

func (r *finder) fitsConfig(a Allowance, f Feature, at place) {
	if a.Value == nil {
		r.fail(at.path, at.line, "a config feature is allowed with a value, not with a limit", "write the value alone")
		return
	}
	if f.Values == nil {
		return
	}
	var items []string
	var one string
	if json.Unmarshal(a.Value, &one) == nil {
		items = []string{one}
	} else if f.Ordered == nil || *f.Ordered || json.Unmarshal(a.Value, &items) != nil {
		r.fail(at.path, at.line, "it is not one of the feature's values", "one of "+list(f.Values))
		return
	}
	for _, item := range items {
		if !slices.Contains(f.Values, item) {
			r.fail(at.path, at.line, fmt.Sprintf("%q is not one of the feature's values", item),
				"one of "+list(f.Values))
		}
	}
}

func (r *finder) fitsMetered(a Allowance, at place) {
	switch {
	case a.Value != nil:
		r.fail(at.path, at.line, fmt.Sprintf("a metered feature needs a limit and a period, not %.40s", a.Value),
			"such as {limit: 1000, per: month}")
	case a.Borrow != 0:
		r.fail(Join(at.path, "borrow"), at.line, "only seats can be borrowed", "leave it out")
	case a.Per == "" && !a.Unlimited && !at.addon:
		r.fail(Join(at.path, "per"), at.line, "it is missing", "minute, hour, day, week, month, year or never")
	}
}

func (r *finder) fitsLevel(a Allowance, f Feature, at place) {
	if a.Value != nil {
		r.fail(at.path, at.line, fmt.Sprintf("a %s feature needs a limit, not %.40s", f.Type, a.Value),
			"such as {limit: 5}")
		return
	}
	for _, field := range []struct {
		name string
		set  bool
	}{{"per", a.Per != ""}, {"anchor", a.Anchor != ""}, {"mode", a.Mode != ""}, {"overdraft", a.Overdraft != 0},
		{"rollover", a.Rollover != nil}, {"warn", a.Warn != nil}, {"durability", a.Durability != ""},
		{"borrow", a.Borrow != 0 && (f.Type != "seat" || f.Kind != "floating")}} {
		if field.set {
			r.fail(Join(at.path, field.name), at.line, fmt.Sprintf("a %s feature does not take it", f.describe()),
				"leave it out")
		}
	}
}

func (f Feature) describe() string {
	if f.Type == "seat" && f.Kind != "floating" {
		return "named seat"
	}
	return f.Type
}

func list(words []string) string {
	text := ""
	for i, w := range words {
		if i > 0 {
			text += ", "
		}
		text += w
	}
	return text
}

// allowanceJSON is an allowance with a limit as it is stored and shown.
type allowanceJSON struct {
	Value      json.RawMessage `json:"value,omitempty"`
	Limit      *int64          `json:"limit,omitempty"`
	Unlimited  bool            `json:"unlimited,omitempty"`
	Per        string          `json:"per,omitempty"`
	Anchor     string          `json:"anchor,omitempty"`
	Mode       string          `json:"mode,omitempty"`
	Overdraft  int64           `json:"overdraft,omitempty"`
	Rollover   *rolloverJSON   `json:"rollover,omitempty"`
	Warn       []int           `json:"warn,omitempty"`
	Durability string          `json:"durability,omitempty"`
	Borrow     Duration        `json:"borrow,omitzero"`
	Enforce    string          `json:"enforce,omitempty"`
}

type rolloverJSON struct {
	Max int64 `json:"max"`
}

// MarshalJSON writes a value alone where nothing else stands with it, and a mapping otherwise.
func (a Allowance) MarshalJSON() ([]byte, error) {
	if len(a.Value) > 0 && a.Enforce == "" && a.Value[0] != '{' {
		return a.Value, nil
	}
	out := allowanceJSON{Value: a.Value, Unlimited: a.Unlimited, Per: a.Per, Anchor: a.Anchor, Mode: a.Mode,
		Overdraft: a.Overdraft, Warn: a.Warn, Durability: a.Durability, Borrow: a.Borrow, Enforce: a.Enforce}
	if a.Value == nil && !a.Unlimited {
		out.Limit = &a.Limit
	}
	if a.Rollover != nil {
		out.Rollover = &rolloverJSON{*a.Rollover}
	}
	return marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote, and nothing else: every sidecar does it for every change.
func (a *Allowance) UnmarshalJSON(data []byte) error {
	*a = Allowance{}
	if data[0] != '{' {
		a.Value = bytes.Clone(data)
		return nil
	}
	var in allowanceJSON
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&in); err != nil {
		return err
	}
	*a = Allowance{Value: in.Value, Unlimited: in.Unlimited, Per: in.Per, Anchor: in.Anchor, Mode: in.Mode,
		Overdraft: in.Overdraft, Warn: in.Warn, Durability: in.Durability, Borrow: in.Borrow, Enforce: in.Enforce}
	if in.Limit != nil {
		a.Limit = *in.Limit
	}
	if in.Rollover != nil {
		a.Rollover = &in.Rollover.Max
	}
	return nil
}
