package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A marker is what the HOLDER file says: there is a vault here, and whose. It is written after the vault, so it is
// never ahead of it; one that is shows that the vault is older than what it was, or is another one.
type marker struct {
	id          ID
	public      ed25519.PublicKey
	incarnation uint64
}

var errMarker = errors.New("the HOLDER file is damaged")

const (
	markerFirst = "sidegate vault %d\n"
	markerRest  = "holder %x\npublic %x\nincarnation %d\n"
	markerLast  = "check %016x\n"
)

func (m marker) encode() []byte {
	text := fmt.Sprintf(markerFirst+markerRest, format, m.id[:], []byte(m.public), m.incarnation)
	return fmt.Appendf(nil, "%s"+markerLast, text, checksum([]byte(holderFile), []byte(text)))
}

// decodeMarker reads the first and the last line as every version writes them, and the rest as this one does.
func decodeMarker(data []byte) (m marker, err error) {
	end := bytes.LastIndexByte(bytes.TrimSuffix(data, []byte("\n")), '\n') + 1
	last := fmt.Sprintf(markerLast, checksum([]byte(holderFile), data[:end]))
	var version uint64
	if _, err := fmt.Sscanf(string(data), markerFirst, &version); err != nil || string(data[end:]) != last {
		return m, errMarker
	}
	if version < 1 || version > format {
		return m, versionError(version)
	}
	var id, public string
	_, rest, _ := strings.Cut(string(data[:end]), "\n")
	var incarnation uint64
	_, err = fmt.Sscanf(rest, "holder %s\npublic %s\nincarnation %d\n", &id, &public, &incarnation)
	rawID, err1 := hex.DecodeString(id)
	rawKey, err2 := hex.DecodeString(public)
	if errors.Join(err, err1, err2) != nil || len(rawID) != len(m.id) || len(rawKey) != ed25519.PublicKeySize {
		return m, errMarker
	}
	return marker{ID(rawID), rawKey, incarnation}, nil
}

// replaceFile writes a small file as one step, durably.
func (reached boundary) replaceFile(path string, data []byte) (err error) {
	f, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(data)
		reached("a new file is written")
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return noSpace(err)
	}
	return reached.rename(path+unfinished, path)
}

// A boundary is called between what is durable and what is not; tests end the process there.
type boundary func(where string)

// rename moves a file within its directory, durably.
func (reached boundary) rename(from, to string) error {
	reached("before " + filepath.Base(to) + " is replaced")
	if err := os.Rename(from, to); err != nil {
		return err
	}
	reached(filepath.Base(to) + " is replaced")
	return syncDir(filepath.Dir(to))
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
