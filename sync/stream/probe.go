package stream

import (
	"encoding/json"

	"github.com/nats-io/nats.go"
)

// probe asks how far the stream is by now, and how far the consumer. The answers come among the pushed messages, so
// that a tail never waits for them.
func (t *tail) probe() error {
	t.asked, t.again, t.target = true, false, 0
	if err := t.s.nc.PublishRequest(api+"STREAM.INFO."+t.s.name, t.c.inbox, nil); err != nil {
		return err
	}
	return t.whereabouts()
}

// whereabouts asks how far the consumer is.
func (t *tail) whereabouts() error {
	return t.s.nc.PublishRequest(api+"CONSUMER.INFO."+t.s.name+"."+t.c.name, t.c.inbox, nil)
}

// An answer is one to either question.
type answer struct {
	streamState
	Type      string `json:"type"`
	Delivered struct {
		Seen uint64 `json:"consumer_seq"`
		UpTo uint64 `json:"stream_seq"`
	} `json:"delivered"`
}

// answered takes in an answer. One that comes late, when nothing is missing any more, says nothing.
func (t *tail) answered(m *nats.Msg) error {
	var a answer
	if err := json.Unmarshal(m.Data, &a); err != nil || a.Error != nil {
		return errSilent
	}
	if !t.gap || !t.asked {
		return nil
	}
	if a.Type == "io.nats.jetstream.api.v1.stream_info_response" {
		t.target = a.State.LastSeq
		return t.stated()
	}
	return t.placed(a.Delivered.Seen, a.Delivered.UpTo)
}

// stated acts on how far the stream was after the last gap.
func (t *tail) stated() error {
	if t.rev < t.target {
		return nil
	}
	if t.complete() {
		return t.passed(t.rev)
	}
	if !t.asked { // there was another gap
		return t.probe()
	}
	return nil
}

// placed acts on how far the consumer is. If it is as far as the stream was, and everything that it sent is here,
// then nothing is missing.
func (t *tail) placed(seen, upTo uint64) error {
	if t.target == 0 || seen != t.c.seen || upTo < t.target {
		return nil
	}
	if t.again {
		return t.probe()
	}
	return t.passed(t.target)
}
