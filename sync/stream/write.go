package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/wire"
)

// The headers that the server acts on.
const (
	headerExpected   = "Nats-Expected-Last-Subject-Sequence"
	headerExpectedOf = "Nats-Expected-Last-Subject-Sequence-Subject"
	headerBatch      = "Nats-Batch-Id"
	headerSequence   = "Nats-Batch-Sequence"
	headerCommit     = "Nats-Batch-Commit"
	headerTTL        = "Nats-TTL"
)

// What the server says when a document is not at the expected revision, and when it lost a part of a batch.
const (
	codeWrongLast       jetstream.ErrorCode = 10071
	codeWrongLastInBtch jetstream.ErrorCode = 10164
	codeIncomplete      jetstream.ErrorCode = 10176
	codeTooMany         jetstream.ErrorCode = 10210
)

// How an attempt to publish an entry ended, when not well.
var (
	errRefused   = errors.New("a comparison failed")
	errAmbiguous = errors.New("no answer")
	errDropped   = errors.New("the server dropped a part of the entry")
)

// Put applies all puts or none. See replica.Log; it may take several attempts, each with the same comparisons, so
// that at most one of them is applied.
func (s *Stream) Put(ctx context.Context, id replica.CommandID, puts ...replica.Put) (uint64, error) {
	if err := replica.CheckPuts(puts); err != nil {
		return 0, err
	}
	if !s.nc.IsConnected() {
		return 0, fmt.Errorf("write to log %s: %w", s.name, nats.ErrDisconnected)
	}
	if err := s.Room(); err != nil {
		return 0, fmt.Errorf("write to log %s: %w", s.name, err)
	}
	short, cancel := context.WithTimeout(ctx, 3*s.opts.Timeout)
	defer cancel()
	w := &write{s: s, id: id, puts: puts, entry: rand.Uint64()}
	rev, err := w.run(short)
	if err != nil && w.open && !errors.Is(err, replica.ErrConflict) {
		return 0, fmt.Errorf("%w: %w", replica.ErrUnknown, err)
	}
	return rev, err
}

// A write is one Put under way.
type write struct {
	s     *Stream
	id    replica.CommandID
	puts  []replica.Put
	entry uint64
	open  bool // an attempt was sent that may still be applied
}

// run compares with what is there, publishes, and does both again until the outcome is certain.
func (w *write) run(ctx context.Context) (uint64, error) {
	for attempt := 0; ; attempt++ {
		heads, err := w.heads(ctx, attempt > 0)
		if w.open && retriable(err) && pause(ctx, backoff(attempt+4)) == nil {
			continue
		}
		if err != nil {
			return 0, err
		}
		switch bad := w.mismatch(heads); {
		case bad >= 0 && attempt == 0:
			continue // what was compared with may be out of date
		case bad >= 0 && w.open && w.outdated(heads):
			if err := pause(ctx, backoff(attempt+4)); err != nil {
				return 0, fmt.Errorf("write to log %s: %w", w.s.name, err)
			}
			continue
		case bad >= 0:
			return w.settle(bad, heads)
		}
		rev, err := w.publish(ctx, heads)
		switch {
		case err == nil:
			w.keep(heads, rev)
			return rev, nil
		case errors.Is(err, errAmbiguous):
			w.open = true
			w.s.log.Warn("no answer to a write; reading what became of it", "attempt", attempt)
		case !errors.Is(err, errRefused) && !errors.Is(err, errDropped):
			return 0, fmt.Errorf("write to log %s: %w", w.s.name, err)
		}
		if err := pause(ctx, backoff(attempt)); err != nil {
			return 0, fmt.Errorf("write to log %s: %w", w.s.name, err)
		}
	}
}

// backoff grows from nothing to a fifth of a second, so that a lost comparison is looked into at once.
func backoff(attempt int) time.Duration {
	if attempt == 0 {
		return 0
	}
	return min(time.Millisecond<<min(attempt, 10), 200*time.Millisecond)
}

