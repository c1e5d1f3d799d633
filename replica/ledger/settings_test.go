package ledger

import (
	"slices"

	"github.com/sidegate/sidegate/checker"
)

const tick = hour / 2

// limited are conditions of a limit per hour.
func limited(n int64) conditions {
	return conditions{Terms{Limit: n, Until: Forever}, hourly}
}

func (c conditions) soft() conditions             { c.Soft = true; return c }
func (c conditions) over(n int64) conditions      { c.Overdraft = n; return c }
func (c conditions) rolling(n int64) conditions   { c.Rollover = n; c.Since = 1; return c }
func (c conditions) per(p checker.Per) conditions { c.rule = Rule{Per: p}; return c }

// settings are the small worlds that are gone through.
func settings() []*setting {
	list := slices.Concat(countingWorlds(), periodWorlds(), limitWorlds(), rollingWorlds(), fencedWorlds(), lossyWorlds(),
		hubsWorlds(), stepsWorlds())
	for _, s := range list {
		if s.folk == 0 {
			s.folk = 2
		}
		if s.tick == 0 {
			s.tick = tick
		}
		if s.most == 0 {
			s.most = 9_000
		}
		if s.sampling == 0 {
			s.sampling = 5
		}
		s.start, s.auto = 10*hour, true
	}
	return list
}

func countingWorlds() []*setting {
	return []*setting{
		{
			name: "rights and mail", terms: []conditions{limited(3)}, amounts: []int64{1},
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 2, giveBack: 1},
		},
		{
			name: "durable steps", terms: []conditions{limited(2)}, amounts: []int64{1}, split: true,
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 2, crash: 1}, only: [kinds]int8{crash: 1},
		},
		{
			name: "two hubs", terms: []conditions{limited(2)}, amounts: []int64{1}, hubs: 2, tick: hour,
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 1, confirm: 1, forget: 1, pass: 1},
			only:   [kinds]int8{forget: 1},
		},
		{
			name: "chunks and reservations", terms: []conditions{limited(3)}, amounts: []int64{2}, folk: 1,
			asks: []want{{Ask: Ask{Target: 3}}},
			budget: [kinds]int8{consume: 1, debit: 1, fromMemory: 2, settle: 1, reserve: 2, commit: 2, cancel: 1, refund: 2,
				tidy: 1, crash: 1, pass: 2},
		},
		{
			name: "soft made hard", terms: []conditions{limited(2).soft(), limited(2)}, amounts: []int64{1},
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 1, count: 1, debitUnbacked: 1, fromMemory: 1, settle: 1, setTerms: 1, crash: 1},
			only:   [kinds]int8{debitUnbacked: 1, fromMemory: 1, settle: 1, crash: 1, consume: 2},
		},
	}
}

func periodWorlds() []*setting {
	return []*setting{
		{
			name: "standing rights", terms: []conditions{limited(2)}, amounts: []int64{1}, tick: hour,
			asks:   []want{{Ask: Ask{Standing: 1, Until: 1}}, {Ask: Ask{Standing: 2, Until: 2}}},
			budget: [kinds]int8{pass: 2},
		},
		{
			name: "standing rights given back", terms: []conditions{limited(2)}, amounts: []int64{1}, tick: hour,
			asks:   []want{{Ask: Ask{Standing: 2, Until: 2}}},
			budget: [kinds]int8{consume: 1, pass: 2, giveBackStanding: 1},
			only:   [kinds]int8{giveBackStanding: 1},
		},
		{
			name: "standing rights and clocks", terms: []conditions{limited(2)}, amounts: []int64{2}, lags: []int64{hour, -hour},
			tick:   hour,
			asks:   []want{{Ask: Ask{Target: 1, Standing: 2, Until: 2}}},
			budget: [kinds]int8{consume: 1, pass: 2, lag: 1},
			only:   [kinds]int8{lag: 1},
		},
		{
			name: "periods end", terms: []conditions{limited(2)}, amounts: []int64{1}, lags: []int64{hour, -hour},
			tick:   hour,
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 1, pass: 2, lag: 1, confirm: 1, forget: 1, tidy: 1},
			only:   [kinds]int8{lag: 1, consume: 1, forget: 1, tidy: 1},
		},
		{
			name: "periods are folded away", terms: []conditions{limited(1)}, amounts: []int64{1}, folk: 1, tick: hour,
			asks:   []want{{Ask: Ask{Target: 1, Standing: 1, Until: 2}}},
			budget: [kinds]int8{consume: 1, count: 1, pass: 4, confirm: 1, forget: 2, foldAway: 1, tidy: 1},
		},
	}
}

