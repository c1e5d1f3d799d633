package meter

import (
	"context"
	"errors"

	"github.com/sidegate/sidegate/replica/ledger"
)

// ErrClosed says that the meter is stopping. Nothing was counted.
var ErrClosed = errors.New("the meter is stopping")

// A batch is what one commit writes, and who waits for it.
type batch struct {
	accounts map[*account]struct{}
	memories []Memory
	kept     [][16]byte // keys whose promises end with the batch
	done     chan struct{}
	err      error // once done is closed; set before that where nobody may join
	shut     bool
}

func newBatch() *batch { return &batch{accounts: map[*account]struct{}{}, done: make(chan struct{})} }

// written tells whether the vault has a batch. There is no batch for an empty chunk.
func (b *batch) written() bool {
	if b == nil {
		return false
	}
	select {
	case <-b.done:
		return b.err == nil
	default:
		return false
	}
}

// wait returns when a batch is written, or not.
func (b *batch) wait() error {
	<-b.done
	return b.err
}

// join has an account, which is locked and changed, written with the next commit. If it cannot, the account is what the
// vault has again.
func (m *Meter) join(a *account, memory *Memory) (*batch, error) {
	a.version++
	m.mu.Lock()
	b := m.next
	if b.shut {
		m.mu.Unlock()
		a.broken = true
		a.mend()
		return nil, b.err
	}
	b.accounts[a] = struct{}{}
	if memory != nil {
		b.memories = append(b.memories, *memory)
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return b, nil
}

// write commits one batch after the other until ctx ends, and then what is left.
func (m *Meter) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			m.commit(ErrClosed)
			return nil
		case <-m.wake:
			m.commit(nil)
			m.renew()
		}
	}
}

// A state is an account as it was when it was encoded.
type state struct {
	version uint64
	prior   *chunk
}

// commit writes the batch. With last set nobody may join another one.
func (m *Meter) commit(last error) {
	m.mu.Lock()
	b := m.next
	m.next = newBatch()
	if last != nil {
		m.next.shut, m.next.err = true, last
	}
	m.mu.Unlock()
	if len(b.accounts) == 0 && len(b.memories) == 0 {
		close(b.done)
		return
	}
	accounts := make(map[string][]byte, len(b.accounts))
	states := make(map[*account]state, len(b.accounts))
	for a := range b.accounts {
		a.mu.Lock()
		accounts[a.key], states[a] = ledger.AppendAccount(nil, &a.led), state{a.version, a.prior}
		a.mu.Unlock()
	}
	if b.err = m.o.Vault.Commit(accounts, b.memories); b.err != nil {
		m.fail(b, last)
		return
	}
	for a, s := range states {
		a.mu.Lock()
		a.durable, a.saved = accounts[a.key], s.version
		if a.prior == s.prior {
			a.prior = nil
		}
		a.mu.Unlock()
	}
	m.release(b)
	close(b.done)
}

// fail tells everybody who waits that nothing was written, those who joined meanwhile too: what they did stands on
// what the vault did not take.
func (m *Meter) fail(b *batch, last error) {
	m.mu.Lock()
	also := m.next
	also.shut, also.err = true, b.err
	m.mu.Unlock()
	for _, lost := range []*batch{b, also} {
		for a := range lost.accounts {
			a.mu.Lock()
			a.broken = true
			a.mend()
			a.mu.Unlock()
		}
	}
	m.mu.Lock()
	m.next = newBatch()
	if last != nil {
		m.next.shut, m.next.err = true, last
	}
	m.mu.Unlock()
	m.release(b)
	m.release(also)
	close(b.done)
	close(also.done)
}
