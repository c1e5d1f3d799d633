package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// sidecarClients are the commands that ask a sidecar.
func (a *app) sidecarClients() []command {
	settings := []string{"sidecar", "output"}
	return []command{
		{use: "check CUSTOMER FEATURE [name=value…]", short: "May this customer do this, now? Exit code 3 if not",
			names: asked(), settings: settings, run: a.check,
			example: "  sidegate check acme sso\n  sidegate check acme ci-minutes quantity=10\n" +
				"  sidegate check acme support value=premium\n  sidegate check acme sso min_revision=42 wait_ms=1000"},
		{use: "consume CUSTOMER FEATURE [name=value…]", short: "Take units of a metered feature. Exit code 3 if denied",
			names: consumed(), settings: settings, run: a.consume,
			example: "  sidegate consume acme ci-minutes quantity=10\n" +
				"  sidegate consume acme ci-minutes quantity=10 idempotency_key=job-1"},
		{use: "explain CUSTOMER FEATURE [name=value…]", short: "How a decision came about",
			names: asked(), settings: settings, run: a.explain, example: "  sidegate explain acme ci-minutes"},
		{use: "entitlements CUSTOMER", short: "Every feature's decision", settings: settings,
			example: "  sidegate entitlements acme",
			run: func(ctx context.Context, c *Config, args []string) error {
				path := "/v1/customers/" + url.PathEscape(args[0]) + "/entitlements"
				return a.get(ctx, c, question{c.toSidecar(), path, entitlementsView})
			}},
		{use: "status", short: "How a sidecar stands", settings: settings,
			run: func(ctx context.Context, c *Config, _ []string) error {
				return a.get(ctx, c, question{c.toSidecar(), "/v1/status", lines})
			}},
	}
}

// asked are the arguments of a check beside customer and feature.
func asked() []string {
	return []string{"user", "device", "environment", "version", "quantity", "value", "min_revision", "wait_ms"}
}

// consumed are the arguments of a consumption beside customer and feature.
func consumed() []string {
	return []string{"quantity", "user", "device", "environment", "version", "idempotency_key", "min_revision", "wait_ms"}
}

// A question is what is asked whom, and how the answer is shown.
type question struct {
	to   *client
	path string
	as   view
}

// get fetches and shows.
func (a *app) get(ctx context.Context, c *Config, q question) error {
	answer, err := q.to.do(ctx, request{method: "GET", path: q.path})
	if err != nil {
		return wronglyAsked(err)
	}
	return a.show(c, answer, q.as)
}

// wronglyAsked makes a misuse of a refusal that is about the question, which is all made of arguments.
func wronglyAsked(err error) error {
	var p *problem
	if errors.As(err, &p) && p.Code == "bad_request" {
		return misuse{err}
	}
	return err
}

// pair takes a name=value argument apart.
func pair(arg string) (name, value string, err error) {
	name, value, ok := strings.Cut(arg, "=")
	if !ok || name == "" {
		return "", "", misuse{fmt.Errorf("%q is not name=value", arg)}
	}
	return name, value, nil
}

// addPairs makes query parameters of name=value arguments.
func addPairs(q url.Values, args []string, known ...string) error {
	for _, arg := range args {
		name, value, err := pair(arg)
		switch {
		case err != nil:
			return err
		case !slices.Contains(known, name):
			return misuse{fmt.Errorf("%s is not known here; known are %s", name, strings.Join(known, ", "))}
		case q.Has(name):
			return misuse{fmt.Errorf("%s stands twice", name)}
		}
		q.Set(name, value)
	}
	return nil
}

// query makes a check's query string of arguments.
func query(args []string) (string, error) {
	q := url.Values{"customer": {args[0]}, "feature": {args[1]}}
	err := addPairs(q, args[2:], asked()...)
	return q.Encode(), err
}

func (a *app) check(ctx context.Context, c *Config, args []string) error {
	q, err := query(args)
	if err != nil {
		return err
	}
	answer, err := c.toSidecar().do(ctx, request{method: "GET", path: "/v1/check?" + q})
	if err != nil {
		return wronglyAsked(err)
	}
	return a.decided(c, answer)
}

// decided shows a decision, and tells by its error whether it is a denial.
func (a *app) decided(c *Config, answer []byte) error {
	var decision struct {
		Allowed *bool `json:"allowed"`
	}
	if err := json.Unmarshal(answer, &decision); err != nil || decision.Allowed == nil {
		return errors.Join(errors.New("the answer is not a decision; is --sidecar a sidecar?"), err)
	}
	if err := a.show(c, answer, decisionView); err != nil {
		return err
	}
	if !*decision.Allowed {
		return errDenied
	}
	return nil
}

func (a *app) consume(ctx context.Context, c *Config, args []string) error {
	q := url.Values{"customer": {args[0]}, "feature": {args[1]}}
	if err := addPairs(q, args[2:], consumed()...); err != nil {
		return err
	}
	body, numbers := map[string]any{}, []string{"quantity", "min_revision", "wait_ms"}
	for name := range q {
		body[name] = q.Get(name)
		if slices.Contains(numbers, name) && json.Valid([]byte(q.Get(name))) {
			body[name] = json.RawMessage(q.Get(name))
		}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := c.toSidecar().do(ctx, request{"POST", "/v1/consume", bytes.NewReader(data), "application/json"})
	if err != nil {
		return wronglyAsked(err)
	}
	return a.decided(c, answer)
}

func (a *app) explain(ctx context.Context, c *Config, args []string) error {
	q, err := query(args)
	if err != nil {
		return err
	}
	return a.get(ctx, c, question{c.toSidecar(), "/v1/explain?" + q, explainView})
}

// bodyOf makes a JSON body of name=value arguments. A value that is JSON stands as it is, any other is a text.
func bodyOf(args []string) ([]byte, error) {
	body := map[string]json.RawMessage{}
	for _, arg := range args {
		name, value, err := pair(arg)
		if err != nil {
			return nil, err
		}
		if _, twice := body[name]; twice {
			return nil, misuse{fmt.Errorf("%s stands twice", name)}
		}
		if body[name], err = valueOf(name, value); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	err := json.NewEncoder(&out).Encode(body)
	return out.Bytes(), err
}

func valueOf(name, value string) (json.RawMessage, error) {
	raw := json.RawMessage(value)
	if json.Valid(raw) {
		return raw, nil
	}
	if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
		var v any
		return nil, misuse{fmt.Errorf("%s=%s is not JSON: %w; a text that begins like it needs quotes of its own: "+
			"%s='\"…\"'", name, value, json.Unmarshal(raw, &v), name)}
	}
	return json.Marshal(value)
}
