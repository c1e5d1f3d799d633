package wire

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sidegate/sidegate/replica/ledger"
)

var updateLease = flag.Bool("update-lease", false, "write golden files of leases anew; only for a new version")

func leaseKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

func sampleLease() *Lease {
	key := leaseKey()
	report := ledger.Report{Holder: ledger.HolderID{1}, Epoch: 2, Forgot: -1, Lines: []ledger.Reported{
		{Span: ledger.Span{Start: 5, End: 9}, Vector: ledger.Vector{Granted: 4, Used: 3}}}}
	return &Lease{Holder: report.Holder, Key: key.Public().(ed25519.PublicKey), Incarnation: 3, Nonce: 99, Epoch: 2,
		Seen: 17, Sent: 1_800_000_000_000, About: []byte(`{"name":"pod-1"}`), Items: []LeaseItem{
			{Customer: "acme/☂", Feature: "calls", Report: report,
				Ask: &ledger.Ask{Holder: report.Holder, Epoch: 2, Period: 5, Target: 10}},
			{Customer: "b", Feature: "c", Report: ledger.Report{Holder: report.Holder}}}}
}

func sampleReply() *LeaseReply {
	return &LeaseReply{Epoch: 2, Revision: 18, Items: []LeaseAnswer{
		{Award: &ledger.Award{Epoch: 2, Turn: 1, Span: ledger.Span{Start: 5, End: 9}},
			Known:  []ledger.Reported{{Span: ledger.Span{Start: 5, End: 9}, Vector: ledger.Vector{Granted: 4, Used: 3}}},
			Totals: &ledger.Totals{Epoch: 2, Span: ledger.Span{Start: 5, End: 9}, Used: 3}},
		{Code: ledger.CodeAhead, Denied: "it is learning"}}}
}

func TestALeaseAndItsReplyAreFrozen(t *testing.T) {
	for name, got := range map[string][]byte{"lease.v1": AppendLease(nil, sampleLease(), leaseKey()),
		"leasereply.v1": AppendLeaseReply(nil, sampleReply())} {
		file := filepath.Join("testdata", name)
		if *updateLease {
			if err := os.WriteFile(file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x (%v)", name, got, want, err)
		}
	}
}

func TestALeaseIsReadAsItWasWritten(t *testing.T) {
	got, err := DecodeLease(AppendLease(nil, sampleLease(), leaseKey()))
	if err != nil || !reflect.DeepEqual(got, sampleLease()) {
		t.Errorf("got %+v, %v", got, err)
	}
	reply, err := DecodeLeaseReply(AppendLeaseReply(nil, sampleReply()))
	if err != nil || !reflect.DeepEqual(reply, sampleReply()) {
		t.Errorf("got %+v, %v", reply, err)
	}
}

func TestALeaseThatWasTamperedWithIsRefused(t *testing.T) {
	good := AppendLease(nil, sampleLease(), leaseKey())
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 0x40
		if _, err := DecodeLease(bad); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Fatalf("byte %d changed: got %v", at, err)
		}
		if _, err := DecodeLease(good[:at]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: got %v", at, err)
		}
	}
}

// FuzzLeaseReply holds that no bytes make the reader of replies panic.
func FuzzLeaseReply(f *testing.F) {
	f.Add(AppendLeaseReply(nil, sampleReply()))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = DecodeLeaseReply(data) })
}
