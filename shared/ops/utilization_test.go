package ops_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A pool that fills by one percent a day has its samples, of hours for some days and of
// days for longer, and the forecast of its last day.
func TestPoolUtilization(t *testing.T) {
	w := newEnv(t, nil)
	scope := w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope}, "10.0.0.0/16")
	other := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope}, "10.1.0.0/16")
	start := w.now.Truncate(24 * time.Hour)
	for hour := range 24 * 40 {
		w.now = start.Add(time.Duration(hour)*time.Hour + 20*time.Minute)
		used := float64(hour) / 24
		if _, err := w.store.SaveSamples(t.Context(), map[string]ipam.Usage{pool: {Assigned: used, Available: 100 - used, Addresses: 65536}}); err != nil {
			t.Fatal(err)
		}
	}
	type request = ops.GetIpamPoolUtilizationInput
	get := func(in request) ops.IpamPoolUtilization {
		t.Helper()
		return do[ops.GetIpamPoolUtilizationOutput](w, w.admin, &in).IpamPoolUtilizations[0]
	}
	shape := func(u ops.IpamPoolUtilization) string {
		if len(u.Samples) == 0 {
			return "none"
		}
		first, last := u.Samples[0], u.Samples[len(u.Samples)-1]
		return fmt.Sprintf("%d from %s with %.1f to %s with %.1f", len(u.Samples), first.Time.Sub(start), *first.PercentAssigned, last.Time.Sub(start), *last.PercentAssigned)
	}
	at := func(days int) *time.Time { return aws.Time(start.AddDate(0, 0, days)) }
	for _, c := range []struct {
		name string
		in   request
		want string
	}{
		{"the last 30 days", request{}, "31 from 216h20m0s with 9.0 to 936h20m0s with 39.0"},
		{"a day of the last week", request{StartTime: at(38), EndTime: at(39)}, "25 from 912h20m0s with 38.0 to 936h20m0s with 39.0"},
		{"two days by day", request{StartTime: at(37), EndTime: at(39), Step: "day"}, "3 from 888h20m0s with 37.0 to 936h20m0s with 39.0"},
		{"two days long ago", request{StartTime: at(3), EndTime: at(5)}, "3 from 72h20m0s with 3.0 to 120h20m0s with 5.0"},
		{"hours that are not kept any more", request{StartTime: at(3), EndTime: at(5), Step: "hour"}, "none"},
		{"before the first", request{StartTime: at(-5), EndTime: at(-1)}, "none"},
		{"before the year 1970", request{StartTime: aws.Time(time.Unix(-1e9, 0)), EndTime: at(0)}, "1 from 20m0s with 0.0 to 20m0s with 0.0"},
	} {
		c.in.IpamPoolIds = []string{pool}
		u := get(c.in)
		if got := shape(u); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		// It has 60.04 % left, and takes one a day.
		f := u.Forecast
		if f.Outcome != "exhaustion" || f.Expected.Sub(w.now).Hours()/24 < 59 || f.Expected.Sub(w.now).Hours()/24 > 61 || *f.PercentPerDay < 0.99 || *f.PercentPerDay > 1.01 || *f.BasedOnDays != 39 || f.Earliest.After(*f.Expected) {
			t.Errorf("%s: forecast %+v", c.name, f)
		}
	}
	last := get(request{IpamPoolIds: []string{pool}}).Samples[30]
	if *last.TotalAddresses != 65536 || *last.FreeAddresses != 65536*0.61 || *last.PercentAvailable != 61 || *last.PercentAllocated != 0 {
		t.Errorf("%+v", last)
	}
	both := do[ops.GetIpamPoolUtilizationOutput](w, w.admin, &request{IpamPoolIds: []string{pool, other, pool}}).IpamPoolUtilizations
	if len(both) != 2 {
		t.Fatalf("%+v", both)
	}
	for _, u := range both {
		want := map[string]string{pool: "1 from 959h20m0s with 40.0 to 959h20m0s with 40.0 exhaustion", other: "none not-enough-data"}[*u.IpamPoolId]
		if got := shape(u) + " " + u.Forecast.Outcome; got != want {
			t.Errorf("%s: %s, want %s", *u.IpamPoolId, got, want)
		}
	}
	// An account that the pool is shared with sees it, and no other one.
	guest := as(consumer, "admin", "")
	w.refused(t, guest, &request{IpamPoolIds: []string{pool}}, "InvalidIpamPoolId.NotFound", pool)
	w.share(pool, consumer)
	if u := do[ops.GetIpamPoolUtilizationOutput](w, guest, &request{IpamPoolIds: []string{pool}}).IpamPoolUtilizations; len(u[0].Samples) != 31 {
		t.Errorf("%+v", u)
	}
	w.refused(t, guest, &request{IpamPoolIds: []string{pool, other}}, "InvalidIpamPoolId.NotFound", other)
	w.refused(t, w.admin, &request{}, "MissingParameter", "IpamPoolIds")
	w.refused(t, w.admin, &request{IpamPoolIds: []string{pool, other}, Step: "day"}, "InvalidParameterCombination", "Step", "2")
	w.refused(t, w.admin, &request{IpamPoolIds: []string{pool}, Step: "week"}, "InvalidParameterValue", "week")
	w.refused(t, w.admin, &request{IpamPoolIds: []string{pool}, StartTime: at(2), EndTime: at(1)}, "InvalidParameterValue", "StartTime")
	w.refused(t, w.admin, &request{IpamPoolIds: strings.Split(strings.Repeat(pool+",", 100)+pool, ",")}, "InvalidParameterValue", "IpamPoolIds", "101")

	calls := &tabletest.Counter{Table: w.table}
	w.registry = ops.New(store.New(calls, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }}), grants())
	get(request{IpamPoolIds: []string{pool}})
	if cost := calls.Take(); cost.BatchGets != 1 || cost.Queries != 3 {
		t.Errorf("the utilisation of a pool costs %+v", cost)
	}
}
