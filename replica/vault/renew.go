package vault

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// MaxWhy is how much of a reason is kept, in bytes.
const MaxWhy = 500

// Renew gives the identity up and makes another, after a quarantine or a fence. The old one is listed by Formers, its
// accounts are read with its ID, and the present holder has none. Memories and notes stay: callers do not know holders.
// The incarnation stays too. Errors are those of Commit.
func (v *Vault) Renew(why string) (Identity, error) {
	if why == "" {
		why = "no reason was given"
	}
	if err := v.Commit(Batch{Renew: why}); err != nil {
		return Identity{}, err
	}
	return v.Identity(), nil
}

// renew gives the present identity a place among the former ones.
func (n *state) renew(why string, now time.Time) {
	old := n.self
	n.self = newIdentity(old.Incarnation, now)
	n.self.Nonce = old.Nonce
	n.formers = append(slices.Clip(n.formers), Former{ID: old.ID, Public: old.Public, Incarnation: old.Incarnation,
		Ended: now.UTC(), Why: why[:min(len(why), MaxWhy)], accounts: n.seal.accounts})
	n.seal.formers, n.seal.accounts = n.seal.formers+1, tally{}
}

// putRenewal writes another identity, and the one that was given up for it.
func (v *Vault) putRenewal(tx *bbolt.Tx, n *state) error {
	if n.self.ID == v.self.ID {
		return nil
	}
	gone := n.formers[len(n.formers)-1]
	return errors.Join(v.put(tx, keyFormer+string(gone.ID[:]), gone.encode()), v.put(tx, keyIdentity, n.self.encode()))
}

// Forget drops the accounts of a former holder, once nothing of them is needed. The identity stays listed.
func (v *Vault) Forget(id ID) error {
	v.writing.Lock()
	defer v.writing.Unlock()
	if err := v.usable(); err != nil {
		return err
	}
	at := slices.IndexFunc(v.formers, func(f Former) bool { return f.ID == id })
	if at < 0 {
		return fmt.Errorf("vault: %s is no former holder", id)
	}
	n := v.next("", time.Time{})
	n.formers = slices.Clone(n.formers)
	n.formers[at].accounts = tally{}
	v.scratch.gone = v.scratch.gone[:0] // what the last commit dropped is dropped
	return v.fold(&n, nil, func(tx *bbolt.Tx) error {
		all := tx.Bucket([]byte(bucketAccounts))
		if all.Bucket(id[:]) != nil {
			if err := all.DeleteBucket(id[:]); err != nil {
				return err
			}
		}
		return v.put(tx, keyFormer+string(id[:]), n.formers[at].encode())
	})
}
