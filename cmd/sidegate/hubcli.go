package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func hubSettings() []string { return []string{"hub", "token", "output"} }

// hubClients are the commands that ask a hub.
func (a *app) hubClients() []command {
	return []command{
		{use: "catalog", short: "What the vendor sells", under: a.catalogCommands()},
		{use: "customer", short: "Who bought something", under: a.customerCommands()},
		{use: "subscription", short: "What customers bought", under: a.subscriptionCommands()},
		{use: "token", short: "Who may ask the hub", under: []command{
			a.hubCall("create ID scope=SCOPE [name=value…]", "Make a token; its secret is shown once", "PUT", "/v1/tokens/%s", 1),
			a.hubCall("list", "List tokens", "GET", "/v1/tokens", 0),
			a.hubCall("show ID", "Show a token", "GET", "/v1/tokens/%s", 1),
			a.hubCall("delete ID", "Take a token away", "DELETE", "/v1/tokens/%s", 1),
		}},
	}
}

func (a *app) catalogCommands() []command {
	return []command{
		{use: "apply FILE", short: "Apply a catalogue, whole or not at all", args: cobra.ExactArgs(1), settings: hubSettings(),
			run: func(ctx context.Context, c *Config, args []string) error {
				return a.putFile(ctx, c, args[0], "/v1/catalog")
			}},
		{use: "diff FILE", short: "Show what applying would change, and for whom", args: cobra.ExactArgs(1), settings: hubSettings(),
			run: func(ctx context.Context, c *Config, args []string) error {
				return a.putFile(ctx, c, args[0], "/v1/catalog?dry_run=true")
			}},
		a.hubCall("show", "Show the catalogue in force", "GET", "/v1/catalog", 0),
		a.hubCall("versions", "List the versions of all plans", "GET", "/v1/catalog/versions", 0),
	}
}

func (a *app) customerCommands() []command {
	return []command{
		a.hubCall("put ID [name=value…]", "Create or replace a customer", "PUT", "/v1/customers/%s", 1),
		a.hubCall("show ID", "Show a customer", "GET", "/v1/customers/%s", 1),
		a.hubCall("delete ID", "Delete a customer with its subscriptions", "DELETE", "/v1/customers/%s", 1),
		a.hubCall("entitlements ID", "Show a customer's entitlements at the hub", "GET", "/v1/customers/%s/entitlements", 1),
		{use: "list [QUERY]", short: "List customers, or search them", args: cobra.MaximumNArgs(1), settings: hubSettings(),
			run: func(ctx context.Context, c *Config, args []string) error {
				path := "/v1/customers"
				if len(args) > 0 {
					path += "?query=" + url.QueryEscape(args[0])
				}
				return a.get(ctx, c, newClient(c.Hub, c.Token), path)
			}},
		{use: "import FILE.ndjson", short: "Import customers, one JSON document a line; - reads standard input",
			args: cobra.ExactArgs(1), settings: hubSettings(), run: a.importFile},
	}
}

func (a *app) subscriptionCommands() []command {
	const path = "/v1/customers/%s/subscriptions"
	out := []command{
		a.hubCall("put CUSTOMER ID plan=PLAN [name=value…]", "Create or replace a subscription", "PUT", path+"/%s", 2),
		a.hubCall("show CUSTOMER ID", "Show a subscription", "GET", path+"/%s", 2),
		a.hubCall("list CUSTOMER", "List a customer's subscriptions", "GET", path, 1),
		a.hubCall("delete CUSTOMER ID", "Delete a subscription", "DELETE", path+"/%s", 2),
	}
	for _, action := range []struct{ name, short string }{
		{"suspend", "Suspend"}, {"resume", "End a suspension"}, {"cancel", "Cancel: at=now, term_end or a time"},
		{"renew", "Begin the next term"}, {"convert", "Turn a trial into a paid subscription"},
		{"extend", "Move the end"}, {"change", "Change fields: at=now, term_end or a time"},
	} {
		out = append(out, a.hubCall(action.name+" CUSTOMER ID [name=value…]", action.short, "POST", path+"/%s/"+action.name, 2))
	}
	return out
}

// hubCall makes a command of one call of the hub: ids for the path, then name=value for the body.
func (a *app) hubCall(use, short, method, path string, ids int) command {
	args := cobra.MinimumNArgs(ids)
	if method == "GET" || method == "DELETE" {
		args = cobra.ExactArgs(ids)
	}
	return command{use: use, short: short, args: args, settings: hubSettings(),
		run: func(ctx context.Context, c *Config, args []string) error {
			escaped := make([]any, ids)
			for i := range escaped {
				escaped[i] = url.PathEscape(args[i])
			}
			r := request{method: method, path: fmt.Sprintf(path, escaped...)}
			if method == "PUT" || method == "POST" {
				body, err := bodyOf(args[ids:])
				if err != nil {
					return err
				}
				r.body, r.kind = bytes.NewReader(body), "application/json"
			}
			answer, err := newClient(c.Hub, c.Token).do(ctx, r)
			if err != nil {
				return err
			}
			if len(answer) == 0 {
				return nil
			}
			return a.show(c, answer)
		}}
}

// putFile sends a catalogue.
func (a *app) putFile(ctx context.Context, c *Config, file, path string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	kind := "application/yaml"
	if strings.HasSuffix(file, ".json") {
		kind = "application/json"
	}
	answer, err := newClient(c.Hub, c.Token).do(ctx, request{"PUT", path, bytes.NewReader(data), kind})
	if err != nil {
		return err
	}
	return a.show(c, answer)
}

// importFile sends customers line by line, with a progress bar where there is somebody to see it.
func (a *app) importFile(ctx context.Context, c *Config, args []string) error {
	var in io.Reader = os.Stdin
	size := int64(-1)
	if args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer file.Close()
		if info, err := file.Stat(); err == nil {
			size = info.Size()
		}
		in = file
	}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		bar := progressbar.NewOptions64(size, progressbar.OptionSetWriter(a.stderr), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription("importing"), progressbar.OptionClearOnFinish())
		in = io.TeeReader(in, bar)
	}
	answer, err := newClient(c.Hub, c.Token).do(ctx, request{"POST", "/v1/import", in, "application/x-ndjson"})
	if err != nil {
		return err
	}
	if err := a.show(c, answer); err != nil {
		return err
	}
	var done struct {
		Failed int `json:"failed"`
	}
	if err := json.Unmarshal(answer, &done); err != nil || done.Failed > 0 {
		return errors.Join(fmt.Errorf("%d lines were not imported; correct them and import again", done.Failed), err)
	}
	return nil
}
