package fsck

import (
	"fmt"
	"strings"
)

// addSample reads a sample of a pool's usage. Samples may outlive their pool: they expire.
func (t *table) addSample(r *row, pool string) {
	var length, kept int64 // of the step and the sample, seconds
	switch step, _, _ := strings.Cut(r.sk, "#"); step {
	case "HOUR":
		length, kept = 60*60, 8*day
	case "DAY":
		length, kept = day, 3*365*day
	default:
		r.fail("the key names no step")
		return
	}
	at := r.count("AsOf")
	if step, _, _ := strings.Cut(r.sk, "#"); r.sk != fmt.Sprintf("%s#%010d", step, at-at%length) {
		r.fail("the sample is of %d, in another step", at)
	}
	var u struct{ Allocated, Assigned, Available, Addresses float64 }
	r.document("Object", &u)
	for _, share := range []float64{u.Allocated, u.Assigned, u.Available} {
		if share < 0 || share > 100 {
			r.fail("a share is %v and no percentage", share)
		}
	}
	if u.Addresses < 0 {
		r.fail("it has %v addresses, less than none", u.Addresses)
	}
	if expires := r.number("Expires"); expires-at != kept {
		r.fail("it is kept for %d seconds and not %d", expires-at, kept)
	}
	r.ok()
}

// addForecast reads the forecast of a pool.
func (t *table) addForecast(r *row, pool string) {
	r.oneOf("Outcome", "exhaustion", "exhausted", "not-growing", "not-enough-data")
	r.count("Threshold")
	for _, name := range []string{"Expected", "Earliest", "Latest"} {
		if r.has(name) {
			r.count(name)
		}
	}
	if n := r.count("Crossed"); n > 1 {
		r.fail("the attribute Crossed is %d, neither 0 nor 1", n)
	}
	if r.ok() {
		t.forecasts = append(t.forecasts, pool)
	}
}
