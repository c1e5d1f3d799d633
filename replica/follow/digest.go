package follow

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// A Digest is what a hub says of all documents at a revision, the content of replica.DigestKey.
type Digest struct {
	Revision uint64 `json:"revision"`
	Count    int    `json:"count"`
	Sum      uint64 `json:"sum,string"`
}

const digestVersion = 1

// Encode writes the stored form: a version byte and JSON.
func (d Digest) Encode() []byte {
	data, err := json.Marshal(d)
	if err != nil {
		panic(err) // three numbers always marshal
	}
	return append([]byte{digestVersion}, data...)
}

func decodeDigest(value []byte) (Digest, error) {
	var d Digest
	if len(value) == 0 || value[0] != digestVersion {
		return d, errors.New("digest document of an unknown format version")
	}
	return d, json.Unmarshal(value[1:], &d)
}

// Digest is the set hash of all followed documents at the newest view's revision. For hubs, which publish it; only
// to be called from a Watcher's Published.
func (f *Follower) Digest() Digest {
	return Digest{Revision: f.index.Load().Revision(), Count: f.m.count, Sum: f.m.digest}
}

// healEvery is how long a replica that differs although it has just fetched everything anew leaves it at the alarm:
// whichever side is wrong, fetching again and again would only load the log.
const healEvery = 10 * time.Minute

// compare holds the digest against what a hub claims. A claim can be told true or false only while nothing that it
// does not cover has been applied; one that came together with later documents says nothing any more.
func (f *Follower) compare(whole uint64) error {
	claim := f.m.claim
	f.m.claim = nil
	if claim == nil || !f.All() || f.m.last > claim.Revision || claim.Revision > whole {
		return nil
	}
	equal := claim.Sum == f.m.digest && claim.Count == f.m.count
	f.note(func(s *Status) {
		s.Digested, s.Digest = claim.Revision, DigestEqual
		if !equal {
			s.Digest = DigestDiverged
		}
	})
	if equal {
		f.calm(AlarmDiverged)
		return nil
	}
	now := f.o.Now().UnixMilli()
	if f.healed != 0 && now-f.healed < healEvery.Milliseconds() {
		f.alarm(AlarmDiverged, "this replica differs from the hub's digest, and did so after a new snapshot too; "+
			"look at the hub's log, and report this")
		return nil
	}
	f.healed = now
	f.alarm(AlarmDiverged, "this replica differed from the hub's digest and fetches a new snapshot")
	return replica.ErrLineage
}
