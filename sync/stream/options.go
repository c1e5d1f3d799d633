package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sidegate/sidegate/sync/wire"
)

// Sizes, in bytes.
const (
	embedStore  = 1 << 40 // what all streams of an embedded server may reserve; the disk is the real limit
	maxMessage  = 8 << 20
	defaultSize = 16 << 30
	totalsSize  = 2 << 30
	leastSize   = 512 << 20 // what a log is made with at least, unless another size was asked for
)

// epochBits is how many revisions an epoch has, as a power of two. Epochs up to 8191 stay below 2^53, so that a
// revision is exact in JSON.
const (
	epochBits = 40
	maxEpoch  = 1<<13 - 1
)

// tombstoneTTL is how long the log remembers that a document is gone.
const tombstoneTTL = 30 * 24 * time.Hour

// Totals is the log of what can be computed again: it is not synced, and may lose what was written last.
const Totals = "totals"

// Options say which log to open. URL and Name are required.
type Options struct {
	URL   string // of NATS; several are separated by commas
	Creds string // file with NATS credentials, or a user and a password; empty: none
	// Identity is what such a file would hold, for who has none; nil: Creds counts.
	Identity []byte
	Name     string // docs, books or Totals
	// Epoch counts how often the log was begun anew, from 1; 0 stands for 1. It is a part of the stream's name, and
	// revisions of a later epoch are above all of an earlier one.
	Epoch uint32
	// Create makes the log if it is missing, and waits for NATS until the context ends. Without it Open returns at
	// once, also when NATS cannot be reached, and connects when it can: for followers.
	Create bool
	// First is the least first revision of a log that is made; 0: the epoch's own.
	First        uint64
	MaxBytes     int64         // of the log; 0: 16 GiB, or less where the server has not got that much to reserve
	MaxConsumers int           // followers at the same time, snapshots included; 0: 16384
	Replicas     int           // servers that keep a log that is made; 0: 3 in a cluster, or else 1
	Check        time.Duration // how often a tail makes sure that it follows what it thinks; 0: 15 s
	Beat         time.Duration // how often an idle tail says that it is at the head; 0: 1 s
	Timeout      time.Duration // for one answer of the server; 0: 5 s
	Room         func() error  // asked before every write, which its error refuses; nil: there is always room
	Log          *slog.Logger  // nil: silent
}

// check fills in what was left out and refuses what cannot be.
func (o *Options) check() error {
	o.Epoch = max(o.Epoch, 1)
	o.Check = or(o.Check, 15*time.Second)
	o.Beat = or(o.Beat, time.Second)
	o.Timeout = or(o.Timeout, 5*time.Second)
	o.MaxConsumers = or(o.MaxConsumers, 16384)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.URL == "":
		return errors.New("a log needs the URL of NATS")
	case o.Name != "docs" && o.Name != "books" && o.Name != Totals:
		return fmt.Errorf("a log is named docs, books or totals, not %q", o.Name)
	case o.Epoch > maxEpoch:
		return fmt.Errorf("the last epoch is %d", maxEpoch)
	}
	return nil
}

func or[T int | int64 | time.Duration](given, otherwise T) T {
	if given == 0 {
		return otherwise
	}
	return given
}

// stream is the name of the stream: one of another epoch is another stream.
func (o *Options) stream() string {
	return "SIDEGATE_" + strings.ToUpper(o.Name) + "_" + strconv.FormatUint(uint64(o.Epoch), 10)
}

// space is the part of the subjects that is the log's own.
func (o *Options) space() wire.Space {
	return wire.Space(o.Name + "-" + strconv.FormatUint(uint64(o.Epoch), 10))
}

// config is what the stream must be like, kept by so many servers. Every line is a rule; DESIGN.md says why.
func (o *Options) config(replicas int) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:               o.stream(),
		Description:        "Sidegate: written by hubs only. Do not purge, edit or restore by hand; see DESIGN.md.",
		Subjects:           []string{o.space().All()},
		Retention:          jetstream.LimitsPolicy,
		Storage:            jetstream.FileStorage,
		Discard:            jetstream.DiscardNew,
		MaxMsgsPerSubject:  1,
		MaxMsgs:            -1,
		MaxBytes:           or(o.MaxBytes, defaultSize),
		MaxConsumers:       o.MaxConsumers,
		MaxMsgSize:         maxMessage,
		Replicas:           replicas,
		NoAck:              false,
		DenyDelete:         true,
		DenyPurge:          true,
		AllowRollup:        false,
		AllowDirect:        false,
		AllowMsgTTL:        true,
		AllowAtomicPublish: true,
		FirstSeq:           max(o.First, uint64(o.Epoch-1)<<epochBits+1),
	}
	if o.Name == Totals { // entries of one document each
		c.AllowAtomicPublish, c.MaxBytes = false, or(o.MaxBytes, totalsSize)
	}
	if o.Name == Totals && replicas == 1 { // the server need not sync; several servers always do
		c.PersistMode = jetstream.AsyncPersistMode
	}
	return c
}
