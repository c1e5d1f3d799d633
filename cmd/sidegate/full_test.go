package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// survivesAFullDisk fills the disk under a hub's own NATS, and makes room again.
func survivesAFullDisk(t *testing.T, w *workshop) {
	disk := smallDisk(t, w, "100")
	data := filepath.Join(disk, "hub")
	hub := w.run(t, anywhere("hub", "--embed-nats", "--data", data)...)
	at := "--hub=" + hub.ready["hub"]
	w.must(t, 0, "customer", "put", "acme", "name=Acme", at)
	f, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, 60<<20); err != nil {
		t.Fatal(err)
	}
	if o := w.must(t, exitFailed, "customer", "put", "emca", "name=Emca", at); !strings.Contains(o.text, "storage_full") {
		t.Errorf("got %s, want storage_full", o.text)
	}
	hub.until(`level=ERROR .*storage_full.* MiB are free in ` + data)
	w.must(t, 0, "customer", "show", "acme", at)
	w.must(t, exitFailed, "health", at)
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	w.must(t, 0, "health", at)
	w.must(t, 0, "customer", "put", "emca", "name=Emca", at)
	hub.stop()
}
