package store

import (
	"context"
	"reflect"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Summary returns the numbers that the scans counted last for an IPAM. It takes one query, which reads
// an item for each family of each scope, and one of the network.
func (s *Store) Summary(ctx context.Context, ipamID string) (items.Summary, error) {
	var rows []table.Row
	for r, err := range table.Rows(ctx, s.table, items.SummaryRows(ipamID)) {
		if err != nil {
			return items.Summary{}, err
		}
		if !table.Expired(r.Item, s.now()) {
			rows = append(rows, r)
		}
	}
	return items.DecodeSummary(rows)
}

// ScopeSummary returns the last summary of one family of a scope of an IPAM; the zero one if
// there is none.
func (s *Store) ScopeSummary(ctx context.Context, ipamID, scope string, f ipam.Family) (ipam.ScopeSummary, error) {
	k := items.ScopeSummaryKey(ipamID, scope, f)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil || read[k] == nil || table.Expired(read[k], s.now()) {
		return ipam.ScopeSummary{}, err
	}
	have, err := items.DecodeSummaryOf[ipam.ScopeSummary](table.Row{Key: k, Item: read[k]})
	return have.Of, err
}

// SaveScopeSummary saves the numbers of one family of a scope of an IPAM that a scan counted,
// which began at asOf, unless a later one has saved its own.
func (s *Store) SaveScopeSummary(ctx context.Context, ipamID, scope string, f ipam.Family, asOf time.Time, sum ipam.ScopeSummary) error {
	return s.saveSummary(ctx, items.ScopeSummaryKey(ipamID, scope, f), asOf, items.EncodeSummary(items.SummaryOf[ipam.ScopeSummary]{AsOf: asOf, Of: sum}))
}

// SaveNetworkSummary saves the numbers of the network of an IPAM that a scan counted, as
// [Store.SaveScopeSummary] does.
func (s *Store) SaveNetworkSummary(ctx context.Context, ipamID string, asOf time.Time, sum ipam.NetworkSummary) error {
	return s.saveSummary(ctx, items.NetworkSummaryKey(ipamID), asOf, items.EncodeSummary(items.SummaryOf[ipam.NetworkSummary]{AsOf: asOf, Of: sum}))
}

func (s *Store) saveSummary(ctx context.Context, k table.Key, asOf time.Time, item table.Item) error {
	return s.commit(ctx, "save "+k.String(), nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		have := read[k]
		if have != nil && (items.SummaryAsOf(have).After(asOf) || reflect.DeepEqual(have, item)) {
			return nil, nil
		}
		return []table.Write{{Op: table.OpPut, Key: k, Item: item, If: items.SummaryUnchanged(have)}}, nil
	})
}
