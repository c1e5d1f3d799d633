package ledger

import (
	"errors"
	"fmt"
)

// Check tells which invariant does not hold.
func (b *Book) Check() error {
	faults := []error{b.Calendar.check()}
	for i := range b.Periods {
		p := &b.Periods[i]
		if err := b.checkPeriod(p); err != nil {
			faults = append(faults, fmt.Errorf("period %d: %w", p.Start, err))
		}
		if i > 0 && b.Periods[i-1].Start >= p.Start {
			faults = append(faults, fmt.Errorf("period %d: out of order", p.Start))
		}
	}
	for i := range b.Holders {
		if s := b.Holders[i].Standing; s.Released > s.Granted || s.Granted < 0 || s.Released < 0 {
			faults = append(faults, fmt.Errorf("holder %x: standing rights: %+v", b.Holders[i].ID, s))
		}
	}
	for i := range b.Grants {
		if g := &b.Grants[i]; b.grantLive(g) > g.Peak {
			faults = append(faults, fmt.Errorf("grant %s: %d are held or spent, at most %d were right", g.ID,
				b.grantLive(g), g.Peak))
		}
	}
	return errors.Join(faults...)
}

func (b *Book) checkPeriod(p *Period) error {
	for i := range p.Lines {
		l := &p.Lines[i]
		if err := l.check(l.Source.backed()); err != nil {
			return fmt.Errorf("holder %x: %w", l.Holder, err)
		}
		if b.Holder(l.Holder) == nil { // a line is written down by its holder's place
			return fmt.Errorf("holder %x is not known and has a line", l.Holder)
		}
		for j := range i {
			if p.Lines[j].Holder == l.Holder && p.Lines[j].Source == l.Source {
				return fmt.Errorf("holder %x has two lines for %v", l.Holder, l.Source)
			}
		}
	}
	if live := p.live(Source{Kind: Allowance}); live > p.Peak {
		return fmt.Errorf("%d rights are out, at most %d were right", live, p.Peak)
	}
	if out := p.rolledOut(); out > p.Rolled {
		return fmt.Errorf("%d rolled over, %d are out", p.Rolled, out)
	}
	return nil
}

// Check tells which invariant does not hold.
func (a *Account) Check() error {
	faults := []error{a.Calendar.check()}
	for i := range a.Entries {
		e := &a.Entries[i]
		if err := e.Vector.check(e.Source.backed()); err != nil {
			faults = append(faults, fmt.Errorf("period %d: %w", e.Span.Start, err))
		}
		if e.Source.backed() && e.free() < 0 || e.Reserved < 0 || e.Chunk < 0 {
			faults = append(faults, fmt.Errorf("period %d: more is set aside than is there: %+v", e.Span.Start, *e))
		}
		if i > 0 && a.Entries[i-1].Span.Start > e.Span.Start {
			faults = append(faults, fmt.Errorf("period %d: out of order", e.Span.Start))
		}
		if e.Span.Start <= a.Forgot {
			faults = append(faults, fmt.Errorf("period %d: it was forgotten", e.Span.Start))
		}
	}
	if s := a.Standing; s.Released > s.Granted || s.Released < 0 {
		faults = append(faults, fmt.Errorf("standing rights: %+v", s))
	}
	return errors.Join(append(faults, a.checkReserved())...)
}
