package bench

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// readyLine hands the first line written to it over.
type readyLine chan string

func (r readyLine) Write(b []byte) (int, error) {
	r <- string(b)
	return len(b), nil
}

func TestALoadCountsWhatTheFloorAnswers(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, ended := make(readyLine, 1), make(chan error, 1)
	go func() { ended <- Floor{Listen: "127.0.0.1:0", Size: 200}.Run(ctx, ready) }()
	address := strings.TrimSpace(strings.TrimPrefix(<-ready, "ready floor="))
	body, err := fetch("tcp", address, Get("/"))
	if err != nil || len(body) != 200 {
		t.Fatalf("got %d bytes, %v", len(body), err)
	}
	load := Load{Network: "tcp", Address: address, Requests: [][]byte{Get("/a"), Post("/b", []byte(`{}`))}, Connections: 2,
		Duration: 50 * time.Millisecond}
	got, err := load.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests < 10 || got.Errors != 0 || got.P50 <= 0 || got.P99 < got.P50 {
		t.Errorf("got %+v", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAnswersThatAreNot200AreErrors(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready := make(readyLine, 1)
	go func() { _ = Floor{Listen: "127.0.0.1:0", Size: 20}.Run(ctx, ready) }()
	address := strings.TrimSpace(strings.TrimPrefix(<-ready, "ready floor="))
	bad := []byte("GET / HTTP/1.1\r\nContent-Length: zzz\r\n\r\n")
	load := Load{Network: "tcp", Address: address, Requests: [][]byte{bad}, Connections: 1,
		Duration: 20 * time.Millisecond}
	if got, err := load.Run(ctx); err == nil && got.Errors == 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMediansAndPercentilesAreOfTheSortedValues(t *testing.T) {
	if got := median([]int{9, 1, 5}, func(n int) float64 { return float64(n) }); got != 5 {
		t.Errorf("median: got %v", got)
	}
	if got := percentile([]uint32{1, 2, 3, 4, 100}, 50); got != 3 {
		t.Errorf("p50: got %v", got)
	}
	if got := spread([]uint32{3, 1, 2}); got.Max != 3 || got.P50 != 2 || got.Count != 3 {
		t.Errorf("spread: got %+v", got)
	}
	if err := (Report{Propagation: &Spread{Count: 1}}).Text(io.Discard); err != nil {
		t.Error(err)
	}
}
