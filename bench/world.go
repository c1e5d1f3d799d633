package bench

import (
	"bufio"
	"encoding/json"
	"io"
	"math/rand/v2"
	"time"

	"github.com/sidegate/sidegate/bench/world"
)

// featureKeys are those that checks ask for: one of each type and a few more.
func featureKeys() []string {
	return []string{"sso", "private-repos", "support", "max-file-mb", "data-residency", "ci-minutes", "api-calls",
		"ai-credits", "package-storage", "members", "cad-session", "audit-api"}
}

// worldSeed makes the customers of every run the same.
const worldSeed = 1

// writeWorld writes n customers as an import takes them.
func writeWorld(w io.Writer, n int) error {
	out := bufio.NewWriterSize(w, 1<<20)
	if _, err := io.Copy(out, world.Lines(nil, worldSeed, n, time.Now())); err != nil {
		return err
	}
	return out.Flush()
}

// living picks a customer that is not revoked, so that a change of its subscription shows.
func living(r *rand.Rand, customers int) string {
	for {
		if c := world.Customer(worldSeed, 1+r.IntN(customers), time.Now()); c.Status != "revoked" {
			return c.ID
		}
	}
}

// limitOf reads the limit of an answer; -1 if there is none.
func limitOf(body []byte) int {
	var answer struct {
		Limit *int `json:"limit"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Limit == nil {
		return -1
	}
	return *answer.Limit
}
