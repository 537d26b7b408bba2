package ipam

import (
	"errors"
	"net/netip"
	"strings"
)

// SpaceID names a space, a set of addresses that CIDRs are taken out of. It is
// a pool's id, or a scope's id with the family: "ipam-scope-…#4" or "…#6".
type SpaceID string

// ScopeSpace returns the space of a scope for one family. A scope has two
// spaces. The root of each is the whole family, so provisioning a top-level
// pool works like allocating from a pool.
func ScopeSpace(scope string, f Family) SpaceID {
	if f == IPv4 {
		return SpaceID(scope + "#4")
	}
	return SpaceID(scope + "#6")
}

// OfScope reports whether s is a space of a scope, and not of a pool.
func (s SpaceID) OfScope() bool { return strings.Contains(string(s), "#") }

// Root identifies a CIDR that is provisioned to a space. ID is new at each
// provisioning, so a block of an earlier provisioning of the same CIDR is never
// mistaken for a block of this one. Merging stops at the length Bits.
type Root struct {
	ID   string
	Bits int
}

// Free is a free block of a space. Under each root the free blocks are the
// fewest that cover the free addresses: no two free buddies exist at once.
type Free struct {
	CIDR netip.Prefix
	Root Root
}

// Kind is the kind of a taken block. The kinds that callers see are the values
// of IpamPoolAllocationResourceType.
type Kind string

// The kinds of taken blocks.
const (
	KindCustom         Kind = "custom"
	KindPool           Kind = "ipam-pool"
	KindVPC            Kind = "vpc"
	KindSubnet         Kind = "subnet"
	KindEIP            Kind = "eip"
	KindPublicIPv4Pool Kind = "ec2-public-ipv4-pool"

	// KindSplit is an intermediate block of a deep split or merge that does not
	// fit into one transaction. Callers do not see it. After its deadline it is
	// given back.
	KindSplit Kind = "split"

	// KindHold is a block that live resources without an allocation use.
	// Callers do not see it. It is given back when the last of these resources
	// is gone.
	KindHold Kind = "hold"
)

// Visible reports whether callers see blocks of this kind as allocations.
func (k Kind) Visible() bool { return k != KindSplit && k != KindHold }

// OfResource reports whether blocks of this kind are allocations to live
// resources.
func (k Kind) OfResource() bool { return k.ResourceType() != "" }

// ResourceType returns the type of the resources with blocks of this kind, and
// "" for any other kind.
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
	Owner          string // the account of the caller
	ResourceID     string // its user: the child pool for ipam-pool, the VPC for vpc, …
	ResourceRegion string
	Description    string
	Tags           Tags
	Seen           string // a token that changes whenever a live resource is found in the block
	Request        string // id of the event that requested it, or ""
	Deadline       int64  // for kind split: Unix seconds after which the block may be given back

	// PendingUntil is the end of the time in which EC2 may still be asked for the
	// resource, Unix seconds, for a kind of resources. It is 0 once discovery
	// has seen the resource.
	PendingUntil int64

	// MadeAt is when EC2 answered that it had made the resource, or had associated
	// the CIDR with it: Unix seconds by EC2's own clock, of a pending block. It is 0
	// as long as EC2 has not answered, and if its answer had no time.
	MadeAt int64

	// PlanningPool is the resource planning pool that has the VPC's CIDR, for kind vpc.
	// The blocks of that pool are inside this block.
	PlanningPool string
}

// ChildPool returns the pool whose CIDR the block is: the child pool for kind
// ipam-pool, the resource planning pool for a VPC, and "" if there is none.
func (t Taken) ChildPool() string {
	if t.Kind == KindPool {
		return t.ResourceID
	}
	return t.PlanningPool
}

// ChangeOp is the operation of a [Change].
type ChangeOp uint8

// The operations. Each has a condition. A dropped block must exist under the
// same root, and a taken block must have the same allocation id. An added block
// must not exist.
const (
	DropFree    ChangeOp = iota + 1
	AddFree              // the key must be absent
	DropTaken            // the allocation id must be the same
	AddTaken             // the key must be absent
	CheckNoFree          // no free block exists at Free.CIDR; keeps the cover minimal when two buddies are released at once
)

// Change is one change of a space.
type Change struct {
	Op    ChangeOp
	Free  Free  // for DropFree, AddFree, CheckNoFree
	Taken Taken // for DropTaken, AddTaken
}

// ErrStale is the error of a torn snapshot: its parts cannot have been true at
// one moment. Read again and decide again.
var ErrStale = errors.New("the snapshot of the space is torn")

// Take returns the changes that take want out of from, which contains it. There
// are at most room changes (at least 4). If more are necessary, want is taken
// in several steps: the first ends with a block of kind split, returned as
// rest, and [TakeFromSplit] continues from it. When rest is nil, want.CIDR is
// taken.
//
// Splitting a /24 out of a free /22 leaves its siblings free:
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

// TakeFromSplit continues a take that [Take] began.
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

// Give returns the changes that give t back to the free space and merge it with
// its free buddies, up to its root. free returns the free block at a prefix.
// There are at most room changes (at least 5). If merging needs more, the last
// change adds a block of kind split with the given deadline, returned as rest,
// which the caller gives back next.
//
// The snapshot may be old: a condition fails if anything has changed since. A
// free buddy of another root shows a torn snapshot, [ErrStale].
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

// MergePath returns the prefixes at which [Give] may ask for a free buddy, from
// p's own buddy up. The path goes to /0, because the length of the root is
// unknown before t is read.
func MergePath(p netip.Prefix) []netip.Prefix {
	path := make([]netip.Prefix, 0, p.Bits())
	for ; p.Bits() > 0; p = Parent(p) {
		path = append(path, Buddy(p))
	}
	return path
}

// Holders returns the prefixes of the free blocks that could contain p, from p
// itself up to /0. At most one of them is free, because the cover is minimal.
func Holders(p netip.Prefix) []netip.Prefix {
	holders := make([]netip.Prefix, 0, p.Bits()+1)
	for ; ; p = Parent(p) {
		holders = append(holders, p)
		if p.Bits() == 0 {
			return holders
		}
	}
}
