package wire

// The codes of a LeaseReply, or of one of its answers, beside the ledger's.
const (
	// CodeUnavailable asks for the same again, later: the books could not be written, or not yet.
	CodeUnavailable = "unavailable"
	// CodeSuperseded tells a holder that another start of it has asked: its vault may be used twice. It takes a new
	// identity, with whatever it has not told, and says once more under the old one that it lives.
	CodeSuperseded = "superseded"
	// CodeCopied tells a holder that another one lives which has all that it had itself when it started. It takes a new
	// identity, with what it did since.
	CodeCopied = "copied"
	// CodeStranger says that the holder was enrolled with another key.
	CodeStranger = "stranger"
	// CodeDamaged says that the lease could not be read, or is not signed by the key that it names.
	CodeDamaged = "damaged"
)

// AllTold is the customer of an item without a feature, by which a holder says that under the lease's epoch every one
// of its reports has been answered: what it has not told of, it has not. Books that learn wait for it.
const AllTold = ""
