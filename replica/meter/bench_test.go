package meter

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/replica/ledger"
	"github.com/sidegate/sidegate/replica/vault"
)

// A chest is a real vault as a meter sees it.
type chest struct{ *vault.Vault }

func (c chest) Identity() Identity {
	id := c.Vault.Identity()
	return Identity{Holder: ledger.HolderID(id.ID), Key: id.Private, Incarnation: id.Incarnation}
}

func (c chest) Each(f func(string, []byte) error) error { return c.Accounts(c.Vault.Identity().ID, f) }

func (c chest) Commit(accounts map[string][]byte, memories []Memory) error {
	b := vault.Batch{Accounts: accounts}
	for _, m := range memories {
		b.Memories = append(b.Memories, vault.Memory{Hash: m.Key, Payload: m.Payload, Answer: m.Answer, At: m.At})
	}
	return c.Vault.Commit(b)
}

func (c chest) Find(key [16]byte) (Memory, bool, error) {
	m, ok, err := c.Recall(key)
	return Memory{Key: m.Hash, Payload: m.Payload, Answer: m.Answer, At: m.At}, ok, err
}

func (c chest) Renew(string, map[string][]byte) error { return nil }

// BenchmarkAppend is what the disk takes for one append of 4 KiB that is synced.
func BenchmarkAppend(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConsume(b *testing.B) {
	for _, tc := range []struct {
		name    string
		callers int
		keyed   bool
		chunked bool
	}{{"exact/1", 1, false, false}, {"exact/64", 64, false, false}, {"exact keyed/64", 64, true, false},
		{"chunked/1", 1, false, true}, {"chunked/64", 64, false, true}} {
		b.Run(tc.name, func(b *testing.B) {
			consumeAll(b, tc.callers, tc.keyed, checker.Allowance{Limit: 1 << 40, Per: checker.Month, Chunked: tc.chunked})
		})
	}
}

func consumeAll(b *testing.B, callers int, keyed bool, a checker.Allowance) {
	v, err := vault.Open(vault.Options{Dir: b.TempDir(), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	s := newStand(b, a)
	m, err := New(Options{Vault: chest{v}, Hub: s.desk, Clock: NewClock(time.Now)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	if _, err := m.Consume(ctx, s.request(1<<20, 0)); err != nil { // rights for what follows
		b.Fatal(err)
	}
	var n atomic.Uint64
	b.ReportAllocs()
	b.SetParallelism(callers)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := s.request(1, 0)
		r.Keyed, r.Render = keyed, func(*checker.Decision) []byte { return make([]byte, 250) }
		for pb.Next() {
			binary.BigEndian.PutUint64(r.Key[:], n.Add(1))
			if res, err := m.Consume(ctx, r); err != nil || res.Consumed == 0 {
				b.Errorf("got %+v, %v", res, err)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "units/s")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
