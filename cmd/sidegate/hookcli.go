package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/sidegate/sidegate/checker/catalog"
)

// webhookCommand is about who hears of what is counted.
func (a *app) webhookCommand() command {
	const one = "/v1/webhooks/%s"
	return command{use: "webhook", short: "Who hears of thresholds and limits that are reached", under: []command{
		a.hubCall(call{"PUT", one, 1, a.madeWebhook}, command{use: "put ID url=URL [name=value…]",
			short: "Create or replace a webhook; its secret is shown once",
			names: []string{"url", "events", "description", "secret", "disabled=true", "rotate=true"},
			long: "Messages are signed by Standard Webhooks 1.0. Without events it hears of all; without a secret one is\n" +
				"made. rotate=true makes a new one, and the old one stays valid for a day.",
			example: "  sidegate webhook put billing url=https://example.com/hooks\n" +
				"  sidegate webhook put pager url=https://example.com/pager events='[\"usage.limit_reached\"]'\n" +
				"  sidegate webhook put billing url=https://example.com/hooks rotate=true"}),
		a.hubCall(call{"GET", "/v1/webhooks", 0, webhooksView}, command{use: "list",
			short: "List webhooks, and what became of their messages"}),
		a.hubCall(call{"GET", one, 1, lines}, command{use: "get ID", short: "Show a webhook"}),
		a.hubCall(call{"DELETE", one, 1, lines}, command{use: "delete ID",
			short: "Delete a webhook; what it was still to hear is dropped"}),
		{use: "test ID", short: "Send a webhook a message, and say what it answers", settings: hubSettings(),
			example: "  sidegate webhook test billing", run: a.testWebhook},
	}}
}

// madeWebhook shows a secret, and that it will not be shown again.
func (a *app) madeWebhook(out *bytes.Buffer, n catalog.Node) {
	lines(out, n)
	if word(n, "secret") != "" {
		fmt.Fprintln(a.stderr, "The secret is shown this once: the receiver checks signatures with it.")
	}
}

func (a *app) testWebhook(ctx context.Context, c *Config, args []string) error {
	answer, err := c.toHub().do(ctx, request{method: "POST", path: "/v1/webhooks/" + url.PathEscape(args[0]) + "/test"})
	if err != nil {
		return err
	}
	if err := a.show(c, answer, lines); err != nil {
		return err
	}
	var came struct{ Delivered bool }
	if err := json.Unmarshal(answer, &came); err != nil || came.Delivered {
		return err
	}
	return errors.New("the webhook did not take the message; it has to answer 2xx within 15 s")
}

func webhooksView(out *bytes.Buffer, n catalog.Node) {
	var cells [][]string
	for _, w := range at(n, "webhooks").Items {
		state := "enabled"
		switch {
		case word(w, "gone") == "true":
			state = "gone"
		case word(w, "disabled") == "true":
			state = "disabled"
		}
		last := word(w, "last_attempt", "error")
		if last == "" {
			last = word(w, "last_attempt", "status")
		}
		cells = append(cells, append(append(words(w, "id", "url"), state),
			append(words(w, "pending", "delivered", "failing", "given_up", "dropped"), last)...))
	}
	table(out, []string{"ID", "URL", "STATE", "PENDING", "DELIVERED", "FAILING", "GIVEN UP", "DROPPED", "LAST ANSWER"},
		cells)
}
