package world

import (
	"encoding/json"
	"io"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
)

// Lines reads customers as an import takes them, one JSON document a line: first the given ones, then n synthetic ones.
func Lines(given []catalog.Customer, seed uint64, n int, now time.Time) io.Reader {
	return &lines{given: given, seed: seed, left: n, next: 1, now: now}
}

type lines struct {
	given []catalog.Customer
	seed  uint64
	next  int
	left  int
	now   time.Time
	line  []byte // not read yet
}

// Read makes customers as they are asked for.
func (l *lines) Read(into []byte) (int, error) {
	if len(l.line) == 0 {
		c, ok := l.customer()
		if !ok {
			return 0, io.EOF
		}
		data, err := json.Marshal(c)
		if err != nil {
			return 0, err
		}
		l.line = append(data, '\n')
	}
	n := copy(into, l.line)
	l.line = l.line[n:]
	return n, nil
}

func (l *lines) customer() (catalog.Customer, bool) {
	if len(l.given) > 0 {
		c := l.given[0]
		l.given = l.given[1:]
		return c, true
	}
	if l.left <= 0 {
		return catalog.Customer{}, false
	}
	c := Customer(l.seed, l.next, l.now)
	l.next, l.left = l.next+1, l.left-1
	return c, true
}
