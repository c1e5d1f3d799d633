package hub

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
)

// termEnd is the end of the term that a moment lies in; a moment at the end of one lies in the next.
func termEnd(s catalog.Subscription, at time.Time) time.Time {
	anchor := s.StartsAt
	if t, err := catalog.ParseTime(s.Term.Anchor); err == nil {
		anchor = t
	}
	per := checker.NoPer
	switch s.Term.Every {
	case "day":
		per = checker.Day
	case "week":
		per = checker.Week
	case "month":
		per = checker.Month
	case "year":
		per = checker.Year
	}
	if per != checker.NoPer {
		_, end := checker.PeriodEnd(per, true, anchor.UnixMilli(), at.UnixMilli())
		return time.UnixMilli(end).UTC()
	}
	length, err := catalog.ParseDuration(s.Term.Every)
	step := time.Duration(length).Milliseconds()
	if err != nil || step <= 0 {
		return at
	}
	since := at.UnixMilli() - anchor.UnixMilli()
	terms := since / step
	if since%step < 0 {
		terms--
	}
	return time.UnixMilli(anchor.UnixMilli() + (terms+1)*step).UTC()
}

// readAction reads an action and its body. The error is catalog.Faults or a problem.
func readAction(name string, n catalog.Node) (action, error) {
	a := action{name: name}
	known, ok := map[string][]string{"suspend": {}, "resume": {}, "cancel": {"at"}, "renew": {"ends_at", "terms"},
		"convert": nil, "extend": {"by", "ends_at", "trial_ends_at"}, "change": {"at"}}[name]
	if !ok {
		return a, refuse(http.StatusNotFound, "not_found", "there is no action %q; there are "+
			"suspend, resume, cancel, renew, convert, extend and change", name)
	}
	if n.Kind != catalog.Map {
		return a, badRequest("the body must be a JSON object, or nothing")
	}
	rest, faults := a.own(n, known)
	switch name {
	case "convert", "change":
		set, err := catalog.ReadChange(rest)
		a.set = set
		var more catalog.Faults
		if errors.As(err, &more) {
			faults = append(faults, more...)
		}
		if name == "change" && len(set) == 0 && len(faults) == 0 {
			faults = append(faults, catalog.Fault{Problem: "it changes nothing",
				Remedy: `name the fields, such as {"plan": "team"}`})
		}
	case "extend":
		const ways = `either {"by": "30d"} or {"ends_at": "2027-01-31T00:00:00Z"}`
		switch {
		case len(faults) > 0 || len(rest.Fields) > 0:
		case a.by != 0 && a.of != "":
			faults = append(faults, catalog.Fault{Path: "by", Problem: "it cannot stand beside " + a.of, Remedy: ways})
		case a.by == 0 && a.of == "":
			faults = append(faults, catalog.Fault{Path: "by", Problem: "it must be said how far", Remedy: ways})
		}
		fallthrough
	default:
		for _, f := range rest.Fields {
			faults = append(faults, catalog.Fault{Path: f.Key, Line: f.Line, Problem: "this field is not known",
				Remedy: knownHere(known)})
		}
	}
	if len(faults) > 0 {
		return a, faults
	}
	return a, nil
}

// knownHere says which fields an action takes.
func knownHere(known []string) string {
	if len(known) == 0 {
		return "this action takes none"
	}
	return "known here: " + strings.Join(known, ", ")
}

// own reads the fields that are the action's own and answers the others.
func (a *action) own(n catalog.Node, known []string) (rest catalog.Node, faults catalog.Faults) {
	rest = n
	rest.Fields = nil
	for _, f := range n.Fields {
		if !slices.Contains(known, f.Key) {
			rest.Fields = append(rest.Fields, f)
			continue
		}
		if err := a.field(f.Key, f.Value); err != nil {
			faults = append(faults, faultOf(f, err))
		}
	}
	return rest, faults
}

// field reads one of the action's own fields.
func (a *action) field(key string, n catalog.Node) (err error) {
	if key == "terms" {
		a.n, err = strconv.ParseInt(n.Text, 10, 64)
		if n.Kind != catalog.Number || err != nil || a.n < 1 || a.n > 1000 {
			return errors.New("it must be a whole number from 1 to 1000")
		}
		return nil
	}
	if n.Kind != catalog.Text {
		return fmt.Errorf("it must be a text, not %s", n.Kind)
	}
	switch key {
	case "at":
		a.at = n.Text
		if n.Text != "now" && n.Text != "term_end" {
			_, err = catalog.ParseTime(n.Text)
		}
	case "by":
		a.by, err = catalog.ParseDuration(n.Text)
		if err == nil && a.by == 0 {
			err = catalog.Fault{Problem: "it is 0", Remedy: `such as "30d"`}
		}
	default:
		if a.of != "" {
			return fmt.Errorf("it cannot stand beside %s", a.of)
		}
		a.of = key
		a.end, err = catalog.ParseTime(n.Text)
	}
	return err
}
