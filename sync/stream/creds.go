package stream

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// errCreds does not say what was found, for it may be most of a password.
var errCreds = errors.New("it must hold a user and a password, in two words or as user:password")

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

// credentials tells a connection who it is: by a NATS credentials file, or a user and a password.
func credentials(path string) (nats.Option, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("credentials for NATS: %w", err)
	}
	if bytes.Contains(data, []byte("BEGIN NATS USER JWT")) {
		return nats.UserCredentials(path), nil
	}
	user, password, err := readCreds(path)
	if err != nil {
		return nil, err
	}
	return nats.UserInfo(user, password), nil
}
