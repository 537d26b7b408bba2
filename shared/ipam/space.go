package ipam

import (
	"errors"
	"net/netip"
)

// SpaceID names a space, something that CIDRs are taken out of: a pool's id, or
// a scope's id with the family, "ipam-scope-…#4" or "…#6".
type SpaceID string

// ScopeSpace returns the space of a scope for one family. A scope is two
// spaces; the root of each is the whole family, so provisioning a top-level
// pool is the same act as allocating from a pool.
func ScopeSpace(scope string, f Family) SpaceID {
	if f == IPv4 {
		return SpaceID(scope + "#4")
	}
	return SpaceID(scope + "#6")
}

// Root identifies a CIDR provisioned to a space. ID is new at each
// provisioning, so that a block of an earlier provisioning of the same CIDR is
// never mistaken for one of this; Bits is the length at which merging stops.
type Root struct {
	ID   string
	Bits int
}

// Free is a free block of a space. Under every root, the free blocks are the
// unique minimal cover of the free space: two free buddies never stand side by
// side.
type Free struct {
	CIDR netip.Prefix
	Root Root
}

// Kind says what took a block. The kinds that callers see are the values of
// IpamPoolAllocationResourceType.
type Kind string

// The kinds of taken blocks.
const (
	KindCustom         Kind = "custom"
	KindPool           Kind = "ipam-pool"
	KindVPC            Kind = "vpc"
	KindSubnet         Kind = "subnet"
	KindEIP            Kind = "eip"
	KindPublicIPv4Pool Kind = "ec2-public-ipv4-pool"

	// KindSplit is a block on its way: a deep split or merge that one
	// transaction cannot hold went through it. Hidden from callers; past its
	// deadline it is given back.
	KindSplit Kind = "split"

	// KindHold is a block in which resources live that no allocation is for.
	// Hidden from callers; given back when the last of them is gone.
	KindHold Kind = "hold"
)

// Visible reports whether callers see blocks of this kind as allocations.
func (k Kind) Visible() bool { return k != KindSplit && k != KindHold }

// OfResource reports whether blocks of this kind are allocations that go with a
// live resource.
func (k Kind) OfResource() bool { return k.ResourceType() != "" }

// ResourceType returns the type of the resources that blocks of this kind are
// allocated to, "" if they are not.
func (k Kind) ResourceType() ResourceType {
	switch k {
	case KindVPC, KindSubnet, KindEIP:
		return ResourceType(k)
	case KindPublicIPv4Pool:
		return ResourcePublicIPv4Pool
	default:
		return ""
	}
}

// Taken is a taken block of a space.
type Taken struct {
	CIDR           netip.Prefix
	Root           Root
	AllocationID   string // "ipam-pool-alloc-…"; for a split, the id of the act that made it
	Kind           Kind
	Owner          string // the account that took it
	ResourceID     string // what uses it: the child pool of kind ipam-pool, the VPC of kind vpc, …
	ResourceRegion string
	Description    string
	Tags           Tags
	Seen           string // a token, new with each live resource that is found in it
	Request        string // id of the event that asked for it, if one did
	Deadline       int64  // kind split: Unix seconds after which the reconciler may give it back

	// PendingUntil, of a kind of resources, is until when EC2 may still be asked for the
	// resource, Unix seconds; 0 once it was seen to live there.
	PendingUntil int64

	// PlanningPool, of kind vpc, is the resource planning pool that the VPC's CIDR is
	// provisioned to; what is taken there stands in the block.
	PlanningPool string
}

// ChildPool returns the pool whose CIDR the block is: the child pool of kind
// ipam-pool, the resource planning pool over a VPC; "" if there is none.
func (t Taken) ChildPool() string {
	if t.Kind == KindPool {
		return t.ResourceID
	}
	return t.PlanningPool
}

// ChangeOp is what a Change does.
type ChangeOp uint8

// The changes that plans are made of. Each carries its condition: what is
// dropped must be there under the same root (a taken block, with the same
// allocation id), what is added must not be there.
const (
	DropFree    ChangeOp = iota + 1
	AddFree              // the key must be absent
	DropTaken            // the allocation id must be the same
	AddTaken             // the key must be absent
	CheckNoFree          // no free block stands at Free.CIDR; keeps the cover minimal when two buddies are released at once
)

// Change is one change of a plan.
type Change struct {
	Op    ChangeOp
	Free  Free  // of DropFree, AddFree, CheckNoFree
	Taken Taken // of DropTaken, AddTaken
}

// ErrStale says that a snapshot was torn: what it shows cannot all have been
// true at one moment. Read again and decide again.
var ErrStale = errors.New("the snapshot of the space is torn")

