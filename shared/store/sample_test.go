package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func (l *env) samples(pool string, step items.SampleStep) (times []string) {
	l.Helper()
	all, err := l.store.Samples(l.Context(), pool, step, l.now.AddDate(-4, 0, 0), l.now)
	l.must(err)
	for _, s := range all {
		times = append(times, s.At.Format("02 15:04")+fmt.Sprintf(" %g", s.Assigned))
	}
	return times
}

// The first scan of an hour and of a day saves the sample of it; the others write nothing.
// Samples end with their time.
func TestSamplesOfHoursAndDays(t *testing.T) {
	l := newEnv(t)
	pool := l.pool("", false)
	l.now = time.Date(2026, 3, 1, 22, 10, 0, 0, time.UTC)
	save := func(used float64, want ...string) {
		t.Helper()
		got, err := l.store.SaveSamples(t.Context(), map[string]ipam.Usage{pool.ID: {Assigned: used, Available: 100 - used, Addresses: 256}})
		if l.must(err); !slices.Equal(got, want) {
			t.Errorf("saved %q, want %q", got, want)
		}
	}
	save(1, pool.ID)
	l.now = l.now.Add(15 * time.Minute)
	save(2)
	l.now = l.now.Add(time.Hour)
	save(3, pool.ID)
	l.now = l.now.Add(time.Hour) // the next day
	save(4, pool.ID)
	if got, want := l.samples(pool.ID, items.Hourly), []string{"01 22:10 1", "01 23:25 3", "02 00:25 4"}; !slices.Equal(got, want) {
		t.Errorf("hours %q, want %q", got, want)
	}
	if got, want := l.samples(pool.ID, items.Daily), []string{"01 22:10 1", "02 00:25 4"}; !slices.Equal(got, want) {
		t.Errorf("days %q, want %q", got, want)
	}
	last, err := l.store.LastSamples(t.Context(), []string{pool.ID, "ipam-pool-0123456789abcdef0"})
	if l.must(err); len(last) != 1 || last[pool.ID].Assigned != 4 {
		t.Errorf("last %+v", last)
	}
	fscktest.Clean(t, l.memory, l.now)
	l.now = l.now.Add(8*24*time.Hour + 2*time.Second)
	if got := l.samples(pool.ID, items.Hourly); got != nil {
		t.Errorf("after eight days: %q", got)
	}
	l.now = l.now.AddDate(3, 0, -10)
	if got := l.samples(pool.ID, items.Daily); len(got) != 2 {
		t.Errorf("within three years: %q", got)
	}
	l.now = l.now.AddDate(0, 0, 10)
	if got := l.samples(pool.ID, items.Daily); got != nil {
		t.Errorf("after three years: %q", got)
	}
}

// A pool costs 25 items a day, of one write unit each in a transaction of two, and two keys
// read by each scan.
func TestCostOfSamples(t *testing.T) {
	l := newEnv(t)
	const pools = 100
	usages := map[string]ipam.Usage{}
	for i := range pools {
		usages[fmt.Sprintf("ipam-pool-%017x", i)] = ipam.Usage{Allocated: 100. / 3, Assigned: 100. / 7, Available: 100 - 100./3 - 100./7, Blocks: 12345, Addresses: 1 << 24}
	}
	counter := &tabletest.Counter{Table: l.memory}
	s := l.on(counter)
	l.now = l.now.Truncate(24 * time.Hour)
	for range 24 * 4 {
		_, err := s.SaveSamples(t.Context(), usages)
		l.must(err)
		l.now = l.now.Add(15 * time.Minute)
	}
	cost := counter.Take()
	t.Logf("a day of %d pools: %+v", pools, cost)
	if cost.Writes != 25*pools || cost.WriteUnits != 2*25*pools || cost.Keys != 24*4*2*pools || cost.BatchGets != 24*4*3 || cost.Transactions != 24*3 {
		t.Errorf("a day of %d pools costs %+v", pools, cost)
	}
}

