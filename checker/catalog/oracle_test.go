package catalog_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/sidegate/sidegate/checker"
	"github.com/sidegate/sidegate/checker/catalog"
)

// fromEnv is a number that the environment sets.
func fromEnv(t testing.TB, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is no number: %v", name, err)
	}
	return n
}

// A bench is a world both ways: as documents, and compiled by the real path.
type bench struct {
	t      testing.TB
	docs   *docWorld
	names  *checker.Names
	world  *checker.World
	read   []catalog.Catalogue // as applied
	newest map[string]catalog.PlanVersion

	customer *docCustomer
	record   checker.Record
}

// read parses a document that has to be valid: a generator that makes others would slowly test nothing.
func (b *bench) parse(doc any) catalog.Node {
	n, err := catalog.ParseJSON([]byte(asJSON(doc)))
	if err != nil {
		b.t.Fatalf("%s\nis refused: %v", asJSON(doc), err)
	}
	return n
}

func newBench(t testing.TB, docs *docWorld) *bench {
	b := &bench{t: t, docs: docs, names: checker.NewNames(), newest: map[string]catalog.PlanVersion{}}
	var plans []catalog.PlanVersion
	for _, doc := range docs.Applied {
		c, err := catalog.ReadCatalogue(b.parse(doc))
		if err == nil {
			c, err = catalog.DecodeCatalogue(catalog.EncodeCatalogue(c))
		}
		if err != nil {
			t.Fatalf("%s\nis refused: %v", asJSON(doc), err)
		}
		b.read = append(b.read, c)
		for _, p := range c.NewVersions(b.newest) {
			b.newest[p.Key] = p
			plans = append(plans, p)
		}
	}
	b.world = catalog.Compile(b.names, b.read[len(b.read)-1], plans)
	return b
}

// pack makes the record of a customer.
func (b *bench) pack(doc *docCustomer) checker.Record {
	c, err := catalog.ReadImport(b.parse(doc.unstamped()), importedAt())
	if err == nil {
		c, err = catalog.DecodeCustomer(catalog.EncodeCustomer(c))
	}
	if err == nil {
		err = b.read[doc.since].CheckCustomer(c, func(plan string, version uint32) bool {
			return version >= 1 && version <= b.newest[plan].Version
		})
	}
	if err != nil {
		b.t.Fatalf("catalogues %s\ncustomer %s\nis refused: %v", asJSON(b.docs.Applied), asJSON(doc), err)
	}
	record, err := catalog.Pack(b.names, c)
	if err != nil {
		b.t.Fatalf("customer %s\nis not packed: %v", asJSON(doc), err)
	}
	return record
}

// asked is the question as checker takes it. A value that the feature does not take is left out after all.
func (b *bench) asked(q *question) (checker.Held, checker.Ask) {
	held := checker.Held{World: b.world, Feature: b.world.Feature([]byte(q.Feature)), Record: b.record,
		Age: q.Age.Milliseconds(), Use: checker.Use{Used: q.Used, Reserved: q.Reserved,
			GrantLeft: q.GrantLeft, GrantActive: q.GrantActive, GrantEnds: q.GrantEnds, Rolled: q.Rolled, ResetsAt: q.PeriodEnds,
			UserSeated: q.UserSeated, DeviceActive: q.DeviceActive}}
	ask := checker.Ask{User: named(q.User), Device: named(q.Device), Environment: named(q.Environment),
		Version: named(q.Version), Quantity: q.Quantity, Scratch: make([]byte, 0, 4096)}
	if q.Customer == nil {
		held.Record = nil
	}
	if q.Value != nil && held.Feature != nil {
		value, err := held.Feature.ParseValue([]byte(asJSON(q.Value)))
		if takes := b.docs.takes(q); takes != (err == nil) {
			b.t.Fatalf("catalogues %s\nvalue %s of %s: got %v, want it taken: %v", asJSON(b.docs.Applied), asJSON(q.Value),
				q.Feature, err, takes)
		}
		ask.Value = value
		if err != nil {
			q.Value = nil
		}
	}
	return held, ask
}

