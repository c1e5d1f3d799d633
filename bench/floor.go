package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"
)

// A Floor is the fastest server that fasthttp makes: it answers every request with the same body.
type Floor struct {
	Listen string // host:port or unix:/path
	Size   int    // bytes of the body
}

// Run serves until ctx ends. It prints a ready line like the product's.
func (f Floor) Run(ctx context.Context, stdout io.Writer) error {
	network, address := "tcp", f.Listen
	if path, isUnix := strings.CutPrefix(f.Listen, "unix:"); isUnix {
		network, address = "unix", path
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("floor: %w", err)
		}
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	body := []byte(`{"pad":"` + strings.Repeat("x", max(0, f.Size-10)) + `"}`)
	server := &fasthttp.Server{
		NoDefaultServerHeader: true,
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("application/json")
			ctx.SetBody(body)
		},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(listener) })
	group.Go(func() error {
		<-ctx.Done()
		return server.Shutdown()
	})
	fmt.Fprintf(stdout, "ready floor=%s\n", listener.Addr())
	return group.Wait()
}
