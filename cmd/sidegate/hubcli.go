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
	"golang.org/x/term"

	"github.com/sidegate/sidegate/checker/catalog"
)

func hubSettings() []string { return []string{"hub", "token", "output"} }

// Texts that several commands share.
const (
	valueHelp = "A value that is JSON stands as it is, any other is a text: name=Acme, name='\"42\"',\n" +
		"metadata='{\"tier\":\"gold\"}'."
	atHelp = "at is now (unless said otherwise), term_end or a time such as 2027-01-31T00:00:00Z."
)

// hubClients are the commands that tell or ask the hub.
func (a *app) hubClients() []command {
	scopes := []string{"scope=admin", "scope=provision", "scope=support", "scope=portal", "name", "expires_at", "rotate"}
	return append([]command{
		{use: "catalog", short: "What the vendor sells", under: a.catalogCommands()},
		{use: "customer", short: "Who bought something", under: a.customerCommands()},
		{use: "subscription", short: "What customers bought", under: a.subscriptionCommands()},
		{use: "token", short: "Who may ask the hub", under: []command{
			a.hubCall(call{"PUT", "/v1/tokens/%s", 1, a.madeToken}, command{use: "create ID scope=SCOPE [name=value…]",
				short: "Make a token; its secret is shown once", names: scopes,
				example: "  sidegate token create billing scope=provision\n" +
					"  sidegate token create helpdesk scope=support expires_at=2027-01-31T00:00:00Z\n" +
					"  sidegate token create billing scope=provision rotate=true   # a new secret"}),
			a.hubCall(call{"GET", "/v1/tokens", 0, tokensView}, command{use: "list", short: "List tokens"}),
			a.hubCall(call{"GET", "/v1/tokens/%s", 1, lines}, command{use: "show ID", short: "Show a token"}),
			a.hubCall(call{"DELETE", "/v1/tokens/%s", 1, lines}, command{use: "delete ID", short: "Take a token away"}),
		}},
		a.webhookCommand(),
	}, a.countCommands()...)
}

func (a *app) catalogCommands() []command {
	return []command{
		{use: "apply FILE", short: "Apply a catalogue, whole or not at all", settings: hubSettings(),
			long: "The file is YAML, or JSON if its name ends in .json; - reads standard input. If there are faults\n" +
				"nothing is applied, and all of them are listed.",
			example: "  sidegate catalog show > catalogue.yaml   # edit it, then\n  sidegate catalog diff catalogue.yaml\n" +
				"  sidegate catalog apply catalogue.yaml",
			run: func(ctx context.Context, c *Config, args []string) error {
				return a.putCatalogue(ctx, c, args[0], call{path: "/v1/catalog", as: appliedView})
			}},
		{use: "diff FILE", short: "Show what applying would change, and for whom", settings: hubSettings(),
			example: "  sidegate catalog diff catalogue.yaml",
			run: func(ctx context.Context, c *Config, args []string) error {
				return a.putCatalogue(ctx, c, args[0], call{path: "/v1/catalog?dry_run=true", as: diffView})
			}},
		a.hubCall(call{"GET", "/v1/catalog", 0, catalogueView}, command{use: "show",
			short:   "Show the catalogue in force, as YAML that can be applied",
			example: "  sidegate catalog show > catalogue.yaml"}),
		a.hubCall(call{"GET", "/v1/catalog/versions", 0, versionsView}, command{use: "versions",
			short: "List the versions of all plans"}),
	}
}

