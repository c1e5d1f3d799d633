package vault

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// Readers, committers and a renewal at once: every reader sees whole values, and what was acknowledged before it asked.
func TestReadersAndCommittersDoNotDisturbOneAnother(t *testing.T) {
	d := newDesk(t, sealed, func(o *Options) { o.MaxMemories = 2000 })
	var group sync.WaitGroup
	const each = 150
	for who := range 4 {
		group.Go(func() {
			for n := range each {
				d.commitAndRead(fmt.Sprint("account-", who), memoryOf(who*1_000_000+n, d.now))
			}
		})
	}
	group.Go(func() {
		for range 20 {
			d.renewAndRead()
		}
	})
	group.Wait()
	if n := d.v.Stats().Memories; n != 4*each {
		t.Errorf("%d memories", n)
	}
	d.reopen()
}

func (d *desk) commitAndRead(account string, m Memory) {
	err := d.v.Commit(Batch{Accounts: map[string][]byte{account: m.Answer}, Memories: []Memory{m}})
	got, found, err2 := d.v.Recall(m.Hash)
	if err != nil || err2 != nil || !found || !sameMemory(got, m) {
		d.t.Errorf("%v %v, found %v", err, err2, found)
	}
	// the account is gone if the holder was renewed meanwhile
	if value, err := d.v.Account(account); err != nil || value != nil && string(value) != string(m.Answer) {
		d.t.Errorf("got %q, %v, want %q", value, err, m.Answer)
	}
}

func (d *desk) renewAndRead() {
	_, err := d.v.Renew("now and then")
	for _, f := range d.v.Formers() {
		err = errors.Join(err, d.v.Accounts(f.ID, func(string, []byte) error { return nil }))
	}
	if err = errors.Join(err, d.v.Check()); err != nil {
		d.t.Error(err)
	}
	d.v.Stats()
}