func named(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// said is a Decision as a verdict.
func said(d checker.Decision) verdict {
	v := verdict{Allowed: d.Allowed, Reason: d.Reason.String(), Plan: d.Plan, Limit: d.Limit, Used: d.Used,
		Reserved: d.Reserved, Remaining: d.Remaining, Overage: d.Overage, OverLimit: d.OverLimit, Unlimited: d.Unlimited,
		Stale: d.Stale, ResetsAt: d.ResetsAt, ExpiresAt: d.ExpiresAt}
	if d.WouldDeny != checker.Undecided {
		v.WouldDeny = d.WouldDeny.String()
	}
	if d.Type != 0 {
		v.Type = [...]string{"", "boolean", "config", "metered", "pool", "seat"}[d.Type]
	}
	if d.Value != nil {
		if err := json.Unmarshal(d.Value, &v.Value); err != nil {
			v.Value = err
		}
	}
	return v
}

// A trial is one case: a question about a customer, as a document and as checker takes it.
type trial struct {
	*bench
	number uint64 // from 1
	q      *question
	held   checker.Held
	ask    checker.Ask
}

// campaign makes random cases from a seed and looks at each, several customers a world and several asks a customer.
func campaign(t testing.TB, seed, cases uint64, look func(c *trial)) {
	const customers, asks = 50, 20
	c := &trial{}
	for world := uint64(0); ; world++ {
		d := dice{rand.New(rand.NewPCG(seed, world))}
		c.bench = newBench(t, d.world())
		for i := range customers * asks {
			if i%asks == 0 {
				c.customer = d.customer(c.docs, fmt.Sprintf("c%d", i/asks))
				c.record = c.pack(c.customer)
			}
			if c.number++; c.number > cases {
				return
			}
			c.q = d.ask(c.docs, c.customer)
			c.held, c.ask = c.asked(c.q)
			look(c)
		}
	}
}

// String is all that is needed to reproduce the case by hand.
func (c *trial) String() string {
	return fmt.Sprintf("case %d\ncatalogues %s\ncustomer %s\nask %s\nnow %s", c.number, asJSON(c.docs.Applied),
		asJSON(c.customer), asJSON(c.q), c.q.Now.Format(time.RFC3339Nano))
}

func TestOracleAndDecideGiveTheSameAnswers(t *testing.T) {
	seed := fromEnv(t, "SIDEGATE_ORACLE_SEED", uint64(time.Now().UnixNano()))
	cases := fromEnv(t, "SIDEGATE_ORACLE_CASES", 200_000)
	t.Logf("SIDEGATE_ORACLE_SEED=%d SIDEGATE_ORACLE_CASES=%d", seed, cases)
	counts := map[string]uint64{}
	campaign(t, seed, cases, func(c *trial) {
		decision := checker.Decide(&c.held, &c.ask, c.q.Now.UnixMilli())
		got, want := said(decision), c.docs.decide(c.q)
		counts[want.Reason]++
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("SIDEGATE_ORACLE_SEED=%d\n%v\nDecide %+v\noracle %+v", seed, c, got, want)
		}
		if d, counted := c.counted(); counted && !reflect.DeepEqual(d, decision) || !counted && metered(&decision) {
			t.Fatalf("SIDEGATE_ORACLE_SEED=%d\n%v\nDecide %+v\nCount  %+v %v", seed, c, decision, d, counted)
		}
		if c.number%16 > 0 {
			return // explaining is slow
		}
		if explained, _ := checker.Explain(&c.held, &c.ask, c.q.Now.UnixMilli()); !reflect.DeepEqual(said(explained), got) {
			t.Fatalf("SIDEGATE_ORACLE_SEED=%d\n%v\nDecide  %+v\nExplain %+v", seed, c, got, said(explained))
		}
	})
	for _, reason := range checker.Reasons() {
		n := counts[reason.String()]
		t.Logf("%-24s %8d %6.2f %%", reason, n, 100*float64(n)/float64(cases))
		if n*1000 < cases && !outside(reason) && cases >= 20_000 { // fewer say nothing about a share
			t.Errorf("%v is said in %d of %d cases, so it is hardly tested", reason, n, cases)
		}
	}
}

// counted decides in the two steps of those who count: what is used, and that a grant is over, is known at the second.
func (c *trial) counted() (d checker.Decision, counted bool) {
	held := c.held
	held.Use = checker.Use{GrantActive: true, DeviceActive: held.Use.DeviceActive}
	count := checker.CountOf(&held, &c.ask, c.q.Now.UnixMilli())
	if _, ok := count.Terms(); !ok {
		return d, false
	}
	held.Use = c.held.Use
	return count.Decide(), true
}

// metered tells whether something allowed is counted.
func metered(d *checker.Decision) bool { return d.Allowed && d.Type == checker.Metered }

// outside tells whether a reason is one that Decide cannot give: rights and devices are given out elsewhere.
func outside(reason checker.Reason) bool {
	return reason == checker.RightsUnavailable || reason == checker.DevicesExhausted
}

func TestOracleCasesAreDecidedWithoutAllocating(t *testing.T) {
	campaign(t, 1, 4_000, func(c *trial) {
		now := c.q.Now.UnixMilli()
		allocs := testing.AllocsPerRun(2, func() { checker.Decide(&c.held, &c.ask, now) })
		if allocs != 0 {
			t.Fatalf("%v allocations\n%v", allocs, c)
		}
	})
}
