package wire

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/replica"
)

// A Space is the part of the subjects that belongs to one log: its name and epoch, docs-1. Logs of one server must not
// share subjects, a log and its next epoch neither. It consists of letters, digits and -.
type Space string

// All matches every subject of the log.
func (s Space) All() string { return "sg." + string(s) + ".>" }

// Origin is the subject of the message that holds the nonce. No document has it, for its kind is never empty.
func (s Space) Origin() string { return "sg." + string(s) + ".%.%.origin" }

// Marker is the subject of comparisons without a document. No document has it either.
func (s Space) Marker() string { return "sg." + string(s) + ".%.%.marker" }

const hex = "0123456789ABCDEF"

// maxSubject is how many bytes a subject may have: NATS reads no line above 4096. Two ids of 256 bytes, each of them
// escaped twice, are far below.
const maxSubject = 3900

// Subject gives the subject of a document: sg.<space>.<group>.<kind>.<id>. Errors wrap replica.ErrKey.
func (s Space) Subject(key string) (string, error) {
	if err := replica.CheckKey(key); err != nil {
		return "", err
	}
	k := replica.ParseKey(key)
	b := make([]byte, 0, len(key)+len(s)+16)
	b = append(append(b, "sg."...), s...)
	b = AppendToken(append(b, '.'), k.Group)
	b = AppendToken(append(b, '.'), k.Kind)
	b = AppendToken(append(b, '.'), k.ID)
	if len(b) > maxSubject {
		return "", fmt.Errorf("%w: its subject would be longer than NATS takes", replica.ErrKey)
	}
	return string(b), nil
}

// Followed gives the subjects of everything that a filter follows, none twice.
func (s Space) Followed(f replica.Filter) []string {
	if f.Groups == nil {
		return []string{s.All()}
	}
	all := []string{"sg." + string(s) + ".%.>"}
	for _, group := range f.Groups {
		subject := "sg." + string(s) + "." + string(AppendToken(nil, group)) + ".>"
		if !slices.Contains(all, subject) {
			all = append(all, subject)
		}
	}
	return all
}

// AppendToken appends the token that stands for an id in a subject. Letters, digits, - and _ stand for themselves,
// every other byte is % and two hexadecimal digits, and a lone % is the empty id; so no two ids share a token, and
// a token needs no quoting anywhere.
func AppendToken(dst []byte, id string) []byte {
	if id == "" {
		return append(dst, '%')
	}
	for i := range len(id) {
		c := id[i]
		if plain(c) {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', hex[c>>4], hex[c&15])
	}
	return dst
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// ParseToken gives the id that a token stands for; false if no id has this token.
func ParseToken(token string) (id string, ok bool) {
	if token == "%" {
		return "", true
	}
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			b = append(b, c)
			continue
		}
		if c != '%' || i+2 >= len(token) {
			return "", false
		}
		high, low := strings.IndexByte(hex, token[i+1]), strings.IndexByte(hex, token[i+2])
		if high < 0 || low < 0 || plain(byte(high<<4|low)) {
			return "", false
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	return string(b), len(b) > 0
}
