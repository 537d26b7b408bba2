package items

import (
	"encoding/json"
	"fmt"
	"net/netip"
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

const foundPrefix = "FOUND#"

// FoundKey returns the key of a discovered CIDR.
func FoundKey(discovery string, r *ipam.Resource) table.Key {
	return table.Key{PK: foundPK(discovery, r.Region, r.Owner), SK: foundPrefixOf(r.Type, r.ID) + blockSK(r.CIDR)}
}

// FoundRows returns the query for the CIDRs that a discovery found in an account
// and Region, by type and id.
func FoundRows(discovery, region, account string) table.Query {
	return table.Query{PK: foundPK(discovery, region, account)}
}

// FoundRowsOf returns the query for those of [FoundRows] that are of a resource, or
// for the id "" of all resources of a type.
func FoundRowsOf(discovery, region, account string, t ipam.ResourceType, id string) table.Query {
	return rowsBeginning(foundPK(discovery, region, account), foundPrefixOf(t, id))
}

func foundPK(discovery, region, account string) string {
	return foundPrefix + discovery + "#" + region + "#" + account
}

// foundPrefixOf returns the text that the sort keys of a resource's CIDRs begin
// with, or with the id "" those of a type.
func foundPrefixOf(t ipam.ResourceType, id string) string {
	if id == "" {
		return string(t) + "#"
	}
	return string(t) + "#" + id + "#"
}

// ResourceRows returns the query for the CIDRs of a family in a scope, in the order of
// [netip.Prefix.Compare] and then by id: those of resources, or those of interfaces
// if t is their type.
func ResourceRows(scope string, f ipam.Family, t ipam.ResourceType) table.Query {
	return table.Query{PK: livePK(scope, f, t)}
}

// ResourceRowsIn returns the query for the resources' CIDRs inside p, p included.
func ResourceRowsIn(scope string, p netip.Prefix) table.Query {
	return table.Query{PK: resourcesPK(scope, p), From: blockSK(p), To: blocksThrough(p)}
}

// ResourceRowsBehind returns the query for those of [ResourceRowsIn] that follow
// the CIDR after.
func ResourceRowsBehind(scope string, p, after netip.Prefix) table.Query {
	q := ResourceRowsIn(scope, p)
	q.From = blockSK(after) + "#" + last
	return q
}

// InterfaceRowsOf returns the query for the interfaces' addresses that equal p.
func InterfaceRowsOf(scope string, p netip.Prefix) table.Query {
	return rowsBeginning(livePK(scope, ipam.FamilyOf(p), ipam.ResourceInterface), blockSK(p)+"#")
}

// ResourceRowsThrough returns the query for the resources' CIDRs of p's family up to
// p, p included.
func ResourceRowsThrough(scope string, p netip.Prefix) table.Query {
	return table.Query{PK: resourcesPK(scope, p), To: blockSK(p) + "#" + last}
}

// ResourceRowsOf returns the query for the resources' CIDRs that equal p.
func ResourceRowsOf(scope string, p netip.Prefix) table.Query {
	return table.Query{PK: resourcesPK(scope, p), From: blockSK(p) + "#", To: blockSK(p) + "#" + last}
}

func resourcesPK(scope string, p netip.Prefix) string {
	return livePK(scope, ipam.FamilyOf(p), ipam.ResourceVPC)
}

// livePK returns the partition of a scope's resources, or interfaces, of a
// family.
func livePK(scope string, f ipam.Family, t ipam.ResourceType) string {
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
	return table.Key{PK: livePK(scope, r.Family(), r.Type), SK: blockSK(r.CIDR) + "#" + r.ID + "#" + r.Region}
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
	f.Discovery, _, _ = strings.Cut(strings.TrimPrefix(r.Key.PK, foundPrefix), "#")
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
	return table.Row{Key: FoundKey(f.Discovery, &f.Resource), Item: FoundItem(f)}
}

// FoundAfter returns the text from which a list continues after f.
func FoundAfter(f *ipam.Found) string { return FoundKey(f.Discovery, &f.Resource).SK }

// ResourceAfter returns the text from which a list of resources or interfaces
// continues after r.
func ResourceAfter(r *ipam.ResourceCIDR) string { return LiveKey(r.Scope, &r.Resource).SK }
