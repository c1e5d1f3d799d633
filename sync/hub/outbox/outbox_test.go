package outbox

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/replica"
)

// A post is an Outbox on a log, with a clock.
type post struct {
	*Outbox
	t     *testing.T
	log   *replica.Memory
	clock *atomic.Int64
	named *atomic.Uint64
}

// newPost is an Outbox that follows a log but does not deliver: run does.
func newPost(t *testing.T, log *replica.Memory) post {
	p := post{t: t, log: log, clock: new(atomic.Int64), named: new(atomic.Uint64)}
	p.clock.Store(1_795_435_200_000)
	name := func() (id replica.CommandID) { // no two posts name a write alike
		copy(id[:], fmt.Sprintf("%p%d", p.named, p.named.Add(1)))
		return id
	}
	var err error
	if p.Outbox, err = New(Options{Log: log, Command: name,
		Now: func() time.Time { return time.UnixMilli(p.clock.Load()) }}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { p.follow(ctx) })
	t.Cleanup(func() { cancel(); following.Wait() })
	return p
}

func (p post) follow(ctx context.Context) {
	lineage, rev, all := p.log.Snapshot(ctx, replica.Filter{})
	p.Reset()
	for e := range all {
		p.Apply(e)
	}
	p.Published(rev)
	for e, err := range p.log.Tail(ctx, lineage, rev, replica.Filter{}) {
		if err != nil {
			return
		}
		if e.Key != "" {
			p.Apply(e)
		}
		if e.Whole {
			p.Published(e.Rev)
		}
	}
}

// run delivers until the test ends.
func (p post) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	p.t.Cleanup(func() { cancel(); running.Wait() })
}

// put writes, as another hub would.
func (p post) put(puts ...replica.Put) {
	p.t.Helper()
	if _, err := p.log.Put(p.t.Context(), p.o.Command(), puts...); err != nil {
		p.t.Fatal(err)
	}
}

// hook is a webhook's document.
func hook(id, url string) replica.Put {
	w := Webhook{URL: url, Keys: []Key{NewKey()}}
	value, _ := w.Encode()
	return replica.Put{Key: WebhookKey(id), Value: value}
}

// event is an event that happened so many milliseconds ago.
func (p post) event(n int, ago int64) Event {
	return Event{ID: Name("test", fmt.Sprint(n)), Type: "thing", At: time.UnixMilli(p.clock.Load() - ago), Data: n}
}

func (p post) until(what string, so func() bool) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not after 20 s: %s", what)
		}
	}
}

func (p post) know(id string) Standing {
	p.t.Helper()
	var s Standing
	p.until("the webhook is known", func() (ok bool) { s, ok = p.Find(id); return ok })
	return s
}

func TestOfTooManyEventsTheOldestAreDropped(t *testing.T) {
	p := newPost(t, replica.NewMemory())
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	defer server.Close()
	defer close(block)
	p.put(hook("bell", server.URL))
	p.know("bell")
	const extra = 700
	var puts []replica.Put
	for n := range MaxPending + extra {
		e := p.event(n, int64(MaxPending+extra-n))
		if puts = append(puts, p.Puts(&e)...); len(puts) == 500 {
			p.put(puts...)
			puts = nil
		}
	}
	p.put(puts...)
	p.until("all are known", func() bool { return p.Pending() == MaxPending+extra })
	p.run()
	p.until("the surplus is gone", func() bool { return p.Pending() == MaxPending })
	if s := p.know("bell"); s.Outcome.Dropped != extra || p.Stats.Dropped.Load() != extra {
		t.Errorf("%d and %d are said to be dropped, want %d", s.Outcome.Dropped, p.Stats.Dropped.Load(), extra)
	}
	young := p.event(MaxPending+extra-1, 1)
	if e, err := p.log.Get(t.Context(), eventKey("bell", young.ID)); err != nil || e.Deleted() {
		t.Errorf("the youngest is gone: %v", err)
	}
	old := 0
	for n := range 10 {
		e, err := p.log.Get(t.Context(), eventKey("bell", p.event(n, 0).ID))
		if err == nil && !e.Deleted() {
			old++
		}
	}
	if old > atOnce {
		t.Errorf("%d of the ten oldest are still there, want none but those under way", old)
	}
}

func TestWhatADeletedWebhookWasToHearIsDropped(t *testing.T) {
	p := newPost(t, replica.NewMemory())
	p.put(hook("bell", "https://bell.example"))
	p.know("bell")
	e := p.event(1, -time.Hour.Milliseconds()) // not due yet
	p.put(p.Puts(&e)...)
	p.note("bell", Outcome{Failed: 1})
	p.run()
	p.until("what became of it is written", func() bool {
		e, err := p.log.Get(t.Context(), outcomeKey("bell"))
		return err == nil && !e.Deleted()
	})
	p.put(replica.Put{Key: WebhookKey("bell"), Expect: p.know("bell").Revision, Delete: true})
	p.until("its events are gone", func() bool {
		e, err := p.log.Get(t.Context(), eventKey("bell", e.ID))
		o, none := p.log.Get(t.Context(), outcomeKey("bell"))
		return err == nil && e.Deleted() && none == nil && o.Deleted()
	})
}

