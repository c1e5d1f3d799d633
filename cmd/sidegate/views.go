package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/sync/text"
)

// verdict is a decision in a word.
func verdict(n catalog.Node) string {
	if word(n, "allowed") == "true" {
		return "allowed"
	}
	return "denied"
}

// decisionRows are a decision: the verdict with its reason first, then what is known beyond "nothing yet".
func decisionRows(n catalog.Node) []row {
	out := []row{{verdict(n), word(n, "reason")}}
	for _, r := range rows(n, "", "allowed", "reason", "steps", "propagation", "usage_age_ms") {
		nothing := r[1] == "0" && slices.Contains([]string{"overage", "held", "unseen_max"}, r[0]) ||
			r[1] == "false" && r[0] == "over_limit" || r[1] == "-"
		if !nothing {
			out = append(out, r)
		}
	}
	return out
}

func decisionView(out *bytes.Buffer, n catalog.Node) { aligned(out, decisionRows(n)) }

func explainView(out *bytes.Buffer, n catalog.Node) {
	aligned(out, decisionRows(n))
	out.WriteString("\n")
	var cells [][]string
	for i, step := range at(n, "steps").Items {
		cells = append(cells, append([]string{strconv.Itoa(i + 1)}, words(step, "document", "rule", "said")...))
	}
	table(out, []string{"STEP", "DOCUMENT", "RULE", "SAID"}, cells)
	out.WriteString("\n")
	aligned(out, rows(at(n, "propagation"), ""))
}

// held is what a decision says that the customer has: a value, a limit, or no limit.
func held(n catalog.Node) string {
	if word(n, "unlimited") == "true" {
		return "unlimited"
	}
	return word(n, "value") + word(n, "limit")
}

func entitlementsView(out *bytes.Buffer, n catalog.Node) {
	aligned(out, rows(n, "", "entitlements"))
	out.WriteString("\n")
	var cells [][]string
	for _, e := range at(n, "entitlements").Items {
		cells = append(cells, append([]string{word(e, "feature"), verdict(e), word(e, "reason"), held(e)},
			words(e, "used", "resets_at", "expires_at", "plan")...))
	}
	table(out, []string{"FEATURE", "ANSWER", "REASON", "HOLDS", "USED", "RESETS AT", "EXPIRES AT", "PLAN"}, cells)
}

// bought is a subscription in a few words.
func bought(id string, n catalog.Node) string {
	text := word(n, "current", "plan") + " (" + id
	if status := word(n, "current", "status"); status != "active" {
		text += ", " + status
	}
	return text + ")"
}

func customersView(out *bytes.Buffer, n catalog.Node) {
	var cells [][]string
	for _, c := range at(n, "customers").Items {
		var subs []string
		for _, f := range at(c, "subscriptions").Fields {
			subs = append(subs, bought(f.Key, f.Value))
		}
		cells = append(cells, append(words(c, "id", "name", "group", "status"), strings.Join(subs, ", ")))
	}
	table(out, []string{"ID", "NAME", "GROUP", "STATUS", "SUBSCRIPTIONS"}, cells)
	fmt.Fprintf(out, "\n%d shown, %s customers in all\n", len(cells), word(n, "total"))
	if cursor := word(n, "next_cursor"); cursor != "" {
		fmt.Fprintf(out, "more: add cursor=%s\n", cursor)
	}
}

func customerView(out *bytes.Buffer, n catalog.Node) {
	aligned(out, rows(n, "", "subscriptions"))
	if subs := at(n, "subscriptions"); len(subs.Fields) > 0 {
		var items []catalog.Node
		for _, f := range subs.Fields {
			items = append(items, f.Value)
		}
		out.WriteString("\n")
		subscriptionTable(out, items)
	}
}

func subscriptionsView(out *bytes.Buffer, n catalog.Node) {
	subscriptionTable(out, at(n, "subscriptions").Items)
}

func subscriptionTable(out *bytes.Buffer, items []catalog.Node) {
	var cells [][]string
	for _, s := range items {
		now := at(s, "current")
		plan := word(now, "plan")
		if pinned := word(now, "plan_version"); pinned != "" {
			plan += " version " + pinned
		}
		cells = append(cells, append([]string{word(s, "id"), plan},
			append(words(now, "status", "starts_at", "ends_at", "trial_ends_at"), addons(now), word(s, "changes"))...))
	}
	table(out, []string{"SUBSCRIPTION", "PLAN", "STATUS", "STARTS AT", "ENDS AT", "TRIAL ENDS AT", "ADD-ONS",
		"CHANGES"}, cells)
}

