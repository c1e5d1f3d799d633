package catalog_test

import (
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"
)

// weighValue is steps 5 and 6: what the holdings are worth together and whether that covers what is asked. The
// answers are why not, and whether that is only advice.
func (o oracle) weighValue(v *verdict, holdings []holding) (denial string, lenient bool) {
	if len(holdings) == 0 {
		return "", false
	}
	var held []candidate
	for _, h := range holdings {
		for _, a := range h.all() {
			held = append(held, candidate{a.Value, h})
			lenient = lenient || a.Enforce == "advisory"
		}
	}
	if o.feature.Type == "boolean" {
		v.Value = true
		return "", lenient
	}
	won := o.combineValues(held)
	v.Value, v.Plan = won.value, won.plan
	if o.Value != nil && !o.covered(won.value) {
		denial = "value_not_covered"
	}
	return denial, lenient
}

// A candidate is a value and the holding that it is from.
type candidate struct {
	value any
	holding
}

// combineValues is what config values make together, and the holding that decided. held is in order of start and id.
func (o oracle) combineValues(held []candidate) candidate {
	first := held[0].holding
	switch {
	case o.feature.isOrdered():
		return slices.MaxFunc(held, func(a, b candidate) int { return o.rank(a.value) - o.rank(b.value) })
	case o.feature.isSet():
		return candidate{o.members(held), first}
	case all[float64](held):
		return slices.MaxFunc(held, func(a, b candidate) int { return sign(a.value.(float64) - b.value.(float64)) })
	case all[[]any](held):
		slices.SortStableFunc(held, func(a, b candidate) int { return strings.Compare(a.id, b.id) })
		return candidate{together(held), first}
	}
	return slices.MaxFunc(held, func(a, b candidate) int {
		if a.starts.Equal(b.starts) { // then the smallest id
			return -strings.Compare(a.id, b.id)
		}
		return a.starts.Compare(b.starts)
	})
}

// members are the values that somebody holds, in the order of the feature's.
func (o oracle) members(held []candidate) []any {
	union := []any{}
	for _, value := range o.feature.Values {
		if slices.ContainsFunc(held, func(c candidate) bool { return contains(c.value, value) }) {
			union = append(union, value)
		}
	}
	return union
}

// together are the items of all lists, each once.
func together(held []candidate) []any {
	union := []any{}
	for _, c := range held {
		for _, item := range c.value.([]any) {
			if !contains(union, item) {
				union = append(union, item)
			}
		}
	}
	return union
}

// rank is the place of an ordered value.
func (o oracle) rank(value any) int { return slices.Index(o.feature.Values, value.(string)) }

func all[T any](held []candidate) bool {
	return !slices.ContainsFunc(held, func(c candidate) bool { _, is := c.value.(T); return !is })
}

// contains tells whether a list has an item, or whether a value that is no list is it.
func contains(held, item any) bool {
	items, isList := held.([]any)
	if !isList {
		return reflect.DeepEqual(held, item)
	}
	return slices.ContainsFunc(items, func(one any) bool { return reflect.DeepEqual(one, item) })
}

// covered is step 6.
func (o oracle) covered(held any) bool {
	if o.feature.isOrdered() {
		return o.rank(o.Value) <= o.rank(held)
	}
	asked, isNumber := o.Value.(float64)
	most, hasNumber := held.(float64)
	if isNumber && hasNumber {
		return asked <= most
	}
	wanted, several := o.Value.([]any)
	if _, isList := held.([]any); !isList || !several {
		return contains(held, o.Value)
	}
	return !slices.ContainsFunc(wanted, func(one any) bool { return !contains(held, one) })
}

func sign(x float64) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

// A pot is what limits make together.
type pot struct {
	limit     int64
	overdraft int64
	soft      bool
	unlimited bool
	lenient   bool
	per       string
	anchored  bool
	anchor    time.Time
}

// pool is step 5 for limits: an own allowance with a shorter period than the longest is left out.
func (o oracle) pool(holdings []holding) pot {
	longest := o.longest(holdings)
	p := pot{per: periodWords[longest]}
	var limits []*big.Int
	anchored := false
	for _, h := range holdings {
		limit := new(big.Int)
		kept := h.own != nil && o.periodRank(*h.own) == longest
		if kept {
			limit.SetInt64(h.own.Limit)
			p.take(*h.own)
		}
		if kept && !anchored { // the first started first
			anchored, p.anchored, p.anchor = true, h.own.Anchor == "subscription", h.starts
		}
		p.unlimited = p.unlimited || h.own != nil && h.own.Unlimited
		for _, a := range h.more {
			limit.Add(limit, new(big.Int).Mul(big.NewInt(a.Limit), big.NewInt(a.quantity)))
			p.take(a.docAllowance)
		}
		limits = append(limits, limit)
	}
	p.limit = o.stack(limits)
	return p
}

func (o oracle) longest(holdings []holding) int {
	longest := 0
	for _, h := range holdings {
		if h.own != nil {
			longest = max(longest, o.periodRank(*h.own))
		}
	}
	return longest
}

