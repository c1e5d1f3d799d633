package follow

import "github.com/sidegate/sidegate/checker"

// Names are the ids of the catalogue's keys in the newest view. For hubs; only to be called from a Watcher's Published,
// which must neither change them nor keep them.
func (f *Follower) Names() *checker.Names { return f.names }