func (a *app) customerCommands() []command {
	one := func(method string, as view) call { return call{method, "/v1/customers/%s", 1, as} }
	return []command{
		a.hubCall(one("PUT", lines), command{use: "put ID [name=value…]", short: "Create or replace a customer",
			long:  "The subscriptions of a customer that is there already stay.\n" + valueHelp,
			names: []string{"name", "group", "status=active", "status=revoked", "metadata"},
			example: "  sidegate customer put acme name='Acme Ltd' metadata='{\"crm\":\"0042\"}'\n" +
				"  sidegate customer put acme status=revoked"}),
		a.hubCall(one("GET", customerView), command{use: "show ID", short: "Show a customer with its subscriptions"}),
		a.hubCall(one("DELETE", lines), command{use: "delete ID", short: "Delete a customer with its subscriptions"}),
		a.hubCall(call{"GET", "/v1/customers/%s/entitlements", 1, entitlementsView},
			command{use: "entitlements ID", short: "Show a customer's entitlements as the hub sees them"}),
		a.usageCommand(),
		{use: "list [QUERY] [name=value…]", short: "List customers, or those with a text in id or name",
			settings: hubSettings(), names: []string{"limit", "cursor"},
			example: "  sidegate customer list\n  sidegate customer list acme limit=1000",
			run:     a.listCustomers},
		{use: "import FILE [name=value…]", short: "Import customers, one JSON document a line", settings: hubSettings(),
			long: "Each line is a customer with its subscriptions; - reads standard input. A faulty line is told and\n" +
				"left out, the others are imported.",
			names: []string{"dry_run=true"},
			example: "  sidegate customer import customers.ndjson\n" +
				"  sidegate customer import customers.ndjson dry_run=true   # only say what would become of it\n" +
				"  echo '{\"id\":\"acme\",\"subscriptions\":{\"main\":{\"plan\":\"team\"}}}' | sidegate customer import -",
			run: a.importFile},
	}
}

func (a *app) subscriptionCommands() []command {
	const path = "/v1/customers/%s/subscriptions"
	fields := []string{"plan", "plan_version", "status", "starts_at", "ends_at", "term", "trial_ends_at", "on_trial_end",
		"grace", "addons", "overrides", "environments", "devices", "versions"}
	out := []command{
		a.hubCall(call{"PUT", path + "/%s", 2, lines}, command{use: "put CUSTOMER ID plan=PLAN [name=value…]",
			short: "Create or replace a subscription", long: valueHelp, names: append(fields, "changes"),
			example: "  sidegate subscription put acme main plan=team\n" +
				"  sidegate subscription put acme main plan=team trial_ends_at=2027-01-31T00:00:00Z\n" +
				"  sidegate subscription put acme main plan=team addons='[{\"key\":\"minutes-1000\",\"quantity\":2}]'"}),
		a.hubCall(call{"GET", path + "/%s", 2, subscriptionView}, command{use: "show CUSTOMER ID",
			short: "Show a subscription"}),
		a.hubCall(call{"GET", path, 1, subscriptionsView}, command{use: "list CUSTOMER",
			short: "List a customer's subscriptions"}),
		a.hubCall(call{"DELETE", path + "/%s", 2, lines}, command{use: "delete CUSTOMER ID", short: "Delete a subscription"}),
	}
	for _, act := range []command{
		{use: "suspend", short: "Suspend"},
		{use: "resume", short: "End a suspension"},
		{use: "cancel", short: "Cancel, now or later", names: []string{"at=now", "at=term_end"},
			long:    atHelp + "\nChanges that were scheduled for that moment or later are dropped; renew takes it back.",
			example: "  sidegate subscription cancel acme main at=term_end"},
		{use: "renew", short: "Begin the next term", names: []string{"ends_at", "terms"},
			long: "The end moves on by one term, or as many as terms says, and more until it lies in the future. If term\n" +
				"has an anchor, terms end there. If it has none and the subscription ends within a term, a whole term\n" +
				"follows all the same, and later ones are counted from there.",
			example: "  sidegate subscription renew acme main terms=2\n" +
				"  sidegate subscription renew acme main ends_at=2027-01-31T00:00:00Z"},
		{use: "convert", short: "Turn a trial into a paid subscription", names: fields,
			example: "  sidegate subscription convert acme main\n  sidegate subscription convert acme main plan=enterprise"},
		{use: "extend", short: "Move the end, or a trial's", names: []string{"by", "ends_at", "trial_ends_at"},
			example: "  sidegate subscription extend acme main by=30d"},
		{use: "change", short: "Change fields, now or later", long: atHelp + "\n" + valueHelp,
			names: append([]string{"at=now", "at=term_end"}, fields...),
			example: "  sidegate subscription change acme main plan=enterprise\n" +
				"  sidegate subscription change acme main plan=free at=term_end"},
	} {
		to := call{"POST", path + "/%s/" + act.use, 2, lines}
		if act.use += " CUSTOMER ID"; len(act.names) > 0 {
			act.use += " [name=value…]"
		}
		out = append(out, a.hubCall(to, act))
	}
	return out
}

