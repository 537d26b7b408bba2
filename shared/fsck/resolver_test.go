package fsck_test

import (
	"slices"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

func TestResolverMutations(t *testing.T) {
	w := newWorld(t)
	key := func(pk, sk string) table.Key { return table.Key{PK: pk, SK: sk} }
	resolver, row := items.ResolverKey(w.resolver), key("RESOLVERS", w.resolver)
	work := func(kind string) table.Key { return key("WORK", kind+"#"+w.resolver) }
	note := table.Item{"Since": num(1), "Token": str("t")}
	w.run(t, []mutation{
		{"resolver that is not in the list of all", fsck.Listing, row, func(m rows) { delete(m, row) }},
		{"row of no resolver", fsck.Listing, key("RESOLVERS", "ipam-prefix-list-resolver-1"), func(m rows) {
			m[key("RESOLVERS", "ipam-prefix-list-resolver-1")] = table.Item{"Id": str("ipam-prefix-list-resolver-1")}
		}},
		{"row of another resolver", fsck.Form, row, func(m rows) { m.set(row, "Id", str("ipam-prefix-list-resolver-1")) }},
		{"IPAM unknown", fsck.Reference, resolver, func(m rows) { m.edit(resolver, w.ipam.ID, "ipam-1") }},
		{"owner of another IPAM", fsck.Chain, resolver, func(m rows) {
			m.edit(resolver, owner, consumer)
			m.set(resolver, "Owner", str(consumer))
		}},
		{"pending without note", fsck.Work, resolver, func(m rows) { m.edit(resolver, "success", "pending") }},
		{"last version missing", fsck.Reference, resolver, func(m rows) { delete(m, w.version); delete(m, w.cidrs) }},
		{"version behind the last", fsck.Reference, items.VersionKey(w.resolver, 2), func(m rows) {
			m[items.VersionKey(w.resolver, 2)], m[items.VersionCIDRsKey(w.resolver, 2)] = m[w.version], m[w.cidrs]
		}},
		{"version without CIDRs", fsck.Reference, w.version, func(m rows) { delete(m, w.cidrs) }},
		{"CIDRs without version", fsck.Reference, w.cidrs, func(m rows) { delete(m, w.version) }},
		{"version with other CIDRs", fsck.Reference, w.version, func(m rows) { m.set(w.cidrs, "Cidrs", str("192.0.2.0/24")) }},
		{"last version expires", fsck.Form, w.version, func(m rows) {
			for _, k := range []table.Key{w.version, w.cidrs} {
				m.set(k, "Expires", num(now.Unix()+1))
			}
		}},
		{"old version stays", fsck.Form, w.version, func(m rows) { m.edit(resolver, `"Latest":1`, `"Latest":11`) }},
		{"number of seven digits", fsck.Form, key(w.version.PK, "VERSION#0000001"), func(m rows) { m.move(w.version, key(w.version.PK, "VERSION#0000001")) }},
		{"CIDR with host bits", fsck.Form, w.cidrs, func(m rows) { m.set(w.cidrs, "Cidrs", str("192.0.2.1/24")) }},
		{"CIDRs out of order", fsck.Form, w.cidrs, func(m rows) { m.set(w.cidrs, "Cidrs", str("192.0.2.0/24 10.0.0.0/24")) }},
		{"member of no resolver", fsck.Reference, key("MEMBERS#x", w.members[0].SK), func(m rows) { m.move(w.members[0], key("MEMBERS#x", w.members[0].SK)) }},
		{"version of no resolver", fsck.Reference, w.version, func(m rows) { delete(m, resolver) }},
		{"member of another family", fsck.Chain, key(w.members[0].PK, "fd000000000000000000000000000000#056"), func(m rows) {
			m.move(w.members[0], key(w.members[0].PK, "fd000000000000000000000000000000#056"))
		}},
		{"end that is no CIDR", fsck.Form, resolver, func(m rows) { m.set(resolver, "Through", str("10.0.0.1/8")) }},
		{"resolver being deleted", fsck.Form, resolver, func(m rows) { m.set(resolver, "State", str("delete-in-progress")) }},
	})
	for _, c := range []struct {
		name   string
		wrong  bool // in a settled table
		change func(rows)
	}{
		{"a member is missing", true, func(m rows) { delete(m, w.members[1]) }},
		{"no rule selects a member", true, func(m rows) { m[key(w.members[0].PK, "0b000000#024")] = table.Item{} }},
		{"the rules select another VPC", true, func(m rows) { m.edit(resolver, w.held.ID, w.imported.ID) }},
		{"the rules select the CIDRs of another pool", true, func(m rows) { m.edit(resolver, w.tokyo.ID, w.top.ID) }},
		{"the rules select all but a VPC", true, func(m rows) { m.edit(resolver, `"equals","ResourceID"`, `"not-equals","ResourceID"`) }},
		{"the rules select less static space", true, func(m rows) { m.edit(resolver, "192.0.2.0/24", "192.0.2.0/25") }},
		{"the version is another", true, func(m rows) {
			m.set(w.cidrs, "Cidrs", str("192.0.2.0/24"))
			m.set(w.version, "Entries", num(1))
		}},
		{"a member is missing, and a note says so", false, func(m rows) { delete(m, w.members[1]); m[work("select")] = note }},
		{"the version is another, and a note says so", false, func(m rows) { delete(m, w.members[1]); m[work("version")] = note }},
		{"a CIDR is to be selected again", false, func(m rows) { delete(m, w.members[1]); m[key("WORK", work("member").SK+"#10.0.0.0/24")] = note }},
		{"a member behind the known ones is missing", false, func(m rows) {
			delete(m, w.members[3])
			m.set(resolver, "Through", str("10.1.0.0/16"))
			m.edit(resolver, "success", "failure")
		}},
		{"a known member is missing", true, func(m rows) {
			delete(m, w.members[0])
			m.set(resolver, "Through", str("10.1.0.0/16"))
			m.edit(resolver, "success", "failure")
		}},
		{"no attempt succeeded since", false, func(m rows) {
			m.set(w.cidrs, "Cidrs", str("192.0.2.0/24"))
			m.set(w.version, "Entries", num(1))
			m.edit(resolver, "success", "failure")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := w.items()
			c.change(m)
			if found := m.check(); len(found) > 0 {
				t.Errorf("before the stream is processed: %v", found)
			}
			found := m.settled()
			if c.wrong != slices.ContainsFunc(found, func(p fsck.Problem) bool { return p.Invariant == fsck.Select }) || !c.wrong && len(found) > 0 {
				t.Errorf("settled: %v", found)
			}
		})
	}
}
