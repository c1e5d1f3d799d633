package meter

import (
	"context"
	"errors"
	"sync"

	"github.com/sidegate/sidegate/replica/ledger"
)

// ErrClosed says that the meter is stopping. Nothing was counted.
var ErrClosed = errors.New("the meter is stopping")

// A batch is what one commit writes, and who waits for it.
type batch struct {
	inside   sync.WaitGroup // those that are changing accounts for it
	accounts map[*account]struct{}
	memories []Memory
	kept     [][16]byte // keys whose promises end with the batch
	done     chan struct{}
	err      error // once done is closed; or why nobody may enter
	shut     bool  // nobody may enter
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

// enter is called before an account is changed, and leave after: what is changed between the two is written with the
// batch, or undone with all of it. An error says that nothing may be changed now.
func (m *Meter) enter() (*batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next.shut {
		return nil, m.next.err
	}
	m.next.inside.Add(1)
	return m.next, nil
}

// leave ends what enter began. It has the accounts written that were added.
func (m *Meter) leave(b *batch) {
	b.inside.Done()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// add has an account, which is locked and changed, and memories written with a batch that was entered.
func (m *Meter) add(b *batch, a *account, memories ...Memory) {
	a.version++
	m.mu.Lock()
	defer m.mu.Unlock()
	b.accounts[a] = struct{}{}
	b.memories = append(b.memories, memories...)
}

// change changes an account, which is locked, if it may be changed now, and has it written if do says that it is.
func (m *Meter) change(a *account, do func() bool) *batch {
	b, err := m.enter()
	if err != nil {
		return nil // it is tried again
	}
	defer m.leave(b)
	if !do() {
		return nil
	}
	m.add(b, a)
	return b
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

// turn makes room for the next batch, which nobody may enter if why says so, and answers the one that is full once
// everybody has left it.
func (m *Meter) turn(why error) *batch {
	m.mu.Lock()
	b := m.next
	m.next = newBatch()
	m.next.shut, m.next.err = why != nil, why
	m.mu.Unlock()
	b.inside.Wait()
	return b
}

// A state is an account as it was when it was encoded.
type state struct {
	version uint64
	prior   *chunk
}

// commit writes the batch. With last set nobody may enter another one.
func (m *Meter) commit(last error) {
	b := m.turn(last)
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

// fail tells everybody who waits that nothing was written, those who entered meanwhile too: what they did stands on
// what the vault did not take. Nobody changes an account until all are what the vault has.
func (m *Meter) fail(b *batch, last error) {
	m.mu.Lock()
	m.next.shut, m.next.err = true, b.err
	m.mu.Unlock()
	also := m.turn(b.err)
	for _, lost := range []*batch{b, also} {
		for a := range lost.accounts {
			a.mu.Lock()
			a.mend()
			a.mu.Unlock()
		}
	}
	m.mu.Lock()
	m.next = newBatch()
	m.next.shut, m.next.err = last != nil, last
	m.mu.Unlock()
	for _, lost := range []*batch{b, also} {
		m.release(lost)
		close(lost.done)
	}
}
