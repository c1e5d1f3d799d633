package checker

// A Reason says why a check was answered as it was. The strings are stable: reasons are added, never renamed.
type Reason uint8

// The reasons, allowed ones first. The zero Reason means "not decided" and never leaves Decide.
const (
	Undecided Reason = iota

	Granted
	Trial
	Grace
	Overage
	Overdraft
	Unlimited
	Advisory

	UnknownCustomer
	UnknownFeature
	NotEntitled
	NotStarted
	Expired
	TrialExpired
	Suspended
	Cancelled
	LimitReached
	RightsUnavailable
	ValueNotCovered
	NoSeat
	SeatsExhausted
	DeviceNotActivated
	DevicesExhausted
	EnvironmentNotAllowed
	VersionNotCovered
	Stale
	Revoked

	reasonCount
)

var reasonNames = [reasonCount]string{
	"undecided",
	"granted", "trial", "grace", "overage", "overdraft", "unlimited", "advisory",
	"unknown_customer", "unknown_feature", "not_entitled", "not_started", "expired", "trial_expired", "suspended",
	"cancelled", "limit_reached", "rights_unavailable", "value_not_covered", "no_seat", "seats_exhausted",
	"device_not_activated", "devices_exhausted", "environment_not_allowed", "version_not_covered", "stale", "revoked",
}

// String is the reason as it stands in answers.
func (r Reason) String() string {
	if r >= reasonCount {
		return "undecided"
	}
	return reasonNames[r]
}

// Allows tells whether the reason is one of an allowed answer.
func (r Reason) Allows() bool { return r >= Granted && r <= Advisory }

// Reasons lists every reason that Decide can give, in order.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := Granted; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}
