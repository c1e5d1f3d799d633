package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/replica"
)

// A problem is what is told to a caller whose request was not carried out: an RFC 9457 document.
type problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Code   string         `json:"code"` // stable, for machines
	Detail string         `json:"detail"`
	Faults catalog.Faults `json:"faults,omitempty"`
	// UsedBy are some of those who name what was to be dropped; UsedByCount counts all of them.
	UsedBy      []user `json:"used_by,omitempty"`
	UsedByCount int    `json:"used_by_count,omitempty"`

	cause error // for the log; never told
}

// Error is the problem in one line.
func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// refuse makes a problem.
func refuse(status int, code, format string, args ...any) *problem {
	return &problem{Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *problem {
	return refuse(http.StatusBadRequest, "bad_request", format, args...)
}

// invalid tells everything that is wrong with a document.
func invalid(code string, err error) *problem {
	var faults catalog.Faults
	if !errors.As(err, &faults) || len(faults) == 0 {
		return refuse(http.StatusBadRequest, code, "%s", err.Error())
	}
	detail := faults[0].Error()
	if len(faults) > 1 {
		detail += fmt.Sprintf("; and %d more, see faults", len(faults)-1)
	}
	return &problem{Status: http.StatusBadRequest, Code: code, Detail: detail, Faults: faults}
}

// unavailable is a fault of the log, which may pass.
func unavailable(err error) *problem {
	if errors.Is(err, replica.ErrGone) {
		return &problem{Status: http.StatusServiceUnavailable, Code: "log_gone", cause: err,
			Detail: "NATS has lost the log; nothing was changed. Put its store back from a backup, or restart the hub, " +
				"which begins an empty log, and import"}
	}
	return &problem{Status: http.StatusServiceUnavailable, Code: "log_unavailable", cause: err,
		Detail: "the log cannot be reached; nothing was changed, try again"}
}

// problemOf makes a problem of any error.
func problemOf(err error) *problem {
	var p *problem
	var big *http.MaxBytesError
	var faults catalog.Faults
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &big):
		return refuse(http.StatusRequestEntityTooLarge, "body_too_large",
			"the body has more than %d MiB, and no document can be larger; shorten it", big.Limit>>20)
	case errors.As(err, &faults):
		return invalid("bad_request", err)
	case errors.Is(err, replica.ErrConflict):
		return refuse(http.StatusConflict, "conflict", "others keep changing the same document; try again")
	case errors.Is(err, replica.ErrUnknown):
		return refuse(http.StatusServiceUnavailable, "outcome_unknown",
			"it is not known whether the change was applied; repeat it with the same Idempotency-Key")
	case errors.Is(err, replica.ErrNoSpace):
		return &problem{Status: http.StatusInsufficientStorage, Code: "storage_full", cause: err,
			Detail: "the log's disk is nearly full, or the log has reached its size; nothing was changed. Make room (the " +
				"hub's own log says where) and try again"}
	case errors.Is(err, replica.ErrKey):
		return badRequest("the id cannot be used: it is too long or has a control character")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refuse(http.StatusServiceUnavailable, "timeout", "the request was not finished in time; try again")
	}
	return &problem{Status: http.StatusInternalServerError, Code: "internal", cause: err,
		Detail: "the hub failed; its log says why"}
}

// write answers the problem.
func (p *problem) write(w http.ResponseWriter) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="sidegate"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false) // people read it
	_ = out.Encode(p)        // a caller that is gone is not told
}

// quoted lists names for people.
func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}
