package counting

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
)

// A Past is what became of a period that its book keeps no more. Periods shorter than a day are summed by days.
type Past struct {
	Feature string `json:"feature"`
	Start   int64  `json:"start"` // unix milliseconds
	End     int64  `json:"end"`
	Used    int64  `json:"used"`
	Paid    int64  `json:"paid,omitempty"` // of what was used, by what rolled over and grants
	Overage int64  `json:"overage,omitempty"`
	Limit   int64  `json:"limit"`
	Doubt   int64  `json:"doubt,omitempty"`
}

const (
	historyVersion = 1
	day            = int64(24 * time.Hour / time.Millisecond)
)

func historyKey(customer string, year int) string {
	return replica.CountKey(replica.KindHistory, "", customer, strconv.Itoa(year))
}

func decodeHistory(value []byte) (out []Past, err error) {
	if len(value) == 0 {
		return nil, nil
	}
	if value[0] != historyVersion {
		return nil, errors.New("stored history: unknown format version")
	}
	return out, json.Unmarshal(value[1:], &out)
}

// history says what has to be written so that periods that the book folds away are in the history: a document for each
// year that one of them began in.
func (c *Counter) history(ctx context.Context, b *ledgerBook, gone []ledger.Period) ([]replica.Put, error) {
	byYear := map[int][]Past{}
	for i := range gone {
		p := b.past(gone[i].Usage(b.now))
		year := time.UnixMilli(p.Start).UTC().Year()
		byYear[year] = append(byYear[year], p)
	}
	var puts []replica.Put
	for year, more := range byYear {
		key := historyKey(b.customer, year)
		e, err := get(ctx, c.o.Books, key)
		if err != nil {
			return nil, err
		}
		all, err := decodeHistory(e.Value)
		if err != nil {
			return nil, err
		}
		for _, p := range more {
			all = remember(all, p)
		}
		value, err := json.Marshal(all)
		if err != nil {
			return nil, err
		}
		puts = append(puts, replica.Put{Key: key, Expect: e.Rev, Value: append([]byte{historyVersion}, value...)})
	}
	return puts, nil
}

// past is a period's sum as the history keeps it, but for those that are summed by days.
func (b *ledgerBook) past(u ledger.Usage) Past {
	return Past{Feature: b.feature, Start: u.Span.Start, End: u.Span.End, Used: u.Used, Paid: u.Paid, Overage: u.Overage,
		Limit: u.Limit, Doubt: u.Doubt}
}

// find is where a period is that begins at a time, or would be.
func find(all []Past, feature string, start int64) (at int, found bool) {
	return slices.BinarySearchFunc(all, start, func(x Past, start int64) int {
		return cmp.Or(cmp.Compare(x.Feature, feature), cmp.Compare(x.Start, start))
	})
}

// remember adds a period, or adds it to its day. One that is there already was opened again by a late report.
func remember(all []Past, p Past) []Past {
	isShort := p.End-p.Start < day
	if isShort {
		p.Start -= p.Start % day
		p.End = p.Start + day
	}
	at, found := find(all, p.Feature, p.Start)
	switch {
	case !found:
		return slices.Insert(all, at, p)
	case isShort:
		q := &all[at]
		q.Used, q.Paid, q.Overage = q.Used+p.Used, q.Paid+p.Paid, q.Overage+p.Overage
		q.Limit, q.Doubt = q.Limit+p.Limit, q.Doubt+p.Doubt
	default:
		all[at].join(&p)
	}
	return all
}

// join adds what was told late of the same period: it has its limit once.
func (p *Past) join(late *Past) {
	p.Used, p.Paid, p.Doubt = p.Used+late.Used, p.Paid+late.Paid, p.Doubt+late.Doubt
	p.Overage = max(p.Overage, p.Used-p.Paid-p.Limit)
}

// complete lets notices of periods that were folded away before, and opened again by a late report, say what was used
// in all.
func (c *Counter) complete(ctx context.Context, b *ledgerBook, all []Notice) error {
	for i := range all {
		n := &all[i]
		if c.o.Herald == nil || n.Span.End-n.Span.Start < day {
			continue
		}
		e, err := get(ctx, c.o.Books, historyKey(b.customer, yearOf(n.Span.Start)))
		if err != nil {
			return err
		}
		past, err := decodeHistory(e.Value)
		if err != nil {
			return err
		}
		if at, found := find(past, b.feature, n.Span.Start); found && past[at].End == n.Span.End {
			p := &past[at]
			n.Was += p.Used
			p.join(&Past{Used: n.Used, Paid: n.Paid})
			n.Used, n.Limit, n.Overage = p.Used, p.Limit, p.Overage
		}
	}
	return nil
}
