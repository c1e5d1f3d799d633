package meter

import "context"

// A promise is a key that is being used right now, or whose memory is not in the vault yet.
type promise struct {
	payload [16]byte
	answer  []byte // nil: nothing was consumed
	done    chan struct{}
	kept    bool // its memory is in a batch, which ends the promise
}

// promise takes a key for a request. If it was used before it answers what was answered then.
func (m *Meter) promise(ctx context.Context, r *Request) (*promise, []byte, error) {
	for {
		m.mu.Lock()
		other := m.promised[r.Key]
		if other == nil {
			break
		}
		m.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, nil, ErrClosed
		}
		if other.answer != nil {
			return nil, other.answer, reused(other.payload, r)
		}
		m.mu.Lock()
		if m.promised[r.Key] == other {
			delete(m.promised, r.Key) // it came to nothing
		}
		m.mu.Unlock()
	}
	p := &promise{payload: r.Payload, done: make(chan struct{})}
	m.promised[r.Key] = p
	m.mu.Unlock()
	memory, known, err := m.o.Vault.Find(r.Key)
	if err != nil || known {
		m.fulfil(r.Key, p)
	}
	if known {
		return nil, memory.Answer, reused(memory.Payload, r)
	}
	return p, nil, err
}

func reused(payload [16]byte, r *Request) error {
	if payload != r.Payload {
		return ErrKeyReused
	}
	return nil
}

// fulfil ends a promise; one whose memory is on its way to the vault is kept until it is there.
func (m *Meter) fulfil(key [16]byte, p *promise) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !p.kept && m.promised[key] == p {
		delete(m.promised, key)
	}
	close(p.done)
}

// A keep is a memory for which nobody waits: of what was consumed from a chunk, which is written with another batch.
type keep struct {
	Memory
	of *batch
}

// isTold tells whether somebody may have been told "consumed".
func (k *keep) isTold() bool {
	select {
	case <-k.of.done:
		return k.of.err == nil
	default:
		return false
	}
}

// remember has a memory written with a batch, for which nobody waits.
func (m *Meter) remember(b *batch, k keep, p *promise) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.kept = true
	b.memories = append(b.memories, k.Memory)
	b.kept = append(b.kept, k)
	m.signal()
}

// release ends the promises of memories that were written.
func (m *Meter) release(b *batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range b.kept {
		delete(m.promised, b.kept[i].Key)
	}
}

// carry has memories that were not written, though somebody was told, written with the next batch; the promises of the
// others end. The gate is held.
func (m *Meter) carry(b *batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range b.kept {
		if !k.isTold() {
			delete(m.promised, k.Key)
			continue
		}
		m.next.memories = append(m.next.memories, k.Memory)
		m.next.kept = append(m.next.kept, k)
	}
}
