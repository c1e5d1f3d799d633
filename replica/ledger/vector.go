package ledger

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
)

// A Vector is what one holder ever had and did with one source in one period, in units. Every number only grows.
type Vector struct {
	Granted  int64 // rights ever granted. Invariant: Released + Spent() <= Granted, except for unbacked use
	Used     int64 // units ever consumed
	Released int64 // rights given back, never to be spent
	Refunded int64 // units whose consumption was taken back. Invariant: Refunded <= Used
	Doubt    int64 // units that a crash made doubtful: they count against the limit, but are not billed
}

// Net is what is billed.
func (v Vector) Net() int64 { return v.Used - v.Refunded }

// Spent is what cannot be spent again.
func (v Vector) Spent() int64 { return v.Net() + v.Doubt }

// Live is how many rights count as spent until they are proven unspent.
func (v Vector) Live() int64 { return v.Granted - v.Released }

// Free is how many rights can still be spent.
func (v Vector) Free() int64 { return v.Live() - v.Spent() }

// Max is the larger in each number: of two reports of one holder, the later.
func (v Vector) Max(o Vector) Vector {
	return Vector{max(v.Granted, o.Granted), max(v.Used, o.Used), max(v.Released, o.Released),
		max(v.Refunded, o.Refunded), max(v.Doubt, o.Doubt)}
}

// min is the smaller in each number: what two reports have in common.
func (v Vector) min(o Vector) Vector {
	return Vector{min(v.Granted, o.Granted), min(v.Used, o.Used), min(v.Released, o.Released),
		min(v.Refunded, o.Refunded), min(v.Doubt, o.Doubt)}
}

// Covers tells whether no number of v is below o's.
func (v Vector) Covers(o Vector) bool { return v.Max(o) == v }

// Plus is the sum of two holders' vectors.
func (v Vector) Plus(o Vector) Vector {
	return Vector{add(v.Granted, o.Granted), add(v.Used, o.Used), add(v.Released, o.Released),
		add(v.Refunded, o.Refunded), add(v.Doubt, o.Doubt)}
}

// check tells what cannot be true of a vector.
func (v Vector) check(backed bool) error {
	switch {
	case min(v.Granted, v.Used, v.Released, v.Refunded, v.Doubt) < 0:
		return fmt.Errorf("a number is negative: %+v", v)
	case max(v.Granted, v.Used, v.Released, v.Refunded, v.Doubt) > MaxUnits:
		return fmt.Errorf("a number is above %d: %+v", MaxUnits, v)
	case v.Refunded > v.Used:
		return fmt.Errorf("more is refunded than was used: %+v", v)
	case backed && v.Free() < 0:
		return fmt.Errorf("more is spent than was granted: %+v", v)
	case !backed && v.Granted|v.Released != 0:
		return fmt.Errorf("unbacked use has rights: %+v", v)
	}
	return nil
}

// MaxUnits is the most that one number may say, so that sums of a million of them still fit.
const MaxUnits = math.MaxInt64 >> 20

func add(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// A Kind is what rights are granted against.
type Kind uint8

// The kinds, in no order of spending.
const (
	Allowance Kind = iota // the limit of the period, and its overdraft
	Rollover              // what was left of the period before
	Topup                 // a grant
	Unbacked              // nothing: what soft and unlimited features consume, and facts
)

// A Source is what rights are granted against.
type Source struct {
	Kind  Kind
	Grant string // its id, if Kind is Topup
}

func (s Source) backed() bool { return s.Kind != Unbacked }

// A HolderID names a holder for ever. It is random.
type HolderID [16]byte

// Compare orders holders in the same way everywhere.
func (id HolderID) Compare(other HolderID) int {
	if a, b := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(other[:8]); a != b {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(binary.BigEndian.Uint64(id[8:]), binary.BigEndian.Uint64(other[8:]))
}

// A Refusal is the ledger's deterministic "no".
type Refusal struct {
	Code string // stable, for machines
	Why  string // for people
}

func refuse(code, format string, args ...any) *Refusal {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

// The codes of refusals.
const (
	CodeFenced      = "fenced"             // the holder was declared lost; it takes a new identity
	CodeDestroyed   = "destroyed"          // the same, and nothing was written off: what it consumed goes along
	CodeRetired     = "retired"            // the holder was silent for too long; it takes a new identity
	CodeQuarantined = "quarantined"        // the holder contradicted itself; it takes a new identity
	CodeAhead       = "ahead"              // the holder was granted more than the book knows: the book lost something
	CodeLearning    = "learning"           // nothing is granted until every holder has told what it has
	CodeEpoch       = "older_epoch"        // the message is of a history that was replaced
	CodeRestored    = "restored"           // the book knows more of this holder than it does itself
	CodeShort       = "rights_unavailable" // the rights held here do not suffice
	CodeUnknown     = "unknown"            // there is nothing of that name
	CodeSettled     = "settled"            // it was committed, cancelled or refunded before
	CodeTooMany     = "too_many"           // more than was reserved, or than can be counted
)
