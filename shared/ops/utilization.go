package ops

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The input and output of GetIpamPoolUtilization. It is an extension, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// GetIpamPoolUtilizationInput is the input of GetIpamPoolUtilization.
	GetIpamPoolUtilizationInput struct {
		DryRun             *bool
		IpamPoolIds        []string
		StartTime, EndTime *time.Time // of one pool
		Step               string     // hour or day; "" chooses one
	}
	// GetIpamPoolUtilizationOutput is the output of GetIpamPoolUtilization, in the order of
	// the request.
	GetIpamPoolUtilizationOutput struct{ IpamPoolUtilizations []IpamPoolUtilization }
	// IpamPoolUtilization is the usage of a pool over time, and its forecast.
	IpamPoolUtilization struct {
		IpamPoolId *string
		Samples    []IpamPoolSample
		Forecast   *IpamPoolForecast
	}
	// IpamPoolSample is the usage of a pool at a time.
	IpamPoolSample struct {
		Time                                                *time.Time
		PercentAllocated, PercentAssigned, PercentAvailable *float64
		TotalAddresses, FreeAddresses                       *float64
	}
	// IpamPoolForecast is the forecast of a pool's exhaustion, see [ipam.Forecast].
	IpamPoolForecast struct {
		Outcome                    string // an [ipam.ForecastOutcome]
		Earliest, Expected, Latest *time.Time
		PercentPerDay              *float64
		BasedOnDays                *int32
	}
)

const (
	// usualRange is the time that the samples of a request without a StartTime cover.
	usualRange = 30 * 24 * time.Hour
	// forecastsAtOnce is the number of pools whose samples a request reads at once.
	forecastsAtOnce = 8
)

// getUtilization shows the samples of one pool that the caller sees between two times, or
// the last sample of each of several pools, with their forecasts. A pool that no scan has
// read yet has no samples.
func (o service) getUtilization(ctx context.Context, in *GetIpamPoolUtilizationInput) (*GetIpamPoolUtilizationOutput, error) {
	if len(in.IpamPoolIds) > 1 && (in.StartTime != nil || in.EndTime != nil || in.Step != "") {
		return nil, invalidCombination("The parameters StartTime, EndTime and Step are for one pool, and the request has %d. Leave them out for the last samples of all, or give one of the IpamPoolIds.", len(in.IpamPoolIds))
	}
	if _, err := o.reachablePools().find(ctx, "IpamPoolIds", in.IpamPoolIds); err != nil {
		return nil, err
	}
	ids := slices.Compact(slices.Sorted(slices.Values(in.IpamPoolIds)))
	samples := map[string][]ipam.PoolSample{}
	if len(ids) == 1 {
		step, from, to, err := o.sampleRange(in)
		if err != nil {
			return nil, err
		}
		if samples[ids[0]], err = o.store.Samples(ctx, ids[0], step, from, to); err != nil {
			return nil, err
		}
	} else {
		last, err := o.store.LastSamples(ctx, ids)
		if err != nil {
			return nil, err
		}
		for id, s := range last {
			samples[id] = []ipam.PoolSample{s}
		}
	}
	out := &GetIpamPoolUtilizationOutput{IpamPoolUtilizations: make([]IpamPoolUtilization, len(ids))}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(forecastsAtOnce)
	for i, id := range ids {
		at := &out.IpamPoolUtilizations[i]
		at.IpamPoolId = &id
		for _, s := range samples[id] {
			at.Samples = append(at.Samples, showSample(s))
		}
		g.Go(func() error {
			f, err := o.store.Forecast(inner, id)
			at.Forecast = showForecast(f)
			return err
		})
	}
	return out, g.Wait()
}

// sampleRange returns the step and the times of a request. The samples of each hour are
// kept for some days only, so a longer range has daily samples.
func (o service) sampleRange(in *GetIpamPoolUtilizationInput) (step items.SampleStep, from, to time.Time, err error) {
	to = o.store.Now()
	if in.EndTime != nil {
		to = *in.EndTime
	}
	from = to.Add(-usualRange)
	if in.StartTime != nil {
		from = *in.StartTime
	}
	if from.After(to) {
		return "", from, to, schema.Invalid("StartTime", formatTime(in.StartTime), "It is after the EndTime, which is now unless you give it. Use an earlier time.")
	}
	step = items.Daily
	if in.Step == "hour" || in.Step == "" && !from.Before(o.store.Now().Add(-items.Hourly.Retention())) {
		step = items.Hourly
	}
	return step, from, to, nil
}

func showSample(s ipam.PoolSample) IpamPoolSample {
	return IpamPoolSample{
		Time: aws.Time(s.At.UTC()), PercentAllocated: &s.Allocated, PercentAssigned: &s.Assigned, PercentAvailable: &s.Available,
		TotalAddresses: &s.Addresses, FreeAddresses: aws.Float64(s.Addresses - s.Used()),
	}
}

func showForecast(f ipam.Forecast) *IpamPoolForecast {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return aws.Time(t.UTC().Truncate(time.Second))
	}
	out := &IpamPoolForecast{Outcome: string(f.Outcome), Earliest: at(f.Earliest), Expected: at(f.Expected), Latest: at(f.Latest), BasedOnDays: aws.Int32(int32(f.Days))}
	if f.Outcome == ipam.ForecastExhaustion || f.Outcome == ipam.ForecastNotGrowing {
		out.PercentPerDay = &f.PerDay
	}
	return out
}
