package vault

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/sidegate/sidegate/replica"
)

func TestARenewedHolderBeginsWithNothingAndForgetsNothing(t *testing.T) {
	modes(t, func(t *testing.T, change ...func(*Options)) {
		d := newDesk(t, change...)
		r := seeded(t)
		var old []want
		ids := []Identity{d.v.Identity()}
		for n := range 3 {
			for range 5 {
				d.commit(randomBatch(r, n*10, d.now))
			}
			d.now = d.now.Add(time.Hour)
			id, err := d.v.Renew(fmt.Sprintf("reason %d", n))
			if err != nil || id.ID == ids[n].ID || id.Public.Equal(ids[n].Public) || id.Incarnation != ids[n].Incarnation {
				t.Fatalf("renewed to %+v, %v", id, err)
			}
			ids, old = append(ids, id), append(old, d.want.clone())
			d.accounts = map[string]string{}
			d.compare()
		}
		for range 2 {
			d.reopenAndCompareFormers(ids, old)
		}
		for range 2 {
			if err := d.v.Forget(ids[1].ID); err != nil {
				t.Fatal(err)
			}
			old[1].accounts = map[string]string{}
			d.reopenAndCompareFormers(ids, old)
		}
		for _, id := range []ID{{}, d.v.Identity().ID} {
			if err := d.v.Forget(id); err == nil {
				t.Errorf("%s was forgotten", id)
			}
		}
	})
}

func TestANewHolderMayBeginWithAccounts(t *testing.T) {
	d := newDesk(t)
	d.commit(Batch{Accounts: map[string][]byte{"a": []byte("old"), "b": []byte("old")}})
	old, commit := d.v.Identity().ID, d.v.commit
	d.v.commit = func(tx *bbolt.Tx) error {
		return errors.Join(tx.Rollback(), &os.PathError{Op: "write", Err: syscall.ENOSPC})
	}
	b := Batch{Renew: "cloned", Accounts: map[string][]byte{"a": []byte("new")}, Memories: []Memory{memoryOf(1, d.now)}}
	if err := d.v.Commit(b); !errors.Is(err, replica.ErrNoSpace) || d.v.Identity().ID != old {
		t.Errorf("got %v, the holder is %s", err, d.v.Identity().ID)
	}
	d.compare()
	d.v.commit = commit
	d.accounts = map[string]string{}
	d.commit(b)
	for range 2 {
		if f := d.v.Formers(); len(f) != 1 || f[0].ID != old || f[0].Why != "cloned" || d.v.Identity().ID == old {
			t.Errorf("former holders: %+v", f)
		}
		d.compare()
		d.reopen()
	}
}

func (d *desk) reopenAndCompareFormers(ids []Identity, old []want) {
	d.t.Helper()
	d.reopen()
	d.compare()
	formers := d.v.Formers()
	if len(formers) != len(old) || d.v.Identity().ID != ids[len(old)].ID {
		d.t.Fatalf("%d former holders, want %d", len(formers), len(old))
	}
	for n, f := range formers {
		ended := d.now.Add(time.Hour * time.Duration(n+1-len(old)))
		if f.ID != ids[n].ID || !f.Public.Equal(ids[n].Public) || f.Why != fmt.Sprintf("reason %d", n) || f.Lost ||
			!f.Ended.Equal(ended) || f.Incarnation != ids[n].Incarnation {
			d.t.Errorf("former %d: got %+v", n, f)
		}
		got := map[string]string{}
		err := d.v.Accounts(f.ID, func(k string, value []byte) error { got[k] = string(value); return nil })
		if err != nil || !maps.Equal(got, old[n].accounts) {
			d.t.Errorf("former %d: %d accounts, %v, want %d", n, len(got), err, len(old[n].accounts))
		}
	}
}

// An identity that was taken, and of which nothing else could be written, is not mixed up with the one before.
func TestARenewalWithoutAMarkerIsUnknown(t *testing.T) {
	d := newDesk(t)
	old := d.v.Identity().ID
	if err := os.Mkdir(d.v.path(holderFile+unfinished), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := d.v.Renew("a test")
	if !errors.Is(err, ErrBroken) || !errors.Is(err, replica.ErrUnknown) || d.v.Identity().ID == old {
		t.Errorf("got %v", err)
	}
	if err := d.v.Commit(Batch{Accounts: map[string][]byte{"a": {1}}}); !errors.Is(err, ErrBroken) {
		t.Errorf("an account of the one before: got %v", err)
	}
}
