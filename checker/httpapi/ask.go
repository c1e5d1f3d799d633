package httpapi

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica/meter"
)

// An ask is one check as it was asked. Its bytes are borrowed from the request or its work.
type ask struct {
	checker.Ask
	customer    []byte
	feature     []byte
	value       []byte // nil: none
	jsonValue   bool   // value is JSON, not the text of a query
	minRevision uint64
	waitMs      int64
	key         []byte // idempotency key; nil: none
	ttl         []byte // of a reservation; nil: none
	seen        uint16 // fields, by their place in fieldNames
}

// The fields of an ask.
const (
	fieldCustomer = iota
	fieldFeature
	fieldUser
	fieldDevice
	fieldEnvironment
	fieldVersion
	fieldQuantity
	fieldValue
	fieldMinRevision
	fieldWaitMs
	fieldKey // of a consumption
	fieldTTL // of a reservation
	fieldUnknown
)

var fieldNames = [...]string{"customer", "feature", "user", "device", "environment", "version", "quantity", "value",
	"min_revision", "wait_ms", "idempotency_key",
	"ttl"}

func fieldOf(name []byte) int {
	switch string(name) {
	case "customer":
		return fieldCustomer
	case "feature":
		return fieldFeature
	case "user":
		return fieldUser
	case "device":
		return fieldDevice
	case "environment":
		return fieldEnvironment
	case "version":
		return fieldVersion
	case "quantity":
		return fieldQuantity
	case "value":
		return fieldValue
	case "min_revision":
		return fieldMinRevision
	case "wait_ms":
		return fieldWaitMs
	case "idempotency_key":
		return fieldKey
	case "ttl":
		return fieldTTL
	}
	return fieldUnknown
}

// takes tells whether a call knows a field.
func (w *work) takes(field int) bool {
	switch {
	case w.api >= apiCommit:
		return w.api == apiCommit && field == fieldQuantity
	case field < fieldValue:
		return true
	case field == fieldValue:
		return w.api < apiConsume
	case field < fieldKey:
		return true
	}
	return field == fieldKey && w.api == apiConsume || field == fieldTTL && w.api == apiReserve
}

// knows lists the fields that a call takes.
func (w *work) knows() (names []string) {
	for field, name := range fieldNames {
		elsewhere := w.api == apiEntitlements && slices.Contains(fieldsOfPath, field)
		if w.takes(field) && !elsewhere {
			names = append(names, name)
		}
	}
	return names
}

// unknownField says what is known, and what may have been meant.
func unknownField(name []byte, known []string) trouble {
	t := badRequest(shown(name), "this field is not known here (known here: "+strings.Join(known, ", ")+")")
	if near := catalog.Nearest(t.field, known); near != "" {
		t.detail = fmt.Sprintf("this field is not known here (did you mean %q? known here: %s)", near,
			strings.Join(known, ", "))
	}
	return t
}

// shown is a name that somebody made up, as it may stand in an answer.
func shown(name []byte) string {
	return string(bytes.ToValidUTF8(name[:min(len(name), 64)], []byte("?")))
}

// emptyQuery refuses a query string where everything stands elsewhere.
func emptyQuery(query []byte) (trouble, bool) {
	for len(query) > 0 {
		var pair []byte
		if pair, query = cut(query, '&'); len(pair) == 0 {
			continue
		}
		name, _ := cut(pair, '=')
		return badRequest(shown(name), "this call takes nothing in its query string"), false
	}
	return trouble{}, true
}

// begin makes an ask with what is assumed.
func (k *ask) begin() {
	*k = ask{waitMs: defaultWait}
	k.Quantity = 1
}

// first notes that a field stands in the request, and tells whether for the first time.
func (k *ask) first(field int) bool {
	bit := uint16(1) << field
	again := k.seen & bit
	k.seen |= bit
	return again == 0
}

// named is a text if its field stands in the request; nil: it does not.
func (k *ask) named(field int, text []byte) []byte {
	if k.seen&(1<<field) == 0 {
		return nil
	}
	return text
}