// heads finds the documents as they are. At first what was read a moment ago will do, and a document that must not
// exist is taken not to.
func (w *write) heads(ctx context.Context, fresh bool) ([]head, error) {
	heads := make([]head, len(w.puts))
	var keys []string
	var places []int
	for i, p := range w.puts {
		known, ok := w.s.recent.find(p.Key)
		if !fresh && (ok || p.Expect == 0) {
			heads[i] = known
			continue
		}
		keys, places = append(keys, p.Key), append(places, i)
	}
	if len(keys) == 0 {
		return heads, nil
	}
	read, err := w.s.heads(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i, h := range read {
		heads[places[i]] = h
		if h.exists() {
			w.s.recent.keep(keys[i], h)
		}
	}
	return heads, nil
}

// mismatch finds a document that is not at the expected revision, or answers -1.
func (w *write) mismatch(heads []head) int {
	for i, h := range heads {
		if !replica.Matches(w.puts[i], h.entry, h.exists()) {
			return i
		}
	}
	return -1
}

// outdated tells whether the heads are older than what was to be replaced. So says a leader that was replaced and does
// not know it yet, and it does not know what became of the entry either.
func (w *write) outdated(heads []head) bool {
	for i, h := range heads {
		if h.entry.Rev < w.puts[i].Expect {
			return true
		}
	}
	return false
}

// settle tells whether a mismatch is our own doing. It is if a document remembers the command; if not, no attempt
// was applied nor can be, because the comparison fails for ever. Only a document that was changed too often since to
// remember everything leaves it open.
func (w *write) settle(bad int, heads []head) (uint64, error) {
	for i, h := range heads {
		if p := w.puts[i]; p.Value == nil && !p.Delete {
			continue
		}
		if rev, ok := replica.Find(h.entry.Recent, w.id); ok {
			return rev, nil
		}
		ring := h.entry.Recent
		if w.open && len(ring) == replica.Remembered && ring[len(ring)-1].Rev > w.puts[i].Expect {
			return 0, fmt.Errorf("write to log %s: %s has forgotten the command", w.s.name, w.puts[i].Key)
		}
	}
	return 0, fmt.Errorf("%w: %s", replica.ErrConflict, w.puts[bad].Key)
}

// keep remembers what was written, for the next change of the same documents.
func (w *write) keep(heads []head, rev uint64) {
	if len(w.puts) > cached/8 {
		return // a load; nobody changes all of it next
	}
	docs := uint64(0)
	for i := len(w.puts) - 1; i >= 0; i-- {
		p := w.puts[i]
		if p.Value == nil && !p.Delete {
			continue
		}
		ring := replica.Remember(heads[i].entry.Recent, replica.Command{ID: w.id, Rev: rev})
		entry := replica.Entry{Key: p.Key, Rev: rev, Value: p.Value, Recent: ring}
		w.s.recent.keep(p.Key, head{seq: rev - docs, entry: entry})
		docs++
	}
}

// messages encodes the entry: comparisons first, so that it ends with a document that followers see.
func (w *write) messages(heads []head) ([]*nats.Msg, error) {
	order := make([]int, 0, len(w.puts))
	for i, p := range w.puts {
		if p.Value == nil && !p.Delete {
			order = append(order, i)
		}
	}
	compared := len(order)
	for i, p := range w.puts {
		if p.Value != nil || p.Delete {
			order = append(order, i)
		}
	}
	all := make([]*nats.Msg, len(order))
	var later []string
	for at := len(order) - 1; at >= 0; at-- {
		p, h := w.puts[order[at]], heads[order[at]]
		subject, err := w.s.space.Subject(p.Key)
		if err != nil {
			return nil, err
		}
		m := wire.Message{Entry: w.entry, Position: uint32(at), Count: uint32(len(order)), Later: later}
		msg := nats.NewMsg(subject)
		msg.Header[headerExpected] = []string{strconv.FormatUint(h.seq, 10)}
		group := ""
		if at < compared {
			m.Kind = wire.Marker
			msg.Subject = w.s.space.Marker()
			msg.Header[headerExpectedOf] = []string{subject}
		} else {
			m.Key, m.Value = p.Key, p.Value
			m.Recent = replica.Remember(h.entry.Recent, replica.Command{ID: w.id})
			group = replica.ParseKey(p.Key).Group
		}
		if p.Delete {
			m.Kind = wire.Tombstone
			msg.Header[headerTTL] = []string{tombstoneTTL.String()}
		}
		msg.Data = wire.Append(nil, m)
		all[at] = msg
		if !slices.Contains(later, group) {
			later = append(slices.Clip(later), group)
		}
	}
	return all, nil
}

// publish sends the entry once and waits for the server to say what became of it.
func (w *write) publish(ctx context.Context, heads []head) (uint64, error) {
	all, err := w.messages(heads)
	if err != nil {
		return 0, err
	}
	last := all[len(all)-1]
	if len(all) > 1 {
		select {
		case w.s.batch <- struct{}{}:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		defer func() { <-w.s.batch }()
		if err := w.stage(all); err != nil {
			return 0, err
		}
	}
	short, release := w.s.wait(ctx)
	defer release()
	m, err := w.s.nc.RequestMsgWithContext(short, last)
	switch {
	case errors.Is(err, nats.ErrNoResponders): // nobody took it: there may be no log any more
		_, gone := w.s.state(ctx)
		return 0, cmp.Or(gone, err)
	case errors.Is(err, nats.ErrMaxPayload):
		return 0, tooLarge(err)
	case err != nil:
		return 0, fmt.Errorf("%w: %w", errAmbiguous, err)
	}
	return acked(m.Data)
}

// stage sends all messages of an entry but the last, with which the server applies them. Until then nothing is.
func (w *write) stage(all []*nats.Msg) error {
	batch := strconv.FormatUint(rand.Uint64(), 36)
	for i, m := range all {
		m.Header[headerBatch] = []string{batch}
		m.Header[headerSequence] = []string{strconv.Itoa(i + 1)}
	}
	all[len(all)-1].Header[headerCommit] = []string{"1"}
	for _, m := range all[:len(all)-1] {
		if err := w.s.nc.PublishMsg(m); err != nil {
			return fmt.Errorf("write to log %s: %w", w.s.name, tooLarge(err))
		}
	}
	return nil
}

// tooLarge names the remedy if a message was larger than the server takes.
func tooLarge(err error) error {
	if errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("%w; set max_payload of the NATS servers to %d", err, maxMessage)
	}
	return err
}

// acked reads the server's answer to an entry.
func acked(data []byte) (uint64, error) {
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		Seq   uint64              `json:"seq"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return 0, fmt.Errorf("%w: %w", errAmbiguous, err)
	}
	if ack.Error == nil && ack.Seq == 0 {
		return 0, fmt.Errorf("%w: an answer without a revision", errAmbiguous)
	}
	if ack.Error == nil {
		return ack.Seq, nil
	}
	switch ack.Error.ErrorCode {
	case codeWrongLast, codeWrongLastInBtch:
		return 0, errRefused
	case codeIncomplete, codeTooMany:
		return 0, errDropped
	case codeExceeded, codeNoResources, codeNoStorage, codeStoreFailed:
		return 0, errFull(ack.Error)
	}
	return 0, ack.Error
}

// ensureNonce gives the log its random name, unless another did.
func (s *Stream) ensureNonce(ctx context.Context) error {
	_, err := s.nonce(ctx)
	if !errors.Is(err, errNoNonce) {
		return err
	}
	value := strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)
	m := nats.NewMsg(s.space.Origin())
	m.Header[headerExpected] = []string{"0"}
	m.Data = wire.Append(nil, wire.Message{Kind: wire.Origin, Entry: rand.Uint64(), Count: 1, Value: []byte(value)})
	short, release := s.wait(ctx)
	defer release()
	answer, err := s.nc.RequestMsgWithContext(short, m)
	if err != nil {
		return err
	}
	if _, err = acked(answer.Data); errors.Is(err, errRefused) {
		return nil
	}
	return err
}
