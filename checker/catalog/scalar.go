package catalog

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidegate/sidegate/checker"
)

// MaxQuantity is the largest quantity in a document: what every JSON reader keeps exact.
const MaxQuantity = 1<<53 - 1

const maxText = 4096 // bytes of a free text

func (r *finder) text(into *string) func(Node, string) {
	return func(n Node, path string) {
		switch {
		case n.Kind == Null:
			*into = ""
		case n.Kind != Text:
			r.wrong(n, path, "a text")
		case len(n.Text) > maxText:
			r.fail(path, n.Line, fmt.Sprintf("it has more than %d bytes", maxText), "shorten it")
		default:
			*into = n.Text
		}
	}
}

func (r *finder) bool(into *bool) func(Node, string) {
	return func(n Node, path string) {
		if n.Kind != Null && n.Kind != Bool {
			r.wrong(n, path, "true or false")
			return
		}
		*into = n.Text == "true"
	}
}

// oneOf reads a text that is one of a few.
func (r *finder) oneOf(into *string, words ...string) func(Node, string) {
	return func(n Node, path string) {
		switch {
		case n.Kind == Null:
			*into = ""
		case n.Kind != Text || !slices.Contains(words, n.Text):
			r.fail(path, n.Line, fmt.Sprintf("it is %s", describe(n)), "one of "+strings.Join(words, ", "))
		default:
			*into = n.Text
		}
	}
}

func describe(n Node) string {
	if n.Kind == Text {
		return strconv.Quote(n.Text[:min(len(n.Text), 64)])
	}
	return n.Kind.String()
}

// quantity reads a whole number from 0 on.
func (r *finder) quantity(into *int64) func(Node, string) {
	return func(n Node, path string) {
		*into = 0
		r.atLeast(0, into)(n, path)
	}
}

// atLeast reads a whole number from the least on. What is left out or wrong leaves into as it is.
func (r *finder) atLeast(least int64, into *int64) func(Node, string) {
	return func(n Node, path string) {
		if n.Kind == Null {
			return
		}
		if n.Kind != Number {
			r.wrong(n, path, "a whole number")
			return
		}
		v, err := strconv.ParseInt(n.Text, 10, 64)
		about, _ := strconv.ParseFloat(n.Text, 64)
		switch {
		case err == nil && v >= least && v <= MaxQuantity:
			*into = v
		case about < 0 && least == 0:
			r.fail(path, n.Line, "it is negative", "0 or more")
		case about < float64(least):
			r.fail(path, n.Line, fmt.Sprintf("it is less than %d", least), fmt.Sprintf("%d or more", least))
		case about > MaxQuantity:
			r.fail(path, n.Line, "it is too large", fmt.Sprintf("at most %d", int64(MaxQuantity)))
		case about == math.Trunc(about):
			r.fail(path, n.Line, fmt.Sprintf("it is written as %.40s", n.Text),
				fmt.Sprintf("write it with digits alone: %.0f", about))
		default:
			r.fail(path, n.Line, fmt.Sprintf("%.40s is not a whole number", n.Text), "choose a whole number")
		}
	}
}

func (r *finder) duration(into *Duration) func(Node, string) {
	return func(n Node, path string) {
		if n.Kind == Null {
			*into = 0
			return
		}
		if n.Kind != Text {
			r.fail(path, n.Line, fmt.Sprintf("it must be a duration, not %s", n.Kind), `such as "10m", "72h" or "30d"`)
			return
		}
		d, err := ParseDuration(n.Text)
		if err != nil {
			r.blame(path, n.Line, err, "")
			return
		}
		*into = d
	}
}

// The times that documents may hold.
var (
	firstTime = time.Unix(0, 0).UTC()
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)
)

// ParseTime reads an RFC 3339 time, cut to whole milliseconds in UTC, from 1970 to 9999. The error is a Fault without a
// path.
func ParseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, Fault{Problem: "it is not a time such as 2026-12-01T00:00:00Z"}
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Before(firstTime) || t.After(lastTime) {
		return time.Time{}, Fault{Problem: "it lies outside the years 1970 to 9999", Remedy: "choose a time within them"}
	}
	return t, nil
}

func (r *finder) time(into *time.Time) func(Node, string) {
	return func(n Node, path string) {
		if n.Kind == Null {
			*into = time.Time{}
			return
		}
		if n.Kind != Text {
			r.fail(path, n.Line, fmt.Sprintf("it must be a time, not %s", n.Kind), "such as 2026-12-01T00:00:00Z")
			return
		}
		t, err := ParseTime(n.Text)
		if err != nil {
			r.blame(path, n.Line, err, "")
			return
		}
		*into = t
	}
}

// texts reads a list of distinct ids.
func (r *finder) texts(into *[]string, limit int) func(Node, string) {
	return func(n Node, path string) {
		*into = nil
		if n.Kind == Null {
			return
		}
		if n.Kind != List {
			r.wrong(n, path, "a list")
			return
		}
		if len(n.Items) > limit {
			r.fail(path, n.Line, fmt.Sprintf("it has %d items", len(n.Items)), fmt.Sprintf("at most %d", limit))
			return
		}
		for i, item := range n.Items {
			r.distinctText(into, item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

func (r *finder) distinctText(into *[]string, n Node, at string) {
	if n.Kind != Text {
		r.fail(at, n.Line, fmt.Sprintf("it must be a text, not %s", n.Kind), "quote it")
		return
	}
	if err := ValidID(n.Text); err != nil {
		r.fail(at, n.Line, "it "+err.Error(), idRemedy)
		return
	}
	if slices.Contains(*into, n.Text) {
		r.fail(at, n.Line, fmt.Sprintf("%q stands twice", n.Text), "keep one of them")
		return
	}
	*into = append(*into, n.Text)
}

// value reads a boolean's or a config's value as canonical JSON.
func (r *finder) value(into *json.RawMessage) func(Node, string) {
	return func(n Node, path string) {
		raw := n.JSON()
		if len(raw) > maxText {
			r.fail(path, n.Line, fmt.Sprintf("it has more than %d bytes of JSON", maxText), "shorten it")
			return
		}
		v, err := checker.JSONValue(raw)
		if err != nil {
			r.fail(path, n.Line, err.Error(), "write a value that JSON can hold")
			return
		}
		*into = v.JSON()
	}
}