func limitWorlds() []*setting {
	top := Grant{ID: "a", Amount: 2, Priority: 50, Until: 11 * hour}
	return []*setting{
		{
			name: "limits move", terms: []conditions{limited(1), limited(3), limited(2).over(1)}, amounts: []int64{1},
			asks:   []want{{Ask: Ask{Target: 3}}},
			budget: [kinds]int8{consume: 1, giveBack: 1, setTerms: 2}, only: [kinds]int8{giveBack: 1},
		},
		{
			name: "limits move under standing rights", terms: []conditions{limited(1), limited(3)}, amounts: []int64{1},
			tick:   hour,
			asks:   []want{{Ask: Ask{Standing: 2, Until: 1}}, {Ask: Ask{Standing: 3, Until: 2}}},
			budget: [kinds]int8{setTerms: 1, pass: 1, giveBackStanding: 1}, only: [kinds]int8{giveBackStanding: 1},
		},
		{
			name: "grants", terms: []conditions{limited(1)}, amounts: []int64{2}, tick: hour,
			grants: []Grant{top, {ID: "b", Amount: 1, Priority: 100, Until: Forever}},
			asks:   []want{{Ask: Ask{Target: 3}}},
			budget: [kinds]int8{consume: 1, setGrant: 2, dropGrant: 1, pass: 1},
		},
		{
			name: "grants pay for soft use", terms: []conditions{limited(1).soft(), limited(2), limited(0)},
			amounts: []int64{2}, grants: []Grant{top},
			asks: []want{{Ask: Ask{Target: 3}}},
			budget: [kinds]int8{count: 1, consume: 1, setGrant: 1, setTerms: 1, reserveUnbacked: 1, commit: 1,
				refund: 1},
			only: [kinds]int8{count: 1, reserveUnbacked: 1, commit: 1, refund: 1, consume: 2},
		},
		{
			name: "grants and folding", terms: []conditions{limited(0)}, amounts: []int64{1}, folk: 1, tick: hour,
			grants: []Grant{{ID: "a", Amount: 2, Until: Forever}},
			asks:   []want{{Ask: Ask{Target: 1}}},
			budget: [kinds]int8{consume: 2, setGrant: 1, pass: 4, tidy: 1, confirm: 1, forget: 1, foldAway: 1},
		},
		{
			name: "grants are forgotten", terms: []conditions{limited(0)}, amounts: []int64{1}, tick: hour,
			grants: []Grant{{ID: "a", Amount: 1, Until: Forever}},
			asks:   []want{{Ask: Ask{Target: 1}}},
			budget: [kinds]int8{consume: 1, setGrant: 2, dropGrant: 1, quiet: 2},
			only:   [kinds]int8{consume: 1},
		},
		{
			name: "grants that paid are forgotten", terms: []conditions{limited(0).soft()}, amounts: []int64{1}, folk: 1,
			grants: []Grant{{ID: "a", Amount: 1, Until: Forever}}, tick: hour,
			asks:   []want{{Ask: Ask{Target: 1}}},
			budget: [kinds]int8{consume: 1, count: 2, setGrant: 2, dropGrant: 1, foldAway: 1, quiet: 2},
		},
	}
}

