package store

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Attribute names. Those of blocks are short: they are on the hot path, where
// each started KB costs.
const (
	attrRoot         = "Root" // "<root id>/<bits>"
	attrAllocationID = "AllocationId"
	attrKind         = "Kind"
	attrOwner        = "Owner"
	attrResourceID   = "ResourceId"
	attrRegion       = "ResourceRegion"
	attrDescription  = "Description"
	attrTags         = "Tags"
	attrDeadline     = "Deadline"
	attrSpace        = "Space"
	attrCIDR         = "Cidr"
	attrDigest       = "Digest"
	attrState        = "State"
	attrObject       = "Object"
	attrRev          = "Rev"
	attrAnswer       = "Answer"
	attrSince        = "Since"
	attrSeen         = "Seen" // of a taken block: a token, new with each resource that is found in it
	attrTargets      = "Targets"
	attrStatus       = "Status"
	attrIgnored      = "Ignored"
	attrSampled      = "Sampled"
	attrAttempted    = "Attempted"
	attrSucceeded    = "Succeeded"
	attrUnit         = "OrganizationalUnitId"
	attrLeft         = "Left"
	attrEnd          = "End"
	attrToken        = "Token" // of a note: new with each reason for it
	attrRequest      = "Request"
	attrLease        = "Lease" // of a block for a resource that EC2 is being asked for: until when, Unix seconds
	attrPlan         = "Plan"  // of a VPC's block: the planning pool over it
	attrScope        = "Scope"
	attrIPAM         = "Ipam"

	attrIPAMCount      = "IpamCount"
	attrScopeCount     = "ScopeCount"
	attrPoolCount      = "PoolCount"
	attrCIDRCount      = "CidrCount"
	attrChildCount     = "ChildCount"
	attrDiscoveryCount = "DiscoveryCount"
	attrID             = "Id"
	attrSource         = "Source"
	attrFailureCode    = "FailureCode"
	attrChosen         = "Chosen"
	attrFailure        = "Failure"
)

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func tagMap(t ipam.Tags) types.AttributeValue {
	m := make(map[string]types.AttributeValue, len(t))
	for k, v := range t {
		m[k] = str(v)
	}
	return &types.AttributeValueMemberM{Value: m}
}

func (i Item) str(name string) string {
	v, _ := i[name].(*types.AttributeValueMemberS)
	if v == nil {
		return ""
	}
	return v.Value
}

func (i Item) num(name string) int64 {
	v, _ := i[name].(*types.AttributeValueMemberN)
	if v == nil {
		return 0
	}
	n, _ := strconv.ParseInt(v.Value, 10, 64)
	return n
}

func (i Item) tags() ipam.Tags {
	v, _ := i[attrTags].(*types.AttributeValueMemberM)
	if v == nil || len(v.Value) == 0 {
		return nil
	}
	t := make(ipam.Tags, len(v.Value))
	for k, av := range v.Value {
		if s, ok := av.(*types.AttributeValueMemberS); ok {
			t[k] = s.Value
		}
	}
	return t
}

// put sets a string attribute unless it is empty.
func (i Item) put(name, value string) {
	if value != "" {
		i[name] = str(value)
	}
}

func rootText(r ipam.Root) string { return r.ID + "/" + strconv.Itoa(r.Bits) }

func rootAttr(r ipam.Root) types.AttributeValue { return str(rootText(r)) }

func parseRoot(s string) (ipam.Root, error) {
	id, bits, ok := strings.Cut(s, "/")
	n, err := strconv.Atoi(bits)
	if !ok || err != nil {
		return ipam.Root{}, fmt.Errorf("%q is not a root", s)
	}
	return ipam.Root{ID: id, Bits: n}, nil
}

func encodeFree(f ipam.Free) Item { return Item{attrRoot: rootAttr(f.Root)} }

func decodeFree(r Row) (ipam.Free, error) {
	p, err := parseFreeSK(r.Key.SK)
	if err != nil {
		return ipam.Free{}, err
	}
	root, err := parseRoot(r.Item.str(attrRoot))
	return ipam.Free{CIDR: p, Root: root}, err
}

