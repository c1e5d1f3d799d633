package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// sidecarClients are the commands that ask a sidecar.
func (a *app) sidecarClients() []command {
	settings := []string{"sidecar", "output"}
	more := "Further arguments are name=value: user, device, environment, version, quantity, value, min_revision, wait_ms."
	return []command{
		{use: "check CUSTOMER FEATURE [name=value…]", short: "May this customer do this, now? Exit code 3 if not",
			long: more, args: cobra.MinimumNArgs(2), settings: settings, run: a.check},
		{use: "explain CUSTOMER FEATURE [name=value…]", short: "How a decision came about",
			long: more, args: cobra.MinimumNArgs(2), settings: settings, run: a.explain},
		{use: "entitlements CUSTOMER", short: "Every feature's decision", args: cobra.ExactArgs(1), settings: settings,
			run: func(ctx context.Context, c *Config, args []string) error {
				return a.get(ctx, c, newClient(c.Sidecar, ""), "/v1/customers/"+url.PathEscape(args[0])+"/entitlements")
			}},
		{use: "status", short: "How a sidecar stands", settings: settings,
			run: func(ctx context.Context, c *Config, _ []string) error {
				return a.get(ctx, c, newClient(c.Sidecar, ""), "/v1/status")
			}},
	}
}

// get fetches and shows.
func (a *app) get(ctx context.Context, c *Config, cl *client, path string) error {
	answer, err := cl.do(ctx, request{method: "GET", path: path})
	if err != nil {
		return err
	}
	return a.show(c, answer)
}

// query makes a check's query string of arguments.
func query(args []string) (string, error) {
	q := url.Values{"customer": {args[0]}, "feature": {args[1]}}
	for _, arg := range args[2:] {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return "", misuse{fmt.Errorf("%q is not name=value", arg)}
		}
		if q.Has(name) {
			return "", misuse{fmt.Errorf("%s stands twice", name)}
		}
		q.Set(name, value)
	}
	return q.Encode(), nil
}

func (a *app) check(ctx context.Context, c *Config, args []string) error {
	q, err := query(args)
	if err != nil {
		return err
	}
	answer, err := newClient(c.Sidecar, "").do(ctx, request{method: "GET", path: "/v1/check?" + q})
	if err != nil {
		return err
	}
	if err := a.show(c, answer); err != nil {
		return err
	}
	var decision struct {
		Allowed *bool `json:"allowed"`
	}
	if err := json.Unmarshal(answer, &decision); err != nil || decision.Allowed == nil {
		return errors.Join(errors.New("the answer is not a decision; is --sidecar a sidecar?"), err)
	}
	if !*decision.Allowed {
		return errDenied
	}
	return nil
}

func (a *app) explain(ctx context.Context, c *Config, args []string) error {
	q, err := query(args)
	if err != nil {
		return err
	}
	return a.get(ctx, c, newClient(c.Sidecar, ""), "/v1/explain?"+q)
}

// bodyOf makes a JSON body of name=value arguments. A value that is JSON stands as it is, any other is a text.
func bodyOf(args []string) ([]byte, error) {
	body := map[string]json.RawMessage{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, misuse{fmt.Errorf("%q is not name=value", arg)}
		}
		if _, twice := body[name]; twice {
			return nil, misuse{fmt.Errorf("%s stands twice", name)}
		}
		raw := json.RawMessage(value)
		if !json.Valid(raw) {
			quoted, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			raw = quoted
		}
		body[name] = raw
	}
	var out bytes.Buffer
	err := json.NewEncoder(&out).Encode(body)
	return out.Bytes(), err
}
