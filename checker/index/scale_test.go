package index

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"
)

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A million customers may take 100 MiB; a tenth of them is measured, so that the test stays quick.
func TestAHundredThousandCustomersFitInTenMebibytes(t *testing.T) {
	before := heap()
	x := fill(t, 100_000)
	used := float64(heap()-before) / (1 << 20)
	t.Logf("%.1f MiB for %d customers", used, x.Load().Len())
	if used > 10 {
		t.Errorf("%.1f MiB", used)
	}
	runtime.KeepAlive(x)
}

func BenchmarkScale(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		before := heap()
		x := fill(b, n)
		used := float64(heap()-before) / (1 << 20)
		begin := time.Now()
		runtime.GC()
		collection := time.Since(begin)
		ids := make([][]byte, 1<<16)
		zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(n-1))
		cold := make([][]byte, 1<<16)
		for i := range ids {
			ids[i] = []byte("customer-" + strconv.FormatUint(zipf.Uint64(), 10))
			cold[i] = []byte("customer-" + strconv.Itoa(rand.IntN(n)))
		}
		for name, set := range map[string][][]byte{"zipf": ids, "random": cold} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				lookUp(b, x.Load(), set)
				b.ReportMetric(used, "MiB")
				b.ReportMetric(float64(collection.Microseconds())/1000, "ms/gc")
			})
		}
		b.Run(fmt.Sprintf("change/%d", n), func(b *testing.B) { change(b, x) })
	}
}

// lookUp finds one of 65536 ids after the other.
func lookUp(b *testing.B, v *View, ids [][]byte) {
	for i := range b.N {
		if v.Record(ids[i&(1<<16-1)]) == nil {
			b.Fatal("not found")
		}
	}
}

func change(b *testing.B, x *Index) {
	rec := record(b, "customer-7", 5)
	for i := range b.N {
		txn := x.Begin()
		txn.Put(rec, 1)
		if err := txn.Publish(uint64(i) + 2); err != nil {
			b.Fatal(err)
		}
	}
}
