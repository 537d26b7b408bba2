package fsck_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

const seen = 1_799_000_000_000 // Unix ms, in the past

// network is the watched part of a world: a VPC on a hold with a subnet and an
// interface, an imported VPC, an ignored one, and an Elastic IP.
type network struct {
	discovery, association                       string
	held, subnet, imported, ignored, iface, addr ipam.Resource
	hold, importedAt                             table.Key
	ended                                        table.Key // a history record
}

func doc(v any) types.AttributeValue {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return str(string(b))
}

func block(p netip.Prefix) string { return fmt.Sprintf("%x#%03d", p.Addr().AsSlice(), p.Bits()) }

func (w *world) foundKey(r ipam.Resource) table.Key {
	return table.Key{PK: "FOUND#" + w.discovery + "#" + r.Region + "#" + r.Owner, SK: fmt.Sprintf("%s#%s#%s", r.Type, r.ID, block(r.CIDR))}
}

func (w *world) scopeOf(r ipam.Resource) string {
	if r.InPublicScope(false) {
		return w.ipam.PublicScope
	}
	return w.ipam.PrivateScope
}

func (w *world) liveKey(r ipam.Resource) table.Key {
	what := "LIVE#"
	if r.Type == ipam.ResourceInterface {
		what = "IFACE#"
	}
	return table.Key{PK: what + string(ipam.ScopeSpace(w.scopeOf(r), r.Family())), SK: block(r.CIDR) + "#" + r.ID + "#" + r.Region}
}

func (w *world) historyKey(h ipam.HistoryRecord) table.Key {
	scope := w.ipam.PrivateScope
	if h.Type == ipam.HistoryEIP {
		scope = w.ipam.PublicScope
	}
	id := h.ID
	if h.Type == ipam.HistoryInstance {
		id = h.Interface
	}
	return table.Key{PK: "HISTORY#" + scope + "#" + block(h.CIDR), SK: fmt.Sprintf("%s#%s#%015d", h.Type, id, h.Start)}
}