func encodeTaken(t ipam.Taken) Item {
	i := Item{
		attrRoot:         rootAttr(t.Root),
		attrAllocationID: str(t.AllocationID),
		attrKind:         str(string(t.Kind)),
		attrOwner:        str(t.Owner),
	}
	if t.Kind != ipam.KindSplit {
		i[attrTags] = tagMap(t.Tags) // always there, so that a condition can compare it
	}
	i.put(attrResourceID, t.ResourceID)
	i.put(attrRegion, t.ResourceRegion)
	i.put(attrDescription, t.Description)
	i.put(attrRequest, t.Request)
	if t.Deadline != 0 {
		i[attrDeadline] = num(t.Deadline)
	}
	if t.Lease != 0 {
		i[attrLease] = num(t.Lease)
	}
	i.put(attrPlan, t.Plan)
	return i
}

func decodeTaken(r Row) (ipam.Taken, error) {
	p, err := parseBlockSK(r.Key.SK)
	if err != nil {
		return ipam.Taken{}, err
	}
	root, err := parseRoot(r.Item.str(attrRoot))
	return ipam.Taken{
		CIDR:           p,
		Root:           root,
		AllocationID:   r.Item.str(attrAllocationID),
		Kind:           ipam.Kind(r.Item.str(attrKind)),
		Owner:          r.Item.str(attrOwner),
		ResourceID:     r.Item.str(attrResourceID),
		ResourceRegion: r.Item.str(attrRegion),
		Description:    r.Item.str(attrDescription),
		Tags:           r.Item.tags(),
		Seen:           r.Item.str(attrSeen),
		Request:        r.Item.str(attrRequest),
		Deadline:       r.Item.num(attrDeadline),
		Lease:          r.Item.num(attrLease),
		Plan:           r.Item.str(attrPlan),
	}, err
}

// byID is an allocation's by-id item: where the allocation is, and the
// idempotency record of the request that made it.
type byID struct {
	ID      string
	Space   ipam.SpaceID
	CIDR    netip.Prefix
	Kind    ipam.Kind
	Owner   string
	Digest  string
	State   string // active or released
	Expires int64  // of a released one: Unix seconds from which it counts as absent
}

const (
	allocationActive   = "active"
	allocationReleased = "released"
)

func (b byID) encode() Item {
	i := Item{
		attrSpace: str(string(b.Space)),
		attrCIDR:  str(b.CIDR.String()),
		attrKind:  str(string(b.Kind)),
		attrOwner: str(b.Owner),
		attrState: str(b.State),
	}
	i.put(attrDigest, b.Digest)
	if b.Expires != 0 {
		i[AttrExpires] = num(b.Expires)
	}
	return i
}

// decodeByID returns the item, or ok false if it is absent or counts as such.
func decodeByID(id string, i Item, now int64) (b byID, ok bool, err error) {
	if i == nil || expired(i, now) {
		return byID{}, false, nil
	}
	p, err := netip.ParsePrefix(i.str(attrCIDR))
	return byID{
		ID:      id,
		Space:   ipam.SpaceID(i.str(attrSpace)),
		CIDR:    p,
		Kind:    ipam.Kind(i.str(attrKind)),
		Owner:   i.str(attrOwner),
		Digest:  i.str(attrDigest),
		State:   i.str(attrState),
		Expires: i.num(AttrExpires),
	}, true, err
}

// expired reports whether an item counts as absent, whenever TTL removes it.
func expired(i Item, now int64) bool {
	e := i.num(AttrExpires)
	return e != 0 && e < now
}

// An object's item holds what never changes under a condition of its own as
// one JSON document, and as attributes what conditions and counters need.
// Numbers and strings set here override those of the document.
func encodeObject(m *ipam.Meta, object any, counts map[string]int64) Item {
	doc, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", object, err)) // plain data, no cycles
	}
	i := Item{
		attrObject: str(string(doc)),
		attrOwner:  str(m.Owner),
		attrState:  str(string(m.State)),
		attrRev:    num(m.Rev),
	}
	for name, n := range counts {
		i[name] = num(n)
	}
	return i
}

