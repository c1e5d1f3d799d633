package stream

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

// errCreds does not say what was found, for it may be most of a password.
var errCreds = errors.New("it must be what sidegate fleet enrol wrote, or hold a user and a password, in two words " +
	"or as user:password")

// readCreds reads a file with a user and a password.
func readCreds(path string) (user, password string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("credentials for NATS: %w", err)
	}
	words := strings.Fields(string(data))
	if len(words) == 1 {
		words = strings.SplitN(words[0], ":", 2)
	}
	if len(words) != 2 || words[0] == "" || words[1] == "" {
		return "", "", fmt.Errorf("credentials for NATS in %s: %w", path, errCreds)
	}
	return words[0], words[1], nil
}

// ErrCredentials says that NATS lets nobody in with these credentials.
var ErrCredentials = errors.New("NATS refuses the credentials (--nats-creds): they are missing, wrong, expired or " +
	"revoked; sidegate fleet enrol makes those of a sidecar")

// refused tells whether an error is about who connects.
func refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) ||
		errors.Is(err, nats.ErrAuthRevoked) || errors.Is(err, nats.ErrAccountAuthExpired)
}

// isUser tells a NATS credentials file from one with a user and a password.
func isUser(data []byte) bool { return bytes.Contains(data, []byte("BEGIN NATS USER JWT")) }

// userOf reads who a NATS credentials file is of.
func userOf(data []byte) (*jwt.UserClaims, error) {
	text, err := jwt.ParseDecoratedJWT(data)
	if err != nil {
		return nil, err
	}
	return jwt.DecodeUserClaims(text)
}

// credentials tell a connection who it is: by a NATS credentials file, or a user and a password.
func (o *Options) credentials() ([]nats.Option, error) {
	if o.Identity != nil {
		return identified(o.Identity, nats.UserCredentialBytes(o.Identity))
	}
	if o.Creds == "" {
		return nil, nil
	}
	data, err := os.ReadFile(o.Creds)
	if err != nil {
		return nil, fmt.Errorf("credentials for NATS: %w", err)
	}
	if isUser(data) {
		opts, err := identified(data, nats.UserCredentials(o.Creds))
		if err != nil {
			return nil, fmt.Errorf("credentials for NATS in %s: %w", o.Creds, err)
		}
		return opts, nil
	}
	user, password, err := readCreds(o.Creds)
	if err != nil {
		return nil, err
	}
	return []nats.Option{nats.UserInfo(user, password)}, nil
}

// identified gives a connection that is a user's an inbox that only that user may listen to.
func identified(data []byte, as nats.Option) ([]nats.Option, error) {
	u, err := userOf(data)
	if err != nil {
		return nil, fmt.Errorf("the file is damaged: %w", err)
	}
	return []nats.Option{as, nats.CustomInboxPrefix(inboxOf(u.Subject))}, nil
}
