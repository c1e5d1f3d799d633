package httpapi

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sidegate/sidegate/checker"
)

// answered is all that an answer is written from.
type answered struct {
	ask      *ask
	held     *checker.Held
	d        *checker.Decision
	revision uint64
}

// heads are how an answer begins, by reason.
var heads = func() [][]byte {
	out := make([][]byte, len(checker.Reasons())+1)
	for _, r := range checker.Reasons() {
		out[r] = fmt.Appendf(nil, `{"allowed":%t,"reason":"%s"`, r.Allows(), r)
	}
	return out
}()

var types = [...]string{"", `,"type":"boolean"`, `,"type":"config"`, `,"type":"metered"`, `,"type":"pool"`,
	`,"type":"seat"`}

// append writes a decision as JSON.
func (a *API) append(out []byte, r answered) []byte { return append(appendDecision(out, r), '}') }

// appendDecision leaves the object open for more fields.
func appendDecision(out []byte, r answered) []byte {
	d := r.d
	out = append(out, heads[d.Reason]...)
	if d.WouldDeny != checker.Undecided {
		out = append(out, `,"would_deny":"`...)
		out = append(append(out, d.WouldDeny.String()...), '"')
	}
	out = appendText(append(out, `,"customer":`...), r.ask.customer)
	out = appendText(append(out, `,"feature":`...), r.ask.feature)
	if d.Type != 0 {
		out = appendByType(append(out, types[d.Type]...), d)
	}
	if d.ExpiresAt != 0 {
		out = appendTime(append(out, `,"expires_at":`...), d.ExpiresAt)
	}
	if d.Stale {
		out = append(out, `,"stale":true`...)
	}
	if d.Plan != "" {
		out = appendString(append(out, `,"plan":`...), d.Plan)
	}
	out = strconv.AppendUint(append(out, `,"revision":`...), r.revision, 10)
	return appendInt(out, `,"age_ms":`, r.held.Age)
}

func appendByType(out []byte, d *checker.Decision) []byte {
	switch d.Type {
	case checker.Boolean, checker.Config:
		out = append(out, `,"value":`...)
		if d.Value == nil {
			return append(out, "null"...)
		}
		return append(out, d.Value...)
	}
	if d.Unlimited {
		out = append(out, `,"unlimited":true`...)
	} else {
		out = appendInt(out, `,"limit":`, d.Limit)
	}
	out = appendInt(out, `,"used":`, d.Used)
	if !d.Unlimited {
		out = appendInt(out, `,"remaining":`, d.Remaining)
	}
	if d.Type != checker.Metered {
		return appendBool(out, `,"over_limit":`, d.OverLimit)
	}
	if d.ResetsAt != 0 {
		out = appendTime(append(out, `,"resets_at":`...), d.ResetsAt)
	}
	out = appendInt(out, `,"overage":`, d.Overage)
	if d.Reserved > 0 {
		out = appendInt(out, `,"reserved":`, d.Reserved)
	}
	out = appendInt(out, `,"held":`, d.Held)
	out = appendInt(out, `,"unseen_max":`, d.UnseenMax)
	return appendInt(out, `,"usage_age_ms":`, d.TotalsAge)
}

func appendInt(out []byte, name string, n int64) []byte {
	out = append(out, name...)
	if uint64(n) < 10 {
		return append(out, '0'+byte(n)) // most are 0
	}
	return strconv.AppendInt(out, n, 10)
}

func appendBool(out []byte, name string, b bool) []byte {
	return strconv.AppendBool(append(out, name...), b)
}

// lastAnswer is the last time that RFC 3339 can say.
var lastAnswer = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMilli()

// appendTime writes unix milliseconds as RFC 3339.
func appendTime(out []byte, ms int64) []byte {
	t := time.UnixMilli(min(ms, lastAnswer)).UTC()
	layout := time.RFC3339
	if ms%1000 != 0 {
		layout = "2006-01-02T15:04:05.000Z07:00"
	}
	return append(t.AppendFormat(append(out, '"'), layout), '"')
}

// plainText tells which bytes stand for themselves in a JSON text.
var plainText = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\' && c != 0x7f
	}
	return plain
}()

func appendString(out []byte, text string) []byte {
	for i := range len(text) {
		if !plainText[text[i]] {
			return appendEscaped(out, []byte(text))
		}
	}
	return append(append(append(out, '"'), text...), '"')
}

func appendText(out, text []byte) []byte {
	for _, c := range text {
		if !plainText[c] {
			return appendEscaped(out, text)
		}
	}
	return append(append(append(out, '"'), text...), '"')
}

// appendEscaped writes any bytes as a JSON text; what is no UTF-8 becomes the replacement character.
func appendEscaped(out, text []byte) []byte {
	out = append(out, '"')
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			out = append(out, `\u`...)
			for shift := 12; shift >= 0; shift -= 4 {
				out = append(out, "0123456789abcdef"[r>>shift&15])
			}
		default:
			out = utf8.AppendRune(out, r)
		}
		text = text[n:]
	}
	return append(out, '"')
}