// A call is one of the hub's: ids go into its path, name=value arguments into its body.
type call struct {
	method, path string
	ids          int
	as           view
}

// hubCall makes a command of a call.
func (a *app) hubCall(to call, cmd command) command {
	cmd.settings = hubSettings()
	cmd.run = func(ctx context.Context, c *Config, args []string) error {
		escaped := make([]any, to.ids)
		for i := range escaped {
			escaped[i] = url.PathEscape(args[i])
		}
		r := request{method: to.method, path: fmt.Sprintf(to.path, escaped...)}
		if to.method == "PUT" || to.method == "POST" {
			body, err := bodyOf(args[to.ids:])
			if err != nil {
				return err
			}
			r.body, r.kind = bytes.NewReader(body), "application/json"
		}
		answer, err := c.toHub().do(ctx, r)
		if err != nil {
			return onlyLine(err)
		}
		return a.show(c, answer, to.as)
	}
	return cmd
}

// onlyLine takes the line numbers off the faults of a body that was made of arguments.
func onlyLine(err error) error {
	var p *problem
	if !errors.As(err, &p) || len(p.Faults) == 0 {
		return err
	}
	same := strings.HasPrefix(p.Detail, p.Faults[0].Error())
	for i := range p.Faults {
		p.Faults[i].Line = 0
	}
	if same {
		p.Detail = p.Faults[0].Error()
	}
	return p
}

// madeToken shows a secret, and that it will not be shown again.
func (a *app) madeToken(out *bytes.Buffer, n catalog.Node) {
	lines(out, n)
	if word(n, "token") != "" {
		fmt.Fprintln(a.stderr, "The token is shown this once: keep it where others cannot read it.")
	}
}

// open opens a file, or standard input for a dash.
func open(file string) (io.ReadCloser, int64, error) {
	if file == "-" {
		return io.NopCloser(os.Stdin), -1, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	if info, err := f.Stat(); err == nil {
		return f, info.Size(), nil
	}
	return f, -1, nil
}

// putCatalogue sends a catalogue.
func (a *app) putCatalogue(ctx context.Context, c *Config, file string, to call) error {
	in, _, err := open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	kind := "application/yaml"
	if strings.HasSuffix(file, ".json") {
		kind = "application/json"
	}
	answer, err := c.toHub().do(ctx, request{"PUT", to.path, bytes.NewReader(data), kind})
	var p *problem
	if errors.As(err, &p) && p.Code == "invalid_catalog" {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err != nil {
		return err
	}
	return a.show(c, answer, to.as)
}

func (a *app) listCustomers(ctx context.Context, c *Config, args []string) error {
	q := url.Values{}
	if len(args) > 0 && !strings.Contains(args[0], "=") {
		q.Set("query", args[0])
		args = args[1:]
	}
	if err := addPairs(q, args, "limit", "cursor"); err != nil {
		return err
	}
	return a.get(ctx, c, question{c.toHub(), "/v1/customers?" + q.Encode(), customersView})
}

// watched is a reader that shows how far it was read, where there is somebody to see it. size may be -1.
func (a *app) watched(in io.Reader, size int64) io.Reader {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return in
	}
	return io.TeeReader(in, progressbar.NewOptions64(size, progressbar.OptionSetWriter(a.stderr),
		progressbar.OptionShowBytes(true), progressbar.OptionSetDescription("importing"),
		progressbar.OptionClearOnFinish()))
}

// importFile sends customers line by line.
func (a *app) importFile(ctx context.Context, c *Config, args []string) error {
	q := url.Values{}
	if err := addPairs(q, args[1:], "dry_run"); err != nil {
		return err
	}
	in, size, err := open(args[0])
	if err != nil {
		return err
	}
	defer in.Close()
	load := request{"POST", "/v1/import?" + q.Encode(), a.watched(in, size), "application/x-ndjson"}
	answer, err := c.toHub().do(ctx, load)
	if err != nil {
		return err
	}
	if err := a.show(c, answer, importView); err != nil {
		return err
	}
	var done struct {
		Failed int `json:"failed"`
	}
	if err := json.Unmarshal(answer, &done); err != nil {
		return err
	}
	if done.Failed > 0 {
		return fmt.Errorf("%d lines were not imported; correct them and import again", done.Failed)
	}
	return nil
}
