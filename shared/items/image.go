package items

import (
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Image is an item of the table as its stream shows it before or after a change.
// The member of its kind is set, none for an item that HistoryFilters drop or
// that is not there.
type Image struct {
	Resource   *ipam.ResourceCIDR // an interface's address too
	Allocation *ipam.Allocation   // a taken block of a pool, of any kind
	PoolCIDR   *ipam.PoolCIDR
	Pool       *ipam.Pool
	Usage      *PoolUsage
	Refusal    *Refusal
}

// DecodeImage reads an item; nil is none.
func DecodeImage(k table.Key, i table.Item) (m Image, err error) {
	space, isTaken := strings.CutSuffix(strings.TrimPrefix(k.PK, spacePrefix), takenSuffix)
	pool, isCIDR := strings.CutSuffix(strings.TrimPrefix(k.PK, spacePrefix), cidrSuffix)
	switch {
	case i == nil:
	case strings.HasPrefix(k.PK, LivePrefix), strings.HasPrefix(k.PK, IfacePrefix):
		m.Resource, err = DecodeResource(table.Row{Key: k, Item: i})
	case isTaken && !strings.Contains(space, "#"): // that of a scope is of child pools only
		var t ipam.Taken
		t, err = DecodeTaken(table.Row{Key: k, Item: i})
		m.Allocation = &ipam.Allocation{Taken: t, Pool: space}
	case isCIDR:
		m.PoolCIDR, err = DecodePoolCIDR(pool, table.Row{Key: k, Item: i})
	case strings.HasPrefix(k.PK, PoolPrefix) && k.SK == meta:
		m.Pool, err = DecodePool(i)
	case strings.HasPrefix(k.PK, PoolPrefix) && k.SK == usageSK:
		m.Usage, err = decodeUsage(strings.TrimPrefix(k.PK, PoolPrefix), i)
	case strings.HasPrefix(k.PK, RequestPrefix):
		m.Refusal, err = DecodeRefusal(table.Row{Key: k, Item: i})
	}
	return m, err
}

// HistoryFilters are the patterns, of which a record of the table's stream must
// meet one to be the history function's, in the language of Lambda's event
// filters: resources and interfaces, taken blocks, CIDRs of pools, pools and
// refused requests. They drop free blocks, which are most of what is written, and
// what the function itself writes, HistoryPrefix; and among the removals those of
// CIDRs of pools and of refusals, which are all by TTL.
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
		filter([]any{prefix(PoolPrefix)}, []any{meta, usageSK}),
	}
}
