package items

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// ResolverKey returns the key of a prefix list resolver.
func ResolverKey(id string) table.Key { return Resolvers.key(id) }

const resolversPK = "RESOLVERS"

// ResolverRowKey returns the key of a resolver's row in the list of all.
func ResolverRowKey(id string) table.Key { return table.Key{PK: resolversPK, SK: id} }

// ResolverRows returns the query for the rows that list all resolvers, by id.
func ResolverRows() table.Query { return table.Query{PK: resolversPK} }

// EncodeResolver returns the attributes of a prefix list resolver.
func EncodeResolver(o *ipam.PrefixListResolver) table.Item {
	i := encodeObject(&o.Meta, o, map[string]int64{AttrChanges: o.Changes})
	if o.Through.IsValid() {
		i[AttrThrough] = table.Str(o.Through.String())
	}
	return i
}

// DecodeResolver reads the item of a prefix list resolver.
func DecodeResolver(i table.Item) (*ipam.PrefixListResolver, error) {
	o := new(ipam.PrefixListResolver)
	if err := decodeObject(i, o, &o.Meta, map[string]*int64{AttrChanges: &o.Changes}); err != nil {
		return nil, err
	}
	if through := i.Str(AttrThrough); through != "" {
		var err error
		if o.Through, err = netip.ParsePrefix(through); err != nil {
			return nil, fmt.Errorf("the end of the members of %s: %w", o.ID, err)
		}
	}
	return o, nil
}

const memberPrefix = "MEMBERS#"

// MemberKey returns the key of the row of a CIDR that a resolver selects. The row has no
// attributes.
func MemberKey(resolver string, p netip.Prefix) table.Key {
	return table.Key{PK: memberPrefix + resolver, SK: blockSK(p)}
}

// MemberRows returns the query for the rows of the CIDRs that a resolver selects, in the
// order of [netip.Prefix.Compare].
func MemberRows(resolver string) table.Query { return table.Query{PK: memberPrefix + resolver} }

// DecodeMember reads the row of a CIDR that a resolver selects.
func DecodeMember(r table.Row) (netip.Prefix, error) { return parseBlockSK(r.Key.SK) }

// A version has two items, so that a list of versions does not read their CIDRs.
const (
	versionPrefix = "VERSION#"
	cidrsPrefix   = "CIDRS#"
)

// VersionKey returns the key of a version of a resolver.
func VersionKey(resolver string, number int64) table.Key {
	return table.Key{PK: ResolverKey(resolver).PK, SK: fmt.Sprintf("%s%010d", versionPrefix, number)}
}

// VersionCIDRsKey returns the key of the CIDRs of a version.
func VersionCIDRsKey(resolver string, number int64) table.Key {
	return table.Key{PK: ResolverKey(resolver).PK, SK: fmt.Sprintf("%s%010d", cidrsPrefix, number)}
}

// VersionRows returns the query for the versions of a resolver behind a number, by number,
// without their CIDRs.
func VersionRows(resolver string, after int64) table.Query {
	q := rowsBeginning(ResolverKey(resolver).PK, versionPrefix)
	if after > 0 {
		q.After = VersionKey(resolver, after).SK
	}
	return q
}

// VersionCIDRsRows returns the query for the CIDRs of all versions of a resolver.
func VersionCIDRsRows(resolver string) table.Query {
	return rowsBeginning(ResolverKey(resolver).PK, cidrsPrefix)
}

// EncodeVersion returns the attributes of a version without its CIDRs. The key has the
// resolver and the number.
func EncodeVersion(v *ipam.Version) table.Item {
	i := table.Item{attrEntries: table.Num(int64(len(v.CIDRs))), AttrSince: table.Num(v.Created)}
	if v.Expires != 0 {
		i[table.AttrExpires] = table.Num(v.Expires)
	}
	return i
}

// EncodeVersionCIDRs returns the attributes of the CIDRs of a version.
func EncodeVersionCIDRs(v *ipam.Version) table.Item {
	texts := make([]string, len(v.CIDRs))
	for n, p := range v.CIDRs {
		texts[n] = p.String()
	}
	i := table.Item{attrCIDRs: table.Str(strings.Join(texts, " "))}
	if v.Expires != 0 {
		i[table.AttrExpires] = table.Num(v.Expires)
	}
	return i
}

// DecodeVersion reads the item of a version, without its CIDRs.
func DecodeVersion(r table.Row) (*ipam.Version, error) {
	v := &ipam.Version{
		Resolver: strings.TrimPrefix(r.Key.PK, string(Resolvers)),
		Entries:  r.Item.Num(attrEntries), Created: r.Item.Num(AttrSince), Expires: r.Item.Num(table.AttrExpires),
	}
	var err error
	v.Number, err = ParseVersionSK(r.Key.SK)
	return v, err
}

// ParseVersionSK returns the number in the sort key of a version.
func ParseVersionSK(sk string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(sk, versionPrefix), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not the sort key of a version: %w", sk, err)
	}
	return n, nil
}

// DecodeVersionCIDRs reads the item of the CIDRs of a version.
func DecodeVersionCIDRs(i table.Item) ([]netip.Prefix, error) {
	var cidrs []netip.Prefix
	for text := range strings.FieldsSeq(i.Str(attrCIDRs)) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("CIDRs of a version: %w", err)
		}
		cidrs = append(cidrs, p)
	}
	return cidrs, nil
}
