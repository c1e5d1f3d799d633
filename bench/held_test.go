package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/sidegate/sidegate/bench/world"
	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
	"github.com/sidegate/sidegate/checker/index"
	"github.com/sidegate/sidegate/sync/text"
)

// fill makes an index of n synthetic customers, and answers how many bytes of heap it takes.
func fill(b *testing.B, n int) (*index.Index, uint64) {
	b.Helper()
	document, err := text.YAML(world.Catalogue())
	if err != nil {
		b.Fatal(err)
	}
	c, err := catalog.ReadCatalogue(document)
	if err != nil {
		b.Fatal(err)
	}
	names, x, now := checker.NewNames(), index.New(), time.Now()
	compiled := catalog.Compile(names, c, c.NewVersions(nil))
	before := heap()
	txn := x.Begin()
	txn.SetWorld(compiled)
	for i := range n {
		rec, err := catalog.Pack(names, world.Customer(worldSeed, i+1, now))
		if err != nil {
			b.Fatal(err)
		}
		txn.Put(rec, uint64(i))
	}
	if err := txn.Publish(1); err != nil {
		b.Fatal(err)
	}
	return x, heap() - before
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A pair is what one check asks for: the customer's number, and one of featureKeys.
type pair struct{ customer, feature uint32 }

// drawn draws customers by pick, each with a random feature.
func drawn(pick func() uint64) []pair {
	out := make([]pair, 1<<16)
	for i := range out {
		out[i] = pair{uint32(1 + pick()), rand.Uint32N(uint32(len(featureKeys())))}
	}
	return out
}

// BenchmarkHeld finds a customer and decides, in worlds of growing size: by a Zipf distribution, as traffic is, and
// evenly, so that most of it is cold.
func BenchmarkHeld(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		x, bytes := fill(b, n)
		begin := time.Now()
		runtime.GC()
		collection := time.Since(begin)
		zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(n-1))
		for _, load := range []struct {
			name string
			pick func() uint64
		}{{"zipf", zipf.Uint64}, {"even", func() uint64 { return rand.Uint64N(uint64(n)) }}} {
			asked := drawn(load.pick)
			b.Run(fmt.Sprintf("%s/%d", load.name, n), func(b *testing.B) {
				decideAll(b, x.Load(), asked)
				b.ReportMetric(float64(bytes)/(1<<20), "MiB")
				b.ReportMetric(float64(collection.Microseconds())/1000, "ms/gc")
			})
		}
	}
}

func decideAll(b *testing.B, v *index.View, asked []pair) {
	b.ReportAllocs()
	ask, now := checker.Ask{Quantity: 1, Scratch: make([]byte, 0, 512)}, time.Now().UnixMilli()
	var features [][]byte
	for _, key := range featureKeys() {
		features = append(features, []byte(key))
	}
	var held checker.Held
	id, missing := make([]byte, 1, 16), 0
	id[0] = 'c'
	for i := range b.N {
		p := asked[i&(1<<16-1)]
		// The id is written anew, for that of a request is at hand, not somewhere in memory.
		id = strconv.AppendUint(id[:1], uint64(p.customer), 10)
		held = v.Held(id, features[p.feature])
		if d := checker.Decide(&held, &ask, now); d.Reason == checker.UnknownCustomer {
			missing++
		}
	}
	if missing > 0 {
		b.Fatalf("%d customers were not found", missing)
	}
}
