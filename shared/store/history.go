package store

import (
	"context"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// PutHistory writes history records of a scope. A record always has the same key, and a
// record with an end keeps it. So records can be written again, and in any order.
func (s *Store) PutHistory(ctx context.Context, scope string, records ...ipam.HistoryRecord) error {
	for _, r := range records { // each on its own: one that is there already must not hold up the others
		w := table.Write{Op: table.OpPut, Key: items.HistoryKey(scope, &r), Item: items.EncodeHistory(r)}
		if r.End == 0 {
			w.If = table.Cond{Absent: true}
		}
		err := s.commit(ctx, "record "+w.Key.String(), nil, func(a attempt) ([]table.Write, error) {
			if a.n > 0 && r.End == 0 { // it may be there
				read, err := s.table.BatchGet(ctx, []table.Key{w.Key})
				if err != nil || read[w.Key] != nil {
					return nil, err
				}
			}
			return []table.Write{w}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// History returns the records of exactly this CIDR in a scope, by type, resource and start,
// after the place that after names (an opaque text of an earlier call; "" begins). It
// returns as many as one answer of the table holds, at most limit (0: no limit of its own),
// and the text to go on from, "" at the end. It leaves out records past their retention, so
// a page that is short or empty may not be the last.
func (s *Store) History(ctx context.Context, scope string, cidr netip.Prefix, after string, limit int) ([]*ipam.HistoryRecord, string, error) {
	rows, next, err := s.table.Query(ctx, items.HistoryRows(scope, cidr).Page(after, limit))
	if err != nil {
		return nil, "", err
	}
	records := make([]*ipam.HistoryRecord, 0, len(rows))
	for _, r := range rows {
		if table.Expired(r.Item, s.now()) {
			continue
		}
		h, err := items.DecodeHistory(r)
		if err != nil {
			return nil, "", err
		}
		records = append(records, h)
	}
	return records, next, nil
}