// Take plans to take want out of from, which holds it. The plan has at most
// room changes (at least 4). If it needs more, want is taken in several
// plans: the first ends with a block of kind split, returned as rest, from
// which TakeFromSplit goes on; when rest is nil, want.CIDR is taken.
//
// Splitting /24 out of a free /22 leaves its siblings free:
//
//	from  |-------------------------------|   /22
//	want  |-------|                           /24
//	added         |-------|---------------|   /24 /23
func Take(from Free, want Taken, room int) (changes []Change, rest *Taken) {
	if !Within(want.CIDR, from.CIDR) {
		panic("ipam: impossible geometry: " + want.CIDR.String() + " is not in " + from.CIDR.String())
	}
	changes = append(changes, Change{Op: DropFree, Free: from})
	return split(changes, from.CIDR, from.Root, want, room)
}

// TakeFromSplit goes on with what Take began.
func TakeFromSplit(from Taken, want Taken, room int) (changes []Change, rest *Taken) {
	if !Within(want.CIDR, from.CIDR) {
		panic("ipam: impossible geometry: " + want.CIDR.String() + " is not in " + from.CIDR.String())
	}
	changes = append(changes, Change{Op: DropTaken, Taken: from})
	return split(changes, from.CIDR, from.Root, want, room)
}

func split(changes []Change, from netip.Prefix, root Root, want Taken, room int) ([]Change, *Taken) {
	want.Root = root
	target := want.CIDR
	var rest *Taken
	if siblings := target.Bits() - from.Bits(); siblings+2 > room {
		target = netip.PrefixFrom(target.Addr(), from.Bits()+room-2).Masked()
		rest = &Taken{CIDR: target, Root: root, AllocationID: want.AllocationID, Kind: KindSplit, Owner: want.Owner, Deadline: want.Deadline}
	}
	for b := target; b.Bits() > from.Bits(); b = Parent(b) {
		changes = append(changes, Change{Op: AddFree, Free: Free{CIDR: Buddy(b), Root: root}})
	}
	if rest != nil {
		return append(changes, Change{Op: AddTaken, Taken: *rest}), rest
	}
	want.Deadline = 0
	return append(changes, Change{Op: AddTaken, Taken: want}), nil
}

// Give plans to give t back to the free space, merging it with its free
// buddies up to its root. free returns the free block that stands at a prefix.
// The plan has at most room changes (at least 5); if merging needs more, it
// ends with a block of kind split with the given deadline, returned as rest,
// which is given in its turn.
//
// A fresh snapshot is enough to be right: what has changed since fails a
// condition. A free buddy of another root is evidence of a torn one, ErrStale.
func Give(t Taken, free func(netip.Prefix) (Free, bool), room int, deadline int64) (changes []Change, rest *Taken, err error) {
	changes = append(changes, Change{Op: DropTaken, Taken: t})
	at := t.CIDR
	for at.Bits() > t.Root.Bits {
		buddy, ok := free(Buddy(at))
		if !ok {
			break
		}
		if buddy.Root != t.Root {
			return nil, nil, ErrStale
		}
		if len(changes)+3 > room {
			rest = &Taken{CIDR: at, Root: t.Root, AllocationID: t.AllocationID, Kind: KindSplit, Owner: t.Owner, Deadline: deadline}
			return append(changes, Change{Op: AddTaken, Taken: *rest}), rest, nil
		}
		changes = append(changes, Change{Op: DropFree, Free: buddy})
		at = Parent(at)
	}
	changes = append(changes, Change{Op: AddFree, Free: Free{CIDR: at, Root: t.Root}})
	if at.Bits() > t.Root.Bits {
		changes = append(changes, Change{Op: CheckNoFree, Free: Free{CIDR: Buddy(at), Root: t.Root}})
	}
	return changes, nil, nil
}

// MergePath returns the prefixes at which Give may ask for a free buddy, from
// p's own buddy up. Of a root's length nothing is known before t is read, so
// the path goes to /0.
func MergePath(p netip.Prefix) []netip.Prefix {
	path := make([]netip.Prefix, 0, p.Bits())
	for ; p.Bits() > 0; p = Parent(p) {
		path = append(path, Buddy(p))
	}
	return path
}

// Holders returns the prefixes of the free blocks that could hold p, from p
// itself up to /0. Because the cover is minimal, at most one of them is free.
func Holders(p netip.Prefix) []netip.Prefix {
	holders := make([]netip.Prefix, 0, p.Bits()+1)
	for ; ; p = Parent(p) {
		holders = append(holders, p)
		if p.Bits() == 0 {
			return holders
		}
	}
}
