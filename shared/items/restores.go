package items

import (
	"encoding/json"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Restores lists the restores of a table from its backups: the time at which each
// restored table was created, Unix seconds, ascending. A table that was never restored
// has none.
//
// The last one is the table's generation. It is a part of all ids that tokens derive, so
// that no id is used twice: for a request that the restore lost, and for another one.
// Infra's runbook writes it before callers are let in.
type Restores []int64

// RestoresKey returns the key of the table's restores.
func RestoresKey() table.Key { return table.Key{PK: "RESTORES", SK: meta} }

const attrRestores = "Restores"

// EncodeRestores returns the attributes that [DecodeRestores] reads.
func EncodeRestores(r Restores) table.Item { return table.Item{attrRestores: table.Str(JSON(r))} }

// DecodeRestores reads the item of the table's restores; there are none if it is nil.
func DecodeRestores(i table.Item) (Restores, error) {
	if i == nil {
		return nil, nil
	}
	var r Restores
	if err := json.Unmarshal([]byte(i.Str(attrRestores)), &r); err != nil {
		return nil, fmt.Errorf("%s: %w", RestoresKey(), err)
	}
	return r, nil
}

// RestoresUnchanged returns the condition that the item of the restores is still i, nil
// for an absent one.
func RestoresUnchanged(i table.Item) table.Cond {
	if i == nil {
		return table.Cond{Absent: true}
	}
	return table.Cond{Equal: i}
}
