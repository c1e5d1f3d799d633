package site

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/replica/meter"
	"github.com/sidegate/sidegate/replica/vault"
	"github.com/sidegate/sidegate/sync/wire"
)

// A Bus takes requests to a hub and brings the answers.
type Bus interface {
	// Ask waits for an answer until ctx ends. An error does not say whether the request was taken.
	Ask(ctx context.Context, subject string, data []byte) ([]byte, error)
}

// vaultDir is where a sidecar's data directory has what cannot be fetched again.
const vaultDir = "vault"

// openMeter opens the vault and what counts with it. Without a directory, or room in it, nothing is counted.
func (s *Site) openMeter() error {
	if s.o.Data == "" {
		return nil
	}
	clock := meter.NewClock(s.o.Now)
	to := vault.Options{Dir: filepath.Join(s.o.Data, vaultDir), Now: clock.Now, Logger: s.o.Logger}
	var err error
	if s.o.VaultKey != "" {
		if to.Key, err = vault.ParseKey(s.o.VaultKey); err != nil {
			return keyFault(err)
		}
	}
	v, err := vault.Open(to)
	switch {
	case errors.Is(err, replica.ErrNoSpace):
		s.o.Logger.Error("nothing is counted, consumption is refused; make room and restart", "why", err)
		s.noRoom = true
		return nil
	case errors.Is(err, vault.ErrKey):
		return keyFault(err)
	case err != nil:
		return err
	}
	s.vault = v
	if loss, lost := v.Lost(); lost {
		s.o.Logger.Error("the vault was lost: this sidecar counts under another name, and what it had not reported is gone",
			"holder", loss.ID.String(), "why", loss.Why, "kept_in", loss.KeptIn,
			"remedy", "fence the old holder at the hub: sidegate fleet fence "+loss.ID.String())
	}
	if s.name = s.o.Name; s.name == "" {
		s.name, _ = os.Hostname()
	}
	o := meter.Options{Vault: safe{v}, Clock: clock, Logger: s.o.Logger, About: s.about}
	if s.o.Bus != nil {
		o.Hub = line{s.o.Bus}
	}
	if s.meter, err = meter.New(o); err != nil {
		return err
	}
	s.recall()
	return nil
}

// keyFault says where the key stands that a vault is opened with, or is to stand.
func keyFault(err error) error {
	return fmt.Errorf("--vault-key, SIDEGATE_VAULT_KEY or SIDEGATE_VAULT_KEY_FILE: %w", err)
}

// about is what the fleet's list shows of this sidecar.
func (s *Site) about() []byte {
	data, _ := json.Marshal(struct { // texts and numbers always marshal
		Name     string `json:"name"`
		Version  string `json:"version"`
		Revision uint64 `json:"revision"`
	}{s.name, s.o.Version, s.Revision()})
	return data
}

// totalsFile is where a data directory has what others used, in case there is no hub at the next start.
const totalsFile = "TOTALS"

// Totals are written down every keepEvery, less often where there are so many that it would be more than keepRate.
const (
	keepEvery = time.Second
	keepRate  = 1 << 20 // bytes a second
)

// recall reads what others used when this sidecar was last told.
func (s *Site) recall() {
	data, err := os.ReadFile(filepath.Join(s.o.Data, totalsFile))
	if err == nil {
		err = s.meter.Recall(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.o.Logger.Warn("what others used is not known until a hub tells", "why", err)
	}
}

// keep writes totals down from time to time, and when ctx ends. What is lost is told again.
func (s *Site) keep(ctx context.Context) error {
	timer := time.NewTimer(keepEvery)
	defer timer.Stop()
	var kept []byte
	for ending := false; !ending; {
		select {
		case <-ctx.Done():
			ending = true
		case <-timer.C:
		}
		data := s.meter.Totals()
		if data != nil && !bytes.Equal(data, kept) && s.keepTotals(data) {
			kept = data
		}
		timer.Reset(max(keepEvery, time.Duration(len(data))*time.Second/keepRate))
	}
	return nil
}

// keepTotals replaces what was written down before.
func (s *Site) keepTotals(data []byte) bool {
	path := filepath.Join(s.o.Data, totalsFile)
	err := os.WriteFile(path+".new", data, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil && s.unkept != err.Error() {
		s.o.Logger.Warn("what others used cannot be written down; a restart without a hub will not know it", "why", err)
	}
	s.unkept = ""
	if err != nil {
		s.unkept = err.Error()
	}
	return err == nil
}

// measure counts what is consumed until ctx ends, and closes the vault.
func (s *Site) measure(ctx context.Context) error {
	taking, stop := context.WithCancel(context.WithoutCancel(ctx))
	var behind errgroup.Group
	behind.Go(func() error { return s.vault.Run(taking) })
	err := s.meter.Run(ctx)
	stop()
	return errors.Join(err, behind.Wait(), s.vault.Close())
}

// count counts until ctx ends, and is told what others count.
func (s *Site) count(ctx context.Context) error {
	if s.o.Totals != nil {
		s.meter.Follow(ctx, s.o.Totals, replica.Filter{Groups: s.o.Groups})
	}
	return nil
}

// A safe is a vault as a meter sees it.
type safe struct{ *vault.Vault }

func (s safe) Identity() meter.Identity {
	id := s.Vault.Identity()
	return meter.Identity{Holder: ledger.HolderID(id.ID), Key: id.Private, Incarnation: id.Incarnation,
		Nonce: binary.LittleEndian.Uint64(id.Nonce[:])}
}

func (s safe) Each(f func(string, []byte) error) error { return s.Accounts(s.Vault.Identity().ID, f) }

func (s safe) Commit(accounts map[string][]byte, memories []meter.Memory) error {
	b := vault.Batch{Accounts: accounts}
	for _, m := range memories {
		b.Memories = append(b.Memories, vault.Memory{Hash: m.Key, Payload: m.Payload, Answer: m.Answer, At: m.At})
	}
	return s.Vault.Commit(b)
}

func (s safe) Find(key [16]byte) (meter.Memory, bool, error) {
	m, ok, err := s.Recall(key)
	return meter.Memory{Key: m.Hash, Payload: m.Payload, Answer: m.Answer, At: m.At}, ok, err
}

func (s safe) Renew(why string, accounts map[string][]byte) error {
	return s.Vault.Commit(vault.Batch{Renew: why, Accounts: accounts})
}

// A line is a bus as a meter sees it.
type line struct{ bus Bus }

func (l line) Exchange(ctx context.Context, lease *wire.Lease, key ed25519.PrivateKey) (*wire.LeaseReply, error) {
	data, err := l.bus.Ask(ctx, wire.LeaseSubject, wire.AppendLease(nil, lease, key))
	if err != nil {
		return nil, err
	}
	reply, err := wire.DecodeLeaseReply(data)
	if err != nil {
		return nil, fmt.Errorf("a hub's answer: %w", err)
	}
	return reply, nil
}