func rollingWorlds() []*setting {
	return []*setting{
		{
			name: "rollover", terms: []conditions{limited(2).rolling(2)}, amounts: []int64{1}, tick: hour,
			lags:   []int64{hour},
			asks:   []want{{Ask: Ask{Target: 3}}},
			budget: [kinds]int8{consume: 2, pass: 1, lag: 1, tidy: 1}, only: [kinds]int8{lag: 1, tidy: 2},
		},
		{
			name: "rollover rolls once", terms: []conditions{limited(1).rolling(2)}, amounts: []int64{1}, tick: hour,
			folk:   1,
			asks:   []want{{Ask: Ask{Target: 3}}},
			budget: [kinds]int8{consume: 2, pass: 3, tidy: 2, giveBack: 1},
		},
		{
			name: "rollover of soft use", terms: []conditions{limited(2).rolling(2), limited(2).rolling(2).soft()},
			amounts: []int64{2}, tick: hour,
			asks:   []want{{Ask: Ask{Target: 4}}},
			budget: [kinds]int8{consume: 1, count: 1, pass: 1, setTerms: 1},
		},
		{
			name: "hubs' clocks differ", terms: []conditions{limited(2).rolling(2)}, amounts: []int64{2}, tick: hour,
			hubs: 2, skew: []int64{0, -hour},
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 1, pass: 1},
		},
		{
			name: "calendars change", terms: []conditions{limited(2), limited(2).per(checker.Day)}, amounts: []int64{2},
			tick: hour, folk: 1,
			asks:   []want{{Ask: Ask{Target: 2, Standing: 1, Until: 2}}, {Ask: Ask{Target: 2}, next: true}},
			budget: [kinds]int8{consume: 2, setTerms: 2, pass: 3, foldAway: 1},
		},
		{
			name: "resets", terms: []conditions{limited(2)}, amounts: []int64{2},
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 2, reset: 1, pass: 2},
		},
	}
}

func fencedWorlds() []*setting {
	return []*setting{
		{
			name: "fences", terms: []conditions{limited(2)}, amounts: []int64{1}, tick: hour,
			asks:   []want{{Ask: Ask{Target: 1, Standing: 1, Until: 2}}},
			budget: [kinds]int8{consume: 1, fence: 1, destroy: 1, quarantine: 1, pass: 1},
			only:   [kinds]int8{fence: 1, destroy: 2, quarantine: 2},
		},
		{
			name: "fenced and folded", terms: []conditions{limited(2)}, amounts: []int64{1}, tick: hour,
			asks:   []want{{Ask: Ask{Target: 1, Standing: 1, Until: 1}}},
			budget: [kinds]int8{count: 1, fence: 1, pass: 4, foldAway: 2},
			only:   [kinds]int8{fence: 1, count: 2},
		},
	}
}

func lossyWorlds() []*setting {
	return []*setting{
		{
			name: "rollback", terms: []conditions{limited(2)}, amounts: []int64{1},
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 1, backup: 1, rollback: 1, adopt: 2},
		},
		{
			name: "rollback of standing rights", terms: []conditions{limited(1)}, amounts: []int64{1}, tick: hour,
			asks:   []want{{Ask: Ask{Standing: 1, Until: 2}}},
			budget: [kinds]int8{consume: 1, backup: 1, rollback: 1, adopt: 2, pass: 2},
		},
		{
			name: "rollback of what was given back", terms: []conditions{limited(1)}, amounts: []int64{1}, tick: hour,
			asks:   []want{{Ask: Ask{Target: 1, Standing: 1, Until: 2}}},
			budget: [kinds]int8{backup: 1, rollback: 1, adopt: 2, giveBack: 1, giveBackStanding: 1},
		},
		{
			name: "rollback of grants", terms: []conditions{limited(0)}, amounts: []int64{1}, tick: hour,
			grants: []Grant{{ID: "a", Amount: 1, Until: Forever}},
			asks:   []want{{Ask: Ask{Target: 1}}},
			budget: [kinds]int8{consume: 1, setGrant: 1, backup: 1, rollback: 1, adopt: 2, pass: 1},
		},
		{
			name: "rollback and forgetting", terms: []conditions{limited(1)}, amounts: []int64{1}, folk: 1, tick: hour,
			asks:   []want{{Ask: Ask{Target: 1}}},
			budget: [kinds]int8{consume: 1, backup: 1, rollback: 1, adopt: 1, pass: 1, confirm: 2, forget: 1, tidy: 1},
		},
		{
			name: "rollback and fences", terms: []conditions{limited(1)}, amounts: []int64{1}, tick: hour,
			asks:   []want{{Ask: Ask{Target: 1}}},
			budget: [kinds]int8{consume: 1, backup: 1, rollback: 1, adopt: 1, destroy: 1, fence: 1, retire: 1, pass: 1},
			only:   [kinds]int8{adopt: 1, destroy: 2, fence: 2, consume: 2},
		},
	}
}

