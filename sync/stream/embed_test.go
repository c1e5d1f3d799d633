package stream_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sidegate/sidegate/sync/stream"
)

func creds(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnEmbeddedServerIsOpenOnLoopbackOnly(t *testing.T) {
	for listen, open := range map[string]bool{
		"127.0.0.1:0": true, "localhost:0": true, "[::1]:0": true, "0.0.0.0:0": false, ":0": false, "[::]:0": false,
	} {
		e, err := stream.Embed(stream.EmbedOptions{Listen: listen, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect(e.URL())
		if (err == nil) != open || !open && !errors.Is(err, nats.ErrAuthorization) || (e.Issuer() == nil) != open {
			t.Errorf("%s: %v", listen, err)
		}
		if err == nil {
			nc.Close()
		}
		e.Shutdown()
	}
}

func TestAnEmbeddedServerAsksForCredentials(t *testing.T) {
	e, err := stream.Embed(stream.EmbedOptions{Listen: "0.0.0.0:0", Dir: t.TempDir(), Creds: creds(t, "hub secret\n")})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Shutdown()
	for content, want := range map[string]bool{"": false, "hub:wrong": false, "hub:secret": true, "hub secret": true} {
		o := stream.Options{URL: e.URL(), Name: "docs", Create: true}
		if content != "" {
			o.Creds = creds(t, content)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		s, err := stream.Open(ctx, o)
		cancel()
		if (err == nil) != want {
			t.Errorf("credentials %q: %v", content, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

func TestCredentialsThatAreNoneAreRefused(t *testing.T) {
	for _, content := range []string{"", "alone", ":", "a:", ":b", "a b c"} {
		o := stream.EmbedOptions{Listen: "127.0.0.1:0", Dir: t.TempDir(), Creds: creds(t, content)}
		if e, err := stream.Embed(o); err == nil {
			e.Shutdown()
			t.Errorf("%q was taken", content)
		}
	}
}

func TestAServerThatCannotBeginSaysSo(t *testing.T) {
	file := creds(t, "not a folder")
	for name, o := range map[string]stream.EmbedOptions{
		"no port":      {Listen: "127.0.0.1", Dir: t.TempDir()},
		"a wrong port": {Listen: "127.0.0.1:70000", Dir: t.TempDir()},
		"no folder":    {Listen: "127.0.0.1:0", Dir: filepath.Join(file, "x")},
	} {
		if e, err := stream.Embed(o); err == nil {
			e.Shutdown()
			t.Errorf("%s: it began", name)
		}
	}
}

func TestAServerWhoseAddressIsTakenSaysSoAtOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	e, err := stream.Embed(stream.EmbedOptions{Listen: taken.Addr().String(), Dir: t.TempDir()})
	if err == nil {
		e.Shutdown()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v, want that the address is in use", err)
	}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for name, o := range map[string]stream.Options{
		"no URL": {Name: "docs"}, "no name": {URL: "nats://127.0.0.1:1"},
		"a wrong name": {URL: "nats://127.0.0.1:1", Name: "other"},
		"an epoch whose revisions JSON cannot hold": {URL: "nats://127.0.0.1:1", Name: "docs", Epoch: 1 << 13},
	} {
		if s, err := stream.Open(t.Context(), o); err == nil {
			s.Close()
			t.Errorf("%s: it was opened", name)
		}
	}
}
