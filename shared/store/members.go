package store

import (
	"cmp"
	"context"
	"iter"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// The members of a prefix list resolver, the CIDRs that its rules select, have a row each.
// Rows of resources and CIDRs of pools change without looking at resolvers. The reader of
// the stream writes a work note for a CIDR whose selection may have changed, and the work
// selects that CIDR again: it reads everything that has the CIDR, and writes or deletes the
// member's row. So the cost of a change does not depend on the size of the scope.
//
// The transaction that ends such a note raises the resolver's Changes, on the condition that
// Changes and the rules are as they were before anything else was read. So of two works on
// one CIDR, the one that commits last has read last. That is so even if it changed nothing:
// otherwise a slower work on the CIDR could still write a row by an older state, which it
// read before the change of the note.
//
// New rules need a pass over all CIDRs. It only finds the CIDRs whose member rows differ
// from the selection. The same work as for single ones then selects them again.

// selectNote returns the note that selects all CIDRs of a resolver again.
func (s *Store) selectNote(resolver string) table.Write {
	return s.workNote(items.WorkKey(items.SelectWork, resolver))
}

// versionNote returns the note that makes a version of the members of a resolver.
func (s *Store) versionNote(resolver string) table.Write {
	return s.workNote(items.WorkKey(items.VersionWork, resolver))
}

// Member is a CIDR that the rules of a resolver may select.
type Member struct {
	Resolver string
	CIDR     netip.Prefix
}

// NoteMembers writes work notes: [Store.RunWork] then selects each of the CIDRs again.
func (s *Store) NoteMembers(ctx context.Context, members ...Member) error {
	notes := make([]table.Write, len(members))
	for i, m := range members {
		notes[i] = s.workNote(items.MemberWorkKey(m.Resolver, m.CIDR))
	}
	return s.putNotes(ctx, "note CIDRs of resolvers", notes)
}

// runMembers selects the CIDRs of all such notes of a resolver again.
func (s *Store) runMembers(ctx context.Context, resolver string) error {
	for {
		rows, _, err := s.table.Query(ctx, items.MemberWorkRows(resolver).Page("", s.membersAtOnce()))
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.reselect(ctx, resolver, rows, nil); err != nil {
			return err
		}
	}
}

// membersAtOnce is the number of CIDRs that one transaction selects again. Each may take
// the write of its row and of its note.
func (s *Store) membersAtOnce() int { return max(s.o.Room/2, 1) }

// reselect selects the CIDRs of work notes again and ends the notes; and further CIDRs.
func (s *Store) reselect(ctx context.Context, resolver string, notes []table.Row, further []netip.Prefix) error {
	cidrs := slices.Clone(further)
	for _, n := range notes {
		_, id := items.ParseWork(n.Key.SK)
		if _, p, ok := items.ParseMemberWork(id); ok {
			cidrs = append(cidrs, p)
		}
	}
	var keys []table.Key
	for _, p := range cidrs {
		keys = append(keys, items.MemberKey(resolver, p))
	}
	for _, n := range notes {
		keys = append(keys, n.Key)
	}
	if len(keys) == 0 {
		return nil
	}
	return s.commit(ctx, "select CIDRs of "+resolver, nil, func(attempt) ([]table.Write, error) {
		o, err := readOne(ctx, s.Resolvers, resolver) // before everything else
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		read, err := s.table.BatchGet(ctx, keys)
		if err != nil {
			return nil, err
		}
		var writes []table.Write
		for _, n := range notes { // a note that was written since stays
			if now := read[n.Key]; now != nil && now.Str(items.AttrToken) == n.Item.Str(items.AttrToken) {
				writes = append(writes, table.Write{Op: table.OpDelete, Key: n.Key, If: table.Cond{Equal: table.Item{items.AttrToken: now[items.AttrToken]}}})
			}
		}
		if o == nil || len(notes) > 0 && len(writes) == 0 { // the end of the resolver deletes its members; or all is done
			return writes, nil
		}
		members, err := s.memberWrites(ctx, o, cidrs, read)
		if err != nil || len(notes)+len(members) == 0 {
			return nil, err
		}
		if len(members) > 0 {
			writes = append(append(writes, members...), s.versionNote(resolver))
		}
		return append(writes, table.Write{
			Op: table.OpUpdate, Key: items.ResolverKey(resolver), Add: map[string]int64{items.AttrChanges: 1},
			If: table.Cond{Equal: table.Item{items.AttrChanges: table.Num(o.Changes), items.AttrRev: table.Num(o.Rev)}},
		}), nil
	})
}

// memberWrites returns the writes of the members' rows that differ from the selection.
func (s *Store) memberWrites(ctx context.Context, o *ipam.PrefixListResolver, cidrs []netip.Prefix, read map[table.Key]table.Item) ([]table.Write, error) {
	pools, err := s.selectablePools(ctx, o)
	if err != nil {
		return nil, err
	}
	var writes []table.Write
	for _, p := range cidrs {
		if !o.Knows(p) {
			continue
		}
		selected, err := s.selects(ctx, o, pools, p)
		if err != nil {
			return nil, err
		}
		switch k := items.MemberKey(o.ID, p); {
		case selected && read[k] == nil:
			writes = append(writes, table.Write{Op: table.OpPut, Key: k, Item: table.Item{}, If: table.Cond{Absent: true}})
		case !selected && read[k] != nil:
			writes = append(writes, table.Write{Op: table.OpDelete, Key: k, If: table.Cond{Present: true}})
		}
	}
	return writes, nil
}

// selectablePools returns the pools with CIDRs that the rules of a resolver may select.
func (s *Store) selectablePools(ctx context.Context, o *ipam.PrefixListResolver) ([]*ipam.Pool, error) {
	scopes := ruleScopes(o, func(r ipam.ResolverRule) bool { return r.Type == ipam.RulePoolCIDR })
	if len(scopes) == 0 {
		return nil, nil
	}
	pools, err := s.OwnedPools(ctx, o.Owner)
	return slices.DeleteFunc(pools, func(p *ipam.Pool) bool { return p.Family != o.Family || !slices.Contains(scopes, p.Scope) }), err
}

// ruleScopes returns the scopes of the rules for which of is true, sorted.
func ruleScopes(o *ipam.PrefixListResolver, of func(ipam.ResolverRule) bool) []string {
	var scopes []string
	for _, r := range o.Rules {
		if of(r) {
			scopes = append(scopes, r.Scope)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

func ofResources(r ipam.ResolverRule) bool {
	return r.Type == ipam.RuleResourceCIDR && r.Resource.TakesSpace()
}

func ofInterfaces(r ipam.ResolverRule) bool {
	return r.Type == ipam.RuleResourceCIDR && !r.Resource.TakesSpace()
}

// selects reports whether the rules of a resolver select a CIDR, for any of the resources
// and pools that have it.
func (s *Store) selects(ctx context.Context, o *ipam.PrefixListResolver, pools []*ipam.Pool, p netip.Prefix) (bool, error) {
	if o.SelectsStatic(p) {
		return true, nil
	}
	var queries []table.Query
	for _, scope := range ruleScopes(o, ofResources) {
		queries = append(queries, items.ResourceRowsOf(scope, p))
	}
	for _, scope := range ruleScopes(o, ofInterfaces) {
		queries = append(queries, items.InterfaceRowsOf(scope, p))
	}
	for _, q := range queries {
		for r, err := range decoded(table.Rows(ctx, s.table, q), items.DecodeResource) {
			if err != nil || o.SelectsResource(r) {
				return err == nil, err
			}
		}
	}
	if len(pools) == 0 {
		return false, nil
	}
	keys := make([]table.Key, len(pools))
	for i, pool := range pools {
		keys[i] = items.CIDRKey(pool.ID, p)
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return false, err
	}
	for i, pool := range pools {
		if read[keys[i]] == nil {
			continue
		}
		c, err := items.DecodePoolCIDR(pool.ID, table.Row{Key: keys[i], Item: read[keys[i]]})
		if err != nil || o.SelectsPoolCIDR(pool.Scope, c) {
			return err == nil, err
		}
	}
	return false, nil
}

// runSelect selects all CIDRs of a resolver again, and then has a version made. Of a
// deleted resolver it deletes all rows.
func (s *Store) runSelect(ctx context.Context, id string) error {
	note := items.WorkKey(items.SelectWork, id)
	read, err := s.table.BatchGet(ctx, []table.Key{note})
	if err != nil || read[note] == nil {
		return err
	}
	o, err := readOne(ctx, s.Resolvers, id)
	if isNotFound(err) {
		return s.purgeResolver(ctx, id, note, read[note])
	}
	if err != nil {
		return err
	}
	// From here on, the notes of all CIDRs count.
	if err := s.setThrough(ctx, id, netip.Prefix{}, note, read[note]); err != nil {
		return err
	}
	through, err := s.selectAll(ctx, o)
	if err != nil {
		return err
	}
	return s.setThrough(ctx, id, through, note, read[note],
		table.Write{Op: table.OpDelete, Key: note, If: table.Cond{Equal: table.Item{items.AttrToken: read[note][items.AttrToken]}}}, s.versionNote(id))
}

// setThrough sets or removes the end of the known members of a resolver, with further
// writes, if the work note is still as it was read. So a work that began earlier changes
// nothing after a later one has ended.
func (s *Store) setThrough(ctx context.Context, id string, through netip.Prefix, note table.Key, was table.Item, further ...table.Write) error {
	return s.commit(ctx, "set the end of the members of "+id, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{note})
		if err != nil || read[note].Str(items.AttrToken) != was.Str(items.AttrToken) {
			return nil, err
		}
		o, err := readOne(ctx, s.Resolvers, id)
		if err != nil {
			return nil, ignoreNotFound(err)
		}
		if o.Through == through {
			return further, nil
		}
		w := table.Write{Op: table.OpUpdate, Key: items.ResolverKey(id), Add: map[string]int64{items.AttrChanges: 1}, If: table.Cond{Equal: table.Item{items.AttrChanges: table.Num(o.Changes)}}}
		if through.IsValid() {
			w.Set = table.Item{items.AttrThrough: table.Str(through.String())}
		} else {
			w.Remove = []string{items.AttrThrough}
		}
		if len(further) == 0 {
			further := table.Write{Op: table.OpCheck, Key: note, If: table.Cond{Equal: table.Item{items.AttrToken: was[items.AttrToken]}}}
			return []table.Write{w, further}, nil
		}
		return append([]table.Write{w}, further...), nil
	})
}

// ignoreNotFound returns nil if an object was not found.
func ignoreNotFound(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}

// knownMembers is the number of members up to which all are known: twice the CIDRs that a
// version may have. So a resolver that is a little above its quota knows at once when it is
// not any more.
func (s *Store) knownMembers() int64 { return 2 * s.o.Quotas.EntriesPerVersion }

// selectAll makes the members of a resolver equal to the selection. If the rules select
// more than knownMembers, it returns the last CIDR up to which they do. It reads the rows
// of both in their order, and needs no memory for them.
func (s *Store) selectAll(ctx context.Context, o *ipam.PrefixListResolver) (through netip.Prefix, err error) {
	members, end, err := pulled(decoded(table.Rows(ctx, s.table, items.MemberRows(o.ID)), items.DecodeMember))
	defer end()
	if err != nil {
		return netip.Prefix{}, err
	}
	var differ []netip.Prefix
	flush := func() error {
		err := s.reselect(ctx, o.ID, nil, differ)
		differ = nil
		return err
	}
	differs := func(p netip.Prefix) error {
		if differ = append(differ, p); len(differ) < s.membersAtOnce() {
			return nil
		}
		return flush()
	}
	selected := int64(0)
	for p, err := range s.selection(ctx, o) {
		if err != nil {
			return netip.Prefix{}, err
		}
		if selected == s.knownMembers() {
			return through, flush()
		}
		selected, through = selected+1, p
		for members.more && members.at.Compare(p) < 0 {
			if err := cmp.Or(differs(members.at), members.advance()); err != nil {
				return netip.Prefix{}, err
			}
		}
		if members.more && members.at == p {
			err = members.advance()
		} else {
			err = differs(p)
		}
		if err != nil {
			return netip.Prefix{}, err
		}
	}
	for members.more {
		if err := cmp.Or(differs(members.at), members.advance()); err != nil {
			return netip.Prefix{}, err
		}
	}
	return netip.Prefix{}, flush()
}

// puller reads CIDRs one by one.
type puller struct {
	next func() (netip.Prefix, error, bool)
	at   netip.Prefix
	more bool // at is one of them
}

// pulled returns a puller at the first of the CIDRs. The caller calls end in any case.
func pulled(cidrs iter.Seq2[netip.Prefix, error]) (p *puller, end func(), err error) {
	next, end := iter.Pull2(cidrs)
	p = &puller{next: next}
	return p, end, p.advance()
}

func (p *puller) advance() (err error) {
	p.at, err, p.more = p.next()
	return err
}

// selection yields the CIDRs that the rules of a resolver select, ascending, each once.
func (s *Store) selection(ctx context.Context, o *ipam.PrefixListResolver) iter.Seq2[netip.Prefix, error] {
	var sources []iter.Seq2[netip.Prefix, error]
	for _, scope := range ruleScopes(o, ofResources) {
		sources = append(sources, s.selectedIn(ctx, o, items.ResourceRows(scope, o.Family, ipam.ResourceVPC)))
	}
	for _, scope := range ruleScopes(o, ofInterfaces) {
		sources = append(sources, s.selectedIn(ctx, o, items.ResourceRows(scope, o.Family, ipam.ResourceInterface)))
	}
	return merged(append(sources, s.selectedFew(ctx, o)))
}

// selectedIn yields the selected CIDRs of resources.
func (s *Store) selectedIn(ctx context.Context, o *ipam.PrefixListResolver, q table.Query) iter.Seq2[netip.Prefix, error] {
	return func(yield func(netip.Prefix, error) bool) {
		for r, err := range decoded(table.Rows(ctx, s.table, q), items.DecodeResource) {
			switch {
			case err != nil:
				yield(netip.Prefix{}, err)
				return
			case o.SelectsResource(r) && !yield(r.CIDR, nil):
				return
			}
		}
	}
}

// selectedFew yields the CIDRs of static rules, and the selected CIDRs of pools.
func (s *Store) selectedFew(ctx context.Context, o *ipam.PrefixListResolver) iter.Seq2[netip.Prefix, error] {
	return func(yield func(netip.Prefix, error) bool) {
		var all []netip.Prefix
		for _, r := range o.Rules {
			if r.Type == ipam.RuleStaticCIDR {
				all = append(all, r.CIDR)
			}
		}
		pools, err := s.selectablePools(ctx, o)
		if err != nil {
			yield(netip.Prefix{}, err)
			return
		}
		for _, pool := range pools {
			cidrs, err := s.PoolCIDRs(ctx, pool.ID)
			if err != nil {
				yield(netip.Prefix{}, err)
				return
			}
			for _, c := range cidrs {
				if o.SelectsPoolCIDR(pool.Scope, c) {
					all = append(all, c.CIDR)
				}
			}
		}
		slices.SortFunc(all, netip.Prefix.Compare)
		for _, p := range all {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// merged yields the CIDRs of ascending sources in one order, each once. It ends after an
// error.
func merged(sources []iter.Seq2[netip.Prefix, error]) iter.Seq2[netip.Prefix, error] {
	return func(yield func(netip.Prefix, error) bool) {
		heads := make([]*puller, len(sources))
		for i, source := range sources {
			head, end, err := pulled(source)
			defer end()
			if err != nil {
				yield(netip.Prefix{}, err)
				return
			}
			heads[i] = head
		}
		for {
			heads = slices.DeleteFunc(heads, func(h *puller) bool { return !h.more })
			if len(heads) == 0 {
				return
			}
			least := slices.MinFunc(heads, func(a, b *puller) int { return a.at.Compare(b.at) }).at
			if !yield(least, nil) {
				return
			}
			for _, h := range heads {
				for h.more && h.at == least {
					if err := h.advance(); err != nil {
						yield(netip.Prefix{}, err)
						return
					}
				}
			}
		}
	}
}

// purgeResolver deletes the rows of a deleted resolver, and then its note.
func (s *Store) purgeResolver(ctx context.Context, id string, note table.Key, was table.Item) error {
	for _, q := range []table.Query{items.MemberRows(id), items.VersionRows(id, 0), items.VersionCIDRsRows(id), items.MemberWorkRows(id)} {
		for rows, err := range table.Pages(ctx, s.table, q) {
			if err != nil {
				return err
			}
			for some := range slices.Chunk(rows, s.o.Room) {
				if err := s.deleteRows(ctx, "delete rows of "+id, some); err != nil {
					return err
				}
			}
		}
	}
	return s.endNote(ctx, note, was, table.Write{Op: table.OpDelete, Key: items.WorkKey(items.VersionWork, id)})
}

// deleteRows deletes rows that nothing writes any more.
func (s *Store) deleteRows(ctx context.Context, act string, rows []table.Row) error {
	return s.commit(ctx, act, nil, func(a attempt) ([]table.Write, error) {
		if a.n > 0 {
			keys := make([]table.Key, len(rows))
			for i, r := range rows {
				keys[i] = r.Key
			}
			read, err := s.table.BatchGet(ctx, keys)
			if err != nil {
				return nil, err
			}
			rows = slices.DeleteFunc(rows, func(r table.Row) bool { return read[r.Key] == nil })
		}
		writes := make([]table.Write, len(rows))
		for i, r := range rows {
			writes[i] = table.Write{Op: table.OpDelete, Key: r.Key}
		}
		return writes, nil
	})
}
