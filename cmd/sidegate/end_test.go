package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestAServerThatCannotCloseEndsAllTheSame has a part that is stuck.
func TestAServerThatCannotCloseEndsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		a := &app{stdout: io.Discard, stderr: &stderr}
		ctx, cancel := context.WithCancel(t.Context())
		stuck := make(chan struct{})
		defer close(stuck)
		cancel()
		begin := time.Now()
		err := a.runBounded(func(context.Context, *Config, []string) error {
			<-stuck
			return nil
		})(ctx, &Config{}, nil)
		if took := time.Since(begin); err != nil || took != endWithin {
			t.Errorf("got %v after %v, want an end after %v", err, took, endWithin)
		}
		if !strings.Contains(stderr.String(), "ended before everything was closed") {
			t.Errorf("got %q, want a warning", &stderr)
		}
	})
}

// dial connects to a process's address and sends something.
func dial(t *testing.T, url, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// pausing is a request to the hub of which the last part does not come.
const pausing = "POST /v1/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + firstToken +
	"\r\nTransfer-Encoding: chunked\r\n\r\n"

func endsDespiteItsClients(t *testing.T, w *workshop) {
	dev := w.run(t, anywhere("dev", "--customers", "100")...)
	dial(t, dev.ready["hub"], pausing)
	dial(t, dev.ready["hub"], "")
	dial(t, dev.ready["check"], "GET /v1/check?customer=c1&feature=sso&min_revision=999999&wait_ms=30000 HTTP/1.1\r\n\r\n")
	dial(t, dev.ready["check"], "POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
	dial(t, dev.ready["check"], "")
	fetch(t, dev.ready["check"]+"/v1/status", "")
	dev.stop()
	if said := strings.Join(dev.said(), "\n"); strings.Contains(said, "ended before everything was closed") {
		t.Error("it did not close everything in time")
	}
}

func endsAtOnceWhenToldTwice(t *testing.T, w *workshop) {
	hub := w.run(t, anywhere("hub", "--embed-nats", "--data", filepath.Join(w.dir, "twice"))...)
	dial(t, hub.ready["hub"], pausing)
	fetch(t, hub.ready["hub"]+"/v1/customers", firstToken)
	begin := time.Now()
	send(t, hub, syscall.SIGTERM)
	hub.until("told to stop")
	send(t, hub, syscall.SIGTERM)
	if code := hub.end(patience); code != exitFailed {
		t.Errorf("got %d, want %d: it was not let end in order", code, exitFailed)
	}
	if took := time.Since(begin); took > 900*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func send(t *testing.T, p *process, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// endsWithAFrozenLog stops NATS in its tracks before a hub writes: there is no answer to wait for.
func endsWithAFrozenLog(t *testing.T, w *workshop) {
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	sidecar := w.run(t, anywhere("sidecar", "--nats", url, "--data", filepath.Join(w.dir, "frozen"))...)
	w.must(t, 0, "catalog", "apply", "../../bench/world/forge.yaml", "--hub", hub.ready["hub"])
	send(t, nats, syscall.SIGSTOP)
	const line = `{"id":"acme","name":"Acme"}` + "\n"
	dial(t, hub.ready["hub"], pausing+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(line), line))
	hub.stop()
	sidecar.stop()
	nats.kill()
}
