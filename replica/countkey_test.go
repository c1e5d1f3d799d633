package replica_test

import (
	"testing"

	"github.com/sidegate/sidegate/replica"
)

func TestKeysOfCountsKeepTheirPartsApart(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"a", "a/b", "a%2Fb", "%", "/", "%25", "☂ *>", "a%252Fb"} {
		for _, feature := range []string{"x", "b/x", "%2F"} {
			key := replica.CountKey(replica.KindTotals, "eu", id, feature)
			if err := replica.CheckKey(key); err != nil {
				t.Errorf("%q and %q: %v", id, feature, err)
			}
			if other, twice := seen[key]; twice {
				t.Errorf("%q and %q have the key of %s", id, feature, other)
			}
			seen[key] = id + " and " + feature
			k := replica.ParseKey(key)
			c, f, ok := replica.ParseCount(k.ID)
			if k.Kind != replica.KindTotals || k.Group != "eu" || c != id || f != feature || !ok {
				t.Errorf("%q and %q came back as %q %q %q %q", id, feature, k.Kind, k.Group, c, f)
			}
		}
	}
}
