package store

import (
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// blockWrites turns a plan's changes to one space into writes, each with the
// condition that its change demands.
func blockWrites(space ipam.SpaceID, changes []ipam.Change) []Write {
	writes := make([]Write, 0, len(changes)+4)
	for _, c := range changes {
		var w Write
		switch c.Op {
		case ipam.DropFree:
			w = Write{Op: OpDelete, Key: FreeKey(space, c.Free.CIDR), If: Cond{Equal: Item{attrRoot: rootAttr(c.Free.Root)}}}
		case ipam.AddFree:
			w = Write{Op: OpPut, Key: FreeKey(space, c.Free.CIDR), Item: encodeFree(c.Free), If: Cond{Absent: true}}
		case ipam.DropTaken:
			w = Write{Op: OpDelete, Key: TakenKey(space, c.Taken.CIDR), If: Cond{Equal: Item{
				attrAllocationID: str(c.Taken.AllocationID),
				attrKind:         str(string(c.Taken.Kind)),
				attrRoot:         rootAttr(c.Taken.Root), // a retried deep split has the id of the one before it
			}}}
			// Whoever finds a resource in the block since it was read says so.
			if c.Taken.Seen == "" {
				w.If.Missing = []string{attrSeen}
			} else {
				w.If.Equal[attrSeen] = str(c.Taken.Seen)
			}
			// What is planned in it goes nowhere with it.
			if c.Taken.Plan == "" {
				w.If.Missing = append(w.If.Missing, attrPlan)
			} else {
				w.If.Equal[attrPlan] = str(c.Taken.Plan)
			}
		case ipam.AddTaken:
			w = Write{Op: OpPut, Key: TakenKey(space, c.Taken.CIDR), Item: encodeTaken(c.Taken), If: Cond{Absent: true}}
		case ipam.CheckNoFree:
			w = Write{Op: OpCheck, Key: FreeKey(space, c.Free.CIDR), If: Cond{Absent: true}}
		default:
			panic(fmt.Sprintf("store: unknown change %d", c.Op))
		}
		writes = append(writes, w)
	}
	return merge(writes)
}

// merge joins the deletion and the putting of one taken block, which a plan
// that goes through a split may hold, into one conditional put: a transaction
// may touch an item only once.
func merge(writes []Write) []Write {
	at := make(map[Key]int, len(writes))
	out := writes[:0]
	for _, w := range writes {
		i, twice := at[w.Key]
		if twice && out[i].Op == OpDelete && w.Op == OpPut {
			w.If = out[i].If
			out[i] = w
			continue
		}
		at[w.Key] = len(out)
		out = append(out, w)
	}
	return out
}
