package stream

import "sync"

// cached is how many heads a cache keeps. What was read in order to be changed is changed soon, or not at all.
const cached = 4096

// A cache remembers heads that were just read, without their values, so that changing a document does not read it a
// second time. A stale head does no harm: the comparison at the server fails, and it is read again.
type cache struct {
	mu    sync.Mutex
	heads map[string]head
	older map[string]head // the generation before; dropped when heads is full
}

func (c *cache) keep(key string, h head) {
	if !h.entry.Deleted() {
		h.entry.Value = []byte{} // only whether there is one matters
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.heads) >= cached/2 {
		c.heads, c.older = nil, c.heads
	}
	if c.heads == nil {
		c.heads = map[string]head{}
	}
	c.heads[key] = h
}

func (c *cache) find(key string) (head, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.heads[key]; ok {
		return h, true
	}
	h, ok := c.older[key]
	return h, ok
}
