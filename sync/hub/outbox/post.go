package outbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Timeout is how long a webhook may take to answer.
const Timeout = 15 * time.Second

// mostAnswer is how much of an answer is read, so that its connection can be used again. Nobody looks at it.
const mostAnswer = 64 << 10

// client sends requests. It follows no redirect: what is signed for one address is not for another.
func client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = atOnce
	return &http.Client{Timeout: Timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// An Attempt is what came of one request.
type Attempt struct {
	Status int    // 0: there was no answer
	Error  string // why not; of the address it names the host alone
	Wait   time.Duration
}

// Delivered tells whether the webhook took the event.
func (a Attempt) Delivered() bool { return a.Status >= 200 && a.Status < 300 }

// A message is what a webhook is sent.
type message struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      any    `json:"data"`
}

// body is the message of an event.
func body(kind string, at time.Time, data any) ([]byte, error) {
	return json.Marshal(message{kind, at.UTC().Format(time.RFC3339), data})
}

// post sends one request.
func (o *Outbox) post(ctx context.Context, w *Webhook, id string, body []byte) Attempt {
	now := o.o.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return Attempt{Error: plain(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Sidegate-Webhooks/1")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", w.sign(id, body, now))
	resp, err := o.client.Do(req)
	if err != nil {
		return Attempt{Error: plain(err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, mostAnswer) // it was answered, whatever becomes of the rest
	return Attempt{Status: resp.StatusCode, Wait: wait(resp, now)}
}

// plain is an error without path and query of the address, which may hold a secret, and without anything of an answer.
func plain(err error) string {
	var at *url.Error
	if errors.As(err, &at) {
		if at.Timeout() {
			return "no answer within " + Timeout.String()
		}
		err = at.Err
	}
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &network) || errors.As(err, &certificate) || errors.As(err, &record) || errors.Is(err, io.EOF) {
		return err.Error()
	}
	return "its answer is not one of HTTP, or not over TLS" // the error may hold a part of it
}

// wait is how long a webhook that is overloaded wants to be left alone; 0: it does not say.
func wait(resp *http.Response, now time.Time) time.Duration {
	text := resp.Header.Get("Retry-After")
	if text == "" || resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
