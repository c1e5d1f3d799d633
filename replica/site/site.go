// Package site answers how the parts become a sidecar: a follower of the log, a snapshot on disk, and the check API.
//
// It holds no rules of its own. The log is handed in, so that it does not matter where it lives.
//
// # Invariants
//   - Checks are answered from the disk's snapshot before, and without, the log.
//   - A full or damaged disk costs the next restart its head start, never an answer.
//   - After the context ends Run returns with the snapshot closed in order, and does not wait for slow clients for
//     more than half a second.
//
// # Concurrency
//
// New and Run are called once. Addrs and Ready may be called by anybody.
package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/checker/httpapi"
	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/disk"
	"github.com/sidegate/sidegate/replica/follow"
	"github.com/sidegate/sidegate/replica/meter"
	"github.com/sidegate/sidegate/replica/vault"
)

// Options say what a sidecar follows and where it answers.
type Options struct {
	Name        string      // for the fleet's list; empty: that of this machine
	Listen      string      // check API: host:port, or unix:/path
	OpsListen   string      // probes and metrics: host:port
	Data        string      // directory of the snapshot; empty: none is kept
	Log         replica.Log // it need not be reachable
	Totals      replica.Log // what others used; nil: nobody tells
	Bus         Bus         // to a hub; nil: there is none, and no rights to hard limits
	VaultKey    string      // encrypts what is counted on disk, see vault.ParseKey; empty: nothing does
	Groups      []string    // of customers; nil: all
	Environment string      // for checks that name none
	AppVersion  string      // for checks that name none
	Version     string      // of this program
	Now         func() time.Time
	Logger      *slog.Logger // nil: silent
}

// A Site is a sidecar.
type Site struct {
	o        Options
	store    *disk.Store // nil: nothing is kept
	follower *follow.Follower
	vault    *vault.Vault // nil: nothing is counted
	name     string
	noRoom   bool         // the vault could not be begun, for the disk is full
	meter    *meter.Meter // nil: nothing is counted
	unkept   string       // why totals were not written down the last time; empty: they were
	servers  [2]*fasthttp.Server
	nets     [2]net.Listener
}

// The listeners of a sidecar.
const (
	checkAPI = iota
	opsAPI
)

// endTimeout is how long requests under way may take once the sidecar is told to stop. Those that wait for a revision
// are answered at once and all others take microseconds, so this is for clients that send half a request and pause.
const endTimeout = 500 * time.Millisecond

// New takes directory and addresses. Whatever is wrong with them is its error.
func New(o Options) (*Site, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Log == nil || o.Now == nil {
		return nil, errors.New("site: options without a log or a clock")
	}
	s := &Site{o: o}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *Site) open() error {
	o := follow.Options{Log: s.o.Log, Filter: replica.Filter{Groups: s.o.Groups}, Now: s.o.Now, Logger: s.o.Logger}
	if s.o.Data != "" {
		store, err := disk.Open(disk.Options{Dir: s.o.Data, Logger: s.o.Logger, Now: s.o.Now})
		switch {
		case errors.Is(err, replica.ErrNoSpace):
			o.NoStore = "the snapshot is kept in memory only; make room and restart: " + err.Error()
		case err != nil:
			return err
		default:
			s.store, o.Store = store, store
		}
	}
	s.follower = follow.New(o)
	if err := s.openMeter(); err != nil {
		return err
	}
	to := httpapi.Options{Source: s.follower, Now: s.o.Now, Environment: s.o.Environment, AppVersion: s.o.AppVersion,
		Version: s.o.Version, NoRoom: s.noRoom}
	if s.meter != nil {
		to.Meter = s.meter
	}
	api, err := httpapi.New(to)
	if err != nil {
		return err
	}
	s.servers = [2]*fasthttp.Server{api.Server(api.Handler), api.Server(api.OpsHandler)}
	if s.nets[checkAPI], err = listen(s.o.Listen); err != nil {
		return fmt.Errorf("check API: %w", err)
	}
	if s.nets[opsAPI], err = listen(s.o.OpsListen); err != nil {
		return fmt.Errorf("ops: %w", err)
	}
	return nil
}

// listen takes an address. A socket that a dead process left behind is removed; one that is in use is not.
func listen(address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, "unix:")
	if !isUnix {
		return net.Listen("tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if conn, err := net.Dial("unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("socket %s is in use by another process", path), conn.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// Who may ask is who may reach the directory; apps run as other users than the sidecar.
	return listener, os.Chmod(path, 0o666)
}

// An Addrs is where a sidecar answers, as it can be dialled: host:port, or unix:/path.
type Addrs struct {
	Check string
	Ops   string
}

// Addrs says where the sidecar answers.
func (s *Site) Addrs() Addrs { return Addrs{dialled(s.nets[checkAPI]), dialled(s.nets[opsAPI])} }

func dialled(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return l.Addr().String()
}

// Ready is closed when checks can be answered.
func (s *Site) Ready() <-chan struct{} { return s.follower.Ready() }

// Revision is that of what checks are answered from; 0 before Ready.
func (s *Site) Revision() uint64 { return s.follower.Index().Load().Revision() }

// Run serves until ctx ends. It returns nil then.
func (s *Site) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.follow(ctx) })
	served, noMore := context.WithCancel(context.WithoutCancel(ctx))
	var servers errgroup.Group
	for i := range s.servers {
		group.Go(func() error { return s.servers[i].Serve(s.nets[i]) })
		servers.Go(func() error {
			<-ctx.Done()
			return s.end(context.WithoutCancel(ctx), i)
		})
	}
	group.Go(func() error {
		defer noMore()
		return servers.Wait()
	})
	if s.meter != nil {
		group.Go(func() error { return s.count(ctx) })
		group.Go(func() error { return s.keep(ctx) })
		group.Go(func() error { return s.measure(served) }) // the last to end
	}
	return group.Wait()
}

// follow keeps up with the log, and closes the snapshot as soon as nothing is written to it any more: requests under
// way are answered from memory.
func (s *Site) follow(ctx context.Context) error {
	err := s.follower.Run(ctx)
	if s.store == nil {
		return err
	}
	return errors.Join(err, s.store.Close())
}

// end lets a server finish what it can. The listener is closed first, for a server that has not begun to serve yet
// would not be told to stop.
func (s *Site) end(ctx context.Context, i int) error {
	_ = s.nets[i].Close()
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	err := s.servers[i].ShutdownWithContext(ctx)
	if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("end of a server: %w", err)
}

// close lets go of everything that was taken so far.
func (s *Site) close() error {
	for _, l := range s.nets {
		if l != nil {
			_ = l.Close()
		}
	}
	var err error
	if s.vault != nil {
		err = s.vault.Close()
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}
