package meter

import (
	"context"
	"errors"
	"runtime"

	"github.com/sidegate/sidegate/replica/ledger"
)

// ErrClosed says that the meter is stopping. Nothing was counted.
var ErrClosed = errors.New("the meter is stopping")

// A batch is what one commit writes, and who waits for it.
type batch struct {
	accounts map[*account]struct{}
	memories []Memory
	kept     []keep // memories for which nobody waits; their promises end with the batch
	done     chan struct{}
	err      error // once done is closed; or why nobody may enter
	shut     bool  // nobody may enter
}

func newBatch() *batch { return &batch{accounts: map[*account]struct{}{}, done: make(chan struct{})} }

// wait returns when a batch is written, or not.
func (b *batch) wait() error {
	<-b.done
	return b.err
}

// enter is called before an account is locked and changed, and leave after. Between the two the batch stays open: what
// is changed is written with it, or undone with all of it. An error says that nothing may be changed now.
func (m *Meter) enter() (*batch, error) {
	m.gate.RLock()
	if m.next.shut {
		defer m.gate.RUnlock()
		return nil, m.next.err
	}
	return m.next, nil
}

// leave ends what enter began.
func (m *Meter) leave() { m.gate.RUnlock() }

// signal has the batch written.
func (m *Meter) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// add has an account, which is locked and changed, and memories written with a batch that was entered.
func (m *Meter) add(b *batch, a *account, memories ...Memory) {
	m.enlist(b, a, memories)
	m.signal()
}

func (m *Meter) enlist(b *batch, a *account, memories []Memory) {
	a.version++
	m.mu.Lock()
	defer m.mu.Unlock()
	b.accounts[a] = struct{}{}
	b.memories = append(b.memories, memories...)
}

// change locks and changes an account, if it may be changed now, and has it written if the vault has another version.
func (m *Meter) change(a *account, do func()) *batch {
	b, err := m.enter()
	if err != nil {
		return nil // it is tried again
	}
	defer m.leave()
	a.mu.Lock()
	defer a.mu.Unlock()
	if do(); a.version == a.saved {
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
			m.renew() // the next start would not know that its name is not accepted
			m.commit(ErrClosed)
			return nil
		case <-m.wake:
			// On one processor the first of many who are ready would have a commit of its own, and so would the next.
			runtime.Gosched()
			m.commit(nil)
			m.renew()
		}
	}
}

// A state is an account as it was when it was encoded.
type state struct {
	version uint64
	chunk   *chunk
	data    []byte
}

// close ends the batch and encodes what it changed. Nobody changes an account meanwhile, so that nothing of the next
// batch is written with this one. Nobody may enter the next one if why says so.
func (m *Meter) close(why error) (*batch, map[*account]state) {
	m.gate.Lock()
	defer m.gate.Unlock()
	b := m.next
	m.next = newBatch()
	m.next.shut, m.next.err = why != nil, why
	states := make(map[*account]state, len(b.accounts))
	for a := range b.accounts {
		a.mu.Lock()
		states[a] = state{a.version, a.chunk, ledger.AppendAccount(nil, &a.led)}
		a.mu.Unlock()
	}
	return b, states
}

// commit writes the batch. With last set nobody may enter another one.
func (m *Meter) commit(last error) {
	b, states := m.close(last)
	if len(states) == 0 && len(b.memories) == 0 {
		close(b.done)
		return
	}
	accounts := make(map[string][]byte, len(states))
	for a, s := range states {
		accounts[a.key] = s.data
	}
	if b.err = m.o.Vault.Commit(accounts, b.memories); b.err != nil {
		m.fail(b, last)
		return
	}
	for a, s := range states {
		a.mu.Lock()
		a.durable, a.saved, a.kept = s.data, s.version, s.chunk
		if a.recalled != 0 {
			m.beckon(a)
		}
		a.mu.Unlock()
	}
	m.release(b)
	close(b.done)
}

// fail tells everybody who waits that nothing was written, those who entered meanwhile too: what they did stands on
// what the vault did not take. Nobody changes an account until all are what the vault has.
func (m *Meter) fail(b *batch, last error) {
	m.gate.Lock()
	defer m.gate.Unlock()
	also := m.next
	also.err = b.err
	for _, lost := range []*batch{b, also} {
		for a := range lost.accounts {
			a.mu.Lock()
			a.mend()
			a.mu.Unlock()
		}
	}
	m.next = newBatch()
	m.next.shut, m.next.err = last != nil, last
	m.carry(b)
	m.carry(also) // before anybody is told: a key that is taken again is another promise
	close(b.done)
	close(also.done)
}