// set takes a text field.
func (k *ask) set(field int, text []byte) (trouble, bool) {
	switch field {
	case fieldCustomer:
		k.customer = text
	case fieldFeature:
		k.feature = text
	case fieldUser:
		k.User = text
	case fieldDevice:
		k.Device = text
	case fieldEnvironment:
		k.Environment = text
	case fieldVersion:
		k.Version = text
	case fieldKey:
		k.key = text
	case fieldTTL:
		k.ttl = text
	case fieldValue:
		k.value = text
		return trouble{}, true
	}
	return checkID(field, text)
}

// checkID holds a text against what ids may be. An empty optional one counts as not named.
func checkID(field int, text []byte) (trouble, bool) {
	if len(text) > 256 {
		return badRequest(fieldNames[field], "it has more than 256 bytes"), false
	}
	plain := true
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return badRequest(fieldNames[field], "it has a control character"), false
		}
		plain = plain && c < 0x80
	}
	if !plain && !utf8.Valid(text) {
		return badRequest(fieldNames[field], "it is not valid UTF-8"), false
	}
	return trouble{}, true
}

// setNumber takes a number field.
func (w *work) setNumber(k *ask, field int, text []byte) (trouble, bool) {
	least, most := w.bounds(field)
	n, ok := whole(text)
	if !ok || n < least || n > most {
		return badRequest(fieldNames[field], fmt.Sprintf("it must be a whole number from %d to %d", least, most)), false
	}
	switch field {
	case fieldQuantity:
		k.Quantity = n
	case fieldMinRevision:
		k.minRevision = uint64(n)
	case fieldWaitMs:
		k.waitMs = n
	}
	return trouble{}, true
}

// bounds are the least and the most that a number may be. What is counted is at least 1 and no more than can be.
func (w *work) bounds(field int) (least, most int64) {
	switch {
	case field == fieldWaitMs:
		return 0, maxWait
	case field == fieldQuantity && (w.api == apiConsume || w.api == apiReserve):
		return 1, meter.MaxQuantity
	}
	return 0, math.MaxInt64
}

// whole reads digits alone.
func whole(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n <= 1<<63-1
}

// complete tells whether customer and feature are named.
func (k *ask) complete() (trouble, bool) {
	switch {
	case len(k.customer) == 0:
		return badRequest("customer", "it is missing"), false
	case len(k.feature) == 0:
		return badRequest("feature", "it is missing"), false
	}
	return trouble{}, true
}

// readQuery reads an ask from a query string.
func (w *work) readQuery(query []byte) (trouble, bool) {
	w.ask.begin()
	for len(query) > 0 {
		var pair []byte
		pair, query = cut(query, '&')
		if len(pair) == 0 {
			continue
		}
		name, text := cut(pair, '=')
		field := fieldOf(name)
		if !w.takes(field) {
			return unknownField(name, w.knows()), false
		}
		if !w.ask.first(field) {
			return badRequest(fieldNames[field], "it stands twice"), false
		}
		text, ok := w.decode(text)
		if !ok {
			return badRequest(fieldNames[field], "a percent sign in it is not followed by two hexadecimal digits"), false
		}
		t, ok := w.take(field, text)
		if !ok {
			return t, false
		}
	}
	return w.ask.complete()
}

func (w *work) take(field int, text []byte) (trouble, bool) {
	if field == fieldQuantity || field == fieldMinRevision || field == fieldWaitMs {
		return w.setNumber(&w.ask, field, text)
	}
	return w.ask.set(field, text)
}

func cut(b []byte, at byte) (before, after []byte) {
	if i := bytes.IndexByte(b, at); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// decode resolves percent signs and pluses; text without them is borrowed as it is.
func (w *work) decode(text []byte) ([]byte, bool) {
	plain := true
	for _, c := range text {
		if c == '%' || c == '+' {
			plain = false
			break
		}
	}
	if plain {
		return text, true
	}
	begin := len(w.text)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(text) {
				return nil, false
			}
			high, low := unhex(text[i+1]), unhex(text[i+2])
			if high > 15 || low > 15 {
				return nil, false
			}
			c = high<<4 | low
			i += 2
		}
		w.text = append(w.text, c)
	}
	return w.text[begin:len(w.text):len(w.text)], true
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
