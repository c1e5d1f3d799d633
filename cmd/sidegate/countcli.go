package main

import (
	"bytes"
	"context"
	"net/url"
	"strings"

	"github.com/sidegate/sidegate/checker/catalog"
)

// countCommands are the hub's commands about what is counted.
func (a *app) countCommands() []command {
	const grants = "/v1/customers/%s/grants"
	return []command{
		{use: "grant", short: "Balances that are spent once", under: []command{
			a.hubCall(call{"PUT", grants + "/%s", 2, lines}, command{use: "put CUSTOMER ID feature=KEY amount=N [name=value…]",
				short: "Grant units of a metered feature, on top of what the plan allows",
				names: []string{"feature", "amount", "priority", "starts_at", "expires_at"},
				long:  "A lower priority is spent first; the plan's own allowance has 100.",
				example: "  sidegate grant put acme top-up feature=ci-minutes amount=1000\n" +
					"  sidegate grant put acme gift feature=ci-minutes amount=50 priority=10 expires_at=2027-01-31T00:00:00Z"}),
			a.hubCall(call{"GET", grants, 1, grantsView}, command{use: "list CUSTOMER", short: "List a customer's grants"}),
			a.hubCall(call{"DELETE", grants + "/%s", 2, lines}, command{use: "delete CUSTOMER ID",
				short: "End a grant; what is spent stays spent"}),
		}},
		{use: "fleet", short: "Sidecars and sites that count", under: []command{
			a.hubCall(call{"GET", "/v1/fleet", 0, fleetView}, command{use: "list", short: "List holders, and what they hold"}),
			a.hubCall(call{"POST", "/v1/fleet/%s/fence", 1, lines}, command{use: "fence HOLDER [destroyed=true]",
				short: "Declare a holder lost", names: []string{"destroyed=true", "destroyed=false"},
				long: "What it held counts as used. With destroyed=true it is free again: if the holder was not destroyed\n" +
					"after all, limits may be exceeded.",
				example: "  sidegate fleet fence 803c2e016be8ae98a1c8c6040dd42c18"}),
			a.hubCall(call{"POST", "/v1/fleet/accept", 0, lines}, command{use: "accept epoch=N",
				short: "After a loss of books, do not wait for holders that have not told", names: []string{"epoch"},
				long:    "sidegate fleet list --output json shows who is waited for, and how many units are at risk.",
				example: "  sidegate fleet accept epoch=1"}),
			a.enrolCommand(),
			a.hubCall(call{"GET", "/v1/fleet/enrolments", 0, enrolmentsView}, command{use: "enrolments",
				short: "List whom credentials for NATS were made for"}),
			a.hubCall(call{"DELETE", "/v1/fleet/enrolments/%s", 1, lines}, command{use: "revoke ID",
				short: "Let a sidecar into NATS no more, by the id of its enrolment"}),
		}},
	}
}

// usageCommand shows what a customer used.
func (a *app) usageCommand() command {
	return command{use: "usage ID [name=value…]", short: "Show what a customer used, by feature and period",
		settings: hubSettings(), names: []string{"feature", "from", "to"},
		example: "  sidegate customer usage acme\n" +
			"  sidegate customer usage acme feature=ci-minutes from=2026-01-01T00:00:00Z",
		run: func(ctx context.Context, c *Config, args []string) error {
			q := url.Values{}
			if err := addPairs(q, args[1:], "feature", "from", "to"); err != nil {
				return err
			}
			path := "/v1/customers/" + url.PathEscape(args[0]) + "/usage?" + q.Encode()
			return a.get(ctx, c, question{c.toHub(), strings.TrimSuffix(path, "?"), usageView})
		}}
}

func usageView(out *bytes.Buffer, n catalog.Node) {
	var cells [][]string
	for _, u := range at(n, "usage").Items {
		cells = append(cells, words(u, "feature", "period_start", "period_end", "used", "limit", "overage", "in_doubt"))
	}
	table(out, []string{"FEATURE", "FROM", "TO", "USED", "LIMIT", "OVERAGE", "IN DOUBT"}, cells)
}

func grantsView(out *bytes.Buffer, n catalog.Node) {
	var cells [][]string
	for _, g := range at(n, "grants").Items {
		cells = append(cells, words(g, "id", "feature", "amount", "remaining", "priority", "starts_at", "expires_at"))
	}
	table(out, []string{"ID", "FEATURE", "AMOUNT", "REMAINING", "PRIORITY", "STARTS AT", "EXPIRES AT"}, cells)
}

func fleetView(out *bytes.Buffer, n catalog.Node) {
	var cells [][]string
	for _, h := range at(n, "holders").Items {
		name := words(at(h, "about"), "name")
		cells = append(cells, append(name, words(h, "id", "trust", "last_seen", "rights_held", "in_doubt", "books")...))
	}
	table(out, []string{"NAME", "HOLDER", "TRUST", "LAST SEEN", "RIGHTS HELD", "IN DOUBT", "BOOKS"}, cells)
}
