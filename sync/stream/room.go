package stream

import (
	"fmt"
	"syscall"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sidegate/sidegate/replica"
)

// keptFree is how many bytes an embedded server leaves of its disk. It must never meet a full one: a write that failed
// for want of space is not answered, and none after it, until the server is started anew.
const keptFree = 64 << 20

// Room is replica.ErrNoSpace, with the directory and what is free there, when nothing more should be written.
func (e *Embedded) Room() error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(e.dir, &st); err != nil {
		return fmt.Errorf("free space of %s: %w", e.dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < keptFree {
		return fmt.Errorf("%w: %d MiB are free in %s, %d are kept free", replica.ErrNoSpace, free>>20, e.dir, keptFree>>20)
	}
	return nil
}

// Room tells, by replica.ErrNoSpace, that no write is taken now. Only a log whose disk this process knows can tell.
func (s *Stream) Room() error {
	if s.opts.Room == nil {
		return nil
	}
	return s.opts.Room()
}

// What a server answers that has no room for a message: the log, the account or the disk is full.
const (
	codeExceeded    jetstream.ErrorCode = 10002
	codeNoResources jetstream.ErrorCode = 10023
	codeNoStorage   jetstream.ErrorCode = 10047
	codeStoreFailed jetstream.ErrorCode = 10077
)

// errFull is what NATS says of a lack of room.
func errFull(err *jetstream.APIError) error { return fmt.Errorf("%w: %w", replica.ErrNoSpace, err) }
