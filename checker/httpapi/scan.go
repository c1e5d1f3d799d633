package httpapi

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner reads JSON in place. It is strict where a sender can be wrong, and allocates nothing.
type scanner struct {
	b    []byte
	at   int
	w    *work  // where decoded texts go
	flaw string // the first thing that is wrong; empty: nothing yet
}

// maxDepth is how deep a value may be nested.
const maxDepth = 32

func (s *scanner) fail(flaw string) bool {
	if s.flaw == "" {
		s.flaw = flaw
	}
	return false
}

func (s *scanner) trouble() trouble {
	return badRequest("", fmt.Sprintf("the body is not JSON as it should be: %s at byte %d", s.flaw, s.at))
}

func (s *scanner) space() {
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte that is no space; 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.at >= len(s.b) {
		return 0
	}
	return s.b[s.at]
}

// eat takes a byte that must be there.
func (s *scanner) eat(c byte) bool {
	if s.peek() != c || s.at >= len(s.b) {
		return s.missing(c)
	}
	s.at++
	return true
}

// missing says that a byte is not there.
func (s *scanner) missing(c byte) bool {
	if s.at >= len(s.b) {
		return s.fail("an early end")
	}
	return s.fail(fmt.Sprintf("no %q where one is expected", c))
}

// examples are bodies that calls take.
var examples = [apiCount]string{
	apiCheck:   `{"customer":"acme","feature":"sso"}`,
	apiChecks:  `{"checks":[{"customer":"acme","feature":"sso"}]}`,
	apiExplain: `{"customer":"acme","feature":"sso"}`,
	apiConsume: `{"customer":"acme","feature":"ci-minutes","quantity":1}`,
	apiReserve: `{"customer":"acme","feature":"ci-minutes","quantity":1,"ttl":"10m"}`,
	apiCommit:  `{"quantity":1}`,
	apiRefund:  `{}`,
}

// noObject says what a call's body is, to who sends something else.
func (s *scanner) noObject(which api) trouble {
	is := ""
	switch s.peek() {
	case 0:
		is = ", and is empty"
	case '[':
		is = ", and is a list"
	}
	return badRequest("", "the body must be a JSON object such as "+examples[which]+is)
}

// more moves on in a list or mapping that ends with end, and tells whether there is another member.
func (s *scanner) more(end byte, first bool) bool {
	if s.peek() == end {
		s.at++
		return false
	}
	if first {
		return true
	}
	return s.eat(',')
}

// text reads a string. One without escapes is borrowed, any other is decoded into the work.
func (s *scanner) text() ([]byte, bool) {
	if s.peek() != '"' {
		return nil, s.fail("a text in double quotes is missing")
	}
	s.at++
	begin := s.at
	for s.at < len(s.b) {
		switch c := s.b[s.at]; {
		case c == '"':
			s.at++
			return s.b[begin : s.at-1 : s.at-1], true
		case c == '\\':
			return s.escaped(begin)
		case c < ' ':
			return nil, s.fail("a control character in a text")
		}
		s.at++
	}
	return nil, s.fail("an early end")
}

func (s *scanner) escaped(begin int) ([]byte, bool) {
	w := s.w
	from := len(w.text)
	w.text = append(w.text, s.b[begin:s.at]...)
	for s.at < len(s.b) {
		c := s.b[s.at]
		s.at++
		switch {
		case c == '"':
			return w.text[from:len(w.text):len(w.text)], true
		case c < ' ':
			return nil, s.fail("a control character in a text")
		case c != '\\':
			w.text = append(w.text, c)
		case !s.escape():
			return nil, false
		}
	}
	return nil, s.fail("an early end")
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape decodes what follows a backslash.
func (s *scanner) escape() bool {
	if s.at >= len(s.b) {
		return s.fail("an early end")
	}
	c := s.b[s.at]
	s.at++
	if c != 'u' {
		if escapes[c] == 0 {
			return s.fail("an unknown escape")
		}
		s.w.text = append(s.w.text, escapes[c])
		return true
	}
	r, ok := s.hex4()
	if !ok {
		return false
	}
	if utf16.IsSurrogate(r) {
		low, ok := rune(-1), s.at+1 < len(s.b) && s.b[s.at] == '\\' && s.b[s.at+1] == 'u'
		if ok {
			s.at += 2
			low, ok = s.hex4()
		}
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return s.fail("half a surrogate pair")
		}
	}
	s.w.text = utf8.AppendRune(s.w.text, r)
	return true
}

