package main

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// A scan saves the sample of each pool once an hour. When the samples show that a pool is
// full soon, the scan says so in the pool's item, from which the event comes, once.
func TestScanSavesSamplesAndForecasts(t *testing.T) {
	w := newEnv(t)
	w.now = w.now.Truncate(24 * time.Hour).Add(time.Minute)
	forecast := func() *items.PoolForecast {
		t.Helper()
		k := items.ForecastKey(w.pool)
		m := must(items.DecodeImage(k, must(w.table.BatchGet(t.Context(), []table.Key{k}))(t)[k]))(t)
		return m.Forecast
	}
	first := 0
	for day := range 30 { // each day 4 of 256 addresses
		w.allocate(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(4 * day)}), 30).String())
		for range 3 {
			if failed := w.invoke(t.Context(), w.store, batch(w.scanTask())); failed != nil {
				t.Fatalf("failed %q", failed)
			}
			w.now = w.now.Add(15 * time.Minute)
		}
		w.now = w.now.Add(24*time.Hour - 45*time.Minute)
		if f := forecast(); f != nil && f.Soon && first == 0 {
			first = day
		}
	}
	samples := must(w.store.Samples(t.Context(), w.pool, items.Daily, w.now.AddDate(0, 0, -60), w.now))(t)
	if len(samples) != 30 || samples[29].Assigned != 100*120./256 || samples[29].Addresses != 256 {
		t.Errorf("%d samples, the last %+v", len(samples), samples[len(samples)-1])
	}
	if hours := must(w.store.Samples(t.Context(), w.pool, items.Hourly, w.now.AddDate(0, 0, -60), w.now))(t); len(hours) != 8 {
		t.Errorf("%d samples of hours, want those of eight days", len(hours))
	}
	// With 120 of 256 taken and 4 a day, it lasts 34 days. The deployment's limit is 30.
	if first != 0 {
		t.Errorf("the forecast is near on day %d: %+v", first, forecast())
	}
	w.options.ForecastDays = 40
	if failed := w.invoke(t.Context(), w.store, batch(w.scanTask())); failed != nil {
		t.Fatalf("failed %q", failed)
	}
	f := forecast()
	if f == nil || !f.Soon || f.Threshold != 40 || f.Outcome != ipam.ForecastExhaustion {
		t.Fatalf("%+v", f)
	}
	if days := time.Unix(f.Expected, 0).Sub(w.now).Hours() / 24; days < 30 || days > 37 {
		t.Errorf("it is full in %.1f days", days)
	}
}

// A scan of a large scope makes its map once an hour. If the time of an invocation is too
// short, the next one makes it; if that is too short, too, the scan goes on without a map.
func TestScanMakesMaps(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	large := func() *store.Store {
		return store.New(w.calls, store.Options{Region: "us-east-1", Owner: account, MapSummed: 3, Now: func() time.Time { return w.now }, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	}
	asOf := func() int64 {
		t.Helper()
		k := items.SpaceMapKey(w.ipam.PrivateScope, ipam.IPv4)
		item := must(w.table.BatchGet(t.Context(), []table.Key{k}))(t)[k]
		if item == nil {
			return 0
		}
		return must(items.DecodeSpaceMapHead(item))(t).AsOf
	}
	scan := func(body string) {
		t.Helper()
		w.sent = nil
		if failed := w.invoke(t.Context(), large(), batch(body)); failed != nil {
			t.Fatalf("failed %q", failed)
		}
	}
	scan(w.scanTask())
	begin := w.now
	if asOf() != begin.UnixMilli() {
		t.Errorf("the map is of %d", asOf())
	}
	w.now = w.now.Add(15 * time.Minute)
	if scan(w.scanTask()); asOf() != begin.UnixMilli() {
		t.Error("a second map in an hour")
	}
	w.now = w.now.Add(45 * time.Minute)
	if scan(w.scanTask()); asOf() != w.now.UnixMilli() || w.sent != nil {
		t.Errorf("the map is of %d an hour later, sent %q", asOf(), w.sent)
	}
	if m := must(large().SpaceMap(t.Context(), store.SpaceView{Scope: w.ipam.PrivateScope, Family: ipam.IPv4, Most: 1}))(t); !m.Summed || m.Totals.Allocations != 2 || m.Totals.Resources != 6 {
		t.Errorf("%+v", m)
	}
}

// slowStore is a store whose maps are never finished in time.
type slowStore struct{ Store }

func (s slowStore) SumSpace(_ context.Context, _ string, _ ipam.Family, stop func() bool) (*ipam.SpaceSum, bool, error) {
	return nil, false, nil
}

func TestMapThatTakesTooLong(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	s := slowStore{store.New(w.calls, store.Options{Region: "us-east-1", Owner: account, MapSummed: 3, Now: func() time.Time { return w.now }})}
	if failed := w.invoke(t.Context(), s, batch(w.scanTask())); failed != nil || len(w.sent) != 1 || !strings.Contains(w.sent[0], `"map_only":true`) || !strings.Contains(w.sent[0], w.ipam.PrivateScope) {
		t.Fatalf("failed %q, sent %q", failed, w.sent)
	}
	if len(w.metrics()) == 0 {
		t.Error("the scan has no metrics")
	}
	again := w.sent[0]
	w.sent = nil
	if failed := w.invoke(t.Context(), s, batch(again)); failed != nil || w.sent != nil || !strings.Contains(w.logs.String(), "too many blocks and resources") || len(w.metrics()) > 0 {
		t.Errorf("failed %q, sent %q, logs %s", failed, w.sent, w.logs.String())
	}
}
