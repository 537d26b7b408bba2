package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// What a discovery finds is kept twice: as it was found, under the discovery,
// Region and account, which is what a run compares with; and in address order
// in the scope of each IPAM that sees it, with its statuses.

// document writes a value as the JSON text of an attribute.
func document(v any) string {
	doc, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", v, err)) // plain data, no cycles
	}
	return string(doc)
}

func encodeFound(f *ipam.Found) Item {
	return Item{
		attrObject:  str(document(f.Resource)),
		attrTargets: str(document(f.Targets)),
		attrSampled: num(f.Sampled),
		attrRev:     num(f.Rev),
	}
}

func decodeFound(r Row) (*ipam.Found, error) {
	f := &ipam.Found{Sampled: r.Item.num(attrSampled), Rev: r.Item.num(attrRev)}
	f.Discovery, _, _ = strings.Cut(strings.TrimPrefix(r.Key.PK, "FOUND#"), "#")
	if err := json.Unmarshal([]byte(r.Item.str(attrObject)), &f.Resource); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	if err := json.Unmarshal([]byte(r.Item.str(attrTargets)), &f.Targets); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return f, nil
}

func encodeLive(r *ipam.ResourceCIDR) Item {
	i := Item{
		attrObject:  str(document(r.Resource)),
		attrStatus:  str(document(r.Status)),
		attrSource:  str(r.Discovery),
		attrSampled: num(r.Sampled),
		attrSince:   num(r.Since),
		attrRev:     num(r.Rev),
	}
	if r.Ignored {
		i[attrIgnored] = num(1)
	}
	return i
}

// DecodeResource reads the item of a resource's CIDR, or of an interface's, in
// a scope; its partition begins with LivePrefix or IfacePrefix.
func DecodeResource(r Row) (*ipam.ResourceCIDR, error) {
	_, space, _ := strings.Cut(r.Key.PK, "#")
	scope, _, _ := strings.Cut(space, "#")
	o := &ipam.ResourceCIDR{
		Scope:     scope,
		Discovery: r.Item.str(attrSource),
		Ignored:   r.Item.num(attrIgnored) == 1,
		Sampled:   r.Item.num(attrSampled),
		Since:     r.Item.num(attrSince),
		Rev:       r.Item.num(attrRev),
	}
	if err := json.Unmarshal([]byte(r.Item.str(attrObject)), &o.Resource); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	if err := json.Unmarshal([]byte(r.Item.str(attrStatus)), &o.Status); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return o, nil
}

// EncodeResource returns the item that DecodeResource reads.
func EncodeResource(r *ipam.ResourceCIDR) Row {
	return Row{Key: liveKey(r.Scope, &r.Resource), Item: encodeLive(r)}
}

// EncodeFound returns the item that Found reads.
func EncodeFound(f *ipam.Found) Row {
	return Row{Key: Key{foundPK(f.Discovery, f.Region, f.Owner), foundSK(&f.Resource)}, Item: encodeFound(f)}
}

// Found returns what a discovery knows of one account in one Region, from
// behind the place that after names (an opaque text of an earlier call; "" for
// the first), as much as one answer of the table holds, at most limit (0: no
// limit of its own), and the text to go on from, "" at the end.
func (s *Store) Found(ctx context.Context, discovery, region, account, after string, limit int) ([]*ipam.Found, string, error) {
	return decoded(ctx, s, Query{PK: foundPK(discovery, region, account), After: after, Limit: limit}, decodeFound)
}

// FoundOf returns what a discovery knows of a resource, all of its CIDRs, or of
// all resources of the type for the id "".
func (s *Store) FoundOf(ctx context.Context, discovery, region, account string, t ipam.ResourceType, id string) ([]*ipam.Found, error) {
	from := string(t) + "#"
	if id != "" {
		from += id + "#"
	}
	return s.foundFrom(ctx, foundPK(discovery, region, account), from, math.MaxInt)
}

// FirstFound returns the first of what a discovery knows of resources of a type,
// as much as so many answers of the table hold.
func (s *Store) FirstFound(ctx context.Context, discovery, region, account string, t ipam.ResourceType, answers int) ([]*ipam.Found, error) {
	return s.foundFrom(ctx, foundPK(discovery, region, account), string(t)+"#", answers)
}

func (s *Store) foundFrom(ctx context.Context, pk, from string, answers int) ([]*ipam.Found, error) {
	q := Query{PK: pk, From: from, To: from + "~"}
	var all []*ipam.Found
	for n := 1; ; n++ {
		some, next, err := decoded(ctx, s, q, decodeFound)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if q.After = next; next == "" || n == answers {
			return all, nil
		}
	}
}

// FoundAfter returns the text to go on from behind what Found returned.
func FoundAfter(f *ipam.Found) string { return foundSK(&f.Resource) }

// Resources returns the resources' CIDRs of one family in a scope, interfaces
// excepted, in the order of ipam.CompareBlocks, as Found does.
func (s *Store) Resources(ctx context.Context, scope string, f ipam.Family, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return decoded(ctx, s, Query{PK: livePK(scope, f, ipam.ResourceVPC), After: after, Limit: limit}, DecodeResource)
}

// ResourcesIn is Resources for what lies in a CIDR.
func (s *Store) ResourcesIn(ctx context.Context, scope string, cidr netip.Prefix, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return decoded(ctx, s, Query{
		PK: livePK(scope, ipam.FamilyOf(cidr), ipam.ResourceVPC), From: blockSK(cidr), To: blocksThrough(cidr), After: after, Limit: limit,
	}, DecodeResource)
}

// Interfaces is Resources for interfaces' addresses.
func (s *Store) Interfaces(ctx context.Context, scope string, f ipam.Family, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return decoded(ctx, s, Query{PK: livePK(scope, f, ipam.ResourceInterface), After: after, Limit: limit}, DecodeResource)
}

// ResourceAfter returns the text to go on from behind what Resources, or
// Interfaces, returned.
func ResourceAfter(r *ipam.ResourceCIDR) string { return liveKey(r.Scope, &r.Resource).SK }

// decoded makes one query.
func decoded[T any](ctx context.Context, s *Store, q Query, decode func(Row) (*T, error)) ([]*T, string, error) {
	rows, next, err := s.table.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	all := make([]*T, len(rows))
	for i, r := range rows {
		if all[i], err = decode(r); err != nil {
			return nil, "", err
		}
	}
	return all, next, nil
}
