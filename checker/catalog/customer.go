package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sidegate/sidegate/checker"
)

// Limits on what a customer may hold.
const (
	maxSubscriptions = 1_000
	maxAddons        = 100
	maxOverrides     = 1_000
	maxEnvironments  = 100
	maxChanges       = 100
	maxMetadata      = 100
)

// ReadCustomer reads what is put under a customer's id: everything but the id and the subscriptions.
func ReadCustomer(n Node) (Customer, error) {
	var r finder
	var c Customer
	r.mapping(n, "", r.customerFields(&c))
	return c, r.found(n)
}

func (r *finder) customerFields(c *Customer) fields {
	return fields{
		"name":     r.text(&c.Name),
		"group":    r.group(&c.Group),
		"status":   r.oneOf(&c.Status, "active", "revoked"),
		"metadata": r.metadata(&c.Metadata),
	}
}

// ReadImport reads one line of an import: a customer with its id and subscriptions, a mapping by id or a list of
// subscriptions that carry their ids. Missing start times are now.
func ReadImport(n Node, now time.Time) (Customer, error) {
	r := finder{now: now}
	var c Customer
	known := r.customerFields(&c)
	known["id"] = r.id(&c.ID)
	known["subscriptions"] = func(n Node, path string) { r.subscriptions(n, path, &c) }
	r.mapping(n, "", known)
	if n.Kind == Map && n.lacks("id") {
		r.fail("id", n.Line, "it is missing", "give each customer an id")
	}
	return c, r.found(n)
}

func (r *finder) subscriptions(n Node, path string, c *Customer) {
	c.Subscriptions = nil
	if n.Kind == Null {
		return
	}
	c.Subscriptions = map[string]Subscription{}
	if n.Kind == List {
		for i, item := range n.Items {
			var id string
			s := r.subscription(item, fmt.Sprintf("%s[%d]", path, i), fields{"id": r.id(&id)})
			if _, twice := c.Subscriptions[id]; id == "" || twice {
				r.fail(fmt.Sprintf("%s[%d].id", path, i), item.Line, "it is missing or stands twice",
					"give each subscription an id of its own")
			}
			c.Subscriptions[id] = s
		}
	} else {
		r.entries(n, path, func(id string, n Node, path string) {
			c.Subscriptions[id] = r.subscription(n, path, nil)
		})
	}
	if len(c.Subscriptions) == 0 {
		c.Subscriptions = nil
	}
	if len(c.Subscriptions) > maxSubscriptions {
		r.fail(path, n.Line, fmt.Sprintf("it has %d subscriptions", len(c.Subscriptions)),
			fmt.Sprintf("at most %d", maxSubscriptions))
	}
}

func (r *finder) id(into *string) func(Node, string) {
	return func(n Node, path string) {
		if n.Kind != Text {
			r.wrong(n, path, "a text")
			return
		}
		if err := ValidID(n.Text); err != nil {
			r.fail(path, n.Line, "it "+err.Error(), idRemedy)
			return
		}
		*into = n.Text
	}
}

