package vault

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const tmpfsMagic = 0x01021994

// benchDir is on the measured disk: SIDEGATE_VAULT_BENCH, or the temporary directory unless that is in memory.
func benchDir(b testing.TB) string {
	b.Helper()
	dir := b.TempDir()
	if base := os.Getenv("SIDEGATE_VAULT_BENCH"); base != "" {
		dir = filepath.Join(base, strings.ReplaceAll(b.Name(), "/", "-"))
		b.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.MkdirAll(dir, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		b.Fatal(err)
	}
	if st.Type == tmpfsMagic {
		b.Skip("the temporary directory is in memory; set SIDEGATE_VAULT_BENCH to a directory on a disk")
	}
	return dir
}

// A measured loop: each turn is timed, and the median reported.
func timed(b *testing.B, turn func(i int)) {
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for i := range b.N {
		start := time.Now()
		turn(i)
		took = append(took, time.Since(start))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkAppend is what a commit is measured against: 4 KiB at the end of a file, and fdatasync.
func BenchmarkAppend(b *testing.B) {
	f, err := os.Create(filepath.Join(benchDir(b), "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	timed(b, func(int) {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkCommit writes n accounts of 300 bytes out of 10,000, and as many memories.
func BenchmarkCommit(b *testing.B) {
	for _, mode := range []string{"clear", "sealed"} {
		for _, n := range []int{1, 8, 64, 512} {
			b.Run(mode+"/"+strconv.Itoa(n), func(b *testing.B) { benchCommit(b, mode, n) })
		}
	}
}

func benchCommit(b *testing.B, mode string, n int) {
	o := Options{Dir: benchDir(b), Now: time.Now}
	if mode == "sealed" {
		sealed(&o)
	}
	v, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	r := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 300)
	all := Batch{Accounts: map[string][]byte{}}
	for i := range 10_000 {
		all.Accounts[fmt.Sprintf("customer-%05d/ci-minutes", i)] = value
	}
	if err := v.Commit(all); err != nil {
		b.Fatal(err)
	}
	timed(b, func(int) {
		if err := v.Commit(benchBatch(r, n, value)); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "memories/s")
	b.ReportMetric(float64(v.Stats().FileBytes)/1e6, "file-MB")
}

// BenchmarkBeside commits one account and one memory, and appends 4 KiB to a plain file, in turns: a neighbour on the
// disk disturbs both alike. The ratio is that of the medians.
func BenchmarkBeside(b *testing.B) {
	for _, mode := range []string{"clear", "sealed"} {
		b.Run(mode, func(b *testing.B) { benchBeside(b, mode) })
	}
}

func benchBeside(b *testing.B, mode string) {
	o := Options{Dir: benchDir(b), Now: time.Now}
	if mode == "sealed" {
		sealed(&o)
	}
	v, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	plain, err := os.Create(filepath.Join(o.Dir, "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Close()
	r, page := rand.New(rand.NewPCG(1, 2)), make([]byte, 4096)
	took := [2][]time.Duration{}
	b.ResetTimer()
	for range b.N {
		batch := benchBatch(r, 1, page[:300])
		start := time.Now()
		if err := v.Commit(batch); err != nil {
			b.Fatal(err)
		}
		half := time.Now()
		if _, err := plain.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(plain.Fd())); err != nil {
			b.Fatal(err)
		}
		took[0], took[1] = append(took[0], half.Sub(start)), append(took[1], time.Since(half))
	}
	b.StopTimer()
	slices.Sort(took[0])
	slices.Sort(took[1])
	commit, plainly := took[0][b.N/2], took[1][b.N/2]
	b.ReportMetric(float64(commit.Microseconds()), "commit-p50-µs")
	b.ReportMetric(float64(plainly.Microseconds()), "append-p50-µs")
	b.ReportMetric(float64(commit)/float64(plainly), "ratio")
}

func benchBatch(r *rand.Rand, n int, value []byte) Batch {
	batch := Batch{Accounts: make(map[string][]byte, n)}
	for len(batch.Accounts) < n {
		batch.Accounts[fmt.Sprintf("customer-%05d/ci-minutes", r.IntN(10_000))] = value
	}
	for range n {
		m := Memory{At: time.Now().UnixMilli(), Answer: []byte(`{"allowed":true,"remaining":12345,"revision":1}`)}
		binary.LittleEndian.PutUint64(m.Hash[:], r.Uint64())
		binary.LittleEndian.PutUint64(m.Hash[8:], r.Uint64())
		batch.Memories = append(batch.Memories, m)
	}
	return batch
}

// BenchmarkOpen opens a vault of n memories and as many accounts, up to 10,000; cold pages are not provoked.
func BenchmarkOpen(b *testing.B) {
	sizes := []int{1_000, 10_000, 100_000, 1_000_000}
	if os.Getenv("SIDEGATE_VAULT_LARGE") != "" {
		sizes = append(sizes, 10_000_000)
	}
	for _, mode := range []string{"clear", "sealed"} {
		for _, n := range sizes {
			b.Run(mode+"/"+strconv.Itoa(n), func(b *testing.B) { benchOpen(b, mode, n) })
		}
	}
}

func benchOpen(b *testing.B, mode string, n int) {
	o := Options{Dir: benchDir(b), Now: time.Now}
	if mode == "sealed" {
		sealed(&o)
	}
	v, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for done := 0; done < n; {
		some := min(n-done, 10_000)
		if err := v.Commit(benchBatch(r, some, make([]byte, 300))); err != nil {
			b.Fatal(err)
		}
		done += some
	}
	file := v.Stats().FileBytes
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
	v = nil
	before := heapNow()
	var heap uint64
	var s Stats
	b.ResetTimer()
	for range b.N {
		if v, err = Open(o); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		heap = heapNow()
		if s = v.Stats(); s.Memories != n {
			b.Fatalf("%d memories", s.Memories)
		}
		if err := v.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(float64(s.TableBytes)/float64(n), "table-B/key")
	b.ReportMetric((float64(heap)-float64(before))/1e6, "heap-MB")
	b.ReportMetric(float64(file)/1e6, "file-MB")
}

func heapNow() uint64 {
	var m runtime.MemStats
	runtime.GC() // pools keep what they have for one collection
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRecall looks for keys among a million, half of which are there.
func BenchmarkRecall(b *testing.B) {
	v, err := Open(Options{Dir: benchDir(b), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	var hashes []Hash
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		batch := benchBatch(r, 10_000, nil)
		batch.Accounts = nil
		for _, m := range batch.Memories {
			hashes = append(hashes, m.Hash)
		}
		if err := v.Commit(batch); err != nil {
			b.Fatal(err)
		}
	}
	for name, miss := range map[string]byte{"hit": 0, "miss": 1} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				recallOne(b, v, hashes[i*7919%len(hashes)], miss)
			}
		})
	}
}

func recallOne(b *testing.B, v *Vault, h Hash, miss byte) {
	h[0] ^= miss
	if _, found, err := v.Recall(h); err != nil || found == (miss == 1) {
		b.Fatal(found, err)
	}
}
