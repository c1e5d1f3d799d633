package meter

import (
	"time"

	"github.com/sidegate/sidegate/replica/ledger"
)

// A chunk is what was pre-debited and is consumed from memory.
type chunk struct {
	span   ledger.Span
	src    ledger.Source
	safe   int64  // units that the vault has debited and nobody has consumed
	more   int64  // the same of units that it is to debit with moreIn; whoever consumes them waits for it
	used   int64  // consumed and not settled yet
	in     *batch // what is safe was written with it
	moreIn *batch // nil: nothing is being written
}

// left is what was not consumed.
func (c *chunk) left() int64 { return c.safe + c.more }

// ripen makes safe what the vault has got.
func (c *chunk) ripen() {
	if c.moreIn == nil {
		return
	}
	select {
	case <-c.moreIn.done:
		c.safe, c.more = c.safe+c.more, 0
		c.in, c.moreIn = c.moreIn, nil
	default:
	}
}

// take consumes units, and answers what has to be written before they are; nil: there are not enough.
func (c *chunk) take(q int64) *batch {
	c.ripen()
	switch {
	case c.safe >= q:
		c.safe -= q
		c.used += q
		return c.in
	case c.more >= q:
		c.more -= q
		c.used += q
		return c.moreIn
	}
	return nil
}

// chunkOf is how much is pre-debited for a consumption: what a second needs, so that a crash leaves little in doubt.
func (a *account) chunkOf(q int64) int64 {
	return max(16*min(q, ledger.MaxUnits), min(a.demand.lately(), 1<<16))
}

// fromChunk consumes from memory.
func (t *try) fromChunk(span ledger.Span, q, now int64) bool {
	c := t.a.chunk
	if soft := c.src.Kind == ledger.Unbacked; c.span != span || soft != t.terms.Soft {
		return t.fill(span, q, now)
	}
	t.of = c.take(q)
	if t.of == nil {
		return t.fill(span, q, now)
	}
	if t.of == c.moreIn {
		t.m.signal() // it was not to be missed so soon
	}
	t.ahead(q, now)
	return true
}

// fill pre-debits another chunk and consumes from it.
func (t *try) fill(span ledger.Span, q, now int64) bool {
	a := t.a
	a.drop()
	n, src := a.chunkOf(q), ledger.Source{Kind: ledger.Unbacked}
	if t.terms.Soft {
		n = a.led.DebitUnbacked(span, n)
	} else {
		src, n = a.led.Debit(span, n, now)
	}
	if n < q {
		a.led.Settled(span, src, n, 0)
		return false
	}
	t.m.add(t.in, a)
	a.chunk = &chunk{span: span, src: src, more: n, moreIn: t.in}
	t.of = a.chunk.take(q)
	return true
}

// ahead pre-debits more before the chunk is empty, so that nobody waits for it and many share a commit.
func (t *try) ahead(q, now int64) {
	a, c := t.a, t.a.chunk
	n := a.chunkOf(q)
	if c.moreIn != nil || c.safe >= n/4 {
		return
	}
	src := c.src
	if t.terms.Soft {
		n = a.led.DebitUnbacked(c.span, n)
	} else {
		src, n = a.led.Debit(c.span, n, now)
	}
	if src != c.src || n == 0 {
		a.led.Settled(c.span, src, n, 0)
		return
	}
	c.more, c.moreIn = n, t.in
	t.m.addLater(t.in, a)
}

// lazily is how long what nobody waits for may lie before it is written.
const lazily = 5 * time.Millisecond

// addLater has an account, which is locked and changed, written with a batch that was entered, in a while.
func (m *Meter) addLater(b *batch, a *account) {
	m.enlist(b, a, nil)
	if m.soon.CompareAndSwap(false, true) {
		time.AfterFunc(lazily, func() {
			m.soon.Store(false)
			m.signal()
		})
	}
}

// settle counts what was consumed of the chunk.
func (a *account) settle() {
	c := a.chunk
	if c.used == 0 {
		return
	}
	a.led.Settled(c.span, c.src, c.used, c.used)
	c.used = 0
	a.version++
}

// drop settles the chunk, and lets go of what is left of it.
func (a *account) drop() {
	a.settle()
	if n := a.chunk.left(); n > 0 {
		a.led.Settled(a.chunk.span, a.chunk.src, n, 0)
		a.version++
	}
	a.chunk = &chunk{}
}
