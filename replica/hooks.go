package replica

// The faults that tests ask of a Memory. No other Log has them; they happen to it.

// RollBack loses every entry above a revision, as a restored backup does. The lineage stays, and revisions are given
// out a second time.
func (m *Memory) RollBack(rev uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.history
	m.rev = min(m.rev, rev)
	m.cuts = append(m.cuts, m.rev)
	m.docs, m.history = map[string]int{}, make([]record, 1)
	for _, r := range old[1:] {
		if r.entry.Rev <= rev {
			m.append(r.entry)
		}
	}
	m.wake()
}

// Recreate empties the log under a new lineage, as a lost disk does. Revisions go on growing.
func (m *Memory) Recreate() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reset()
	m.wake()
}

// LoseReplies loses the replies of the next n puts that succeed: they are applied, then tried again, and settled by
// the commands that the documents remember.
func (m *Memory) LoseReplies(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = n
}

// LeaveUnknown applies the next n puts that would succeed and answers ErrUnknown for them.
func (m *Memory) LeaveUnknown(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unknown = n
}

// Hold shows tails only the first n documents of what is written from now on, never whole, until Release.
func (m *Memory) Hold(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = n
	m.wake()
}

// Release ends Hold.
func (m *Memory) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = -1
	m.wake()
}
