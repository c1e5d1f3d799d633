package meter

import "math"

// A demand is how fast an account is consumed: a sum that fades, over the time that was looked at, which fades as well.
type demand struct {
	sum  float64
	seen float64 // the part of the fading time since consumption began, 0 to 1
	last int64   // unix milliseconds of the last consumption
}

// fade is over how many milliseconds consumption is averaged.
const fade = 10_000

// leastSeen is the least part of it that says something: a few units at once are no rate yet.
const leastSeen = 0.25

// pauseAfter is after how many milliseconds consumption is no longer expected to go on as before.
const pauseAfter = 500

func (d *demand) add(q, now int64) {
	if dt := since(now, d.last); dt > 0 {
		kept := math.Exp(-float64(dt) / fade)
		d.sum, d.seen, d.last = d.sum*kept, 1-(1-d.seen)*kept, now
		if dt > fade {
			d.seen = 0
		}
	}
	d.sum += float64(q)
}

// perSecond is the rate while consumption goes on, in units. It grows to what it is over the fading time: rights of a
// burst that is soon over are not asked for.
func (d *demand) perSecond() int64 { return int64(min(d.sum*1000/fade, float64(math.MaxInt64>>22))) }

// lately is the rate of the time that was looked at.
func (d *demand) lately() int64 { return int64(float64(d.perSecond()) / max(d.seen, leastSeen)) }

// still is what of the rate is left when nothing has been consumed since.
func (d *demand) still(now int64) int64 {
	return int64(float64(d.perSecond()) * math.Exp(-float64(max(0, now-d.last))/pauseAfter))
}
