package stream

import (
	"encoding/json"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// probe asks how far the stream is by now, and how far the consumer. The answers come among the pushed messages, so
// that a tail never waits for them.
func (t *tail) probe() error {
	t.asked, t.again, t.target = true, false, 0
	if err := t.s.nc.PublishRequest(api+"STREAM.INFO."+t.s.name, t.c.inbox+".state", nil); err != nil {
		return err
	}
	return t.whereabouts()
}

// whereabouts asks how far the consumer is.
func (t *tail) whereabouts() error {
	return t.s.nc.PublishRequest(api+"CONSUMER.INFO."+t.s.name+"."+t.c.name, t.c.inbox+".place", nil)
}

// stated takes in how far the stream was after the last gap.
func (t *tail) stated(m *nats.Msg) error {
	var st streamState
	if err := json.Unmarshal(m.Data, &st); err != nil || st.Error != nil {
		return errSilent
	}
	if !t.asked {
		return nil
	}
	t.target = st.State.LastSeq
	if t.seq < t.target {
		return nil
	}
	if t.complete() {
		return t.passed(t.rev)
	}
	return t.probeIf(!t.asked)
}

func (t *tail) probeIf(needed bool) error {
	if needed {
		return t.probe()
	}
	return nil
}

// placed takes in how far the consumer is. If it is as far as the stream was, and everything that it sent is here,
// then nothing is missing.
func (t *tail) placed(m *nats.Msg) error {
	var info struct {
		Error     *jetstream.APIError `json:"error"`
		Delivered struct {
			Seen uint64 `json:"consumer_seq"`
			UpTo uint64 `json:"stream_seq"`
		} `json:"delivered"`
	}
	if err := json.Unmarshal(m.Data, &info); err != nil || info.Error != nil {
		return errSilent
	}
	if !t.gap || t.target == 0 || info.Delivered.Seen != t.c.seen || info.Delivered.UpTo < t.target {
		return nil
	}
	if t.again {
		return t.probe()
	}
	return t.passed(t.target)
}
