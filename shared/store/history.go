package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// historyRetention is how long a record of history is kept after its end: three
// years (VPC IPAM User Guide, "View IP address history"). One that has not ended
// stays.
const historyRetention = 3 * 365 * 24 * time.Hour

func encodeHistory(r ipam.HistoryRecord) Item {
	end := r.End
	r.End = 0 // an attribute tells it
	i := Item{attrObject: str(document(r))}
	if end != 0 {
		i[attrEnd] = num(end)
		i[AttrExpires] = num(end/1000 + int64(historyRetention/time.Second))
	}
	return i
}

func decodeHistory(r Row) (*ipam.HistoryRecord, error) {
	h := new(ipam.HistoryRecord)
	if err := json.Unmarshal([]byte(r.Item.str(attrObject)), h); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	h.End = r.Item.num(attrEnd)
	return h, nil
}

// PutHistory writes records of history of a scope. The same record has the same
// key whenever it is written, and one that has ended stays ended. So records may
// be written again, and in any order.
func (s *Store) PutHistory(ctx context.Context, scope string, records ...ipam.HistoryRecord) error {
	for _, r := range records { // each on its own: one that is there already must not hold up the others
		w := Write{Op: OpPut, Key: Key{historyPK(scope, r.CIDR), historySK(&r)}, Item: encodeHistory(r)}
		if r.End == 0 {
			w.If = Cond{Absent: true}
		}
		err := s.commit(ctx, "record "+w.Key.String(), nil, func(a attempt) ([]Write, error) {
			if a.n > 0 && r.End == 0 { // it may be there
				read, err := s.table.BatchGet(ctx, []Key{w.Key})
				if err != nil || read[w.Key] != nil {
					return nil, err
				}
			}
			return []Write{w}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// History returns the records of exactly this CIDR in a scope, by type, resource
// and start, from behind the place that after names (an opaque text of an earlier
// call; "" for the first), as much as one answer of the table holds, at most
// limit (0: no limit of its own), and the text to go on from, "" at the end.
// Those past their retention are left out, so a page may be short, or empty, and
// not be the last.
func (s *Store) History(ctx context.Context, scope string, cidr netip.Prefix, after string, limit int) ([]*ipam.HistoryRecord, string, error) {
	rows, next, err := s.table.Query(ctx, Query{PK: historyPK(scope, cidr), After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	records := make([]*ipam.HistoryRecord, 0, len(rows))
	for _, r := range rows {
		if expired(r.Item, s.now()) {
			continue
		}
		h, err := decodeHistory(r)
		if err != nil {
			return nil, "", err
		}
		records = append(records, h)
	}
	return records, next, nil
}

// HistoryAfter returns the text to go on from behind what History returned.
func HistoryAfter(r *ipam.HistoryRecord) string { return historySK(r) }