func (s *scanner) hex4() (rune, bool) {
	if s.at+4 > len(s.b) {
		return 0, s.fail("an early end")
	}
	var r rune
	for _, c := range s.b[s.at : s.at+4] {
		d := unhex(c)
		if d > 15 {
			return 0, s.fail("an unknown escape")
		}
		r = r<<4 | rune(d)
	}
	s.at += 4
	return r, true
}

// word reads a number or a literal as it stands.
func (s *scanner) word() []byte {
	s.space()
	begin := s.at
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ',', '}', ']', ' ', '\t', '\n', '\r', '"', '{', '[', ':':
			return s.b[begin:s.at]
		}
		s.at++
	}
	return s.b[begin:s.at]
}

// value passes over any value and answers its bytes. What is inside is checked by who reads it.
func (s *scanner) value() ([]byte, bool) {
	s.space()
	begin, depth := s.at, 0
	for {
		switch c := s.peek(); c {
		case 0:
			return nil, s.fail("an early end")
		case '"':
			if _, ok := s.text(); !ok {
				return nil, false
			}
		case '{', '[':
			s.at++
			if depth++; depth > maxDepth {
				return nil, s.fail("too deep a nesting")
			}
		case '}', ']':
			s.at++
			depth--
		case ',', ':':
			s.at++
		default:
			if len(s.word()) == 0 {
				return nil, s.fail("something else than expected")
			}
		}
		if depth <= 0 {
			return s.b[begin:s.at:s.at], depth == 0 || s.fail("something else than expected")
		}
	}
}

// end tells whether nothing follows.
func (s *scanner) end() bool {
	return s.peek() == 0 && s.at >= len(s.b) || s.fail("something after the end")
}

// readBody reads an ask from a JSON body.
func (w *work) readBody(body []byte) (trouble, bool) {
	if !utf8.Valid(body) {
		return badRequest("", "the body is not valid UTF-8"), false
	}
	s := scanner{b: body, w: w}
	if t, ok := s.ask(&w.ask); !ok {
		return t, false
	}
	if !s.end() {
		return s.trouble(), false
	}
	return w.ask.complete()
}

// ask reads an object with the fields of an ask.
func (s *scanner) ask(k *ask) (trouble, bool) {
	k.begin()
	if s.peek() != '{' {
		return s.noObject(s.w.api), false
	}
	s.at++
	for first := true; s.more('}', first); first = false {
		name, ok := s.text()
		if !ok || !s.eat(':') {
			return s.trouble(), false
		}
		field := fieldOf(name)
		if !s.w.takes(field) {
			return unknownField(name, s.w.knows()), false
		}
		if !k.first(field) {
			return badRequest(fieldNames[field], "it stands twice"), false
		}
		if t, ok := s.field(k, field); !ok {
			return t, false
		}
	}
	if s.flaw != "" {
		return s.trouble(), false
	}
	return trouble{}, true
}

// field reads the value of a field. A null is none: whoever sends one has lost what should stand there, and would have
// one unit counted for a quantity that is not known.
func (s *scanner) field(k *ask, field int) (trouble, bool) {
	if s.peek() == 0 {
		s.fail("an early end")
		return s.trouble(), false
	}
	switch field {
	case fieldQuantity, fieldMinRevision, fieldWaitMs:
		return s.w.setNumber(k, field, s.word())
	case fieldValue:
		raw, ok := s.value()
		if !ok {
			return s.trouble(), false
		}
		if string(raw) == "null" {
			return badRequest("value", "null is no value; leave it out to ask for none"), false
		}
		k.value, k.jsonValue = raw, true
		return trouble{}, true
	}
	if s.peek() != '"' {
		return badRequest(fieldNames[field], "it must be a text"), false
	}
	text, ok := s.text()
	if !ok {
		return s.trouble(), false
	}
	return k.set(field, text)
}