// A call that fails while samples are saved, carried out or not, leaves one sample at most,
// and the next scan saves it if none is there. The pools whose forecast is due are those
// whose sample may be new.
func TestSaveSamplesWithFaults(t *testing.T) {
	for _, kind := range []tabletest.CallKind{tabletest.BatchGet, tabletest.Transact} {
		for _, applied := range []bool{false, true} {
			for _, always := range []bool{false, true} {
				l := newEnv(t)
				pool := l.pool("", false)
				usages := map[string]ipam.Usage{pool.ID: {Available: 100, Addresses: 256}}
				n := 0
				l.faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
					if c.Kind != kind || n > 0 && !always {
						return nil
					}
					n++
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
				}
				saved, err := l.store.SaveSamples(t.Context(), usages)
				l.faulty.Inject = nil
				written := len(l.samples(pool.ID, items.Hourly)) == 1
				if (err == nil) != (kind == tabletest.Transact && (!always || applied)) || err == nil && (!written || !slices.Equal(saved, []string{pool.ID})) {
					t.Errorf("%s fails, applied %v, always %v: saved %q, %v; written %v", kind, applied, always, saved, err, written)
				}
				_, err = l.store.SaveSamples(t.Context(), usages)
				l.must(err)
				if len(l.samples(pool.ID, items.Hourly)) != 1 || len(l.samples(pool.ID, items.Daily)) != 1 {
					t.Errorf("%s fails, applied %v, always %v: %q", kind, applied, always, l.samples(pool.ID, items.Hourly))
				}
				fscktest.Clean(t, l.memory, l.now)
			}
		}
	}
}

// The item of the forecast changes only when a pool becomes near its exhaustion, or is far
// from it again. It goes with the pool.
func TestSaveForecast(t *testing.T) {
	l := newEnv(t)
	pool := l.pool("", false)
	in := func(days int) ipam.Forecast {
		return ipam.Forecast{Outcome: ipam.ForecastExhaustion, Expected: l.now.AddDate(0, 0, days), Earliest: l.now.AddDate(0, 0, days/2)}
	}
	item := func() *items.PoolForecast {
		t.Helper()
		k := items.ForecastKey(pool.ID)
		read, err := l.memory.BatchGet(t.Context(), []table.Key{k})
		if l.must(err); read[k] == nil {
			return nil
		}
		m, err := items.DecodeImage(k, read[k])
		l.must(err)
		return m.Forecast
	}
	for i, step := range []struct {
		f    ipam.Forecast
		soon bool
		days int // of the item's forecast, 0: none
	}{
		{in(31), false, 0}, {in(30), true, 30}, {in(5), true, 30}, {in(36), true, 30}, {in(40), false, 40}, {in(31), false, 40},
		{ipam.Forecast{Outcome: ipam.ForecastExhausted}, true, -1}, {ipam.Forecast{Outcome: ipam.ForecastTooLittle}, true, -1}, {ipam.Forecast{Outcome: ipam.ForecastNotGrowing}, false, -1},
	} {
		before := l.memory.Hash()
		was := item()
		soon, err := l.store.SaveForecast(t.Context(), pool.ID, step.f, 30)
		l.must(err)
		now := item()
		if soon != step.soon || (now != nil && now.Soon) != step.soon {
			t.Errorf("step %d: soon %v, %+v", i, soon, now)
		}
		if step.days > 0 && (now.Expected != l.now.AddDate(0, 0, step.days).Unix() || now.Latest != 0 || now.Threshold != 30) || step.days == 0 && now != nil || step.days < 0 && now.Expected != 0 {
			t.Errorf("step %d: %+v", i, now)
		}
		if changed := l.memory.Hash() != before; changed != ((was != nil && was.Soon) != soon) {
			t.Errorf("step %d: written %v", i, changed)
		}
		fscktest.Clean(t, l.memory, l.now)
	}
	_, err := l.store.DeletePool(t.Context(), pool.ID, false, anyone)
	l.must(err)
	l.settled()
	soon, err := l.store.SaveForecast(t.Context(), pool.ID, in(3), 30)
	if l.must(err); soon || item() != nil {
		t.Errorf("a deleted pool is soon %v, %+v", soon, item())
	}
}

// A write whose answer is lost is found; two scans at once write one change.
func TestSaveForecastUnderFaults(t *testing.T) {
	for _, applied := range []bool{false, true} {
		l := newEnv(t)
		pool := l.pool("", false)
		failed := false
		l.faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
			if c.Kind != tabletest.Transact || failed {
				return nil
			}
			failed = true
			return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
		}
		soon, err := l.store.SaveForecast(t.Context(), pool.ID, ipam.Forecast{Outcome: ipam.ForecastExhausted}, 30)
		if l.must(err); !soon || !failed {
			t.Errorf("applied %v: soon %v", applied, soon)
		}
		fscktest.Clean(t, l.memory, l.now)
	}
}
