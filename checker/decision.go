package checker

// An Ask is one question. Byte slices are borrowed for the call; nil means "not named".
type Ask struct {
	User        []byte
	Device      []byte
	Environment []byte
	Version     []byte // semver
	Quantity    int64  // at least 0
	Anywhere    bool   // subscriptions match whatever environment, version or device would have to be named
	Value       Value  // config: the value to be covered; the zero Value: none. Made by Feature.ParseValue
	Scratch     []byte // room for a value that has to be put together (a union); Decide appends to it
}

// A Use is what is used of a feature at the moment of the ask.
type Use struct {
	Used         int64 // metered: units in the current period; pool and seat: units taken
	Reserved     int64 // metered: units set aside here, which others cannot consume
	GrantLeft    int64 // metered: what grants add to the limit: what active ones hold, and the period spent of others
	GrantActive  bool  // an active grant names the feature
	GrantEnds    int64 // when the last active grant ends, in unix milliseconds; math.MaxInt64: one does not
	Rolled       int64 // metered: what of the period before may be used besides
	ResetsAt     int64 // metered: when the period that is counted ends, in unix milliseconds; 0: as the documents say
	UserSeated   bool  // named seat: Ask.User has one
	DeviceActive bool  // Ask.Device is activated on the subscriptions that lock devices
	UnseenMax    int64 // rights granted to others and not reported yet
	HeldRights   int64 // rights that this holder can spend at once
	TotalsAge    int64 // age of the totals in milliseconds
}

// Fund says what grants add to the limit, and when the last active one ends; 0: none is active.
func (u *Use) Fund(units, ends int64) {
	u.GrantLeft, u.GrantActive, u.GrantEnds = units, ends != 0, ends
}

// Held is what a customer holds of one feature, borrowed from one view: a cursor, not a copy.
type Held struct {
	World   *World
	Feature *Feature // nil: the catalogue has no such feature
	Record  Record   // nil: no such customer
	Use     Use
	Age     int64 // milliseconds since the replica last knew itself at the log's head
}

// A Decision is the answer to an Ask. Which fields apply follows from Type (see contract).
type Decision struct {
	Allowed   bool
	Unlimited bool
	OverLimit bool // pool, seat: more is taken than the limit
	Stale     bool // the snapshot is older than the feature's policy, which lets it pass
	Type      Type // 0: the customer or the feature is unknown
	Reason    Reason
	WouldDeny Reason // Advisory: what would have been said
	Plan      string // key of the plan that decided; empty: none
	Value     []byte // boolean, config: JSON; borrowed from the view or from Ask.Scratch; nil: null
	Limit     int64  // own limits without grants
	Grants    int64  // what active grants add
	Used      int64
	Reserved  int64 // metered: units set aside at this holder
	Remaining int64 // neither used nor set aside; at least 0
	Overage   int64 // used beyond the limit
	ResetsAt  int64 // unix milliseconds; 0: never
	ExpiresAt int64 // unix milliseconds; 0: the answer has no end
	Held      int64
	UnseenMax int64
	TotalsAge int64
}
