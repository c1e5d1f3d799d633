package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sidegate/sidegate/checker/catalog"
)

// A client talks to a hub or a sidecar.
type client struct {
	name  string // as it was given
	base  string
	token string
	help  string // what to do when nobody answers
	http  http.Client
}

// newClient makes a client of a URL or of unix:/path.
func newClient(base, token string) *client {
	c := &client{name: withScheme(base), token: token}
	c.base = strings.TrimSuffix(c.name, "/")
	if path, isUnix := strings.CutPrefix(base, "unix:"); isUnix {
		c.name, c.base = base, "http://sidecar"
		c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}
	}
	return c
}

// toSidecar is a client of the sidecar that is configured.
func (c *Config) toSidecar() *client {
	cl := newClient(c.Sidecar, "")
	cl.help = "start one with sidegate dev or sidegate sidecar, or say with --sidecar where it is"
	return cl
}

// toHub is a client of the hub that is configured.
func (c *Config) toHub() *client {
	cl := newClient(c.Hub, c.Token)
	cl.help = "start one with sidegate dev or sidegate hub, or say with --hub where it is"
	return cl
}

// A request is one call.
type request struct {
	method string
	path   string // with its query
	body   io.Reader
	kind   string // content type
}

// A problem is an answer other than a success.
type problem struct {
	Status int            `json:"status,omitempty"`
	Code   string         `json:"code"`
	Detail string         `json:"detail"`
	Faults catalog.Faults `json:"faults,omitempty"`
}

// Error is the detail, and each fault on a line of its own.
func (p *problem) Error() string {
	switch {
	case len(p.Faults) == 0:
		return p.Detail
	case !strings.HasPrefix(p.Detail, p.Faults[0].Error()):
		return p.Detail + "\n" + p.Faults.Error()
	case len(p.Faults) == 1:
		return p.Faults[0].Error()
	}
	return fmt.Sprintf("%d faults\n%s", len(p.Faults), p.Faults.Error())
}

// answerTimeout is for everything but imports, which go on as long as they move.
const answerTimeout = 60 * time.Second

// do sends a request and answers the body of a success.
func (c *client) do(ctx context.Context, r request) ([]byte, error) {
	if !strings.HasPrefix(r.path, "/v1/import") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTimeout)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, r.body)
	if err != nil {
		return nil, err
	}
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return body, nil
	}
	return nil, c.refusal(resp.StatusCode, body)
}

func (c *client) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if c.help == "" {
		return fmt.Errorf("%s does not answer: %w", c.name, err)
	}
	return fmt.Errorf("%s does not answer: %w; %s", c.name, err, c.help)
}

// longestText is how much is shown of an answer that is no document.
const longestText = 200

// refusal is an answer other than a success, in words that suit a command line.
func (c *client) refusal(status int, body []byte) error {
	p := &problem{Status: status}
	switch {
	case json.Unmarshal(body, p) != nil:
		p.Detail = strings.TrimSpace(string(body[:min(len(body), longestText)]))
	case status == http.StatusUnauthorized && c.token == "":
		p.Detail = "the hub asks for a token: set SIDEGATE_TOKEN or SIDEGATE_TOKEN_FILE; the first one is shown when a " +
			"new hub starts, sidegate token create makes more"
	case status == http.StatusUnauthorized:
		p.Detail += "; see SIDEGATE_TOKEN"
	}
	p.Detail = strings.NewReplacer("PUT /v1/catalog", "sidegate catalog apply FILE",
		"PUT /v1/customers/{id}", "sidegate customer put ID").Replace(p.Detail)
	if p.Detail == "" {
		p.Detail = fmt.Sprintf("the answer was %d %s", status, http.StatusText(status))
	}
	return p
}
