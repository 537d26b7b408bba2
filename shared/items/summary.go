package items

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Summary has the items of the partition of an IPAM's summary. A member is nil, or absent,
// until a scan has counted it, and after [SummaryRetention] without a scan.
type Summary struct {
	Network *SummaryOf[ipam.NetworkSummary]
	Scopes  map[ipam.SpaceID]SummaryOf[ipam.ScopeSummary] // by [ipam.ScopeSpace]
}

// SummaryOf is a part of a summary.
type SummaryOf[T any] struct {
	AsOf time.Time // when the scan counted
	Of   T
}

// SummaryRetention is how long a summary is shown if no scan replaces it.
const SummaryRetention = 7 * 24 * time.Hour

const (
	summaryPrefix = "SUMMARY#"
	networkSK     = "NETWORK"
	scopeSKPrefix = "SCOPE#"
)

// ScopeSummaryKey returns the key of the summary of one family of a scope of an IPAM.
func ScopeSummaryKey(ipamID, scope string, f ipam.Family) table.Key {
	return table.Key{PK: summaryPrefix + ipamID, SK: scopeSKPrefix + string(ipam.ScopeSpace(scope, f))}
}

// NetworkSummaryKey returns the key of the summary of the network that the discoveries of an
// IPAM found.
func NetworkSummaryKey(ipamID string) table.Key {
	return table.Key{PK: summaryPrefix + ipamID, SK: networkSK}
}

// SummaryRows returns the query for the summaries of an IPAM.
func SummaryRows(ipamID string) table.Query { return table.Query{PK: summaryPrefix + ipamID} }

// EncodeSummary returns the attributes of a part of a summary.
func EncodeSummary[T ipam.ScopeSummary | ipam.NetworkSummary](s SummaryOf[T]) table.Item {
	return table.Item{
		attrAsOf:          table.Num(s.AsOf.UnixMilli()),
		AttrObject:        table.Str(JSON(s.Of)),
		table.AttrExpires: table.Num(s.AsOf.Add(SummaryRetention).Unix()),
	}
}

// DecodeSummaryOf reads the item of a part of a summary.
func DecodeSummaryOf[T ipam.ScopeSummary | ipam.NetworkSummary](r table.Row) (SummaryOf[T], error) {
	s := SummaryOf[T]{AsOf: SummaryAsOf(r.Item).UTC()}
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), &s.Of); err != nil {
		return s, fmt.Errorf("%s: %w", r.Key, err)
	}
	return s, nil
}

// DecodeSummary reads the rows of an IPAM's summary.
func DecodeSummary(rows []table.Row) (Summary, error) {
	all := Summary{Scopes: map[ipam.SpaceID]SummaryOf[ipam.ScopeSummary]{}}
	for _, r := range rows {
		space, ok := strings.CutPrefix(r.Key.SK, scopeSKPrefix)
		if !ok {
			n, err := DecodeSummaryOf[ipam.NetworkSummary](r)
			if err != nil {
				return all, err
			}
			all.Network = &n
			continue
		}
		s, err := DecodeSummaryOf[ipam.ScopeSummary](r)
		if err != nil {
			return all, err
		}
		all.Scopes[ipam.SpaceID(space)] = s
	}
	return all, nil
}

// SummaryAsOf returns when the scan counted that an item of a summary is of.
func SummaryAsOf(i table.Item) time.Time { return time.UnixMilli(i.Num(attrAsOf)) }

// SummaryUnchanged returns the condition that an item of a summary is still of the scan of
// the one that was read, nil for none.
func SummaryUnchanged(read table.Item) table.Cond {
	if read == nil {
		return table.Cond{Absent: true}
	}
	return table.Cond{Equal: table.Item{attrAsOf: read[attrAsOf]}}
}
