package items

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// The prefixes of the partitions of a scope's resources and interfaces. Stream
// filters name them.
//
// A discovered CIDR is stored twice: under its discovery, Region and account,
// where a run compares it; and in address order in the scope of each IPAM that
// sees it, with its statuses.
const (
	LivePrefix  = "LIVE#"
	IfacePrefix = "IFACE#"
)

// FoundPK returns the partition of a discovery's CIDRs in a Region and account.
func FoundPK(discovery, region, account string) string {
	return "FOUND#" + discovery + "#" + region + "#" + account
}

// FoundSK returns the sort key of a discovered CIDR.
func FoundSK(r *ipam.Resource) string {
	return string(r.Type) + "#" + r.ID + "#" + BlockSK(r.CIDR)
}

// LivePK returns the partition of a scope's resources, or interfaces, of a
// family.
func LivePK(scope string, f ipam.Family, t ipam.ResourceType) string {
	prefix := LivePrefix
	if !t.TakesSpace() {
		prefix = IfacePrefix
	}
	return prefix + string(ipam.ScopeSpace(scope, f))
}

// LiveKey returns the key of a resource's CIDR in a scope. It contains the
// Region, because EC2's ids are unique within a Region only, and default VPCs
// have the same CIDR everywhere.
func LiveKey(scope string, r *ipam.Resource) table.Key {
	return table.Key{PK: LivePK(scope, r.Family(), r.Type), SK: BlockSK(r.CIDR) + "#" + r.ID + "#" + r.Region}
}

// FoundItem returns the attributes that [DecodeFound] reads.
func FoundItem(f *ipam.Found) table.Item {
	return table.Item{
		AttrObject:  table.Str(JSON(f.Resource)),
		attrTargets: table.Str(JSON(f.Targets)),
		attrSampled: table.Num(f.Sampled),
		AttrRev:     table.Num(f.Rev),
	}
}

// DecodeFound reads the item of a discovered CIDR.
func DecodeFound(r table.Row) (*ipam.Found, error) {
	f := &ipam.Found{Sampled: r.Item.Num(attrSampled), Rev: r.Item.Num(AttrRev)}
	f.Discovery, _, _ = strings.Cut(strings.TrimPrefix(r.Key.PK, "FOUND#"), "#")
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), &f.Resource); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	if err := json.Unmarshal([]byte(r.Item.Str(attrTargets)), &f.Targets); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return f, nil
}

// ResourceItem returns the attributes that [DecodeResource] reads.
func ResourceItem(r *ipam.ResourceCIDR) table.Item {
	i := table.Item{
		AttrObject:  table.Str(JSON(r.Resource)),
		AttrStatus:  table.Str(JSON(r.Status)),
		AttrSource:  table.Str(r.Discovery),
		attrSampled: table.Num(r.Sampled),
		AttrSince:   table.Num(r.Since),
		AttrRev:     table.Num(r.Rev),
	}
	if r.Ignored {
		i[AttrIgnored] = table.Num(1)
	}
	return i
}

// DecodeResource reads the item of a resource's CIDR, or of an interface's, in
// a scope. Its partition begins with [LivePrefix] or [IfacePrefix].
func DecodeResource(r table.Row) (*ipam.ResourceCIDR, error) {
	_, space, _ := strings.Cut(r.Key.PK, "#")
	scope, _, _ := strings.Cut(space, "#")
	o := &ipam.ResourceCIDR{
		Scope:     scope,
		Discovery: r.Item.Str(AttrSource),
		Ignored:   r.Item.Num(AttrIgnored) == 1,
		Sampled:   r.Item.Num(attrSampled),
		Since:     r.Item.Num(AttrSince),
		Rev:       r.Item.Num(AttrRev),
	}
	if err := json.Unmarshal([]byte(r.Item.Str(AttrObject)), &o.Resource); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	if err := json.Unmarshal([]byte(r.Item.Str(AttrStatus)), &o.Status); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return o, nil
}

// EncodeResource returns the item that [DecodeResource] reads.
func EncodeResource(r *ipam.ResourceCIDR) table.Row {
	return table.Row{Key: LiveKey(r.Scope, &r.Resource), Item: ResourceItem(r)}
}

// EncodeFound returns the item that [DecodeFound] reads.
func EncodeFound(f *ipam.Found) table.Row {
	return table.Row{Key: table.Key{PK: FoundPK(f.Discovery, f.Region, f.Owner), SK: FoundSK(&f.Resource)}, Item: FoundItem(f)}
}

// FoundAfter returns the text from which a list continues after f.
func FoundAfter(f *ipam.Found) string { return FoundSK(&f.Resource) }

// ResourceAfter returns the text from which a list of resources or interfaces
// continues after r.
func ResourceAfter(r *ipam.ResourceCIDR) string { return LiveKey(r.Scope, &r.Resource).SK }

// VPCQuery returns the query for a VPC's CIDRs among a discovery's.
func VPCQuery(discovery, region, account, vpc string) table.Query {
	prefix := string(ipam.ResourceVPC) + "#" + vpc + "#"
	return table.Query{PK: FoundPK(discovery, region, account), From: prefix, To: prefix + "~"}
}