// ValidGroup tells whether a text may name a group of customers: 1 to 64 letters, digits, dashes and underscores.
func ValidGroup(group string) bool {
	if group == "" || len(group) > 64 {
		return false
	}
	for _, c := range group {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

func (r *finder) group(into *string) func(Node, string) {
	return func(n Node, path string) {
		if n.Kind != Null && (n.Kind != Text || !ValidGroup(n.Text)) {
			r.fail(path, n.Line, fmt.Sprintf("it is %s", describe(n)), "1 to 64 letters, digits, - and _")
			return
		}
		*into = n.Text
	}
}

func (r *finder) metadata(into *map[string]string) func(Node, string) {
	return func(n Node, path string) {
		*into = nil
		if len(n.Fields) > maxMetadata {
			r.fail(path, n.Line, fmt.Sprintf("it has %d entries", len(n.Fields)),
				fmt.Sprintf("at most %d", maxMetadata))
			return
		}
		r.entries(n, path, func(key string, n Node, path string) {
			var text string
			switch n.Kind {
			case Bool, Number:
				text = n.Text
			default:
				r.text(&text)(n, path)
			}
			if *into == nil {
				*into = map[string]string{}
			}
			(*into)[key] = text
		})
	}
}

// ReadSubscription reads what is put under a subscription's id. A missing start time is now.
func ReadSubscription(n Node, now time.Time) (Subscription, error) {
	r := finder{now: now}
	s := r.subscription(n, "", nil)
	return s, r.found(n)
}

func (r *finder) subscription(n Node, path string, more fields) Subscription {
	var s Subscription
	known := r.subscriptionFields(&s)
	known["starts_at"] = r.time(&s.StartsAt)
	known["changes"] = r.changes(&s)
	maps.Copy(known, more)
	r.mapping(n, path, known)
	if s.StartsAt.IsZero() && !r.faultAt(Join(path, "starts_at")) {
		s.StartsAt = r.now.UTC().Truncate(time.Millisecond)
	}
	if n.Kind == Map {
		r.check(s, path)
	}
	return s
}

// subscriptionFields are those that a scheduled change can set too.
func (r *finder) subscriptionFields(s *Subscription) fields {
	return fields{
		"plan":          r.text(&s.Plan),
		"plan_version":  r.planVersion(&s.PlanVersion),
		"status":        r.oneOf(&s.Status, statusWords[1:]...),
		"ends_at":       r.time(&s.EndsAt),
		"term":          r.term(&s.Term),
		"trial_ends_at": r.time(&s.TrialEndsAt),
		"on_trial_end":  r.oneOf(&s.OnTrialEnd, "expire", "activate"),
		"grace":         r.duration(&s.Grace),
		"addons":        r.addons(&s.Addons),
		"overrides":     r.overrides(&s.Overrides),
		"environments":  r.texts(&s.Environments, maxEnvironments),
		"devices":       r.devices(&s.Devices),
		"versions":      r.versions(&s.Versions),
	}
}

func (r *finder) planVersion(into *uint32) func(Node, string) {
	return func(n Node, path string) {
		var v int64
		r.atLeast(1, &v)(n, path)
		if v > 1<<31 {
			r.fail(path, n.Line, fmt.Sprintf("%d is no version", v),
				"versions count from 1; leave it out for the newest")
			return
		}
		*into = uint32(v)
	}
}

func (r *finder) term(into **Term) func(Node, string) {
	return func(n Node, path string) {
		*into = nil
		if n.Kind == Null {
			return
		}
		var t Term
		r.mapping(n, path, fields{"every": r.text(&t.Every), "anchor": r.text(&t.Anchor)})
		if !slices.Contains([]string{"day", "week", "month", "year"}, t.Every) {
			if d, err := ParseDuration(t.Every); err != nil || d < Duration(time.Hour) {
				r.fail(Join(path, "every"), n.Line, fmt.Sprintf("it is %q", t.Every),
					"day, week, month, year or a duration of at least an hour")
			}
		}
		if t.Anchor != "" {
			if _, err := ParseTime(t.Anchor); err != nil {
				r.fail(Join(path, "anchor"), n.Line, err.Error(), "leave it out for starts_at")
			}
		}
		*into = &t
	}
}

func (r *finder) addons(into *[]AddonUse) func(Node, string) {
	return func(n Node, path string) {
		*into = nil
		if n.Kind == Null {
			return
		}
		if n.Kind != List || len(n.Items) > maxAddons {
			r.fail(path, n.Line, fmt.Sprintf("it must be a list of at most %d add-ons", maxAddons),
				`such as [{"key": "minutes-1000", "quantity": 2}]`)
			return
		}
		for i, item := range n.Items {
			*into = append(*into, r.addon(item, fmt.Sprintf("%s[%d]", path, i), *into))
		}
	}
}

// addon reads one of a list, given those before it.
func (r *finder) addon(n Node, path string, before []AddonUse) AddonUse {
	a := AddonUse{Quantity: 1}
	r.mapping(n, path, fields{"key": r.id(&a.Key), "quantity": r.atLeast(1, &a.Quantity)})
	switch {
	case n.Kind != Map:
	case n.lacks("key"):
		r.fail(Join(path, "key"), n.Line, "it is missing", "name an add-on of the catalogue")
	case slices.ContainsFunc(before, func(b AddonUse) bool { return b.Key == a.Key }):
		r.fail(path, n.Line, fmt.Sprintf("add-on %q stands twice", a.Key), "add the quantities up")
	}
	return a
}

func (r *finder) overrides(into *map[string]Allowance) func(Node, string) {
	return func(n Node, path string) {
		*into = nil
		if len(n.Fields) > maxOverrides {
			r.fail(path, n.Line, fmt.Sprintf("it has %d entries", len(n.Fields)),
				fmt.Sprintf("at most %d", maxOverrides))
			return
		}
		r.entries(n, path, func(key string, n Node, path string) {
			if *into == nil {
				*into = map[string]Allowance{}
			}
			(*into)[key] = r.allowance(n, path)
		})
	}
}

func (r *finder) devices(into **Devices) func(Node, string) {
	return func(n Node, path string) {
		*into = nil
		if n.Kind == Null {
			return
		}
		var d Devices
		r.mapping(n, path, fields{"limit": r.quantity(&d.Limit), "lock": r.bool(&d.Lock)})
		*into = &d
	}
}

func (r *finder) versions(into *string) func(Node, string) {
	return func(n Node, path string) {
		r.text(into)(n, path)
		if n.Kind != Text || *into == "" {
			return
		}
		if err := checker.CheckVersions(*into); err != nil {
			r.fail(path, n.Line, err.Error(), "such as >=2.0.0 <3.0.0")
		}
	}
}

func (r *finder) changes(s *Subscription) func(Node, string) {
	return func(n Node, path string) {
		s.Changes = nil
		if n.Kind == Null {
			return
		}
		if len(n.Items) == 0 && n.Kind == List {
			return
		}
		if n.Kind != List || len(n.Items) > maxChanges {
			r.fail(path, n.Line, fmt.Sprintf("it must be a list of at most %d changes", maxChanges),
				`such as [{"at": "2026-12-01T00:00:00Z", "plan": "team"}]`)
			return
		}
		for i, item := range n.Items {
			s.Changes = append(s.Changes, r.change(item, fmt.Sprintf("%s[%d]", path, i)))
		}
		r.sortChanges(s, path)
	}
}

// sortChanges puts changes in order of their time and remembers where each came from.
func (r *finder) sortChanges(s *Subscription, path string) {
	from := make([]int, len(s.Changes))
	for i := range from {
		from[i] = i
	}
	slices.SortStableFunc(from, func(a, b int) int { return s.Changes[a].At.Compare(s.Changes[b].At) })
	sorted := make([]Change, len(from))
	for i, place := range from {
		sorted[i] = s.Changes[place]
	}
	s.Changes = sorted
	if r.order == nil {
		r.order = map[string][]int{}
	}
	r.order[path] = from
}

func (r *finder) change(n Node, path string) Change {
	var c Change
	known, set := r.settable()
	c.Fields = set
	known["at"] = r.time(&c.At)
	r.mapping(n, path, known)
	switch {
	case n.Kind != Map:
	case n.lacks("at"):
		r.fail(Join(path, "at"), n.Line, "it is missing", "say when the change takes effect")
	case len(c.Fields) == 0 && len(n.Fields) < 2:
		r.fail(path, n.Line, "it changes nothing", "name the fields to set")
	}
	return c
}

// canonical is a node as JSON that stays equal when it is stored and read again.
func canonical(n Node) json.RawMessage {
	if n.Kind == Null {
		return json.RawMessage("null")
	}
	v, err := checker.JSONValue(n.JSON())
	if err != nil {
		return json.RawMessage("null") // a fault has been found in it
	}
	return v.JSON()
}
