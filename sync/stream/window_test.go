package stream_test

import (
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/stream"
)

// A replica that fell behind by 32 MiB, which is what flow control lets be under way, would need several times that.
func TestAFollowerIsNotSentMoreThanItCanHold(t *testing.T) {
	l := newLab(t)
	s := l.open(t, stream.Options{})
	lineage, from := head(t, s)
	const entries = 3 // of 1,000 documents
	for n := range entries {
		var puts []replica.Put
		for i := range replica.MaxPuts {
			puts = append(puts, document("customer/c"+strconv.Itoa(n)+"-"+strconv.Itoa(i), "v"))
		}
		put(t, s, puts...)
	}
	next, stop := iter.Pull2(s.Tail(t.Context(), lineage, from, replica.Filter{}))
	defer stop()
	if _, err, ok := next(); err != nil || !ok {
		t.Fatal(err)
	}
	_, js := direct(t, l)
	deadline := time.After(10 * time.Second)
	for {
		info := onlyConsumer(t, js, lineage.Log)
		if info.NumAckPending > 1024 {
			t.Fatalf("%d messages are under way", info.NumAckPending)
		}
		if info.NumAckPending == 1024 && info.NumPending > entries*replica.MaxPuts-2*1024 {
			return // the server waits, with messages left to send
		}
		select {
		case <-deadline:
			t.Fatalf("the server did not stop: %d under way, %d left", info.NumAckPending, info.NumPending)
		case <-time.After(time.Millisecond):
		}
	}
}

func onlyConsumer(t *testing.T, js jetstream.JetStream, log string) *jetstream.ConsumerInfo {
	t.Helper()
	st, err := js.Stream(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	for info := range st.ListConsumers(t.Context()).Info() {
		return info
	}
	t.Fatal("nobody follows")
	return nil
}
