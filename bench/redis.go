package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peers are the Redis servers of a run. INCR counts without a limit, a customer or a key of idempotency: it is what
// counting costs at least where another process does it.
type peers struct {
	version string // or why there are none
	servers []*peer
}

// A peer is one Redis server.
type peer struct {
	*process
	name    string
	address string
}

// findRedis starts a server for each way of keeping what was counted, with its data below dir. Without one on the PATH
// there are none, and that is no error.
func findRedis(ctx context.Context, dir string) (*peers, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return &peers{version: "not measured: no redis-server on the PATH"}, nil
	}
	version, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	out := &peers{version: "Redis"}
	for field := range strings.FieldsSeq(string(version)) {
		if v, ok := strings.CutPrefix(field, "v="); ok {
			out.version += " " + v
		}
	}
	for _, sync := range []string{"always", "everysec"} {
		r, err := startRedis(ctx, program, filepath.Join(dir, "redis-"+sync), sync)
		if err != nil {
			out.close()
			return nil, fmt.Errorf("redis: %w", err)
		}
		out.servers = append(out.servers, r)
	}
	return out, nil
}

func (p *peers) close() {
	for _, r := range p.servers {
		r.kill()
	}
}

// startRedis starts a server on the sidecar's core and waits until it answers.
func startRedis(ctx context.Context, program, dir, sync string) (*peer, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	l := launch{program: program, core: serverCore, args: []string{"--port", port, "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", sync}}
	r := &peer{l.process(ctx), "Redis INCR, " + sync, net.JoinHostPort("127.0.0.1", port)}
	if err := startPinned(r.cmd, l.core); err != nil {
		return nil, err
	}
	if err := r.await(ctx); err != nil {
		r.kill()
		return nil, err
	}
	return r, nil
}

// freePort is one that nobody listened on a moment ago.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// await waits until the server takes connections.
func (r *peer) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", r.address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}

// load counts under n keys.
func (r *peer) load(n int) Load {
	l := Load{Network: "tcp", Address: r.address, Connections: usageCallers, read: readRESP}
	for i := range n {
		key := consumerID(i)
		l.Requests = append(l.Requests, fmt.Appendf(nil, "*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n", len(key), key))
	}
	return l
}

// readRESP is a reader of numbers as Redis answers them; anything else is not ok.
func readRESP(b []byte) (answer, error) {
	line, rest, whole := bytes.Cut(b, endOfHead[:2])
	if !whole {
		return answer{left: -1}, nil
	}
	if len(rest) > 0 {
		return answer{}, errors.New("an answer that nobody asked for")
	}
	number, ok := bytes.CutPrefix(line, []byte(":"))
	if ok {
		_, err := strconv.ParseInt(string(number), 10, 64)
		ok = err == nil
	}
	return answer{ok: ok, body: line}, nil
}
