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
		p := pastOf(b.feature, gone[i].Usage(b.now))
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

// pastOf is a period's sum as the history keeps it.
func pastOf(feature string, u ledger.Usage) Past {
	p := Past{Feature: feature, Start: u.Span.Start, End: u.Span.End, Used: u.Used, Overage: u.Overage, Limit: u.Limit,
		Doubt: u.Doubt}
	if p.End-p.Start < day {
		p.Start -= p.Start % day
		p.End = p.Start + day
	}
	return p
}

// remember adds a period, or adds it to its day.
func remember(all []Past, p Past) []Past {
	at, found := slices.BinarySearchFunc(all, p, func(x, y Past) int {
		return cmp.Or(cmp.Compare(x.Feature, y.Feature), cmp.Compare(x.Start, y.Start))
	})
	if !found {
		return slices.Insert(all, at, p)
	}
	q := &all[at]
	q.Used, q.Overage, q.Limit, q.Doubt = q.Used+p.Used, q.Overage+p.Overage, q.Limit+p.Limit, q.Doubt+p.Doubt
	return all
}
