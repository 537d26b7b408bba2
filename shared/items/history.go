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

func HistoryPK(scope string, p netip.Prefix) string {
	return HistoryPrefix + scope + "#" + BlockSK(p)
}

func HistorySK(r *ipam.HistoryRecord) string {
	id := r.ID
	if r.Type == ipam.HistoryInstance {
		id = r.Interface // an AWS service's has no id; and one may have two interfaces with one address, in VPCs that overlap
	}
	return fmt.Sprintf("%s#%s#%015d", r.Type, id, r.Start)
}

// historyRetention is how long a record of history is kept after its end: three
// years (VPC IPAM User Guide, "View IP address history"). One that has not ended
// stays.
const historyRetention = 3 * 365 * 24 * time.Hour

func EncodeHistory(r ipam.HistoryRecord) table.Item {
	end := r.End
	r.End = 0 // an attribute tells it
	i := table.Item{AttrObject: table.Str(JSON(r))}
	if end != 0 {
		i[attrEnd] = table.Num(end)
		i[table.AttrExpires] = table.Num(end/1000 + int64(historyRetention/time.Second))
	}
	return i
}

func DecodeHistory(r table.Row) (*ipam.HistoryRecord, error) {
	h := new(ipam.HistoryRecord)
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), h); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	h.End = r.Item.Num(attrEnd)
	return h, nil
}

// HistoryAfter returns the text to go on from behind what History returned.
func HistoryAfter(r *ipam.HistoryRecord) string { return HistorySK(r) }
