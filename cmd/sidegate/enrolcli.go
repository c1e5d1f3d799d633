package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/sync/hub"
	"github.com/sidegate/sidegate/sync/stream"
)

// enrolment says how sidecars get credentials for the hub's NATS.
func (v *vendor) enrolment(c *Config) (hub.Enrolment, error) {
	e := hub.Enrolment{URL: reachable(v.url)}
	if v.embedded != nil {
		if issuer := v.embedded.Issuer(); issuer != nil {
			e.Issuer, e.Revoke = issuer, v.embedded.Revoke
		}
		e.Open = e.Issuer == nil && c.NATSCreds == ""
		return e, nil
	}
	if c.NATSSigningKey != "" {
		issuer, err := stream.NewIssuer(c.NATSSigningKey, c.NATSCreds)
		if err != nil {
			return e, misuse{fmt.Errorf("--nats-signing-key: %w", err)}
		}
		e.Issuer = issuer
	}
	e.Open = e.Issuer == nil && c.NATSCreds == "" && !strings.Contains(v.url, "@")
	return e, nil
}

// reachable are NATS's URLs as sidecars may use them: without passwords, and with this machine's name instead of an
// address that stands for all it has.
func reachable(urls string) string {
	parts := strings.Split(urls, ",")
	for i, part := range parts {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		u.User = nil
		name, err := os.Hostname()
		if ip := net.ParseIP(u.Hostname()); err == nil && ip != nil && ip.IsUnspecified() {
			u.Host = net.JoinHostPort(name, u.Port())
		}
		parts[i] = u.String()
	}
	return strings.Join(parts, ",")
}

// followEnrolled makes a sidecar follow the groups that its credentials were made for, unless it is to follow fewer.
func (c *Config) followEnrolled() error {
	_, enrolled := stream.Enrolled(c.NATSCreds)
	if c.Groups == "" {
		c.Groups = strings.Join(enrolled, ",")
		return nil
	}
	for _, group := range c.groups() {
		if enrolled != nil && !slices.Contains(enrolled, group) {
			return misuse{fmt.Errorf("--groups: the credentials in %s are for %s, not for %s; enrol anew with that group",
				c.NATSCreds, strings.Join(enrolled, ", "), group)}
		}
	}
	return nil
}

// enrolCommand makes credentials for a sidecar.
func (a *app) enrolCommand() command {
	return command{use: "enrol [name=value…]", short: "Make credentials with which one sidecar may connect to NATS",
		long: "They are shown this once, as a NATS credentials file, and kept nowhere. groups are those that the sidecar\n" +
			"follows; without them it follows all.",
		settings: append(hubSettings(), "out"), names: []string{"name", "groups", "expires_at"},
		example: "  sidegate fleet enrol name=berlin-1 --out berlin-1.creds\n" +
			"  sidegate fleet enrol name=berlin-2 groups=eu,uk expires_at=2027-01-31T00:00:00Z > berlin-2.creds\n" +
			"  sidegate sidecar --nats nats://hub.example.com:7422 --nats-creds berlin-1.creds --data ./sidecar",
		run: a.enrol}
}

// listed makes a JSON list of groups=a,b.
func listed(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		if text, ok := strings.CutPrefix(arg, "groups="); ok && !strings.HasPrefix(text, "[") {
			list, _ := json.Marshal(strings.Split(text, ",")) // texts always are JSON
			out[i] = "groups=" + string(list)
		}
	}
	return out
}

func (a *app) enrol(ctx context.Context, c *Config, args []string) (err error) {
	body, err := bodyOf(listed(args))
	if err != nil {
		return err
	}
	file := (*os.File)(nil)
	if c.Out != "" { // before there is a secret that could be lost
		if file, err = os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		defer func() {
			if err = errors.Join(err, file.Close()); err != nil {
				_ = os.Remove(c.Out)
			}
		}()
	}
	answer, err := c.toHub().do(ctx, request{"POST", "/v1/fleet/enrol", bytes.NewReader(body), "application/json"})
	if err != nil {
		return onlyLine(err)
	}
	if file == nil {
		return a.show(c, answer, a.credentials)
	}
	var doc map[string]json.RawMessage
	var secret string
	if err := errors.Join(json.Unmarshal(answer, &doc), json.Unmarshal(doc["credentials"], &secret)); err != nil {
		return err
	}
	if _, err := file.WriteString(secret); err != nil {
		return err
	}
	delete(doc, "credentials")
	if answer, err = json.Marshal(doc); err != nil {
		return err
	}
	return a.show(c, answer, lines)
}

// credentials shows a credentials file, so that it can be kept as it is, and beside it what it is for.
func (a *app) credentials(out *bytes.Buffer, n catalog.Node) {
	out.WriteString(at(n, "credentials").Text)
	fmt.Fprintf(a.stderr, "Enrolled as %s. The credentials are shown this once: keep them where others cannot read\n"+
		"them, and start the sidecar with --nats %s --nats-creds FILE\n", word(n, "id"), word(n, "nats_url"))
}

func enrolmentsView(out *bytes.Buffer, n catalog.Node) {
	var cells [][]string
	for _, e := range at(n, "enrolments").Items {
		cells = append(cells, words(e, "id", "name", "groups", "created_at", "created_by", "expires_at"))
	}
	table(out, []string{"ID", "NAME", "GROUPS", "CREATED AT", "BY", "EXPIRES AT"}, cells)
}
