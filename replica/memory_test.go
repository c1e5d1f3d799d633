package replica_test

import (
	"testing"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/replica/logtest"
)

func TestMemory(t *testing.T) {
	logtest.Run(t, func(t *testing.T) logtest.Fixture {
		m := replica.NewMemory()
		return logtest.Fixture{
			Log:       m,
			LoseReply: func(*testing.T) { m.LoseReplies(1) },
			Half: func(t *testing.T, first, second string) func() {
				m.Hold(1)
				_, err := m.Put(t.Context(), replica.CommandID{1},
					replica.Put{Key: first, Value: []byte("1")}, replica.Put{Key: second, Value: []byte("2")})
				if err != nil {
					t.Fatal(err)
				}
				return m.Release
			},
			Save: func(t *testing.T) func() {
				_, rev, err := m.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return func() { m.RollBack(rev) }
			},
			Recreate: func(*testing.T) { m.Recreate() },
		}
	})
}
