package meter

import "math"

// A demand is how fast an account is consumed: a sum that fades.
type demand struct {
	sum  float64
	last int64 // unix milliseconds of the last consumption
}

// fade is over how many milliseconds consumption is averaged.
const fade = 10_000

func (d *demand) add(q, now int64) {
	if dt := since(now, d.last); dt > 0 {
		d.sum *= math.Exp(-float64(dt) / fade)
		d.last = now
	}
	d.sum += float64(q)
}

// perSecond is the rate, in units.
func (d *demand) perSecond() int64 { return int64(min(d.sum*1000/fade, float64(math.MaxInt64>>22))) }
