package store

import (
	"context"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Version returns a version of a prefix list resolver with its CIDRs, nil if there is none,
// or not any more.
func (s *Store) Version(ctx context.Context, resolver string, number int64) (*ipam.Version, error) {
	k, cidrs := items.VersionKey(resolver, number), items.VersionCIDRsKey(resolver, number)
	read, err := s.table.BatchGet(ctx, []table.Key{k, cidrs})
	if err != nil || read[k] == nil || read[cidrs] == nil || table.Expired(read[k], s.now()) {
		return nil, err
	}
	v, err := items.DecodeVersion(table.Row{Key: k, Item: read[k]})
	if err != nil {
		return nil, err
	}
	v.CIDRs, err = items.DecodeVersionCIDRs(read[cidrs])
	return v, err
}

// Versions returns those of the versions of a resolver that there are, without their CIDRs,
// by ascending number.
func (s *Store) Versions(ctx context.Context, resolver string, numbers []int64) ([]*ipam.Version, error) {
	numbers = slices.Compact(slices.Sorted(slices.Values(numbers)))
	keys := make([]table.Key, len(numbers))
	for i, n := range numbers {
		keys[i] = items.VersionKey(resolver, n)
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	var rows []table.Row
	for _, k := range keys {
		if read[k] != nil && !table.Expired(read[k], s.now()) {
			rows = append(rows, table.Row{Key: k, Item: read[k]})
		}
	}
	return decodeAll(rows, items.DecodeVersion)
}

// VersionsAfter returns versions of a resolver by ascending number, without their CIDRs,
// behind the number after (0 begins), at most limit, and the number to go on from, 0 at the
// end. A page that is short or empty may not be the last.
func (s *Store) VersionsAfter(ctx context.Context, resolver string, after int64, limit int) ([]*ipam.Version, int64, error) {
	q := items.VersionRows(resolver, after)
	q.Limit = limit
	rows, next, err := s.table.Query(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	var last int64
	if next != "" {
		if last, err = items.ParseVersionSK(next); err != nil {
			return nil, 0, err
		}
	}
	rows = slices.DeleteFunc(rows, func(r table.Row) bool { return table.Expired(r.Item, s.now()) })
	all, err := decodeAll(rows, items.DecodeVersion)
	return all, last, err
}

// runVersion makes a version of the members of a resolver, if its last one has others. While
// all CIDRs are being selected again, it waits for the end of that.
func (s *Store) runVersion(ctx context.Context, id string) error {
	note, selecting := items.WorkKey(items.VersionWork, id), items.WorkKey(items.SelectWork, id)
	return s.commit(ctx, "make a version of "+id, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{note, selecting})
		if err != nil || read[note] == nil || read[selecting] != nil {
			return nil, err
		}
		end := table.Write{Op: table.OpDelete, Key: note, If: table.Cond{Equal: table.Item{items.AttrToken: read[note][items.AttrToken]}}}
		o, err := readOne(ctx, s.Resolvers, id)
		if isNotFound(err) {
			return []table.Write{end}, nil
		}
		if err != nil {
			return nil, err
		}
		members, tooMany, err := s.members(ctx, o)
		if err != nil {
			return nil, err
		}
		if o.Through.IsValid() && !tooMany { // those behind it may be a part of the version
			return []table.Write{end, s.selectNote(id)}, nil
		}
		was := *o
		writes, err := s.makeVersion(ctx, o, members, tooMany)
		if err != nil {
			return nil, err
		}
		unchanged := table.Cond{Equal: table.Item{items.AttrChanges: table.Num(o.Changes), items.AttrRev: table.Num(was.Rev)}}
		k := items.ResolverKey(id)
		if was.Latest == o.Latest && was.LastCreation == o.LastCreation && was.Failure == o.Failure {
			writes = append(writes, table.Write{Op: table.OpCheck, Key: k, If: unchanged})
		} else {
			o.Rev++
			document := replaceDocument(k, items.EncodeResolver(o), was.Rev)
			document.If = unchanged
			writes = append(writes, document)
		}
		return append(writes, end, table.Write{Op: table.OpCheck, Key: selecting, If: table.Cond{Absent: true}}), nil
	})
}

// members returns the known members of a resolver, ascending, or that they are more than a
// version may have.
func (s *Store) members(ctx context.Context, o *ipam.PrefixListResolver) (members []netip.Prefix, tooMany bool, err error) {
	for p, err := range decoded(table.Rows(ctx, s.table, items.MemberRows(o.ID)), items.DecodeMember) {
		if err != nil {
			return nil, false, err
		}
		if !o.Knows(p) {
			break
		}
		if int64(len(members)) == s.o.Quotas.EntriesPerVersion {
			return nil, true, nil
		}
		members = append(members, p)
	}
	return members, false, nil
}

// makeVersion sets the outcome in o, and returns the writes of a new version: none if there
// is none to make.
func (s *Store) makeVersion(ctx context.Context, o *ipam.PrefixListResolver, members []netip.Prefix, tooMany bool) ([]table.Write, error) {
	if tooMany {
		o.LastCreation = ipam.CreationFailure
		o.Failure = ipam.Errorf(ipam.CodeResourceLimitExceeded, "The rules select more than %d CIDRs, and a version has at most so many. Version %d stays the last one. Narrow the rules with conditions, divide them over several resolvers, or ask the platform team to raise the quota entries_per_version.", s.o.Quotas.EntriesPerVersion, o.Latest).Message
		return nil, nil
	}
	o.LastCreation, o.Failure = ipam.CreationSuccess, ""
	last := items.VersionCIDRsKey(o.ID, o.Latest)
	old := []table.Key{items.VersionKey(o.ID, o.Latest+1-ipam.KeptVersions), items.VersionCIDRsKey(o.ID, o.Latest+1-ipam.KeptVersions)}
	read, err := s.table.BatchGet(ctx, append(old, last))
	if err != nil {
		return nil, err
	}
	if read[last] != nil {
		cidrs, err := items.DecodeVersionCIDRs(read[last])
		if err != nil || slices.Equal(cidrs, members) {
			return nil, err
		}
	}
	o.Latest++
	now := &ipam.Version{Resolver: o.ID, Number: o.Latest, CIDRs: members, Created: s.now()}
	writes := []table.Write{
		{Op: table.OpPut, Key: items.VersionKey(o.ID, now.Number), Item: items.EncodeVersion(now), If: table.Cond{Absent: true}},
		{Op: table.OpPut, Key: items.VersionCIDRsKey(o.ID, now.Number), Item: items.EncodeVersionCIDRs(now), If: table.Cond{Absent: true}},
	}
	for _, k := range old {
		if read[k] != nil {
			writes = append(writes, table.Write{
				Op: table.OpUpdate, Key: k, Set: table.Item{table.AttrExpires: table.Num(s.now() + int64(ipam.OldVersionLife.Seconds()))}, If: table.Cond{Present: true},
			})
		}
	}
	return writes, nil
}
