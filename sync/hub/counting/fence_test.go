package counting

import (
	"slices"
	"testing"

	"github.com/sidegate/sidegate/replica"
	"github.com/sidegate/sidegate/sync/wire"
)

func TestWhoIsSilentAtOneLookOnlyIsNotRetired(t *testing.T) {
	c := counterOn(t, replica.NewMemory())
	back, gone := holderNo(1), holderNo(2)
	for _, id := range []int{1, 2} {
		err := c.fleet.change(t.Context(), holderNo(id), func(*Holder) *Holder {
			return &Holder{ID: holderNo(id), Seen: noon - retireAfter - 1}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	silent, err := c.Retire(t.Context(), nil)
	if err != nil || len(silent) != 2 {
		t.Fatalf("got %x, %v", silent, err)
	}
	for _, id := range silent {
		if fence := c.fleet.find(id).doc.Fence; fence != "" {
			t.Errorf("%x is %s after one look", id, fence)
		}
	}
	c.fleet.note(&wire.Lease{Holder: back}, noon)
	still, err := c.Retire(t.Context(), silent)
	if err != nil || !slices.Contains(still, gone) || len(still) != 1 {
		t.Errorf("got %x, %v, want the one that is gone", still, err)
	}
	if c.fleet.find(gone).doc.Fence != Retired || c.fleet.find(back).doc.Fence != "" {
		t.Errorf("got %+v and %+v", c.fleet.find(gone).doc, c.fleet.find(back).doc)
	}
}
