package hub_test

import "testing"

func TestAWrongMethodIsToldTheRightOnes(t *testing.T) {
	b := newBench(t)
	r := b.call("PATCH /v1/webhooks/bell", "{}")
	if got := r.header.Get("Allow"); r.status != 405 || got != "GET, PUT, DELETE" {
		t.Errorf("got %d with Allow %q, want the methods that there are", r.status, got)
	}
}
