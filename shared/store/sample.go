package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"golang.org/x/sync/errgroup"
)

// samplesAtOnce is the number of pools whose samples one transaction writes, each with at
// most two items.
const samplesAtOnce = 40

// SaveSamples saves the usage of pools as their samples of the hour and of the day, if
// these have none yet. It returns the pools whose sample of the hour it saved, or may have
// saved, sorted. A pool has at most one item for each of the last 192 hours and each day of
// three years; a call in an hour that has its sample only reads.
func (s *Store) SaveSamples(ctx context.Context, usages map[string]ipam.Usage) (saved []string, err error) {
	now := s.o.Now()
	for pools := range slices.Chunk(slices.Sorted(maps.Keys(usages)), samplesAtOnce) {
		keys := make([]table.Key, 0, 2*len(pools))
		for _, p := range pools {
			keys = append(keys, items.SampleKey(p, items.Hourly, now), items.SampleKey(p, items.Daily, now))
		}
		err := s.commit(ctx, "save samples", nil, func(attempt) ([]table.Write, error) {
			read, err := s.table.BatchGet(ctx, keys)
			if err != nil {
				return nil, err
			}
			var writes []table.Write
			for i, p := range pools {
				for j, step := range []items.SampleStep{items.Hourly, items.Daily} {
					k := keys[2*i+j]
					if _, ok := read[k]; ok {
						continue
					}
					if j == 0 && !slices.Contains(saved, p) {
						saved = append(saved, p)
					}
					writes = append(writes, table.Write{Op: table.OpPut, Key: k, Item: items.EncodeSample(step, ipam.PoolSample{At: now, Usage: usages[p]}), If: table.Cond{Absent: true}})
				}
			}
			return writes, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return saved, nil
}

// Samples returns the samples of a pool in the steps from from to to, by time.
func (s *Store) Samples(ctx context.Context, pool string, step items.SampleStep, from, to time.Time) (samples []ipam.PoolSample, err error) {
	for r, err := range table.Rows(ctx, s.table, items.SampleRows(pool, step, from, to)) {
		if err != nil {
			return nil, err
		}
		if table.Expired(r.Item, s.now()) {
			continue
		}
		sample, err := items.DecodeSample(r)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

// LastSamples returns the last hourly sample of each pool, without those that have none.
func (s *Store) LastSamples(ctx context.Context, pools []string) (map[string]ipam.PoolSample, error) {
	now := s.o.Now()
	found := make([][]ipam.PoolSample, len(pools))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(spaceReads)
	for i, p := range pools {
		g.Go(func() error {
			rows, _, err := s.table.Query(ctx, items.SampleRows(p, items.Hourly, now.Add(-items.Hourly.Retention()), now).Last())
			if err != nil {
				return err
			}
			found[i], err = decodeAll(rows, items.DecodeSample)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	last := make(map[string]ipam.PoolSample, len(pools))
	for i, p := range pools {
		for _, sample := range found[i] {
			last[p] = sample
		}
	}
	return last, nil
}

// Forecast returns the forecast of a pool's exhaustion, from its daily samples and the
// last of its hourly ones. It takes two queries.
func (s *Store) Forecast(ctx context.Context, pool string) (ipam.Forecast, error) {
	now := s.o.Now()
	samples, err := s.Samples(ctx, pool, items.Daily, now.Add(-ipam.ForecastWindow), now)
	if err != nil {
		return ipam.Forecast{}, err
	}
	last, err := s.LastSamples(ctx, []string{pool})
	if err != nil {
		return ipam.Forecast{}, err
	}
	if sample, ok := last[pool]; ok {
		samples = append(samples, sample)
	}
	return ipam.ForecastExhaustionOf(samples), nil
}

// SaveForecast saves whether a pool is expected to be exhausted within so many days, in an
// item of its own that it writes only when this changes. It reports whether it is. It saves
// nothing for a deleted pool.
func (s *Store) SaveForecast(ctx context.Context, pool string, f ipam.Forecast, days int) (soon bool, err error) {
	k := items.ForecastKey(pool)
	unix := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.Unix()
	}
	err = s.commit(ctx, "save the forecast of "+pool, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k, items.PoolKey(pool)})
		if err != nil || read[items.PoolKey(pool)] == nil {
			return nil, err
		}
		before := table.Cond{Absent: true}
		if i, ok := read[k]; ok {
			before = table.Cond{Equal: table.Item{items.AttrCrossed: i[items.AttrCrossed]}}
		}
		was := read[k].Num(items.AttrCrossed) == 1
		if soon = f.Soon(s.o.Now(), days, was); soon == was {
			return nil, nil
		}
		now := items.PoolForecast{Soon: soon, Outcome: f.Outcome, Expected: unix(f.Expected), Earliest: unix(f.Earliest), Latest: unix(f.Latest), Threshold: int64(days)}
		return []table.Write{{Op: table.OpPut, Key: k, Item: items.EncodeForecast(now), If: before}, {Op: table.OpCheck, Key: items.PoolKey(pool), If: table.Cond{Present: true}}}, nil
	})
	return soon, err
}
