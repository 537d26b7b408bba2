package ipam

import (
	"cmp"
	"slices"
	"time"
)

// PoolSample is the use of a pool at a time.
type PoolSample struct {
	At    time.Time
	Usage // in percent
}

// Used returns the number of addresses that are not available.
func (s PoolSample) Used() float64 { return s.Addresses * s.Taken() / 100 }

// ForecastOutcome is the kind of a [Forecast].
type ForecastOutcome string

// The outcomes.
const (
	ForecastExhaustion ForecastOutcome = "exhaustion"      // the pool is expected to have no free address at a time
	ForecastExhausted  ForecastOutcome = "exhausted"       // it has none now
	ForecastNotGrowing ForecastOutcome = "not-growing"     // its use does not grow, or so slowly that the pool lasts longer than forecastHorizon
	ForecastTooLittle  ForecastOutcome = "not-enough-data" // too few samples, or of too few days
)

// Forecast is the time at which a pool is expected to have no free address. The times are
// zero but for [ForecastExhaustion].
type Forecast struct {
	Outcome  ForecastOutcome
	Expected time.Time
	Earliest time.Time // if the use grows as in the fastest tenth of the past
	Latest   time.Time // if it grows as in the slowest tenth; zero if that is not at all, or takes longer than forecastHorizon
	PerDay   float64   // expected growth, in percent of the pool's addresses
	Days     int       // the time between the first sample and the last
}

// ForecastWindow is the time before the last sample that a forecast looks at. Older
// growth says little about the next months.
const ForecastWindow = 90 * 24 * time.Hour

const (
	// The least data for a forecast.
	forecastLeastDays    = 14
	forecastLeastSamples = 10
	// forecastHorizon is the longest time that a forecast looks ahead.
	forecastHorizon = 10 * 365 * 24 * time.Hour
	// forecastLeastPairDays is the least distance of two samples whose slope counts. One
	// allocation makes a step, so slopes from day to day are zero or very steep.
	forecastLeastPairDays = 7
)

// ForecastExhaustionOf returns the forecast of a pool from its samples, in any order and
// with any gaps between them.
//
// It is Theil's and Sen's estimate: the median of the slopes between all pairs of samples,
// which a few steps or outliers do not move. Slopes are of used addresses and not of
// percent, so that a CIDR which was provisioned meanwhile counts as space and not as less
// use. The tenth and the ninetieth percentile of the slopes give the range: the growth
// that a part of the past had may be the growth of the future.
func ForecastExhaustionOf(samples []PoolSample) Forecast {
	samples = slices.SortedFunc(slices.Values(samples), func(a, b PoolSample) int { return a.At.Compare(b.At) })
	samples = slices.CompactFunc(samples, func(a, b PoolSample) bool { return a.At.Equal(b.At) })
	if len(samples) == 0 {
		return Forecast{Outcome: ForecastTooLittle}
	}
	last := samples[len(samples)-1]
	begin, _ := slices.BinarySearchFunc(samples, last.At.Add(-ForecastWindow), func(s PoolSample, t time.Time) int { return s.At.Compare(t) })
	samples = samples[begin:]
	f := Forecast{Outcome: ForecastTooLittle, Days: int(last.At.Sub(samples[0].At) / (24 * time.Hour))}
	if last.Addresses > 0 && last.Available <= 0 {
		f.Outcome = ForecastExhausted
		return f
	}
	if len(samples) < forecastLeastSamples || f.Days < forecastLeastDays || last.Addresses <= 0 {
		return f
	}
	slopes := slopesOf(samples)
	if len(slopes) == 0 {
		return f
	}
	slices.Sort(slopes)
	slow, usual, fast := quantile(slopes, 0.1), quantile(slopes, 0.5), quantile(slopes, 0.9)
	f.PerDay = 100 * usual / last.Addresses
	free := last.Addresses * last.Available / 100
	f.Outcome = ForecastNotGrowing
	if f.Expected = exhausted(last.At, free, usual); f.Expected.IsZero() {
		return f
	}
	f.Outcome = ForecastExhaustion
	f.Earliest, f.Latest = exhausted(last.At, free, fast), exhausted(last.At, free, slow)
	return f
}

// slopesOf returns the growth between the pairs of samples, in addresses a day.
func slopesOf(samples []PoolSample) (slopes []float64) {
	for i, a := range samples {
		for _, b := range samples[i+1:] {
			if days := b.At.Sub(a.At).Hours() / 24; days >= forecastLeastPairDays {
				slopes = append(slopes, (b.Used()-a.Used())/days)
			}
		}
	}
	return slopes
}

// quantile returns a quantile of ascending values, of which there is at least one.
func quantile(values []float64, q float64) float64 {
	at := q * float64(len(values)-1)
	i := int(at)
	if i+1 >= len(values) {
		return values[len(values)-1]
	}
	return values[i] + (at-float64(i))*(values[i+1]-values[i])
}

// exhausted returns the time at which so many free addresses are used, at a growth in
// addresses a day. It is zero if that is never, or behind the horizon.
func exhausted(from time.Time, free, perDay float64) time.Time {
	if perDay <= 0 {
		return time.Time{}
	}
	days := free / perDay
	if days > forecastHorizon.Hours()/24 {
		return time.Time{}
	}
	return from.Add(time.Duration(days * 24 * float64(time.Hour)))
}

// Soon reports whether the pool is expected to be exhausted within so many days of a time.
// before is the earlier answer: a forecast that is near the limit does not go back and
// forth, because it has to be a fifth above it to be far again.
func (f Forecast) Soon(at time.Time, days int, before bool) bool {
	switch f.Outcome {
	case ForecastExhausted:
		return true
	case ForecastExhaustion:
	case ForecastTooLittle:
		return before
	case ForecastNotGrowing:
		return false
	}
	limit := time.Duration(days) * 24 * time.Hour
	if before {
		limit += limit / 5
	}
	return cmp.Compare(f.Expected.Sub(at), limit) <= 0
}
