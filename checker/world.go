package checker

// Type is the kind of thing that a feature grants.
type Type uint8

// The feature types.
const (
	Boolean Type = iota + 1
	Config
	Metered
	Pool
	Seat
)

// Per is the length of a metered feature's period.
type Per uint8

// The period lengths, shortest first, so that a longer one compares greater.
const (
	NoPer Per = iota // not given: add-ons and unlimited allowances
	Minute
	Hour
	Day
	Week
	Month
	Year
	Never
)

// Status is what the documents say of a subscription; what it is at a moment also depends on its times.
type Status uint8

// The statuses.
const (
	Active Status = iota + 1
	Trialing
	PastDue
	SuspendedStatus
	CancelledStatus
)

// Ids of catalogue keys. They are given by Names, dense from 0, never reused while a process (and its disk) lives.
type (
	FeatureID uint32
	PlanID    uint32
	AddonID   uint32
)

// A Feature is a compiled feature of the catalogue in force.
type Feature struct {
	ID         FeatureID
	Key        string
	Type       Type
	Values     []string // config: the values that it may hold; nil: any
	Ordered    bool     // config with Values: a later one covers the earlier ones
	StackMax   bool     // across subscriptions the largest limit counts, not the sum
	Floating   bool     // seat: floating, else named
	TTL        int64    // floating seat: milliseconds
	StaleAfter int64    // milliseconds of snapshot age; 0: no policy
	StaleDeny  bool     // beyond StaleAfter deny instead of flagging
	Advisory   bool     // lets pass also what subscription states would deny
	Unit       string

	valuesJSON [][]byte // Values as canonical JSON
	kind       kind     // config without Values: what all allowances of the catalogue hold; noValue: no one sort
}

// An Allowance is a compiled allowance of a plan, an add-on or an override.
type Allowance struct {
	Value     Value // boolean and config; the zero Value: none
	Limit     int64 // metered, pool, seat: units, at least 0
	Overdraft int64
	Per       Per
	Anchored  bool // metered: periods count from the subscription's start, not from the calendar
	Soft      bool
	Unlimited bool
	Advisory  bool
	Chunked   bool // durability: counted in pre-debited pieces
	Rollover  int64
	Borrow    int64 // milliseconds
	Warn      Percents
}

// A Plan is one version of a plan, compiled.
type Plan struct {
	Key     string
	Version uint32
	Base    bool
	Allow   []Grantable // sorted by feature id

	at slots
}

// An Addon is an add-on of the catalogue in force, compiled.
type Addon struct {
	Key   string
	Allow []Grantable // sorted by feature id

	at slots
}

// A Grantable is an allowance of one feature.
type Grantable struct {
	Feature FeatureID
	Allowance
}
