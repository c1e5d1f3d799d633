package wire

// The codes of a LeaseReply, or of one of its answers, beside the ledger's.
const (
	// CodeUnavailable asks for the same again, later: the books could not be written, or not yet.
	CodeUnavailable = "unavailable"
	// CodeSuperseded tells a holder that a later start of it, or another one of the same number, has asked already: its
	// vault is used twice. It may not spend what it has any more, and takes a new identity.
	CodeSuperseded = "superseded"
	// CodeStranger says that the holder was enrolled with another key.
	CodeStranger = "stranger"
	// CodeDamaged says that the lease could not be read, or is not signed by the key that it names.
	CodeDamaged = "damaged"
)

// AllTold is the customer of an item without a feature, by which a holder says that under the lease's epoch every one
// of its reports has been answered: what it has not told of, it has not. Books that learn wait for it.
const AllTold = ""