// periodRank is greater for a longer period. What is no longer metered has none, whatever an old plan version says.
func (o oracle) periodRank(a docAllowance) int {
	if o.feature.Type != "metered" {
		return 0
	}
	return slices.Index(periodWords[:], a.Per)
}

// take takes what an allowance adds beside its limit.
func (p *pot) take(a docAllowance) {
	p.overdraft = max(p.overdraft, a.Overdraft)
	p.soft = p.soft || a.Mode == "soft"
	p.unlimited = p.unlimited || a.Unlimited
	p.lenient = p.lenient || a.Enforce == "advisory"
}

// stack sums, or takes the largest.
func (o oracle) stack(limits []*big.Int) int64 {
	total := new(big.Int)
	for _, limit := range limits {
		if o.feature.Stack != "max" {
			total.Add(total, limit)
		} else if limit.Cmp(total) > 0 {
			total = limit
		}
	}
	if !total.IsInt64() {
		return math.MaxInt64
	}
	return total.Int64()
}

// weighLimit is steps 5, 7 and 8.
func (o oracle) weighLimit(v *verdict, holdings []holding) (denial string, lenient bool) {
	p := o.pool(holdings)
	v.Unlimited = p.unlimited
	if o.feature.Type == "metered" {
		v.ResetsAt = o.resets(p)
		if o.PeriodEnds != 0 {
			v.ResetsAt = o.PeriodEnds
		}
	}
	room := o.number(v, p.limit, o.grants())
	fits := room.Cmp(big.NewInt(o.Quantity)) >= 0
	switch {
	case p.unlimited:
		return "", p.lenient
	case o.feature.Type == "pool":
		return unless(fits, "limit_reached"), p.lenient
	case o.feature.Type == "seat" && o.feature.Kind != "floating" && o.User != "":
		return unless(o.UserSeated, "no_seat"), p.lenient
	case o.feature.Type == "seat":
		return unless(fits, "seats_exhausted"), p.lenient
	}
	switch {
	case fits:
	case o.room(p.limit, o.grants(), p.overdraft).Cmp(big.NewInt(o.Quantity)) >= 0:
		v.Reason = "overdraft"
	case p.soft:
		v.Reason = "overage"
	default:
		denial = "limit_reached"
	}
	return denial, p.lenient
}

// grants are balances on top of a metered limit, and what rolled over.
func (o oracle) grants() int64 {
	if o.feature.Type != "metered" {
		return 0
	}
	return o.GrantLeft + o.Rolled
}

// number fills in what is used of a limit and of grants, and answers the room that is left: below 0 if there is none.
func (o oracle) number(v *verdict, limit, grants int64) *big.Int {
	v.Used, v.Reserved = o.Used, o.Reserved
	if v.Unlimited {
		return new(big.Int)
	}
	v.Limit = limit
	room := o.room(limit, grants)
	if room.Sign() > 0 {
		v.Remaining = clamped(room)
	}
	over := max(0, clamped(new(big.Int).Sub(new(big.Int).Neg(room), big.NewInt(o.Reserved))))
	if v.Type == "metered" {
		v.Overage = over
	} else {
		v.OverLimit = over > 0
	}
	return room
}

// room is what is left of some sums; together they count no further than an int64.
func (o oracle) room(sums ...int64) *big.Int {
	total := new(big.Int)
	for _, sum := range sums {
		total.Add(total, big.NewInt(sum))
	}
	total.Sub(big.NewInt(clamped(total)), big.NewInt(o.Used))
	return total.Sub(total, big.NewInt(o.Reserved))
}

func unless(fine bool, denial string) string {
	if fine {
		return ""
	}
	return denial
}

func clamped(n *big.Int) int64 {
	if !n.IsInt64() {
		return math.MaxInt64
	}
	return n.Int64()
}

// resets is the end of the current period; 0: never.
func (o oracle) resets(p pot) int64 {
	end := calendarEnd(p.per, o.Now)
	if p.anchored {
		end = anchoredEnd(p.per, p.anchor, o.Now)
	}
	if end.IsZero() {
		return 0
	}
	return end.UnixMilli()
}

// takes tells whether a check of a feature may name a value: one of its values, or several for a set. Without values
// one of the sort that all its allowances hold, if they do; lists are also asked for an item.
func (w *docWorld) takes(q *question) bool {
	o := oracle{question: q, world: w, feature: w.inForce().Features[q.Feature]}
	if o.feature.Values != nil {
		items, isList := q.Value.([]any)
		if !isList || !o.feature.isSet() {
			items = []any{q.Value}
		}
		return !slices.ContainsFunc(items, func(item any) bool { return !slices.Contains(listOf(o.feature.Values), item) })
	}
	sorts := map[reflect.Kind]bool{}
	note := func(allow map[string]docAllowance) {
		if a, there := allow[q.Feature]; there && o.feature.canHold(a) {
			sorts[reflect.TypeOf(a.Value).Kind()] = true
		}
	}
	for _, versions := range w.plans {
		for _, p := range versions {
			note(p.Allow)
		}
	}
	for _, a := range w.inForce().Addons {
		note(a.Allow)
	}
	return len(sorts) != 1 || sorts[reflect.Slice] || sorts[reflect.TypeOf(q.Value).Kind()]
}