// hubsWorlds have two hubs, each with what it knew last of the book.
func hubsWorlds() []*setting {
	return []*setting{
		{
			name: "limits move at two hubs", terms: []conditions{limited(1), limited(3)}, amounts: []int64{1}, hubs: 2,
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 1, giveBack: 1, setTerms: 2}, only: [kinds]int8{giveBack: 1},
		},
		{
			name: "soft made hard at two hubs", terms: []conditions{limited(2).soft(), limited(2)}, amounts: []int64{1},
			hubs:   2,
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 1, count: 1, setTerms: 2}, only: [kinds]int8{count: 1, consume: 2},
		},
		{
			name: "standing rights at two hubs", terms: []conditions{limited(1)}, amounts: []int64{1}, hubs: 2, tick: hour,
			asks:   []want{{Ask: Ask{Standing: 1, Until: 2}}},
			budget: [kinds]int8{consume: 1, pass: 2, giveBackStanding: 1}, only: [kinds]int8{giveBackStanding: 1},
		},
		{
			name: "rollback at two hubs", terms: []conditions{limited(1)}, amounts: []int64{1}, hubs: 2,
			asks:   []want{{Ask: Ask{Target: 1}}},
			budget: [kinds]int8{consume: 1, giveBack: 1, backup: 1, rollback: 1, adopt: 2},
			only:   [kinds]int8{giveBack: 1},
		},
	}
}

// stepsWorlds have crashes between any two durable steps.
func stepsWorlds() []*setting {
	return []*setting{
		{
			name: "durable steps of periods", terms: []conditions{limited(1)}, amounts: []int64{1}, split: true, tick: hour,
			asks:   []want{{Ask: Ask{Target: 1, Standing: 1, Until: 1}}},
			budget: [kinds]int8{consume: 2, crash: 1, pass: 1, tidy: 1}, only: [kinds]int8{crash: 1, tidy: 1},
		},
		{
			name: "durable steps of grants", terms: []conditions{limited(0)}, amounts: []int64{1}, split: true, tick: hour,
			grants: []Grant{{ID: "a", Amount: 2, Until: 11 * hour}},
			asks:   []want{{Ask: Ask{Target: 2}}},
			budget: [kinds]int8{consume: 2, crash: 1, setGrant: 1, dropGrant: 1, pass: 1}, only: [kinds]int8{crash: 1},
		},
		{
			name: "durable steps of chunks and reservations", terms: []conditions{limited(3)}, amounts: []int64{2}, folk: 1,
			split: true,
			asks:  []want{{Ask: Ask{Target: 3}}},
			budget: [kinds]int8{consume: 1, debit: 1, fromMemory: 1, settle: 1, reserve: 1, commit: 1, cancel: 1, refund: 1,
				crash: 2},
		},
		{
			name: "durable steps of a rollback", terms: []conditions{limited(1)}, amounts: []int64{1}, split: true,
			asks:   []want{{Ask: Ask{Target: 1}}},
			budget: [kinds]int8{consume: 1, crash: 1, backup: 1, rollback: 1, adopt: 2}, only: [kinds]int8{crash: 1},
		},
	}
}
