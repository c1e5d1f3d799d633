package hub

import (
	"crypto/sha256"
	"testing"

	"github.com/sidegate/sidegate/replica"
)

// tokenEntry is a token as the books have it.
func tokenEntry(t *testing.T, id, secret string, rev uint64) replica.Entry {
	t.Helper()
	hash := sha256.Sum256([]byte(secret))
	value, err := token{ID: id, Hash: hash[:]}.encode()
	if err != nil {
		t.Fatal(err)
	}
	return replica.Entry{Key: tokenKey(id), Value: value, Rev: rev}
}

func TestTokensOpenUntilAllOfAnotherLogAreKnown(t *testing.T) {
	k := newKeyring()
	opens := func(when string, want map[string]bool) {
		t.Helper()
		for secret, should := range want {
			if _, ok := k.find(secret); ok != should {
				t.Errorf("%s: %s opens: %v, want %v", when, secret, ok, should)
			}
		}
	}
	k.Apply(tokenEntry(t, "a", "old", 1))
	k.Apply(tokenEntry(t, "b", "both", 2))
	k.Published(2)
	opens("at first", map[string]bool{"old": true, "both": true, "new": false})
	k.Reset()
	opens("when another log begins", map[string]bool{"old": true, "both": true, "new": false})
	k.Apply(tokenEntry(t, "b", "both", 1))
	k.Apply(tokenEntry(t, "a", "new", 2))
	opens("in the midst of it", map[string]bool{"old": true, "both": true})
	k.Published(2)
	opens("when it is known", map[string]bool{"old": false, "both": true, "new": true})
	if all := k.list(); len(all) != 2 {
		t.Errorf("%d tokens are known, want 2", len(all))
	}
}
