package store

import (
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// listForeign returns the writes that list an allocation of another account than the pool's
// owner, or, with OpDelete, that delete the row; none for the owner's.
func listForeign(op table.WriteOp, pool *ipam.Pool, t ipam.Taken) []table.Write {
	if t.Owner == pool.Owner {
		return nil
	}
	w := table.Write{Op: op, Key: items.ForeignKey(t.Owner, pool.ID, t.CIDR)}
	if op == table.OpPut {
		w.Item, w.If = table.Item{items.AttrAllocationID: table.Str(t.AllocationID)}, table.Cond{Absent: true}
	}
	return []table.Write{w}
}
