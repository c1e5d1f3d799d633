package hub

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/hub/counting"
)

// kindImport are the documents in the books that remember imports with an Idempotency-Key, for whole files have no
// document of their own that could remember the command.
const kindImport = "import"

// maxRemembered is how many bytes of an import's outcome are remembered; beyond it the errors are left off.
const maxRemembered = 256 << 10

// A pastImport is an import that was carried out.
type pastImport struct {
	Body    []byte    `json:"body"` // SHA-256
	Outcome importDoc `json:"outcome"`
}

const pastVersion = 1

// replayed answers an import again that was carried out before, if the caller gave a key.
func (im *importer) replayed() (bool, error) {
	key := im.c.r.Header.Get("Idempotency-Key")
	if key == "" || im.dry {
		return false, nil
	}
	if _, err := im.c.command(); err != nil {
		return false, err
	}
	name := sha256.Sum256([]byte(im.c.who.ID + "\x00" + key))
	im.key = kindImport + "/" + hex.EncodeToString(name[:])
	im.body = io.TeeReader(im.c.r.Body, im.sum)
	e, ok, err := get(im.c.r.Context(), im.h.books, im.key)
	if err != nil || !ok {
		return false, err
	}
	var past pastImport
	if len(e.Value) == 0 || e.Value[0] != pastVersion {
		return false, errors.New("stored import: unknown format version")
	}
	if err := json.Unmarshal(e.Value[1:], &past); err != nil {
		return false, err
	}
	if _, err := io.Copy(io.Discard, im.body); err != nil {
		return false, badRequest("the body could not be read whole")
	}
	if !bytes.Equal(past.Body, im.sum.Sum(nil)) {
		return false, refuse(http.StatusUnprocessableEntity, "idempotency_key_reused",
			"this Idempotency-Key was used for another import; choose a new one")
	}
	return true, im.c.answer(past.Outcome)
}

// remember keeps the outcome for a repetition.
func (im *importer) remember() error {
	if im.key == "" {
		return nil
	}
	past := pastImport{Body: im.sum.Sum(nil), Outcome: im.doc}
	value, err := json.Marshal(past)
	if err == nil && len(value) > maxRemembered {
		past.Outcome.LeftOff += len(past.Outcome.Errors)
		past.Outcome.Errors = []lineError{}
		value, err = json.Marshal(past)
	}
	if err != nil {
		return err
	}
	_, err = im.h.books.Put(im.c.r.Context(), counting.NewCommand(), replica.Put{Key: im.key,
		Value: append([]byte{pastVersion}, value...)})
	if errors.Is(err, replica.ErrConflict) {
		return nil // the same import was under way twice
	}
	return logFault(err)
}