func TestWhileTheLogIsReadAnewWebhooksStayKnown(t *testing.T) {
	p := newPost(t, replica.NewMemory())
	p.put(hook("bell", "https://bell.example"))
	p.know("bell")
	e := p.event(1, 0)
	p.Reset()
	if len(p.Puts(&e)) != 1 {
		t.Error("an event was told nobody")
	}
	p.Apply(replica.Entry{Key: eventKey("bell", e.ID), Rev: 9, Value: p.Puts(&e)[0].Value})
	if len(p.surplus()) != 0 {
		t.Error("an event is to be dropped because its webhook was not read yet")
	}
	p.Published(9)
	if got := p.surplus(); len(got) != 1 || got[0].events != 1 {
		t.Errorf("got %v, want the event dropped: the log has no such webhook", got)
	}
	p.Apply(replica.Entry{Key: eventKey("bell", e.ID), Rev: 10}) // it was
	p.Apply(replica.Entry{Key: eventKey("later", e.ID), Rev: 11, Value: hook("later", "").Value})
	if got := p.surplus(); len(got) != 0 {
		t.Errorf("got %v, want nothing dropped while the tail is torn: its webhook may follow", got)
	}
	p.Published(11)
	if got := p.surplus(); len(got) != 1 || got[0].webhook != "later" {
		t.Errorf("got %v, want the event dropped now", got)
	}
}

func TestAttemptsComeAfterTheTimesThatWereSaid(t *testing.T) {
	want := []string{"5s", "5m0s", "30m0s", "2h0m0s", "5h0m0s", "10h0m0s", "14h0m0s", "20h0m0s", "24h0m0s"}
	for n, text := range want {
		about, _ := time.ParseDuration(text)
		for range 100 {
			got, more := next(n+1, 0)
			if !more || got < about*9/10 || got > about*11/10 {
				t.Fatalf("after %d attempts: %v, %v, want about %v", n+1, got, more, about)
			}
		}
	}
	if _, more := next(10, time.Second); more {
		t.Error("there is an eleventh attempt")
	}
	if got, _ := next(1, time.Hour); got != time.Hour {
		t.Errorf("got %v, want what was asked for", got)
	}
	if got, _ := next(1, 1000*time.Hour); got != 24*time.Hour {
		t.Errorf("got %v, want at most a day", got)
	}
}

func TestRetryAfterIsReadWhereItCounts(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		status int
		text   string
		want   time.Duration
	}{
		"seconds":                 {429, "7", 7 * time.Second},
		"a time":                  {503, "Mon, 23 Nov 2026 12:01:00 GMT", time.Minute},
		"a time that is past":     {503, "Mon, 23 Nov 2026 11:01:00 GMT", 0},
		"less than nothing":       {503, "-7", 0},
		"nonsense":                {503, "soon", 0},
		"of another status":       {500, "7", 0},
		"more than there is room": {429, "99999999999999999999", 0},
		"none":                    {429, "", 0},
	} {
		resp := &http.Response{StatusCode: tc.status, Header: http.Header{"Retry-After": {tc.text}}}
		if got := wait(resp, now); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestAFailureTellsNoPathOfTheAddress(t *testing.T) {
	p := newPost(t, replica.NewMemory())
	w := Webhook{ID: "x", URL: "http://127.0.0.1:1/secret?token=secret"}
	a, err := p.Test(t.Context(), &w, nil)
	if err != nil || a.Delivered() || a.Status != 0 || a.Error == "" || strings.Contains(a.Error, "secret") {
		t.Errorf("got %+v, %v, want why without the path", a, err)
	}
}

func TestOutcomesAddUp(t *testing.T) {
	failed, good := after(Attempt{Status: 500}, 5, false), after(Attempt{Status: 204}, 7, false)
	sum := failed.plus(failed).plus(good).plus(failed)
	if sum.Delivered != 1 || sum.Failed != 3 || sum.InARow != 1 || sum.Good != 7 || sum.At != 7 || sum.Status != 204 {
		t.Errorf("got %+v", sum)
	}
	for name, more := range map[string]Outcome{"a failure": failed, "a delivery": good, "nothing": {}} {
		fresh := failed.plus(more) // the first is written down while the other comes
		if got, want := failed.plus(fresh.minus(failed)), failed.plus(more); got.Failed != want.Failed ||
			got.Delivered != want.Delivered || got.InARow != want.InARow {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestEventsOfAWebhookThatANewerProgramWroteAreLeftToIt(t *testing.T) {
	p := newPost(t, replica.NewMemory())
	bell := hook("bell", "https://bell.example")
	p.put(bell)
	e := p.event(1, 0)
	was := p.know("bell")
	p.put(p.Puts(&e)...)
	bell.Expect, bell.Value = was.Revision, append([]byte{version + 1}, bell.Value[1:]...)
	p.put(bell)
	p.until("the newer document is known", func() bool { _, ok := p.Find("bell"); return !ok && p.Pending() == 1 })
	for range 2 { // the first look might forget the webhook
		if lost := p.surplus(); len(lost) > 0 {
			t.Errorf("got %+v to be dropped, want nothing", lost)
		}
	}
}