// watch adds a network to the world, item by item.
func (w *world) watch(t *testing.T, s *store.Store) {
	t.Helper()
	ctx, p := t.Context(), netip.MustParsePrefix
	resource := func(kind ipam.ResourceType, id, cidr, vpc string) ipam.Resource {
		return ipam.Resource{Type: kind, ID: id, CIDR: p(cidr), Owner: consumer, Region: "us-east-1", VPC: vpc}
	}
	w.network = network{
		held:     resource(ipam.ResourceVPC, "vpc-1", "10.8.0.0/16", "vpc-1"),
		subnet:   resource(ipam.ResourceSubnet, "subnet-1", "10.8.1.0/24", "vpc-1"),
		imported: resource(ipam.ResourceVPC, "vpc-2", "10.9.0.0/24", "vpc-2"),
		ignored:  resource(ipam.ResourceVPC, "vpc-3", "10.10.0.0/16", "vpc-3"),
		iface:    resource(ipam.ResourceInterface, "eni-1", "10.8.1.5/32", "vpc-1"),
		addr:     resource(ipam.ResourceEIP, "eipalloc-1", "203.0.113.7/32", ""),
	}
	w.iface.InstanceOwner = "amazon-elb"
	key := func(pk, sk string) table.Key { return table.Key{PK: pk, SK: sk} }
	put := func(k table.Key, i table.Item) {
		t.Helper()
		if err := w.memory.Transact(ctx, []table.Write{{Op: table.OpPut, Key: k, Item: i}}); err != nil {
			t.Fatal(err)
		}
	}
	d, err := s.CreateDiscovery(ctx, store.Token{Account: owner, Operation: "CreateIpamResourceDiscovery"}, ipam.Discovery{Meta: ipam.Meta{Owner: owner}, OperatingRegions: []string{"us-east-1"}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Associate(ctx, store.Token{Account: owner, Operation: "AssociateIpamResourceDiscovery"}, ipam.DiscoveryAssociation{IPAM: w.ipam.ID, Discovery: d.ID},
		func(*ipam.IPAM, *ipam.Discovery) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	// The discovery has no resources yet, so its note has no work.
	if err := w.memory.Transact(ctx, []table.Write{{Op: table.OpDelete, Key: key("WORK", "purge#"+d.ID)}}); err != nil {
		t.Fatal(err)
	}
	w.discovery, w.association = d.ID, a.ID
	put(key("DISCO#"+d.ID, "ACCOUNT#us-east-1#"+consumer), table.Item{
		"Attempted": num(seen), "Succeeded": num(seen - 60_000), "OrganizationalUnitId": str("ou-1"),
		"FailureCode": str("assume-role-failure"), "Failure": str("no such role"), "Failures": num(2), "Failing": num(seen - 30_000),
	})

	for _, r := range []ipam.Resource{w.held, w.subnet, w.imported, w.ignored, w.iface, w.addr} {
		l := ipam.ResourceCIDR{Resource: r, Since: seen, Status: ipam.Status{Compliance: ipam.ComplianceUnmanaged}}
		put(w.foundKey(r), table.Item{
			"Object": doc(r), "Sampled": num(seen), "Rev": num(1),
			"Targets": doc([]ipam.Target{{IPAM: w.ipam.ID, Scope: w.scopeOf(r), Ignored: r.ID == w.ignored.ID}}),
		})
		i := table.Item{"Object": doc(r), "Status": doc(l.Status), "Source": str(d.ID), "Sampled": num(seen), "Since": num(seen), "Rev": num(1)}
		if r.ID == w.ignored.ID {
			i["Ignored"] = num(1)
		}
		put(w.liveKey(r), i)
		for _, h := range l.Records() {
			put(w.historyKey(h), table.Item{"Object": doc(h)})
		}
	}
	gone := ipam.HistoryRecord{Type: ipam.HistoryVPC, ID: "vpc-0", CIDR: w.held.CIDR, Owner: consumer, Start: seen - 9000}
	w.ended = w.historyKey(gone)
	put(w.ended, table.Item{"Object": doc(gone), "End": num(seen - 5000), "Expires": num(seen/1000 + 1096*24*60*60)})

	// 10.8.0.0/13 of the top-level pool is free: it gets a hold for one VPC and
	// an allocation for another.
	top := ipam.SpaceID(w.top.ID)
	free := items.FreeKey(top, p("10.8.0.0/13"))
	root := maps.Collect(w.memory.All())[free]["Root"]
	if err := w.memory.Transact(ctx, []table.Write{{Op: table.OpDelete, Key: free, If: table.Cond{Present: true}}}); err != nil {
		t.Fatal(err)
	}
	for _, cidr := range []string{"10.12.0.0/14", "10.10.0.0/15", "10.9.128.0/17", "10.9.64.0/18", "10.9.32.0/19", "10.9.16.0/20", "10.9.8.0/21", "10.9.4.0/22", "10.9.2.0/23", "10.9.1.0/24"} {
		put(items.FreeKey(top, p(cidr)), table.Item{"Root": root})
	}
	w.hold, w.importedAt = items.TakenKey(top, w.held.CIDR), items.TakenKey(top, w.imported.CIDR)
	tags := &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{}}
	put(w.hold, table.Item{"Root": root, "AllocationId": str("ipam-pool-alloc-1"), "Kind": str("hold"), "Owner": str(owner), "Tags": tags, "Seen": str("1")})
	put(w.importedAt, table.Item{
		"Root": root, "AllocationId": str("ipam-pool-alloc-2"), "Kind": str("vpc"), "Owner": str(consumer), "Tags": tags,
		"ResourceId": str(w.imported.ID), "ResourceRegion": str("us-east-1"),
	})
	put(items.AllocationKey("ipam-pool-alloc-2"), table.Item{
		"Space": str(w.top.ID), "Cidr": str(w.imported.CIDR.String()), "Kind": str("vpc"), "Owner": str(consumer), "State": str("active"),
	})
	put(key("FOREIGN#"+consumer+"#"+w.top.ID, block(w.imported.CIDR)), table.Item{"AllocationId": str("ipam-pool-alloc-2")})
	put(table.Key{PK: items.PoolKey(w.top.ID).PK, SK: "USAGE"}, table.Item{"Percent": num(81), "Threshold": num(80), "Crossed": num(1)})
	put(key("WORK", "import#"+w.top.ID), table.Item{"Since": num(1), "Token": str("t")})
	put(key("WORK", "live#"+w.ipam.PrivateScope+"#192.168.0.0/16"), table.Item{"Since": num(1), "Token": str("t")})
}

// optionalItem reports whether an item of a network may be absent.
func optionalItem(k table.Key) bool {
	return strings.HasPrefix(k.SK, "ACCOUNT#") || k.SK == "USAGE" || strings.HasPrefix(k.PK, "HISTORY#") || strings.HasPrefix(k.PK, "MEMBERS#") ||
		strings.HasPrefix(k.SK, "import#") || strings.HasPrefix(k.SK, "live#")
}

func (m rows) settled() []fsck.Problem { return fsck.CheckSettled(m.all(), now) }

func TestNetworkMutations(t *testing.T) {
	p := netip.MustParsePrefix
	w := newWorld(t)
	top := ipam.SpaceID(w.top.ID)
	key := func(pk, sk string) table.Key { return table.Key{PK: pk, SK: sk} }
	disco, assoc := items.DiscoveryKey(w.discovery), items.AssociationKey(w.association)
	progress := key(disco.PK, "ACCOUNT#us-east-1#"+consumer)
	found, live := w.foundKey(w.held), w.liveKey(w.held)
	usage := key(items.PoolKey(w.top.ID).PK, "USAGE")
	freed := items.FreeKey(top, w.held.CIDR)
	free := func(m rows) { // as without the hold
		m[freed] = table.Item{"Root": m[w.hold]["Root"]}
		delete(m, w.hold)
	}
	target := func(m rows, o ipam.Target) { m.set(found, "Targets", doc([]ipam.Target{o})) }
	removeFound := func(m rows, r ipam.Resource) {
		delete(m, w.foundKey(r))
		delete(m, w.liveKey(r))
	}
	w.run(t, []mutation{
		{"free block that is a live resource", fsck.Live, freed, free},
		{"free block in a live resource", fsck.Live, freed, func(m rows) {
			free(m)
			for _, k := range []table.Key{found, live} {
				m.edit(k, "10.8.0.0/16", "10.8.0.0/15")
			}
			m.move(found, key(found.PK, "vpc#vpc-1#0a080000#015"))
			m.move(live, key(live.PK, "0a080000#015#vpc-1"))
		}},
		{"free block around a live resource", fsck.Live, freed, func(m rows) {
			free(m)
			removeFound(m, w.held)
		}},
		{"free block in a resource no longer ignored", fsck.Live, items.FreeKey(top, p("10.10.0.0/15")), func(m rows) {
			delete(m[w.liveKey(w.ignored)], "Ignored")
		}},
		{"hold without a live resource", fsck.Hold, w.hold, func(m rows) {
			removeFound(m, w.held)
			removeFound(m, w.subnet)
		}},
		{"hold of an ignored resource", fsck.Hold, w.hold, func(m rows) {
			m.set(live, "Ignored", num(1))
			removeFound(m, w.subnet)
		}},
		{"hold that is wider at its start", fsck.Hold, w.hold, func(m rows) { removeFound(m, w.held) }},
		{"hold that is wider at its end", fsck.Hold, w.hold, func(m rows) {
			for _, k := range []table.Key{found, live} {
				m.edit(k, "10.8.0.0/16", "10.8.0.0/17")
			}
			m.move(found, key(found.PK, "vpc#vpc-1#0a080000#017"))
			m.move(live, key(live.PK, "0a080000#017#vpc-1"))
		}},
		{"hold in a scope", fsck.Hold, items.TakenKey(ipam.ScopeSpace(w.ipam.PrivateScope, ipam.IPv4), w.topCIDR.CIDR), func(m rows) {
			k := items.TakenKey(ipam.ScopeSpace(w.ipam.PrivateScope, ipam.IPv4), w.topCIDR.CIDR)
			m.set(k, "Kind", str("hold"))
			delete(m[k], "ResourceId")
		}},
		{"hold of another owner", fsck.Hold, w.hold, func(m rows) { m.set(w.hold, "Owner", str(consumer)) }},
		{"hold for a resource", fsck.Form, w.hold, func(m rows) { m.set(w.hold, "ResourceId", str("vpc-1")) }},
		{"hold with a by-id item", fsck.Record, items.AllocationKey("ipam-pool-alloc-1"), func(m rows) {
			m[items.AllocationKey("ipam-pool-alloc-1")] = table.Item{
				"Space": str(w.top.ID), "Cidr": str(w.held.CIDR.String()), "Kind": str("custom"), "Owner": str(owner), "State": str("active"),
			}
		}},
		{"child pool's block with a token of live resources", fsck.Form, items.TakenKey(top, w.tokyoCIDR.CIDR), func(m rows) {
			m.set(items.TakenKey(top, w.tokyoCIDR.CIDR), "Seen", str("1"))
		}},
		{"root that waits for resources, without a note", fsck.Work, key("WORK", "live#"+w.ipam.PrivateScope+"#"+"10.1.0.0/16"), func(m rows) {
			m.set(items.CIDRKey(w.tokyo.ID, p("10.1.0.0/16")), "State", str("pending-provision"))
		}},

		{"import of a resource that is gone", fsck.Import, w.importedAt, func(m rows) { removeFound(m, w.imported) }},
		{"import of an ignored resource", fsck.Import, w.importedAt, func(m rows) { m.set(w.liveKey(w.imported), "Ignored", num(1)) }},
		{"import of another resource", fsck.Import, w.importedAt, func(m rows) { m.set(w.importedAt, "ResourceId", str("vpc-9")) }},
		{"import of another Region", fsck.Import, w.importedAt, func(m rows) { m.set(w.importedAt, "ResourceRegion", str("us-west-2")) }},
		{"import of another account", fsck.Import, w.importedAt, func(m rows) { m.set(w.importedAt, "Owner", str(owner)) }},
		{"import of another kind", fsck.Import, w.importedAt, func(m rows) { m.set(w.importedAt, "Kind", str("subnet")) }},

		{"found and not in the scope", fsck.Found, found, func(m rows) { delete(m, live) }},
		{"in the scope and not found", fsck.Found, live, func(m rows) { delete(m, found) }},
		{"in the scope, found without a target", fsck.Found, live, func(m rows) { m.set(found, "Targets", str("null")) }},
		{"interface in the scope and not found", fsck.Found, w.liveKey(w.iface), func(m rows) { delete(m, w.foundKey(w.iface)) }},
		{"found with other members", fsck.Found, live, func(m rows) { m.edit(found, `"VPC":"vpc-1"`, `"VPC":"vpc-9"`) }},
		{"ignored by the discovery only", fsck.Found, live, func(m rows) { target(m, ipam.Target{IPAM: w.ipam.ID, Scope: w.ipam.PrivateScope, Ignored: true}) }},
		{"row of another discovery", fsck.Found, found, func(m rows) { m.set(live, "Source", str("ipam-res-disco-9")) }},
		{"target in another IPAM's scope", fsck.Found, found, func(m rows) { target(m, ipam.Target{IPAM: "ipam-00", Scope: w.ipam.PrivateScope}) }},
		{"target in a scope without row", fsck.Found, found, func(m rows) { target(m, ipam.Target{IPAM: w.ipam.ID, Scope: w.extra.ID}) }},
		{"target in an IPAM that is not associated", fsck.Found, found, func(m rows) { m.edit(disco, `"`+w.ipam.ID+`"`, `"ipam-00"`) }},
		{"targets twice", fsck.Form, found, func(m rows) {
			o := ipam.Target{IPAM: w.ipam.ID, Scope: w.ipam.PrivateScope}
			m.set(found, "Targets", doc([]ipam.Target{o, o}))
		}},
		{"row in no scope", fsck.Reference, key("LIVE#ipam-scope-00#4", live.SK), func(m rows) { m.move(live, key("LIVE#ipam-scope-00#4", live.SK)) }},
		{"found by no discovery", fsck.Reference, found, func(m rows) { delete(m, disco) }},
		{"progress of no discovery", fsck.Reference, progress, func(m rows) { delete(m, disco) }},
		{"usage of no pool", fsck.Reference, key("POOL#ipam-pool-00", "USAGE"), func(m rows) { m.move(usage, key("POOL#ipam-pool-00", "USAGE")) }},

		{"discovery with one IPAM too many", fsck.Watch, disco, func(m rows) { delete(m, assoc) }},
		{"discovery with one IPAM too few", fsck.Watch, disco, func(m rows) { m.edit(disco, `"IPAMs":["`+w.ipam.ID+`"]`, `"IPAMs":null`) }},
		{"default discovery of no IPAM", fsck.Watch, disco, func(m rows) { m.edit(disco, `"IPAM":""`, `"IPAM":"ipam-00"`) }},
		{"default discovery missing", fsck.Reference, items.IPAMKey(w.ipam.ID), func(m rows) { delete(m, items.DiscoveryKey(w.ipam.Discovery)) }},
		{"default discovery without its IPAM", fsck.Watch, items.DiscoveryKey(w.ipam.Discovery), func(m rows) {
			m.edit(items.DiscoveryKey(w.ipam.Discovery), `"IPAM":"`+w.ipam.ID+`"`, `"IPAM":""`)
		}},
		{"default discovery of another owner", fsck.Chain, items.DiscoveryKey(w.ipam.Discovery), func(m rows) {
			m.edit(items.DiscoveryKey(w.ipam.Discovery), owner, consumer)
			m.set(items.DiscoveryKey(w.ipam.Discovery), "Owner", str(consumer))
		}},
		{"default association missing", fsck.Reference, items.IPAMKey(w.ipam.ID), func(m rows) { delete(m, items.AssociationKey(w.ipam.DiscoveryAssociation)) }},
		{"count of associations", fsck.Count, items.IPAMKey(w.ipam.ID), func(m rows) {
			m.edit(items.IPAMKey(w.ipam.ID), `"DiscoveryAssociations":2`, `"DiscoveryAssociations":1`)
		}},
		{"association of no IPAM", fsck.Reference, assoc, func(m rows) { m.edit(assoc, w.ipam.ID, "ipam-00") }},
		{"association of no discovery", fsck.Reference, assoc, func(m rows) { m.edit(assoc, w.discovery, "ipam-res-disco-9") }},
		{"association with a discovery wrongly marked as gone", fsck.Reference, assoc, func(m rows) { m.edit(assoc, `"NotFound":false`, `"NotFound":true`) }},
		{"association of another owner", fsck.Chain, assoc, func(m rows) {
			m.edit(assoc, owner, consumer)
			m.set(assoc, "Owner", str(consumer))
		}},
		{"association is default", fsck.Watch, assoc, func(m rows) { m.edit(assoc, `"Default":false`, `"Default":true`) }},
		{"discovery not in the list of all", fsck.Listing, key("DISCOVERIES", w.discovery), func(m rows) { delete(m, key("DISCOVERIES", w.discovery)) }},
		{"unknown discovery in the list of all", fsck.Listing, key("DISCOVERIES", "ipam-res-disco-9"), func(m rows) {
			m[key("DISCOVERIES", "ipam-res-disco-9")] = table.Item{"Id": str("ipam-res-disco-9")}
		}},
		{"discovery without row of its owner", fsck.Listing, key("OWNER#"+owner, disco.PK), func(m rows) { delete(m, key("OWNER#"+owner, disco.PK)) }},
		{"association without row of its owner", fsck.Listing, key("OWNER#"+owner, assoc.PK), func(m rows) { delete(m, key("OWNER#"+owner, assoc.PK)) }},
		{"count of discoveries", fsck.Count, key("OWNER#"+owner, "META"), func(m rows) { m.add(key("OWNER#"+owner, "META"), "DiscoveryCount", 1) }},
		{"count of discoveries missing", fsck.Count, key("OWNER#"+owner, "META"), func(m rows) { m.set(key("OWNER#"+owner, "META"), "DiscoveryCount", nil) }},

		{"unknown type of resource", fsck.Form, live, func(m rows) { m.edit(live, `"vpc"`, `"router"`) }},
		{"row at another block", fsck.Form, key(live.PK, "0a080000#017#vpc-1"), func(m rows) { m.move(live, key(live.PK, "0a080000#017#vpc-1")) }},
		{"row among interfaces", fsck.Form, key(strings.Replace(live.PK, "LIVE", "IFACE", 1), live.SK), func(m rows) {
			m.move(live, key(strings.Replace(live.PK, "LIVE", "IFACE", 1), live.SK))
		}},
		{"row of the other family", fsck.Form, key("LIVE#"+w.ipam.PrivateScope+"#6", live.SK), func(m rows) { m.move(live, key("LIVE#"+w.ipam.PrivateScope+"#6", live.SK)) }},
		{"found in another Region", fsck.Form, key(strings.Replace(found.PK, "us-east-1", "us-west-2", 1), found.SK), func(m rows) {
			m.move(found, key(strings.Replace(found.PK, "us-east-1", "us-west-2", 1), found.SK))
		}},
		{"revision 0", fsck.Form, live, func(m rows) { m.set(live, "Rev", num(0)) }},
		{"run complete before it began", fsck.Form, progress, func(m rows) { m.set(progress, "Succeeded", num(seen+1)) }},
		{"failures without the first one", fsck.Form, progress, func(m rows) { m.set(progress, "Failing", num(seen+1)) }},
		{"no failures in a row", fsck.Form, progress, func(m rows) { m.set(progress, "Failures", num(0)) }},
		{"failures after a complete run", fsck.Form, progress, func(m rows) { m.set(progress, "FailureCode", nil); m.set(progress, "Failure", nil) }},
		{"failure without a code", fsck.Form, progress, func(m rows) { m.set(progress, "FailureCode", nil) }},
		{"account that left for no reason", fsck.Form, progress, func(m rows) { m.set(progress, "Departure", str("bored")) }},
		{"account forgotten without a note", fsck.Work, progress, func(m rows) { m.set(progress, "Departure", str("forgotten")) }},
		{"progress of no account", fsck.Form, key(disco.PK, "ACCOUNT#us-east-1"), func(m rows) { m.move(progress, key(disco.PK, "ACCOUNT#us-east-1")) }},
		{"discovery being deleted", fsck.Form, disco, func(m rows) { m.set(disco, "State", str("delete-in-progress")) }},
		{"usage above 100 percent", fsck.Form, usage, func(m rows) { m.set(usage, "Percent", num(101)) }},
		{"note of a CIDR with host bits", fsck.Form, key("WORK", "live#"+w.ipam.PrivateScope+"#10.0.0.1/8"), func(m rows) {
			m[key("WORK", "live#"+w.ipam.PrivateScope+"#10.0.0.1/8")] = table.Item{"Since": num(1)}
		}},

		{"record ended before it began", fsck.Form, w.ended, func(m rows) { m.set(w.ended, "End", num(seen-9001)) }},
		{"record kept a year", fsck.Form, w.ended, func(m rows) { m.set(w.ended, "Expires", num(now.Unix()+365*24*60*60)) }},
		{"ended record without an expiry", fsck.Form, w.ended, func(m rows) { m.set(w.ended, "Expires", nil) }},
		{"record expires, not ended", fsck.Form, w.ended, func(m rows) { m.set(w.ended, "End", nil) }},
		{"record of another start", fsck.Form, w.ended, func(m rows) { m.edit(w.ended, fmt.Sprint(seen-9000), fmt.Sprint(seen)) }},
		{"record of another CIDR", fsck.Form, w.ended, func(m rows) { m.edit(w.ended, "10.8.0.0/16", "10.8.0.0/17") }},
		{"record of another resource", fsck.Form, w.ended, func(m rows) { m.edit(w.ended, "vpc-0", "vpc-9") }},
	})
}

// A note of work excuses its own subject, and nothing else.
func TestNotesExcuse(t *testing.T) {
	w := newWorld(t)
	top := ipam.SpaceID(w.top.ID)
	note := func(sk string) table.Key { return table.Key{PK: "WORK", SK: sk} }
	live := func(scope, cidr string) table.Key { return note("live#" + scope + "#" + cidr) }
	here, aside := live(w.ipam.PrivateScope, "10.8.0.0/16"), live(w.ipam.PrivateScope, "10.7.0.0/16")
	account, elsewhere := note("purge#"+w.discovery+"#us-east-1#"+consumer), note("purge#"+w.discovery+"#us-west-2#"+consumer)
	gone := func(m rows) {
		delete(m, items.DiscoveryKey(w.discovery))
		delete(m, table.Key{PK: "DISCOVERIES", SK: w.discovery})
		delete(m, table.Key{PK: "OWNER#" + owner, SK: "DISCO#" + w.discovery})
		m.edit(items.AssociationKey(w.association), `"NotFound":false`, `"NotFound":true`) // the association still counts
		m.set(table.Key{PK: "OWNER#" + owner, SK: "META"}, "DiscoveryCount", num(0))
	}
	apart := func(m rows) {
		m.edit(items.DiscoveryKey(w.discovery), `"IPAMs":["`+w.ipam.ID+`"]`, `"IPAMs":[]`)
		delete(m, items.AssociationKey(w.association))
		delete(m, table.Key{PK: "OWNER#" + owner, SK: "ASSOC#" + w.association})
		m.edit(items.IPAMKey(w.ipam.ID), `"DiscoveryAssociations":2`, `"DiscoveryAssociations":1`)
	}
	for _, c := range []struct {
		name      string
		change    func(rows)
		is, other table.Key
	}{
		{"free block of a live resource", func(m rows) {
			m[items.FreeKey(top, w.held.CIDR)] = table.Item{"Root": m[w.hold]["Root"]}
			delete(m, w.hold)
		}, here, aside},
		{"free block of a live resource, in part", func(m rows) {
			m[items.FreeKey(top, w.held.CIDR)] = table.Item{"Root": m[w.hold]["Root"]}
			delete(m, w.hold)
		}, live(w.ipam.PrivateScope, "10.8.128.0/17"), live(w.ipam.PublicScope, "10.8.0.0/16")},
		{"hold without a live resource", func(m rows) {
			for _, r := range []ipam.Resource{w.held, w.subnet} {
				delete(m, w.foundKey(r))
				delete(m, w.liveKey(r))
			}
		}, here, aside},
		{"import of a resource that is gone", func(m rows) {
			delete(m, w.foundKey(w.imported))
			delete(m, w.liveKey(w.imported))
		}, live(w.ipam.PrivateScope, "10.9.0.0/24"), here},
		{"root that waits for resources", func(m rows) {
			delete(m, w.foundKey(w.held)) // not a subnet's
			delete(m, w.liveKey(w.held))
			m.set(items.CIDRKey(w.top.ID, w.topCIDR.CIDR), "State", str("pending-provision"))
		}, live(w.ipam.PrivateScope, w.topCIDR.CIDR.String()), live(w.ipam.PrivateScope, "10.16.0.0/12")},
		{"discovery gone", gone, note("purge#" + w.discovery), note("purge#ipam-res-disco-9")},
		{"discovery gone, an account of it", gone, account, elsewhere},
		{"discovery not with the IPAM any more", apart, note("purge#" + w.discovery), note("purge#ipam-res-disco-9")},
		{"discovery not with the IPAM any more, an account of it", apart, account, elsewhere},
		{"row that another discovery took over and forgot", func(m rows) { delete(m, w.liveKey(w.iface)) }, account, elsewhere},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := w.items()
			c.change(m)
			if len(m.check()) == 0 {
				t.Error("no problem without a note")
			}
			m[c.other] = table.Item{"Since": num(1)}
			if len(m.check()) == 0 {
				t.Errorf("no problem with the note %s", c.other)
			}
			m[c.is] = table.Item{"Since": num(1)}
			if found := m.check(); len(found) > 0 {
				t.Errorf("with the note %s: %v", c.is, found)
			}
		})
	}
}

