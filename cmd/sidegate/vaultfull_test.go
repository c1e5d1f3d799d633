package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts one in memory, of so many MiB, or skips the test.
func smallDisk(t *testing.T, w *workshop, size string) (dir string) {
	t.Helper()
	dir = filepath.Join(w.dir, "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+"m"); err != nil {
		t.Skipf("a small disk cannot be mounted here (it takes root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// countsOnAFullDisk fills the disk under a sidecar that is consumed from, kills it there, and makes room again.
func countsOnAFullDisk(t *testing.T, shared *workshop) {
	w := shared.room(t, "vaultfull")
	disk := smallDisk(t, w, "150")
	nats, url := w.broker(t, "-1")
	hub := w.run(t, anywhere("hub", "--nats", url)...)
	at := "--hub=" + hub.ready["hub"]
	onDisk := *w
	onDisk.dir = disk
	beside := onDisk.besides(t, []string{url}, w.limited(t, "acme", 1_000_000, at))
	one := &caller{t: t, name: "full", feature: "ai-credits", beside: beside[0]}
	all := summon(one)
	goesOn := func() {
		t.Helper()
		before := all.units()
		eventually(t, "units are consumed", func() bool { return all.units() >= before+300 })
	}
	goesOn()
	refused := func(why string) {
		t.Helper()
		one.fault.Store("")
		eventually(t, "consumption is refused", func() bool {
			fault := one.fault.Load().(string)
			return strings.Contains(fault, "507") && strings.Contains(fault, `"storage_full"`) &&
				strings.Contains(fault, why)
		})
	}

	end := answering(t, beside)
	filler := fill(t, disk)
	refused("make room in the data directory, checks go on meanwhile")
	end()
	empty(t, filler)
	goesOn()

	filler = fill(t, disk)
	refused("nothing was counted")
	beside[0].kill()
	beside[0].begin("check")
	end = answering(t, beside)
	refused("make room in the data directory and restart")
	end()
	empty(t, filler)
	beside[0].kill()
	beside[0].begin("check")
	goesOn()
	all.end()
	all.agree(t, w, at)
	beside[0].kill()
	hub.kill()
	nats.kill()
}

// fill leaves no room on a disk.
func fill(t *testing.T, disk string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for size := int64(0); syscall.Fallocate(int(f.Fd()), 0, size, 64<<10) == nil; size += 64 << 10 {
		continue
	}
	return f
}

// empty makes room again.
func empty(t *testing.T, filler *os.File) {
	t.Helper()
	if err := errors.Join(filler.Truncate(0), filler.Close()); err != nil {
		t.Fatal(err)
	}
}
