package items

import (
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Image is an item before or after a change, as the table's stream shows it.
// The member of its kind is set. No member is set for an item that
// [HistoryFilters] drop, and for an absent one.
type Image struct {
	Resource   *ipam.ResourceCIDR // or an interface's address
	Allocation *ipam.Allocation   // a taken block of a pool, of any kind
	PoolCIDR   *ipam.PoolCIDR
	Pool       *ipam.Pool
	Usage      *PoolUsage
	Forecast   *PoolForecast
	Refusal    *Refusal
}

// DecodeImage reads an item; nil means that it is absent.
func DecodeImage(k table.Key, i table.Item) (m Image, err error) {
	space, isTaken := strings.CutSuffix(strings.TrimPrefix(k.PK, spacePrefix), takenSuffix)
	pool, isCIDR := strings.CutSuffix(strings.TrimPrefix(k.PK, spacePrefix), cidrSuffix)
	id, isPool := strings.CutPrefix(k.PK, string(Pools))
	switch {
	case i == nil:
	case strings.HasPrefix(k.PK, LivePrefix), strings.HasPrefix(k.PK, IfacePrefix):
		m.Resource, err = DecodeResource(table.Row{Key: k, Item: i})
	case isTaken && !ipam.SpaceID(space).OfScope(): // a scope's blocks belong to child pools only
		var t ipam.Taken
		t, err = DecodeTaken(table.Row{Key: k, Item: i})
		m.Allocation = &ipam.Allocation{Taken: t, Pool: space}
	case isCIDR:
		m.PoolCIDR, err = DecodePoolCIDR(pool, table.Row{Key: k, Item: i})
	case isPool && k.SK == meta:
		m.Pool, err = DecodePool(i)
	case isPool && k.SK == usageSK:
		m.Usage, err = decodeUsage(id, i)
	case isPool && k.SK == forecastSK:
		m.Forecast = decodeForecast(id, i)
	case strings.HasPrefix(k.PK, RequestPrefix):
		m.Refusal, err = DecodeRefusal(table.Row{Key: k, Item: i})
	}
	return m, err
}

// HistoryFilters returns the patterns of the history function's event filters,
// in the language of Lambda. The function receives the records that match one
// of them: resources and interfaces, taken blocks, CIDRs of pools, pools and
// refused requests. The filters drop free blocks, which are most of the writes,
// and the function's own writes with [HistoryPrefix]. Of the removals they drop
// CIDRs of pools and refusals, because only TTL removes these.
func HistoryFilters() []map[string]any {
	filter := func(pk, sk []any, names ...any) map[string]any {
		keys := map[string]any{table.AttrPK: map[string]any{"S": pk}}
		if sk != nil {
			keys[table.AttrSK] = map[string]any{"S": sk}
		}
		f := map[string]any{"dynamodb": map[string]any{"Keys": keys}}
		if names != nil {
			f["eventName"] = names
		}
		return f
	}
	prefix := func(s string) any { return map[string]any{"prefix": s} }
	suffix := func(s string) any { return map[string]any{"suffix": s} }
	return []map[string]any{
		filter([]any{prefix(LivePrefix), prefix(IfacePrefix)}, nil),
		filter([]any{suffix(takenSuffix)}, nil),
		filter([]any{suffix(cidrSuffix), prefix(RequestPrefix)}, nil, "INSERT", "MODIFY"),
		filter([]any{prefix(string(Pools))}, []any{meta, usageSK, forecastSK}),
	}
}