// History lags behind, so only CheckSettled reports missing records.
func TestHistory(t *testing.T) {
	w := newWorld(t)
	vpc := ipam.ResourceCIDR{Resource: w.held, Since: seen, Status: ipam.Status{Compliance: ipam.ComplianceUnmanaged}}
	lb := ipam.ResourceCIDR{Resource: w.iface, Since: seen}
	record, instance := w.historyKey(vpc.Records()[0]), w.historyKey(lb.Records()[1])
	later := record
	later.SK = strings.Replace(later.SK, fmt.Sprint(seen), fmt.Sprint(seen+1), 1)
	for _, c := range []struct {
		name   string
		change func(rows)
		at     table.Key
	}{
		{"VPC's record missing", func(m rows) { delete(m, record) }, w.liveKey(w.held)},
		{"instance's record missing", func(m rows) { delete(m, instance) }, w.liveKey(w.iface)},
		{"record of a resource that is gone", func(m rows) {
			for _, r := range []ipam.Resource{w.held, w.subnet} {
				delete(m, w.foundKey(r))
				delete(m, w.liveKey(r))
			}
			delete(m, w.hold)
			m[items.FreeKey(ipam.SpaceID(w.top.ID), w.held.CIDR)] = table.Item{"Root": m[w.importedAt]["Root"]}
		}, record},
		{"record of another status", func(m rows) { m.edit(record, `"unmanaged"`, `"compliant"`) }, record},
		{"record of another time", func(m rows) {
			m.edit(record, fmt.Sprint(seen), fmt.Sprint(seen+1))
			m.move(record, later)
		}, later},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := w.items()
			c.change(m)
			if found := m.check(); len(found) > 0 {
				t.Errorf("unsettled: %v", found)
			}
			found := m.settled()
			if len(found) == 0 || found[0].Invariant != fsck.History {
				t.Fatalf("settled: %v", found)
			}
			for _, p := range found {
				if p.Key == c.at.String() {
					return
				}
			}
			t.Errorf("want %s, have %v", c.at, found)
		})
	}
}
