package store_test

import (
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/google/go-cmp/cmp"
)

// admits is the part of Lambda's filter language that HistoryFilters is written
// in.
func admits(pattern map[string]any, record map[string]any) bool {
	for name, want := range pattern {
		switch want := want.(type) {
		case map[string]any:
			in, ok := record[name].(map[string]any)
			if !ok || !admits(want, in) {
				return false
			}
		case []any:
			value, met := record[name].(string), false
			for _, w := range want {
				switch w := w.(type) {
				case string:
					met = met || value == w
				case map[string]any:
					prefix, isPrefix := w["prefix"].(string)
					suffix, isSuffix := w["suffix"].(string)
					met = met || isPrefix && strings.HasPrefix(value, prefix) || isSuffix && strings.HasSuffix(value, suffix)
				}
			}
			if !met {
				return false
			}
		}
	}
	return true
}

// Every item of a table with something of everything either has an image, and
// then passes the filters, or it has none and does not.
func TestImagesAndFilters(t *testing.T) {
	c := newStatusEnv(t)
	must(c.store.Allocate(t.Context(), allocation(c.leaf, "", byCIDR("10.0.0.0/30"))))(t)
	c.put(liveVPC("vpc-a", "10.0.0.0/29"))
	if err := c.store.PutHistory(t.Context(), c.scope, tokenRecord(ipam.HistoryEIP, "eipalloc-1", 1000, 0)); err != nil {
		t.Fatal(err)
	}
	must(c.store.SaveUsage(t.Context(), c.leaf, ipam.Usage{Assigned: 81.5, Available: 18.5}))(t)
	must(c.store.SaveForecast(t.Context(), c.leaf, ipam.Forecast{Outcome: ipam.ForecastExhausted}, 30))(t)
	must(c.store.SaveSamples(t.Context(), map[string]ipam.Usage{c.leaf: {Available: 100}}))(t)
	refusal := items.Refusal{Request: "r-1", Account: ownerAccount, Region: "us-east-1", Code: "InvalidParameterValue", Message: "It is full.", Detail: `{"NetmaskLength": 8}`}
	if err := c.store.Refuse(t.Context(), store.Token{Account: ownerAccount, Operation: "AllocateIpamPoolCidr", Value: "r-1"}, refusal); err != nil {
		t.Fatal(err)
	}
	images := map[string]int{}
	for k, i := range c.table.All() {
		m, err := items.DecodeImage(k, i)
		if err != nil {
			t.Errorf("%s: %v", k, err)
		}
		kind := ""
		switch {
		case m.Resource != nil && m.Resource.ID == "vpc-a" && m.Resource.Scope == c.scope:
			kind = "resource"
		case m.Allocation != nil && (m.Allocation.Pool == c.pool || m.Allocation.Pool == c.leaf):
			kind = "taken " + string(m.Allocation.Kind)
		case m.PoolCIDR != nil && m.PoolCIDR.State == ipam.CIDRProvisioned:
			kind = "CIDR"
		case m.Pool != nil && (m.Pool.ID == c.pool || m.Pool.ID == c.leaf):
			kind = "pool"
		case m.Usage != nil && *m.Usage == items.PoolUsage{Pool: c.leaf, Percent: 81.5, Threshold: 80, Crossed: true}:
			kind = "usage"
		case m.Forecast != nil && *m.Forecast == items.PoolForecast{Pool: c.leaf, Soon: true, Outcome: ipam.ForecastExhausted, Threshold: 30}:
			kind = "forecast"
		case m.Refusal != nil && *m.Refusal == refusal:
			kind = "refusal"
		}
		images[kind]++
		passed := false
		for _, f := range items.HistoryFilters() {
			passed = passed || admits(f, map[string]any{"eventName": "INSERT", "dynamodb": map[string]any{"Keys": map[string]any{
				"PK": map[string]any{"S": k.PK}, "SK": map[string]any{"S": k.SK},
			}}})
		}
		if scopes := strings.HasPrefix(k.PK, "SPACE#ipam-scope-") && strings.HasSuffix(k.PK, "#TAKEN"); passed != (kind != "" || scopes) {
			t.Errorf("%s is a %q and passes: %t", k, kind, passed)
		}
	}
	delete(images, "")
	if diff := cmp.Diff(images, map[string]int{"resource": 1, "taken custom": 1, "taken ipam-pool": 2, "CIDR": 4, "pool": 2, "usage": 1, "forecast": 1, "refusal": 1}); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	if m, err := items.DecodeImage(items.PoolKey(c.pool), nil); m != (items.Image{}) || err != nil {
		t.Errorf("no item is %+v, %v", m, err)
	}
	if n := len(items.HistoryFilters()); n > 5 {
		t.Errorf("there are %d filters, and an event source takes 5", n)
	}
	for what, k := range map[string]table.Key{
		"a deprovisioned CIDR": {PK: "SPACE#" + c.pool + "#CIDR", SK: "0a000000#026"},
		"a refusal":            {PK: items.RequestPrefix + ownerAccount + "#r-1", SK: "META"},
	} {
		ttl := map[string]any{"eventName": "REMOVE", "dynamodb": map[string]any{"Keys": map[string]any{
			"PK": map[string]any{"S": k.PK}, "SK": map[string]any{"S": k.SK},
		}}}
		for _, f := range items.HistoryFilters() {
			if admits(f, ttl) {
				t.Errorf("the removal of %s passes", what)
			}
		}
	}
}
