package checker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind says what sort of JSON a Value is.
type kind uint8

const (
	noValue kind = iota
	boolValue
	numberValue
	textValue
	listValue
	objectValue
)

var kindNames = [...]string{"nothing", "true or false", "a number", "a text", "a list", "an object"}

// A Value is what a boolean or config feature holds, or is asked for. The zero Value means none. It is immutable.
type Value struct {
	kind kind
	rank int32   // 1 + place in Feature.Values; 0: not one of them
	num  float64 // numbers
	json []byte  // canonical: no spaces, sorted keys, shortest numbers
}

// IsZero tells whether there is no value.
func (v Value) IsZero() bool { return v.kind == noValue }

// JSON is the value in canonical JSON, borrowed; nil for the zero Value.
func (v Value) JSON() []byte { return v.json }

// IsTrue tells whether the value is the boolean true.
func (v Value) IsTrue() bool { return v.kind == boolValue && v.json[0] == 't' }

var (
	trueJSON  = []byte("true")
	falseJSON = []byte("false")
)

// JSONValue makes a value from JSON, which is copied. Malformed JSON, null and numbers beyond a double are errors.
func JSONValue(raw []byte) (Value, error) {
	if !utf8.Valid(raw) {
		return Value{}, errors.New("it is not valid UTF-8")
	}
	var any any
	if err := json.Unmarshal(raw, &any); err != nil {
		return Value{}, errors.New("it is not JSON, or a number in it is too large")
	}
	if any == nil {
		return Value{}, errors.New("it is null; leave it out instead")
	}
	if n, ok := any.(float64); ok && n == 0 {
		any = 0.0
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(any); err != nil {
		return Value{}, fmt.Errorf("it cannot be written as JSON: %w", err)
	}
	return canonicalValue(bytes.Clone(bytes.TrimSpace(out.Bytes()))), nil
}

// canonicalValue wraps canonical JSON without looking further than it must. Anything else gives the zero Value.
func canonicalValue(canonical []byte) Value {
	v := Value{json: canonical}
	switch firstByte(canonical) {
	case 't', 'f':
		v.kind = boolValue
	case '"':
		v.kind = textValue
	case '[':
		v.kind = listValue
	case '{':
		v.kind = objectValue
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		n, err := strconv.ParseFloat(string(canonical), 64)
		if err != nil {
			return Value{}
		}
		v.kind, v.num = numberValue, n
	default:
		return Value{}
	}
	return v
}

// ParseValue reads the JSON value of a check. The error says what the feature takes. A plain text or number is
// borrowed from raw, everything else is copied.
func (f *Feature) ParseValue(raw []byte) (Value, error) {
	if f.Type != Config {
		return Value{}, fmt.Errorf("feature %q is not of type config, so it takes no value", f.Key)
	}
	if isPlain(raw) {
		return f.fit(canonicalValue(raw))
	}
	v, err := JSONValue(raw)
	if err != nil {
		return Value{}, err
	}
	return f.fit(v)
}

// isPlain tells whether raw is a text that is canonical as it stands.
func isPlain(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return false
	}
	for _, c := range raw[1 : len(raw)-1] {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ParseText reads the value of a check from a query parameter: a text stands as it is, lists and objects are JSON.
func (f *Feature) ParseText(text []byte) (Value, error) {
	if f.Type != Config {
		return Value{}, fmt.Errorf("feature %q is not of type config, so it takes no value", f.Key)
	}
	for i := range f.Values {
		if string(text) == f.Values[i] {
			return Value{kind: textValue, rank: int32(i + 1), json: f.valuesJSON[i]}, nil
		}
	}
	if f.kind != textValue && (f.Values == nil || firstByte(text) == '[') && json.Valid(text) {
		return f.ParseValue(text)
	}
	quoted, err := json.Marshal(string(text))
	if err != nil || !utf8.Valid(text) {
		return Value{}, errors.New("it is not valid UTF-8")
	}
	return f.ParseValue(quoted)
}

// fit checks an asked value against what the feature takes.
func (f *Feature) fit(v Value) (Value, error) {
	switch {
	case f.Values == nil && slices.Contains([]kind{noValue, mixedValues, listValue, v.kind}, f.kind):
		return v, nil // of a list also one item is asked for
	case f.Values == nil:
		return Value{}, fmt.Errorf("it must be %s, as feature %q holds", kindNames[f.kind], f.Key)
	case v.kind == textValue:
		v.rank = f.rankOf(v.json)
		if v.rank > 0 {
			return v, nil
		}
	case v.kind == listValue && !f.Ordered && f.allMembers(v.json):
		return v, nil
	}
	return Value{}, fmt.Errorf("it must be one of %s", strings.Join(f.Values, ", "))
}

func (f *Feature) allMembers(list []byte) bool {
	for item, rest := nextItem(list); item != nil; item, rest = nextItem(rest) {
		if f.rankOf(item) == 0 {
			return false
		}
	}
	return true
}

func (f *Feature) rankOf(text []byte) int32 {
	for i := range f.valuesJSON {
		if bytes.Equal(f.valuesJSON[i], text) {
			return int32(i + 1)
		}
	}
	return 0
}

// isSet tells whether values of the feature are members of a set rather than one value.
func (f *Feature) isSet() bool { return f.Values != nil && !f.Ordered }

// holds makes a value one that the feature can hold: ranked when ordered, none when it does not fit (the catalogue
// may have changed since the value was written).
func (f *Feature) holds(v Value) Value {
	switch {
	case f.Type == Boolean:
		if v.kind != boolValue {
			return Value{}
		}
	case f.Type != Config:
		return Value{}
	case f.Values != nil && v.kind == textValue:
		v.rank = f.rankOf(v.json)
		if v.rank == 0 {
			return Value{}
		}
	case f.Values != nil && (f.Ordered || v.kind != listValue || f.lostAll(v.json)):
		return Value{}
	}
	return v
}

// lostAll tells whether a list has members and the feature knows none of them. One that keeps some is held without
// the others.
func (f *Feature) lostAll(list []byte) bool {
	item, rest := nextItem(list)
	for lost := item != nil; lost; item, rest = nextItem(rest) {
		if item == nil {
			return true
		}
		lost = f.rankOf(item) == 0
	}
	return false
}

// normal is a held value as an answer shows it: of a set always the list in the order of Values.
func (f *Feature) normal(v Value) Value {
	if !f.isSet() || v.IsZero() {
		return v
	}
	out := []byte{'['}
	for _, member := range f.valuesJSON {
		if v.has(member) {
			out = appendItem(out, member)
		}
	}
	return canonicalValue(slices.Clip(append(out, ']')))
}

func appendItem(list, item []byte) []byte {
	if len(list) > 0 && list[len(list)-1] != '[' {
		list = append(list, ',')
	}
	return append(list, item...)
}

// has tells whether item, canonical JSON, is a member of the value. A value that is no list has itself.
func (v Value) has(item []byte) bool {
	if v.kind != listValue {
		return bytes.Equal(v.json, item)
	}
	for member, rest := nextItem(v.json); member != nil; member, rest = nextItem(rest) {
		if bytes.Equal(member, item) {
			return true
		}
	}
	return false
}

// nextItem takes the first item off a canonical list, or off what an earlier call left; nil at the end.
func nextItem(list []byte) (item, rest []byte) {
	if len(list) < 2 || list[0] == ']' || list[1] == ']' {
		return nil, nil
	}
	depth, text := 0, false
	for i := 1; i < len(list); i++ {
		switch c := list[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			return list[1:i], list[i:]
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil, nil
}

// covers tells whether a held value, as normal or a union makes it, covers an asked one.
func (f *Feature) covers(held, asked Value) bool {
	switch {
	case f.Ordered && f.Values != nil:
		return asked.rank > 0 && asked.rank <= held.rank
	case held.kind == listValue && asked.kind == listValue:
		for item, rest := nextItem(asked.json); item != nil; item, rest = nextItem(rest) {
			if !held.has(item) {
				return false
			}
		}
		return true
	case held.kind == listValue:
		return held.has(asked.json)
	case held.kind == numberValue && asked.kind == numberValue:
		return asked.num <= held.num
	}
	return bytes.Equal(held.json, asked.json)
}
