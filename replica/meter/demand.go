package meter

import "math"

// A demand is how fast an account is consumed: a sum that fades.
type demand struct {
	sum  float64
	last int64 // unix milliseconds of the last consumption
}

// fade is over how many milliseconds consumption is averaged.
const fade = 10_000

// pauseAfter is after how many milliseconds consumption is no longer expected to go on as before.
const pauseAfter = 500

func (d *demand) add(q, now int64) {
	if dt := since(now, d.last); dt > 0 {
		d.sum *= math.Exp(-float64(dt) / fade)
		d.last = now
	}
	d.sum += float64(q)
}

// perSecond is the rate while consumption goes on, in units.
func (d *demand) perSecond() int64 { return int64(min(d.sum*1000/fade, float64(math.MaxInt64>>22))) }

// still is what of the rate is left when nothing has been consumed since.
func (d *demand) still(now int64) int64 {
	return int64(float64(d.perSecond()) * math.Exp(-float64(max(0, now-d.last))/pauseAfter))
}
