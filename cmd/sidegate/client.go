package main

import (
	"bytes"
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
	base  string
	token string
	http  http.Client
}

// newClient makes a client of a URL or of unix:/path.
func newClient(base, token string) *client {
	c := &client{base: strings.TrimSuffix(base, "/"), token: token}
	if path, isUnix := strings.CutPrefix(base, "unix:"); isUnix {
		c.base = "http://sidecar"
		c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}
	}
	return c
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
	Status int            `json:"status"`
	Code   string         `json:"code"`
	Detail string         `json:"detail"`
	Faults catalog.Faults `json:"faults"`
}

// Error is the detail, and each fault on a line of its own.
func (p *problem) Error() string {
	text := p.Detail
	if text == "" {
		text = fmt.Sprintf("the answer was %d %s", p.Status, http.StatusText(p.Status))
	}
	if len(p.Faults) > 0 {
		text += "\n" + p.Faults.Error()
	}
	return text
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
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("%s cannot be reached: %w", c.base, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return body, nil
	}
	p := &problem{Status: resp.StatusCode}
	if json.Unmarshal(body, p) != nil {
		p.Detail = ""
	}
	return nil, p
}

// show writes an answer: as it is for machines, in lines for people.
func (a *app) show(c *Config, answer []byte) error {
	if c.Output == "json" {
		_, err := fmt.Fprintf(a.stdout, "%s\n", bytes.TrimSpace(answer))
		return err
	}
	n, err := catalog.ParseJSON(answer)
	if err != nil {
		_, err := a.stdout.Write(answer)
		return err
	}
	var out bytes.Buffer
	lines(&out, n, "")
	_, err = a.stdout.Write(out.Bytes())
	return err
}

// lines writes a document for people: a line per field, members of a list each on a line.
func lines(out *bytes.Buffer, n catalog.Node, indent string) {
	switch n.Kind {
	case catalog.Map:
		for _, f := range n.Fields {
			if scalar(f.Value) {
				fmt.Fprintf(out, "%s%s: %s\n", indent, f.Key, plain(f.Value))
				continue
			}
			fmt.Fprintf(out, "%s%s:\n", indent, f.Key)
			lines(out, f.Value, indent+"  ")
		}
	case catalog.List:
		for _, item := range n.Items {
			fmt.Fprintf(out, "%s- %s\n", indent, inline(item))
		}
	default:
		fmt.Fprintf(out, "%s%s\n", indent, plain(n))
	}
}

func scalar(n catalog.Node) bool {
	return n.Kind != catalog.Map && n.Kind != catalog.List || len(n.Fields)+len(n.Items) == 0
}

// inline is a member of a list on one line.
func inline(n catalog.Node) string {
	switch n.Kind {
	case catalog.Map:
		parts := make([]string, 0, len(n.Fields))
		for _, f := range n.Fields {
			parts = append(parts, f.Key+"="+inline(f.Value))
		}
		return strings.Join(parts, " ")
	case catalog.List:
		parts := make([]string, 0, len(n.Items))
		for _, item := range n.Items {
			parts = append(parts, inline(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return plain(n)
}

func plain(n catalog.Node) string {
	switch n.Kind {
	case catalog.Null:
		return "-"
	case catalog.Map:
		return "{}"
	case catalog.List:
		return "[]"
	}
	return n.Text
}
