package items

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

const changesPrefix = "CHANGES#"

// ChangeRetention is how long the changes of a scope are kept.
const ChangeRetention = 8 * 24 * time.Hour

// ChangeKey returns the key of a change of a scope: the beginning of a history record, or
// its end if it has one.
func ChangeKey(scope string, r *ipam.HistoryRecord) table.Key {
	change := "began"
	if r.End != 0 {
		change = "ended"
	}
	return table.Key{PK: changesPrefix + scope, SK: fmt.Sprintf("%s#%s#%s#%s#%s", changeSK(ChangeTime(r)), change, blockSK(r.CIDR), r.ID, r.Region)}
}

// ChangeTime returns the time of a change.
func ChangeTime(r *ipam.HistoryRecord) time.Time { return time.UnixMilli(max(r.Start, r.End)).UTC() }

func changeSK(at time.Time) string { return fmt.Sprintf("%015d", max(0, at.UnixMilli())) }

// ChangeRows returns the query for the changes of a scope since a time, the last first.
func ChangeRows(scope string, since time.Time) table.Query {
	return table.Query{PK: changesPrefix + scope, From: changeSK(since), Descending: true}
}

// EncodeChange returns the attributes of a change.
func EncodeChange(r ipam.HistoryRecord) table.Item {
	return table.Item{AttrObject: table.Str(JSON(r)), table.AttrExpires: table.Num(ChangeTime(&r).Add(ChangeRetention).Unix())}
}

// DecodeChange reads the item of a change.
func DecodeChange(r table.Row) (*ipam.HistoryRecord, error) {
	h := new(ipam.HistoryRecord)
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), h); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return h, nil
}
