package bench

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A disk is where something is made durable in the plainest way.
type disk struct {
	path string // of a file that is made, and removed
}

// append appends 4 KiB and syncs, one after the other, for a time.
func (k disk) append(ctx context.Context, d time.Duration) (t Traffic, err error) {
	f, err := os.Create(k.path)
	if err != nil {
		return Traffic{}, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(k.path)) }()
	page := make([]byte, 4096)
	begin := time.Now()
	var took []uint32
	for last := begin; last.Sub(begin) < d && ctx.Err() == nil; {
		if _, err := f.Write(page); err != nil {
			return Traffic{}, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return Traffic{}, err
		}
		now := time.Now()
		took = append(took, uint32(min(now.Sub(last), 4*time.Second)))
		last = now
	}
	return summed(took, time.Since(begin)), ctx.Err()
}
