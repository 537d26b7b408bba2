package ipam_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

var forecastStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// series returns daily samples of a pool: used returns the addresses in use at a day, or a
// negative number for a day without a sample.
func series(days int, total float64, used func(day int) float64) (samples []ipam.PoolSample) {
	for day := range days {
		if u := used(day); u >= 0 {
			percent := 100 * u / total
			samples = append(samples, ipam.PoolSample{At: forecastStart.AddDate(0, 0, day), Usage: ipam.Usage{Assigned: percent, Available: 100 - percent, Addresses: total}})
		}
	}
	return samples
}

func TestForecast(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name    string
		samples []ipam.PoolSample
		outcome ipam.ForecastOutcome
		days    [3]float64 // from the last sample: earliest, expected, latest; 0: none
		slack   float64    // of each, as a share
	}{
		{"no sample", nil, ipam.ForecastTooLittle, [3]float64{}, 0},
		{"13 days", series(14, 1000, func(d int) float64 { return float64(d) }), ipam.ForecastTooLittle, [3]float64{}, 0},
		{"10 samples in 81 days", series(82, 1000, func(d int) float64 {
			if d%9 != 0 {
				return -1
			}
			return float64(d)
		}), ipam.ForecastExhaustion, [3]float64{919, 919, 919}, 0.001},
		{"8 samples in 70 days", series(71, 1000, func(d int) float64 {
			if d%10 != 0 {
				return -1
			}
			return float64(d)
		}), ipam.ForecastTooLittle, [3]float64{}, 0},
		{"a straight line", series(61, 1000, func(d int) float64 { return 100 + 5*float64(d) }), ipam.ForecastExhaustion, [3]float64{120, 120, 120}, 0.001},
		{"flat", series(61, 1000, func(int) float64 { return 400 }), ipam.ForecastNotGrowing, [3]float64{}, 0},
		{"falling", series(61, 1000, func(d int) float64 { return 900 - 5*float64(d) }), ipam.ForecastNotGrowing, [3]float64{}, 0},
		{"so slow that it lasts eleven years", series(61, 1e6, func(d int) float64 { return 1e6 - 1e6*0.5 + float64(d)*100 }), ipam.ForecastNotGrowing, [3]float64{}, 0},
		{"full", series(61, 1000, func(d int) float64 { return 1000 }), ipam.ForecastExhausted, [3]float64{}, 0},
		{"full on the first day", series(1, 1000, func(d int) float64 { return 1000 }), ipam.ForecastExhausted, [3]float64{}, 0},
		{"a line with gaps", series(61, 1000, func(d int) float64 {
			if d%7 > 3 || d > 20 && d < 35 {
				return -1
			}
			return 100 + 5*float64(d)
		}), ipam.ForecastExhaustion, [3]float64{120, 120, 120}, 0.07},
		{"a line with noise", series(80, 1000, func(d int) float64 { return 100 + 5*float64(d) + 20*r.NormFloat64() }), ipam.ForecastExhaustion, [3]float64{80, 101, 125}, 0.35},
		{"a line with outliers", series(61, 1000, func(d int) float64 {
			if d%9 == 4 {
				return 990
			}
			return 100 + 5*float64(d)
		}), ipam.ForecastExhaustion, [3]float64{50, 120, 0}, 0.5},
		{"steps of 70 each two weeks", series(85, 1000, func(d int) float64 { return 100 + 70*float64(d/14) }), ipam.ForecastExhaustion, [3]float64{64, 96, 160}, 0.35},
		{"one step in a flat line", series(61, 1000, func(d int) float64 {
			if d < 50 {
				return 100
			}
			return 600
		}), ipam.ForecastNotGrowing, [3]float64{}, 0},
		{"growth that began in the window of 90 days, before it flat for a year", series(365+90, 1000, func(d int) float64 { return 100 + 5*max(0, float64(d-365)) }), ipam.ForecastExhaustion, [3]float64{91, 91, 91}, 0.1},
	} {
		for _, order := range []string{"ascending", "descending"} {
			samples := append([]ipam.PoolSample(nil), c.samples...)
			if order == "descending" {
				for i, j := 0, len(samples)-1; i < j; i, j = i+1, j-1 {
					samples[i], samples[j] = samples[j], samples[i]
				}
			}
			f := ipam.ForecastExhaustionOf(samples)
			if f.Outcome != c.outcome {
				t.Errorf("%s, %s: %+v, want %s", c.name, order, f, c.outcome)
				continue
			}
			if c.outcome != ipam.ForecastExhaustion {
				if !f.Expected.IsZero() || !f.Earliest.IsZero() || !f.Latest.IsZero() {
					t.Errorf("%s: %+v", c.name, f)
				}
				continue
			}
			last := c.samples[len(c.samples)-1].At
			for i, at := range []time.Time{f.Earliest, f.Expected, f.Latest} {
				days := at.Sub(last).Hours() / 24
				if at.IsZero() {
					days = 0
				}
				if math.Abs(days-c.days[i]) > c.slack*c.days[i] {
					t.Errorf("%s: time %d is in %.1f days, want %.1f", c.name, i, days, c.days[i])
				}
			}
			if f.Earliest.After(f.Expected) || !f.Latest.IsZero() && f.Latest.Before(f.Expected) {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
	}
}

// A CIDR that is provisioned counts as space: the growth before it is the same.
func TestForecastAfterProvisioning(t *testing.T) {
	samples := series(30, 1000, func(d int) float64 { return 300 + 5*float64(d) })
	samples = append(samples, series(60, 2000, func(d int) float64 { return 300 + 5*float64(d) })[30:]...)
	f := ipam.ForecastExhaustionOf(samples)
	if days := f.Expected.Sub(samples[59].At).Hours() / 24; f.Outcome != ipam.ForecastExhaustion || math.Abs(days-281) > 1 || math.Abs(f.PerDay-0.25) > 0.001 {
		t.Errorf("%+v, in %.1f days", f, days)
	}
}

// A forecast comes near once, and is far again only well above the limit.
func TestForecastSoon(t *testing.T) {
	at := forecastStart
	in := func(days float64) ipam.Forecast {
		return ipam.Forecast{Outcome: ipam.ForecastExhaustion, Expected: at.Add(time.Duration(days * 24 * float64(time.Hour)))}
	}
	for _, c := range []struct {
		f      ipam.Forecast
		before bool
		want   bool
	}{
		{in(31), false, false}, {in(30), false, true}, {in(0), false, true},
		{in(31), true, true}, {in(36), true, true}, {in(36.1), true, false},
		{ipam.Forecast{Outcome: ipam.ForecastExhausted}, false, true},
		{ipam.Forecast{Outcome: ipam.ForecastNotGrowing}, true, false},
		{ipam.Forecast{Outcome: ipam.ForecastTooLittle}, false, false},
		{ipam.Forecast{Outcome: ipam.ForecastTooLittle}, true, true},
	} {
		if got := c.f.Soon(at, 30, c.before); got != c.want {
			t.Errorf("%+v after %v: %v", c.f, c.before, got)
		}
	}
}