func addons(n catalog.Node) string {
	var out []string
	for _, a := range at(n, "addons").Items {
		name := word(a, "key")
		if quantity := word(a, "quantity"); quantity != "" && quantity != "1" {
			name = quantity + " × " + name
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// subscriptionView is what stands written; what holds right now comes with it only where it differs.
func subscriptionView(out *bytes.Buffer, n catalog.Node) {
	first := []string{"id", "customer", "plan", "status"}
	var all []row
	for _, key := range first {
		all = append(all, row{key, word(n, key)})
	}
	written := rows(n, "", append([]string{"current", "revision"}, first...)...)
	written = slices.DeleteFunc(written, func(r row) bool { return strings.HasPrefix(r[0], "current.") })
	all = append(all, written...)
	for _, r := range rows(at(n, "current"), "") {
		if !slices.Contains(all, r) {
			all = append(all, row{"now." + r[0], r[1]})
		}
	}
	aligned(out, append(all, row{"revision", word(n, "revision")}))
}

func tokensView(out *bytes.Buffer, n catalog.Node) {
	var cells [][]string
	for _, t := range at(n, "tokens").Items {
		cells = append(cells, words(t, "id", "name", "scopes", "created_at", "expires_at"))
	}
	table(out, []string{"ID", "NAME", "SCOPES", "CREATED AT", "EXPIRES AT"}, cells)
}

func versionsView(out *bytes.Buffer, n catalog.Node) {
	var cells [][]string
	for _, v := range at(n, "versions").Items {
		state := "older"
		switch {
		case word(v, "dropped") == "true":
			state = "dropped"
		case word(v, "newest") == "true":
			state = "newest"
		}
		cells = append(cells, append(words(v, "plan", "version", "name"), state,
			strconv.Itoa(len(at(v, "allow").Fields)), word(v, "revision")))
	}
	table(out, []string{"PLAN", "VERSION", "NAME", "STATE", "ALLOWANCES", "REVISION"}, cells)
}

// catalogueView is YAML, which can be edited and applied again.
func catalogueView(out *bytes.Buffer, n catalog.Node) { out.Write(text.Print(n)) }

// appliedView says what became of a catalogue that was applied.
func appliedView(out *bytes.Buffer, n catalog.Node) {
	if word(n, "unchanged") == "true" {
		out.WriteString("unchanged: the catalogue is the one in force\n")
	}
	aligned(out, []row{{"revision", word(n, "revision")}})
}

// diffView says what is defined differently, what is dropped, and what customers would hold.
func diffView(out *bytes.Buffer, n catalog.Node) {
	all := redefined(at(n, "features"), "feature")
	for _, p := range at(n, "plans").Items {
		said := "version " + word(p, "from") + " -> " + word(p, "to")
		switch word(p, "from") {
		case "0":
			said = "new"
		case word(p, "to"):
			said = "version " + word(p, "to") + " again"
		}
		all = append(all, row{"plan " + word(p, "plan"), said})
	}
	all = append(all, redefined(at(n, "addons"), "addon")...)
	for _, kind := range at(n, "dropped").Fields {
		for _, f := range kind.Value.Fields {
			all = append(all, row{strings.TrimSuffix(kind.Key, "s") + " " + f.Key, "dropped"})
		}
	}
	if len(all) == 0 {
		out.WriteString("unchanged: the catalogue is the one in force\n")
	}
	aligned(out, append(all, row{"customers changed", word(n, "customers_changed")}))
	var cells [][]string
	for _, c := range at(n, "customers").Items {
		for _, f := range at(c, "changes").Items {
			before, after := at(f, "before"), at(f, "after")
			cells = append(cells, []string{word(c, "customer"), word(f, "feature"), decided(before, after),
				decided(after, before)})
		}
	}
	if len(cells) == 0 {
		return
	}
	out.WriteString("\n")
	table(out, []string{"CUSTOMER", "FEATURE", "BEFORE", "AFTER"}, cells)
	if shown := len(at(n, "customers").Items); strconv.Itoa(shown) != word(n, "customers_changed") {
		fmt.Fprintf(out, "and others; the first %d customers are shown\n", shown)
	}
}

// redefined says of features or add-ons that they are new, or which of their fields would be others.
func redefined(list catalog.Node, kind string) (all []row) {
	for _, d := range list.Items {
		name := kind + " " + word(d, kind)
		if at(d, "before").Kind == catalog.Null {
			all = append(all, row{name, "new"})
			continue
		}
		before, after := rows(at(d, "before"), ""), rows(at(d, "after"), "")
		for _, r := range before {
			if is := valueIn(after, r[0]); is != r[1] {
				all = append(all, row{name, r[0] + ": " + r[1] + " -> " + is})
			}
		}
		for _, r := range after {
			if valueIn(before, r[0]) == "-" && r[1] != "-" {
				all = append(all, row{name, r[0] + ": - -> " + r[1]})
			}
		}
	}
	return all
}

// valueIn is what stands beside a name; a dash if the name is not there.
func valueIn(all []row, name string) string {
	for _, r := range all {
		if r[0] == name {
			return r[1]
		}
	}
	return "-"
}

// decided is a decision in a few words, with the times that another one does not share.
func decided(n, other catalog.Node) string {
	out := []string{verdict(n), word(n, "reason")}
	if h := held(n); h != "" {
		out = append(out, h)
	}
	for _, key := range []string{"resets_at", "expires_at"} {
		if at := word(n, key); at != "" && at != word(other, key) {
			out = append(out, strings.ReplaceAll(key, "_", " ")+" "+at)
		}
	}
	return strings.Join(out, ", ")
}

// importView counts what became of the lines, and says what is wrong with which.
func importView(out *bytes.Buffer, n catalog.Node) {
	all := rows(n, "", "errors")
	aligned(out, slices.DeleteFunc(all, func(r row) bool {
		return r == row{"dry_run", "false"} || r == row{"errors_left_off", "0"}
	}))
	for _, e := range at(n, "errors").Items {
		fmt.Fprintf(out, "line %s", word(e, "line"))
		if id := word(e, "id"); id != "" {
			fmt.Fprintf(out, " (%s)", id)
		}
		faults := at(e, "faults").Items
		if len(faults) == 0 {
			fmt.Fprintf(out, ": %s\n", word(e, "detail"))
			continue
		}
		out.WriteString(":\n")
		for _, f := range faults {
			fault := catalog.Fault{Path: word(f, "path"), Problem: word(f, "problem"), Remedy: word(f, "remedy")}
			fmt.Fprintf(out, "  %s\n", fault.Error())
		}
	}
}
