package meter

import "testing"

func TestARateIsKnownSoonAndForgottenWhenIdle(t *testing.T) {
	var d demand
	now := int64(1_000_000)
	d.add(1, now)
	if got := d.lately(); got != 0 {
		t.Errorf("after one unit: got %d a second", got)
	}
	for range 300 { // 100 a second for three seconds
		now += 10
		d.add(1, now)
	}
	if got := d.lately(); got < 90 || got > 110 {
		t.Errorf("after three seconds: got %d a second, want about 100", got)
	}
	for range 3000 {
		now += 10
		d.add(1, now)
	}
	if got := d.lately(); got < 95 || got > 105 {
		t.Errorf("after half a minute: got %d a second, want about 100", got)
	}
	for range 300 {
		now += 100
		d.add(1, now)
	}
	if got := d.lately(); got < 9 || got > 16 {
		t.Errorf("half a minute after it fell: got %d a second, want about 10", got)
	}
	now += 3 * fade
	d.add(1, now)
	if got := d.lately(); got > 2 {
		t.Errorf("after a pause: got %d a second", got)
	}
}
