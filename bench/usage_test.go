package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAReaderOfDecisionsTellsYesFromNo(t *testing.T) {
	http := func(status, body string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	}
	for name, tc := range map[string]struct {
		got    string
		ok     bool
		denied bool
		left   int
	}{
		"allowed":            {http("200 OK", `{"allowed":true,"reason":"granted"}`), true, false, 0},
		"limit reached":      {http("200 OK", `{"allowed":false,"reason":"limit_reached"}`), false, true, 0},
		"rights unavailable": {http("200 OK", `{"allowed":false,"reason":"rights_unavailable"}`), false, true, 0},
		"another body":       {http("200 OK", `{}`), false, true, 0},
		"a full disk":        {http("507 Insufficient Storage", `{"code":"storage_full"}`), false, false, 0},
		"half a yes":         {http("200 OK", `{"allowed":true,"reason":"granted"}`)[:50], true, false, 24},
		"half a head":        {"HTTP/1.1 200 OK\r\nCont", false, false, -1},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := readAllowed([]byte(tc.got))
			if err != nil || a.ok != tc.ok || a.denied != tc.denied || a.left != tc.left {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
}

func TestAReaderOfRedisTakesNumbersOnly(t *testing.T) {
	for got, want := range map[string]struct {
		ok   bool
		left int
	}{
		":17\r\n": {true, 0}, ":-1\r\n": {true, 0}, ":1": {false, -1}, ":1\r": {false, -1}, ":\r\n": {false, 0},
		"-ERR no\r\n": {false, 0}, "+OK\r\n": {false, 0}, "$-1\r\n": {false, 0},
	} {
		if a, err := readRESP([]byte(got)); err != nil || a.ok != want.ok || a.left != want.left {
			t.Errorf("%q: got %+v, %v", got, a, err)
		}
	}
	if _, err := readRESP([]byte(":1\r\n:2\r\n")); err == nil {
		t.Error("an answer too many was not noticed")
	}
}

func TestAnswersThatDenyAreErrorsOfALoad(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready := make(readyLine, 1)
	go func() { _ = Floor{Listen: "127.0.0.1:0", Size: 20}.Run(ctx, ready) }()
	address := strings.TrimSpace(strings.TrimPrefix(<-ready, "ready floor="))
	load := Load{Network: "tcp", Address: address, Requests: [][]byte{Get("/")}, Connections: 2, read: readAllowed}
	got, err := load.drive(ctx, 20*time.Millisecond)
	if err != nil || got.Requests == 0 || got.Errors != got.Requests || got.Denied != got.Requests {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAContestIsJudgedByTheMedianOfItsRounds(t *testing.T) {
	at := func(requests int, p50 time.Duration) Traffic {
		return Traffic{Requests: requests, Elapsed: time.Second, P50: p50, P99: 2 * p50}
	}
	b := Beside{Ours: []Traffic{at(50, 8), at(90, 2), at(30, 4)}, Others: []Traffic{at(100, 4), at(100, 4), at(40, 4)}}
	if b.judge(); b.Ratio != 0.75 || b.P50Ratio != 1 || b.P99Ratio != 1 {
		t.Errorf("got %+v", b)
	}
}

func TestTheRoundBeforeTheFirstIsNotKeptAndItsDenialsAre(t *testing.T) {
	turns := ""
	c := contest{ours: side{drive: func(_ context.Context, d time.Duration) (Traffic, error) {
		turns += "we " + d.String() + " "
		return Traffic{Requests: 10, Errors: 3, Denied: 3}, nil
	}}, others: side{drive: func(_ context.Context, d time.Duration) (Traffic, error) {
		turns += "they " + d.String() + " "
		return Traffic{Requests: 10}, nil
	}}}
	for round := -1; round < 2; round++ {
		if err := c.round(t.Context(), round, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if want := "we 1s we 1m0s they 1m0s we 1m0s they 1m0s "; turns != want || c.Cold != 3 || len(c.Ours) != 2 {
		t.Errorf("got %q, %+v", turns, c.Beside)
	}
	c.judge()
	var text strings.Builder
	usage := Consumption{Beside: []Beside{c.Beside}, Redis: "none"}
	if err := (Report{Usage: &usage}).Text(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"6 answers were not as they were to be; 6 of them denied", "3 denials before"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

func TestADiskIsWrittenAndCleanedUp(t *testing.T) {
	k := disk{filepath.Join(t.TempDir(), "plain")}
	got, err := k.append(t.Context(), 5*time.Millisecond)
	if err != nil || got.Requests == 0 || got.P50 <= 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := os.Stat(k.path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestWithoutRedisThereIsALineThatSaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	p, err := findRedis(t.Context(), t.TempDir())
	if err != nil || len(p.servers) != 0 || !strings.HasPrefix(p.version, "not measured") {
		t.Errorf("got %+v, %v", p, err)
	}
}

// behind serves two sidecars of one customer: /v1/check shows a use once it was asked for it so many times.
func behind(t *testing.T, asks int64, allowed bool) (address string) {
	var used, shown, asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/consume" {
			used.Add(1)
		} else if asked.Add(1)%asks == 0 {
			shown.Store(used.Load())
		}
		fmt.Fprintf(w, `{"allowed":%v,"reason":"none","used":%d}`, allowed, shown.Load())
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// watching is a watch of two lines to one address.
func watching(t *testing.T, address string) *watch {
	w := newWatch(Usage{Samples: 1, Seed: 1})
	for _, l := range []**line{&w.a, &w.b} {
		var err error
		if *l, err = dialLine("tcp", address); err != nil {
			t.Fatal(err)
		}
		t.Cleanup((*l).close)
	}
	return w
}

func TestAUseIsVisibleOnceItIsShown(t *testing.T) {
	w := watching(t, behind(t, 3, true))
	if err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.took) != 1 || len(w.open) != 0 || len(w.busy) != 0 || time.Duration(w.took[0]) < pollEvery {
		t.Errorf("got %+v", w)
	}
}

func TestAUseThatIsDeniedEndsTheWatch(t *testing.T) {
	w := watching(t, behind(t, 1, false))
	if err := w.run(t.Context()); err == nil || !strings.Contains(err.Error(), "was denied: none") {
		t.Errorf("got %v", err)
	}
}
