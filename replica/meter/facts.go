package meter

import (
	"bytes"
	"context"
	"slices"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
)

// A Fact is use that has happened: it is counted whatever the limit says, once for each key.
type Fact struct {
	Customer string
	Feature  string
	Quantity int64
	Key      [16]byte
	Held     *checker.Held
}

// Record counts facts, all of them or none, and returns when they are written down. It answers how many were counted
// before.
func (m *Meter) Record(ctx context.Context, facts []Fact) (duplicates int, err error) {
	// Keys are taken in order, so that two callers with the same ones do not wait for each other.
	facts = slices.SortedStableFunc(slices.Values(facts), func(x, y Fact) int { return bytes.Compare(x.Key[:], y.Key[:]) })
	r := recording{m: m}
	defer func() { r.end(err) }()
	for i := range facts {
		if i > 0 && facts[i].Key == facts[i-1].Key {
			duplicates++
			continue
		}
		known, err := r.take(ctx, &facts[i])
		if err != nil {
			return 0, err
		}
		if known {
			duplicates++
		}
	}
	return duplicates, r.count()
}

// A recording is facts on their way.
type recording struct {
	m        *Meter
	facts    []*Fact
	promises []*promise
}

// take takes the key of a fact, and tells whether it was counted before.
func (r *recording) take(ctx context.Context, f *Fact) (known bool, err error) {
	p, answer, err := r.m.promise(ctx, &Request{Key: f.Key})
	if err != nil || answer != nil {
		return answer != nil, err
	}
	r.facts, r.promises = append(r.facts, f), append(r.promises, p)
	return false, nil
}

// count counts what was taken, in one batch.
func (r *recording) count() error {
	if len(r.facts) == 0 {
		return nil
	}
	if !r.countable() {
		return ErrTooMany
	}
	in, err := r.m.enter()
	if err != nil {
		return err
	}
	for _, f := range r.facts {
		a := r.m.account(keyOf(f.Customer, f.Feature))
		a.mu.Lock()
		_ = a.led.Count(a.began(f, r.m.holder(), r.m.clock.read()), f.Quantity) // others may have been faster
		r.m.add(in, a, Memory{Key: f.Key, Answer: counted, At: r.m.clock.read()})
		a.mu.Unlock()
	}
	r.m.leave()
	return in.wait()
}

// countable tells whether all facts together can be counted.
func (r *recording) countable() bool {
	units := map[*account]int64{}
	for _, f := range r.facts {
		a := r.m.account(keyOf(f.Customer, f.Feature))
		a.mu.Lock()
		room := a.led.Countable(a.began(f, r.m.holder(), r.m.clock.read()))
		a.mu.Unlock()
		if units[a] += f.Quantity; units[a] > room {
			return false
		}
	}
	return true
}

// began is the period that a fact counts in, which it may begin.
func (a *account) began(f *Fact, id ledger.HolderID, now int64) ledger.Span {
	terms, ok := checker.Counted(f.Held, &checker.Ask{Anywhere: true}, now)
	if !ok { // who holds nothing else may still have a grant
		f.Held.Use = a.use(id, a.span(now), now)
		terms, ok = checker.Counted(f.Held, &checker.Ask{Anywhere: true}, now)
	}
	if ok {
		a.rule = ledger.RuleOf(&terms)
	} else if a.rule == (ledger.Rule{}) {
		a.rule = ledger.Rule{Per: checker.Month} // the customer holds nothing any more
	}
	span := a.span(now)
	a.led.Open(span)
	return span
}

// counted is what is remembered of a fact.
var counted = []byte{1}

// end lets the keys go; those that were counted are remembered by the vault.
func (r *recording) end(err error) {
	for i, p := range r.promises {
		if err == nil {
			p.answer = counted
		}
		r.m.fulfil(r.facts[i].Key, p)
	}
}
