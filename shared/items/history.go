package items

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// HistoryPrefix begins the partition of a CIDR's history. Stream filters name it.
const HistoryPrefix = "HISTORY#"

// HistoryKey returns the key of a history record of a scope.
func HistoryKey(scope string, r *ipam.HistoryRecord) table.Key {
	return table.Key{PK: historyPK(scope, r.CIDR), SK: historySK(r)}
}

// HistoryRows returns the query for the history of exactly this CIDR in a scope, by
// type, resource and start.
func HistoryRows(scope string, p netip.Prefix) table.Query {
	return table.Query{PK: historyPK(scope, p)}
}

func historyPK(scope string, p netip.Prefix) string {
	return HistoryPrefix + scope + "#" + blockSK(p)
}

func historySK(r *ipam.HistoryRecord) string {
	id := r.ID
	if r.Type == ipam.HistoryInstance {
		id = r.Interface // an AWS service's instance has no id, and an instance may have two interfaces with one address, in VPCs that overlap
	}
	return fmt.Sprintf("%s#%s#%015d", r.Type, id, r.Start)
}

// historyRetention is the time for which a history record is kept after its
// end: three years (VPC IPAM User Guide, "View IP address history"). A record
// without an end stays.
const historyRetention = 3 * 365 * 24 * time.Hour

// EncodeHistory returns the attributes of a history record.
func EncodeHistory(r ipam.HistoryRecord) table.Item {
	end := r.End
	r.End = 0 // an attribute has it
	i := table.Item{AttrObject: table.Str(JSON(r))}
	if end != 0 {
		i[attrEnd] = table.Num(end)
		i[table.AttrExpires] = table.Num(end/1000 + int64(historyRetention/time.Second))
	}
	return i
}

// DecodeHistory reads the item of a history record.
func DecodeHistory(r table.Row) (*ipam.HistoryRecord, error) {
	h := new(ipam.HistoryRecord)
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), h); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	h.End = r.Item.Num(attrEnd)
	return h, nil
}

// HistoryAfter returns the text from which a list continues after r.
func HistoryAfter(r *ipam.HistoryRecord) string { return historySK(r) }
