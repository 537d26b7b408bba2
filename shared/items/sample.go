package items

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// SampleStep is the time between two samples of a pool's use. Samples of both steps are
// kept: those of each hour for some days, and those of each day for years. The sample of a
// step is the first in it, and its item has the step's start in the key.
type SampleStep string

// The steps.
const (
	Hourly SampleStep = "HOUR"
	Daily  SampleStep = "DAY"
)

// Length returns the length of the step. Steps begin at whole hours and days of UTC.
func (s SampleStep) Length() time.Duration {
	if s == Daily {
		return 24 * time.Hour
	}
	return time.Hour
}

// Retention is the time for which a sample is kept.
func (s SampleStep) Retention() time.Duration {
	if s == Daily {
		return historyRetention
	}
	return 8 * 24 * time.Hour
}

// SampleKey returns the key of the sample of a pool in the step that has the time at.
func SampleKey(pool string, s SampleStep, at time.Time) table.Key {
	return table.Key{PK: samplePK(pool), SK: sampleSK(s, at)}
}

// SampleRows returns the query for the samples of a pool of the steps from the one that
// has from to the one that has to.
func SampleRows(pool string, s SampleStep, from, to time.Time) table.Query {
	return table.Query{PK: samplePK(pool), From: sampleSK(s, from), To: sampleSK(s, to)}
}

const samplePrefix = "SAMPLES#"

func samplePK(pool string) string { return samplePrefix + pool }

func sampleSK(s SampleStep, at time.Time) string {
	return fmt.Sprintf("%s#%010d", s, max(0, at.Truncate(s.Length()).Unix()))
}

// EncodeSample returns the attributes of a sample.
func EncodeSample(s SampleStep, sample ipam.PoolSample) table.Item {
	return table.Item{
		attrAsOf:          table.Num(sample.At.Unix()),
		AttrObject:        table.Str(JSON(sample.Usage)),
		table.AttrExpires: table.Num(sample.At.Add(s.Retention()).Unix()),
	}
}

// DecodeSample reads the item of a sample.
func DecodeSample(r table.Row) (ipam.PoolSample, error) {
	s := ipam.PoolSample{At: time.Unix(r.Item.Num(attrAsOf), 0).UTC()}
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), &s.Usage); err != nil {
		return s, fmt.Errorf("%s: %w", r.Key, err)
	}
	return s, nil
}

// PoolForecast is the item that records whether a pool is expected to be exhausted soon.
type PoolForecast struct {
	Pool      string
	Soon      bool
	Outcome   ipam.ForecastOutcome
	Expected  int64 // Unix seconds; 0 without a time
	Earliest  int64 // likewise
	Latest    int64 // likewise
	Threshold int64 // days
}

// ForecastKey returns the key of a pool's [PoolForecast].
func ForecastKey(pool string) table.Key { return table.Key{PK: PoolKey(pool).PK, SK: forecastSK} }

const (
	forecastSK   = "FORECAST"
	attrOutcome  = "Outcome"
	attrExpected = "Expected"
	attrEarliest = "Earliest"
	attrLatest   = "Latest"
)

// EncodeForecast returns the attributes of a forecast. Its key has the pool.
func EncodeForecast(f PoolForecast) table.Item {
	i := table.Item{AttrCrossed: table.Num(0), attrOutcome: table.Str(string(f.Outcome)), AttrThreshold: table.Num(f.Threshold)}
	if f.Soon {
		i[AttrCrossed] = table.Num(1)
	}
	for name, at := range map[string]int64{attrExpected: f.Expected, attrEarliest: f.Earliest, attrLatest: f.Latest} {
		if at != 0 {
			i[name] = table.Num(at)
		}
	}
	return i
}

func decodeForecast(pool string, i table.Item) *PoolForecast {
	return &PoolForecast{
		Pool: pool, Soon: i.Num(AttrCrossed) == 1, Outcome: ipam.ForecastOutcome(i.Str(attrOutcome)), Threshold: i.Num(AttrThreshold),
		Expected: i.Num(attrExpected), Earliest: i.Num(attrEarliest), Latest: i.Num(attrLatest),
	}
}
