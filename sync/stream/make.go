package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// inCluster is how many servers of a cluster keep a log: one may be lost.
const inCluster = 3

// What a cluster says that has no leader for the moment, or lacks servers.
const (
	codeNoPeers   jetstream.ErrorCode = 10005
	codeNoCluster jetstream.ErrorCode = 10008
	codeNotLeader jetstream.ErrorCode = 10009
)

// unsettled tells whether a cluster may be able to do by itself, in a while, what it could not now.
func unsettled(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == codeNoPeers || api.ErrorCode == codeNoCluster || api.ErrorCode == codeNotLeader)
}

// replicas is how many servers are to keep the log. Whether there is a cluster, the server says.
func (s *Stream) replicas() int {
	switch {
	case s.opts.Replicas != 0:
		return s.opts.Replicas
	case s.nc.ConnectedClusterName() != "":
		return inCluster
	}
	return 1
}

// compare says that fewer servers keep the log than should. To add some is the operator's business, for all of it is
// copied. Totals can be made again.
func (s *Stream) compare(replicas int) {
	if want := s.replicas(); replicas < want && s.opts.Name != Totals {
		s.log.Warn("fewer servers keep the log than should: it can be lost with them", "replicas", replicas, "want", want,
			"remedy", fmt.Sprintf("nats stream edit %s --replicas %d", s.name, want))
	}
}

// make makes the stream, smaller than by default if the servers cannot reserve that much.
func (s *Stream) make(ctx context.Context, js jetstream.JetStream) error {
	if err := s.Room(); err != nil {
		return err
	}
	config := s.opts.config(s.replicas())
	for {
		s.log.Info("making the log", "max_bytes", config.MaxBytes, "replicas", config.Replicas)
		_, err := js.CreateStream(ctx, config)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return nil // another hub, which began at the same time, had room for another size
		}
		if !noRoom(err) {
			return err
		}
		if s.opts.MaxBytes != 0 || config.MaxBytes/2 < leastSize {
			return fmt.Errorf("NATS cannot reserve %d MiB for it on %d of its servers; start those that are missing, or "+
				"raise max_file_store of its JetStream, or the limits of the account: %w", config.MaxBytes>>20,
				config.Replicas, err)
		}
		config.MaxBytes /= 2
	}
}

// noRoom tells whether less might fit. A cluster says the same where servers are missing.
func noRoom(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == codeExceeded || api.ErrorCode == codeNoStorage || api.ErrorCode == codeNoPeers)
}
