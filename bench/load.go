package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Load is closed-loop traffic: each connection sends its next request when the answer to the last is in.
type Load struct {
	Network     string   // tcp or unix
	Address     string   // host:port or path
	Requests    [][]byte // whole HTTP/1.1 requests, sent in turn
	Connections int
	Duration    time.Duration
}

// A Traffic is what a Load measured.
type Traffic struct {
	Requests int           `json:"requests"`
	Errors   int           `json:"errors"` // answers other than 200
	Elapsed  time.Duration `json:"elapsed_ns"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
}

// Rate is requests per second.
func (t Traffic) Rate() float64 { return float64(t.Requests) / t.Elapsed.Seconds() }

// Run drives the load until its duration is over. A connection that breaks is an error.
func (l Load) Run(ctx context.Context) (Traffic, error) {
	if l.Connections < 1 || len(l.Requests) == 0 {
		return Traffic{}, errors.New("a load needs a connection and a request")
	}
	group, ctx := errgroup.WithContext(ctx)
	callers := make([]caller, l.Connections)
	begin := time.Now()
	for i := range callers {
		callers[i].next = i * len(l.Requests) / l.Connections
		group.Go(func() error { return callers[i].run(ctx, l, begin.Add(l.Duration)) })
	}
	if err := group.Wait(); err != nil {
		return Traffic{}, err
	}
	out := Traffic{Elapsed: time.Since(begin)}
	var all []uint32
	for i := range callers {
		out.Errors += callers[i].errors
		all = append(all, callers[i].took...)
	}
	slices.Sort(all)
	out.Requests = len(all)
	out.P50, out.P99 = percentile(all, 50), percentile(all, 99)
	return out, nil
}

// percentile reads sorted nanoseconds.
func percentile(sorted []uint32, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return time.Duration(sorted[(len(sorted)-1)*p/100])
}

// A caller is one connection of a load.
type caller struct {
	next   int
	errors int
	took   []uint32 // nanoseconds
}

func (c *caller) run(ctx context.Context, l Load, until time.Time) error {
	conn, err := net.Dial(l.Network, l.Address)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	last := time.Now()
	for last.Before(until) && ctx.Err() == nil {
		if _, err := conn.Write(l.Requests[c.next%len(l.Requests)]); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		c.next++
		ok, err := readAnswer(in)
		if err != nil {
			return fmt.Errorf("load: answer: %w", err)
		}
		if !ok {
			c.errors++
		}
		now := time.Now()
		c.took = append(c.took, uint32(min(now.Sub(last), 4*time.Second)))
		last = now
	}
	return nil
}

var (
	status200     = []byte("HTTP/1.1 200")
	contentLength = []byte("Content-Length: ")
)

// readAnswer reads one answer and tells whether it is a 200.
func readAnswer(in *bufio.Reader) (bool, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	ok, length := bytes.HasPrefix(line, status200), 0
	for len(line) > 2 {
		if line, err = in.ReadSlice('\n'); err != nil {
			return false, err
		}
		if text, found := bytes.CutPrefix(line, contentLength); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(text))); err != nil {
				return false, fmt.Errorf("content length: %w", err)
			}
		}
	}
	if _, err := in.Discard(length); err != nil {
		return false, err
	}
	return ok, nil
}

// Get is a GET request as it goes over the wire.
func Get(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: sidecar\r\n\r\n")
}

// Post is a POST request with a JSON body as it goes over the wire.
func Post(path string, body []byte) []byte {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: sidecar\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, len(body))
	return append([]byte(head), body...)
}

// fetch sends one request on a connection of its own and answers the body.
func fetch(network, address string, request []byte) ([]byte, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if text, found := bytes.CutPrefix(line, contentLength); found {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(text)))
		}
		if len(line) <= 2 {
			break
		}
	}
	body := make([]byte, length)
	_, err = io.ReadFull(in, body)
	return body, err
}
