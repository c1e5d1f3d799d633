package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrKey is wrapped by the refusal of a key that no log may hold. It is final: trying again does not help.
var ErrKey = errors.New("the key is not valid")

// Lengths in bytes that a key may have.
const (
	MaxID   = 256  // a customer's id, a group, a kind
	MaxRest = 1600 // the id of any other document: two ids, escaped, and what joins them
)

// CheckKey tells whether a document may have this key: a kind, and no part too long or with control characters.
// The error wraps ErrKey.
func CheckKey(key string) error {
	k := ParseKey(key)
	limit := MaxRest
	if k.Kind == KindCustomer {
		limit = MaxID
	}
	if k.Kind == "" {
		return fmt.Errorf("%w: it has no kind", ErrKey)
	}
	if k.Kind == KindCustomer && k.ID == "" {
		return fmt.Errorf("%w: the customer has no id", ErrKey)
	}
	if spell(k) != key {
		return fmt.Errorf("%w: it is not the one spelling of its kind, group and id", ErrKey)
	}
	if len(k.Kind) > MaxID || len(k.Group) > MaxID || len(k.ID) > limit {
		return fmt.Errorf("%w: a part of it is too long", ErrKey)
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("%w: it is not UTF-8", ErrKey)
	}
	for _, r := range key {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: it has a control character", ErrKey)
		}
	}
	return nil
}

// spell gives the one key that a document has: no two keys may name the same one.
func spell(k Key) string {
	if k.Kind == KindCustomer {
		return CustomerKey(k.Group, k.ID)
	}
	key := k.Kind
	if k.Group != "" {
		key += "@" + k.Group
	}
	if k.ID != "" {
		key += "/" + k.ID
	}
	return key
}

// CheckPuts refuses what no log may be asked: nothing at all, too much, a key twice, a tombstone with a value.
func CheckPuts(puts []Put) error {
	if len(puts) == 0 || len(puts) > MaxPuts {
		return fmt.Errorf("an entry has 1 to %d puts, not %d", MaxPuts, len(puts))
	}
	seen := make(map[string]struct{}, len(puts))
	for _, p := range puts {
		if err := CheckKey(p.Key); err != nil {
			return err
		}
		if _, twice := seen[p.Key]; twice {
			return fmt.Errorf("%w: it stands twice in one entry", ErrKey)
		}
		seen[p.Key] = struct{}{}
		if p.Delete && p.Value != nil {
			return errors.New("a tombstone has no value")
		}
	}
	return nil
}

// Matches tells whether a document, if there is one, is at the revision that a put expects.
func Matches(p Put, e Entry, exists bool) bool {
	if !exists || e.Deleted() {
		return p.Expect == 0
	}
	return p.Expect == e.Rev
}

// Remember adds a command to those that a document remembers, newest first. The given ring is not changed.
func Remember(ring []Command, c Command) []Command {
	grown := make([]Command, 1, min(len(ring)+1, Remembered))
	grown[0] = c
	return append(grown, ring[:min(len(ring), Remembered-1)]...)
}

// Find looks a command up among those that a document remembers and answers the revision it was applied at.
func Find(ring []Command, id CommandID) (rev uint64, ok bool) {
	for _, c := range ring {
		if c.ID == id {
			return c.Rev, true
		}
	}
	return 0, false
}

// Follows tells whether documents of a group come along. The empty group is the shared one.
func (f Filter) Follows(group string) bool {
	return group == "" || f.Groups == nil || slices.Contains(f.Groups, group)
}

// String lists the groups that are followed; empty: all of them.
func (f Filter) String() string {
	groups := slices.Clone(f.Groups)
	slices.Sort(groups)
	return strings.Join(groups, ",")
}
