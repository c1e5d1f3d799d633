package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/wire"
)

// A head is the newest message of a subject: seq is 0 if there is none.
type head struct {
	seq   uint64
	entry replica.Entry
}

// exists tells whether there is a message at all, be it a tombstone.
func (h head) exists() bool { return h.seq != 0 }

// A got is the server's answer about one message.
type got struct {
	Error   *jetstream.APIError `json:"error"`
	Message *struct {
		Subject string `json:"subject"`
		Seq     uint64 `json:"seq"`
		Data    []byte `json:"data"`
	} `json:"message"`
}

type getRequest struct {
	LastFor string `json:"last_by_subj,omitempty"`
	Seq     uint64 `json:"seq,omitempty"`
	NextFor string `json:"next_by_subj,omitempty"` // with Seq: the first from there on
}

// Get reads a document from the stream's leader. A tombstone is an entry.
func (s *Stream) Get(ctx context.Context, key string) (replica.Entry, error) {
	heads, err := s.heads(ctx, []string{key})
	if err != nil {
		return replica.Entry{}, err
	}
	if !heads[0].exists() {
		return replica.Entry{}, replica.ErrNotFound
	}
	s.recent.keep(key, heads[0])
	return heads[0].entry, nil
}

// heads reads the newest versions of documents from the leader, all requests under way at once.
func (s *Stream) heads(ctx context.Context, keys []string) ([]head, error) {
	all := make([]head, len(keys))
	asks := make([]getRequest, len(keys))
	for i, key := range keys {
		subject, err := s.space.Subject(key)
		if err != nil {
			return nil, err
		}
		asks[i] = getRequest{LastFor: subject}
	}
	answers, err := s.getAll(ctx, asks)
	if err != nil {
		return nil, fmt.Errorf("read from log %s: %w", s.name, err)
	}
	for i, a := range answers {
		if a.Message == nil {
			continue
		}
		entry, _, err := s.entry(a.Message.Subject, a.Message.Seq, a.Message.Data)
		if err != nil {
			return nil, err
		}
		all[i] = head{seq: a.Message.Seq, entry: entry}
	}
	return all, nil
}

// entry makes an entry of a message, which must be a document that belongs on its subject.
func (s *Stream) entry(subject string, seq uint64, data []byte) (replica.Entry, wire.Message, error) {
	m, err := wire.Decode(data)
	if err != nil {
		return replica.Entry{}, m, fmt.Errorf("message %d of log %s: %w", seq, s.name, err)
	}
	if m.Kind != wire.Document && m.Kind != wire.Tombstone {
		return replica.Entry{}, m, nil
	}
	want, err := s.space.Subject(m.Key)
	if err != nil || want != subject {
		return replica.Entry{}, m, fmt.Errorf("message %d of log %s: %w: its key is not that of its subject",
			seq, s.name, wire.ErrDamaged)
	}
	rev := seq + m.Remaining()
	if len(m.Recent) > 0 {
		m.Recent[0].Rev = rev
	}
	return replica.Entry{Key: m.Key, Rev: rev, Value: m.Value, Recent: m.Recent}, m, nil
}

// getAll asks for messages. Where there is none, the answer has no Message.
func (s *Stream) getAll(ctx context.Context, asks []getRequest) ([]got, error) {
	if !s.nc.IsConnected() {
		return nil, nats.ErrDisconnected
	}
	short, release := s.wait(ctx)
	defer release()
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	for i, ask := range asks {
		body, err := json.Marshal(ask)
		if err != nil {
			return nil, err
		}
		if err := s.nc.PublishRequest(api+"STREAM.MSG.GET."+s.name, reply(inbox, i), body); err != nil {
			return nil, err
		}
	}
	answers := make([]got, len(asks))
	for range asks {
		m, err := sub.NextMsgWithContext(short)
		if err != nil {
			return nil, waitError(ctx, err)
		}
		i, ok := replied(inbox, m.Subject, len(answers))
		if !ok {
			continue
		}
		if err := readGot(m, &answers[i]); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// readGot reads one answer. That there is no message is not an error.
func readGot(m *nats.Msg, a *got) error {
	if m.Header.Get("Status") == "503" {
		return nats.ErrNoResponders
	}
	if err := json.Unmarshal(m.Data, a); err != nil {
		return err
	}
	if a.Error != nil && a.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound {
		return refusal(a.Error)
	}
	return nil
}

// errNoNonce says that the stream was made, but not by sidegate, or not to the end.
var errNoNonce = errors.New("the log has no nonce; was it made by something else?")

// nonce reads the random name that the log was given when it was made.
func (s *Stream) nonce(ctx context.Context) (string, error) {
	answers, err := s.getAll(ctx, []getRequest{{LastFor: s.space.Origin()}})
	if err != nil {
		return "", fmt.Errorf("nonce of log %s: %w", s.name, err)
	}
	return s.readNonce(answers[0])
}

func (s *Stream) readNonce(a got) (string, error) {
	if a.Message == nil {
		return "", fmt.Errorf("log %s: %w", s.name, errNoNonce)
	}
	m, err := wire.Decode(a.Message.Data)
	if err != nil {
		return "", fmt.Errorf("nonce of log %s: %w", s.name, err)
	}
	return string(m.Value), nil
}

// A seen is a message by which the past is recognised. One with sequence 0 is none.
type seen struct {
	seq   uint64
	entry uint64
}

// is tells whether the stream holds the same message that was seen. One that was superseded says nothing.
func (l seen) is(a got) bool {
	if l.seq == 0 || a.Message == nil {
		return true
	}
	m, err := wire.Decode(a.Message.Data)
	return err == nil && m.Entry == l.entry
}

// A position says which log this is and how far it has come.
type position struct {
	lineage replica.Lineage
	last    uint64 // sequence of the last message
	end     uint64 // revision of the entry that it belongs to
	known   bool   // the message that was seen is, as far as can be told, still there
}

// position asks how far the log has come, to the end of an entry. The state of a stream may be read while a batch is
// being applied, but a message may not: asking for the last one, or what has superseded it, waits for the batch. An
// entry that is half there even so has not come.
func (s *Stream) position(ctx context.Context, l seen) (position, error) {
	st, err := s.state(ctx)
	if err != nil {
		return position{}, err
	}
	last := st.State.LastSeq
	answers, err := s.getAll(ctx, []getRequest{
		{LastFor: s.space.Origin()}, {Seq: max(last, 1), NextFor: s.space.All()}, {Seq: max(l.seq, 1)},
	})
	if err != nil {
		return position{}, fmt.Errorf("state of log %s: %w", s.name, err)
	}
	nonce, err := s.readNonce(answers[0])
	if err != nil {
		return position{}, err
	}
	p := position{lineage: st.lineage(nonce), last: last, end: last, known: l.is(answers[2])}
	if m := answers[1].Message; m != nil {
		w, err := wire.Decode(m.Data)
		if err != nil {
			return position{}, fmt.Errorf("message %d of log %s: %w", m.Seq, s.name, err)
		}
		p.end = m.Seq + w.Remaining()
		if w.Remaining() > 0 {
			if st, err = s.state(ctx); err == nil && st.State.LastSeq < p.end {
				p.end = m.Seq - uint64(w.Position) - 1
			}
		}
	}
	return p, err
}