func decodeObject(i Item, object any, m *ipam.Meta, counts map[string]*int64) error {
	if err := json.Unmarshal([]byte(i.str(attrObject)), object); err != nil {
		return fmt.Errorf("object document: %w", err)
	}
	m.State = ipam.State(i.str(attrState))
	m.Rev = i.num(attrRev)
	for name, n := range counts {
		*n = i.num(name)
	}
	return nil
}

func encodeIPAM(o *ipam.IPAM) Item {
	return encodeObject(&o.Meta, o, map[string]int64{attrScopeCount: o.ScopeCount})
}

func decodeIPAM(i Item) (*ipam.IPAM, error) {
	o := new(ipam.IPAM)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{attrScopeCount: &o.ScopeCount})
}

func encodeScope(o *ipam.Scope) Item {
	return encodeObject(&o.Meta, o, map[string]int64{attrPoolCount: o.PoolCount})
}

func decodeScope(i Item) (*ipam.Scope, error) {
	o := new(ipam.Scope)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{attrPoolCount: &o.PoolCount})
}

func encodePool(o *ipam.Pool) Item {
	return encodeObject(&o.Meta, o, map[string]int64{attrCIDRCount: o.CIDRCount, attrChildCount: o.ChildCount})
}

func decodePool(i Item) (*ipam.Pool, error) {
	o := new(ipam.Pool)
	return o, decodeObject(i, o, &o.Meta, map[string]*int64{attrCIDRCount: &o.CIDRCount, attrChildCount: &o.ChildCount})
}

func encodeDiscovery(o *ipam.Discovery) Item { return encodeObject(&o.Meta, o, nil) }

func decodeDiscovery(i Item) (*ipam.Discovery, error) {
	o := new(ipam.Discovery)
	return o, decodeObject(i, o, &o.Meta, nil)
}

func encodeAssociation(o *ipam.DiscoveryAssociation) Item { return encodeObject(&o.Meta, o, nil) }

func decodeAssociation(i Item) (*ipam.DiscoveryAssociation, error) {
	o := new(ipam.DiscoveryAssociation)
	return o, decodeObject(i, o, &o.Meta, nil)
}

// encodeDiscoveredAccount: the item's key tells the discovery, Region and account.
func encodeDiscoveredAccount(a *ipam.DiscoveredAccount) Item {
	i := Item{attrAttempted: num(a.Attempted), attrSucceeded: num(a.Succeeded)}
	i.put(attrUnit, a.OU)
	i.put(attrLeft, string(a.Left))
	i.put(attrFailureCode, a.FailureCode)
	i.put(attrFailure, a.Failure)
	return i
}

func encodePoolCIDR(c *ipam.PoolCIDR) Item {
	i := Item{
		attrID:           str(c.ID),
		attrOwner:        str(c.Owner),
		attrState:        str(string(c.State)),
		attrSource:       str(string(c.Source)),
		attrAllocationID: str(c.AllocationID),
	}
	i.put(attrFailureCode, c.FailureCode)
	i.put(attrFailure, c.Failure)
	if c.Chosen {
		i[attrChosen] = num(1)
	}
	if c.Expires != 0 {
		i[AttrExpires] = num(c.Expires)
	}
	return i
}

func decodePoolCIDR(pool string, r Row) (*ipam.PoolCIDR, error) {
	p, err := parseBlockSK(r.Key.SK)
	return &ipam.PoolCIDR{
		ID:           r.Item.str(attrID),
		Pool:         pool,
		Owner:        r.Item.str(attrOwner),
		CIDR:         p,
		Chosen:       r.Item.num(attrChosen) != 0,
		State:        ipam.CIDRState(r.Item.str(attrState)),
		FailureCode:  r.Item.str(attrFailureCode),
		Failure:      r.Item.str(attrFailure),
		Source:       ipam.SpaceID(r.Item.str(attrSource)),
		AllocationID: r.Item.str(attrAllocationID),
		Expires:      r.Item.num(AttrExpires),
	}, err
}
