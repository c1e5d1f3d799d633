package vault

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// KeySize is the length of a vault's key in bytes.
const KeySize = 32

// ParseKey reads a key as it stands in a file or an environment variable: 64 hex digits, or base64 of 32 bytes with or
// without padding, in either alphabet; space around it is ignored. The error says what is wrong, and never the text.
func ParseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, fmt.Errorf("the vault's key is empty; it is %d random bytes as hex or base64", KeySize)
	}
	if len(text) == hex.EncodedLen(KeySize) {
		if key, err := hex.DecodeString(text); err == nil {
			return strong(key)
		}
	}
	plain := strings.TrimRight(text, "=")
	coding := base64.RawStdEncoding
	if strings.ContainsAny(plain, "-_") {
		coding = base64.RawURLEncoding
	}
	key, err := coding.Strict().DecodeString(plain)
	if err != nil {
		return nil, fmt.Errorf("the vault's key is neither 64 hex digits nor base64 (it has %d characters)", len(text))
	}
	return strong(key)
}

// strong refuses what cannot be a random key: another length, or one byte over and over.
func strong(key []byte) ([]byte, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the vault's key has %d bytes, not %d; make one with: openssl rand -hex %d",
			len(key), KeySize, KeySize)
	}
	for _, b := range key {
		if b != key[0] {
			return key, nil
		}
	}
	return nil, fmt.Errorf("the vault's key is one byte %d times; make one with: openssl rand -hex %d", KeySize, KeySize)
}

// random fills what is to be unique for ever.
func random(b []byte) {
	_, _ = rand.Read(b) // it never fails: it ends the process instead
}
