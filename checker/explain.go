package checker

import (
	"fmt"
	"strings"
	"time"
)

// A Step says which document was looked at, which rule applied and what it said.
type Step struct {
	Document string // such as customer/acme subscriptions/main
	Rule     string // the field's own word: allowance, state, base, period, reason
	Said     string // for people
}

// Explain is Decide, with how it came about.
func Explain(h *Held, ask *Ask, now int64) (Decision, []Step) {
	d := Decide(h, ask, now)
	var e explainer
	switch {
	case h.Record == nil:
		e.say("customer", "customer", "there is no such customer, or it was deleted")
	case h.Feature == nil:
		e.say("catalog", "feature", "the catalogue in force has no such feature")
	default:
		e.explain(h, ask, now)
	}
	said := "denied"
	if d.Allowed {
		said = "allowed"
	}
	said += ": " + d.Reason.String()
	if d.WouldDeny != Undecided {
		said += ", would deny " + d.WouldDeny.String()
	}
	e.say("catalog features/"+keyOf(h.Feature), "reason", "%s", said)
	return d, e.steps
}

func keyOf(f *Feature) string {
	if f == nil {
		return "?"
	}
	return f.Key
}

type explainer struct {
	steps []Step
	t     tally
}

func (e *explainer) say(document, rule, format string, args ...any) {
	e.steps = append(e.steps, Step{document, rule, fmt.Sprintf(format, args...)})
}

// explain walks as Decide does, and tells what it meets.
func (e *explainer) explain(h *Held, ask *Ask, now int64) {
	t := &e.t
	t.held, t.ask, t.now = h, ask, now
	id, _, revoked, subs := h.Record.header()
	customer := "customer/" + string(id)
	if revoked {
		e.say(customer, "status", "the customer is revoked")
		return
	}
	subs.uvarint()
	all := subs
	for len(all.b) > 0 && !all.bad {
		var p part
		body := all.bytes()
		mentions := t.read(body, &p)
		t.judge(&p, t.now)
		e.subscription(customer+" subscriptions/"+string(p.id), &p, mentions)
	}
	t.beyond = subs
	t.fill()
	t.sift()
	t.pretend = t.denyingState() != Undecided
	if t.pretend && !h.Feature.Advisory {
		return
	}
	t.sift()
	e.left(customer)
	t.settle()
	if h.Feature.Type == Metered {
		e.periods(customer)
	}
	if h.Use.GrantActive {
		e.say(customer+" grants", "grant", "active grants hold %d", h.Use.GrantLeft)
	}
}

func (e *explainer) subscription(document string, p *part, mentions bool) {
	f, own := e.t.held.Feature, p.own()
	plan := "an unknown plan"
	if p.plan != nil {
		plan = fmt.Sprintf("plan %s version %d", p.plan.Key, p.plan.Version)
	}
	switch {
	case own == nil:
		e.say(document, "allowance", "%s does not name the feature", plan)
	case p.replaced:
		e.say(document, "allowance", "an override replaces what %s says: %s", plan, own.text(f))
	default:
		e.say(document, "allowance", "%s says: %s", plan, own.text(f))
	}
	if p.added.grants(f) {
		e.say(document, "add-ons", "add-ons add: %s", p.added.text(f))
	}
	if !mentions {
		e.say(document, "mention", "this grants nothing of the feature")
		return
	}
	switch {
	case !p.live():
		e.say(document, "state", "%s", p.state)
	case p.inGrace:
		e.say(document, "state", "live, in grace")
	case p.onTrial:
		e.say(document, "state", "live, a trial until %s", clock(p.phase.trialEndsAt))
	default:
		e.say(document, "state", "live")
	}
}

// left tells which live subscriptions the base rule leaves out.
func (e *explainer) left(customer string) {
	var w walk
	for p := e.t.each(&w); p != nil; p = e.t.each(&w) {
		if (e.t.pretend || p.live()) && !e.t.counts(p) {
			e.say(customer+" subscriptions/"+string(p.id), "base", "left out: another subscription mentions the feature, and "+
				"this one is on a base plan")
		}
	}
}

// periods tells which allowances a longer period leaves out.
func (e *explainer) periods(customer string) {
	longest := e.t.longest()
	var w walk
	for p := e.t.each(&w); p != nil; p = e.t.each(&w) {
		if own := p.own(); own != nil && own.Per != longest && own.Per != NoPer {
			e.say(customer+" subscriptions/"+string(p.id), "period", "its own allowance per %s is left out beside one per %s",
				own.Per, longest)
		}
	}
}

var perNames = [...]string{"", "minute", "hour", "day", "week", "month", "year", "never"}

// String is the period as catalogues write it.
func (p Per) String() string {
	if int(p) >= len(perNames) {
		return ""
	}
	return perNames[p]
}

// text is an allowance for people.
func (a *Allowance) text(f *Feature) string {
	if f.Type == Boolean || f.Type == Config {
		if a.Value.IsZero() {
			return "nothing that the feature can hold"
		}
		return string(a.Value.JSON())
	}
	var parts []string
	if a.Unlimited {
		parts = append(parts, "unlimited")
	} else {
		parts = append(parts, fmt.Sprintf("limit %d", a.Limit))
	}
	if a.Per != NoPer {
		parts = append(parts, "per "+a.Per.String())
	}
	if a.Soft {
		parts = append(parts, "soft")
	}
	if a.Overdraft > 0 {
		parts = append(parts, fmt.Sprintf("overdraft %d", a.Overdraft))
	}
	if a.Advisory {
		parts = append(parts, "advisory")
	}
	return strings.Join(parts, ", ")
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
