package fsck_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

const owner, consumer = "111122223333", "444455556666"

var now = time.Unix(1_800_000_000, 0)

// world is a table written by the store, with an item of every kind, and the
// ids in it.
type world struct {
	memory                    tabletest.Memory
	ipam                      *ipam.IPAM
	extra                     *ipam.Scope // beside the default ones, empty
	top, tokyo, dying, six    *ipam.Pool
	topCIDR, tokyoCIDR        *ipam.PoolCIDR
	allocation                *ipam.Allocation // 10.0.0.0/24 of tokyo
	foreign                   *ipam.Allocation // 10.0.8.0/24 of tokyo, the consumer's
	released                  *ipam.Allocation
	gone                      netip.Prefix // deprovisioned from tokyo
	splitKey, splitNote, work table.Key
	network
	resolver string // its rules select a static CIDR, the CIDRs of tokyo and a VPC
	version  table.Key
	cidrs    table.Key // of the version
	members  []table.Key
}

// cut lets a number of transactions through and answers the others with an
// error that leaves their result open.
type cut struct {
	table.Table
	after int
}

func (c *cut) Transact(ctx context.Context, w []table.Write) error {
	if c.after--; c.after < 0 {
		return errors.New("cut off")
	}
	return c.Table.Transact(ctx, w)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{gone: netip.MustParsePrefix("10.3.0.0/16")}
	ctx, n := t.Context(), 0
	o := store.Options{
		Region: "us-east-1",
		Now:    func() time.Time { return now },
		Pick:   func(int) int { return 0 },
		NewID:  func() string { n++; return strconv.Itoa(n) },
		Sleep:  func(context.Context, time.Duration) error { return nil },
		Tries:  1,
	}
	s := store.New(&w.memory, o)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	token := func(operation string) store.Token {
		return store.Token{Account: owner, Operation: operation, Digest: "d"}
	}
	var err error
	w.ipam, err = s.CreateIPAM(ctx, token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: owner}})
	must(err)
	w.extra, err = s.CreateScope(ctx, token("CreateIpamScope"), ipam.Scope{IPAM: w.ipam.ID}, func(*ipam.IPAM) error { return nil })
	must(err)
	pool := func(o ipam.Pool) *ipam.Pool {
		o.Scope = w.ipam.PrivateScope
		p, err := s.CreatePool(ctx, token("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
		must(err)
		return p
	}
	provision := func(pool *ipam.Pool, cidr string) *ipam.PoolCIDR {
		c, err := s.Provision(ctx, store.Provision{
			Token: token("ProvisionIpamPoolCidr"), Pool: pool.ID, CIDR: netip.MustParsePrefix(cidr),
			May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil },
		})
		must(err)
		return c
	}
	account := owner
	allocate := func(s *store.Store, pool *ipam.Pool, cidr string) (*ipam.Allocation, error) {
		return s.Allocate(ctx, store.Allocate{
			Token: store.Token{Account: account, Operation: "AllocateIpamPoolCidr", Digest: "d"}, Pool: pool.ID, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)},
			Description: "a network", Tags: ipam.Tags{"team": "net"}, May: func(*ipam.Pool) error { return nil },
		})
	}
	w.top = pool(ipam.Pool{Family: ipam.IPv4})
	w.tokyo = pool(ipam.Pool{Family: ipam.IPv4, SourcePool: w.top.ID, Locale: "ap-northeast-1"})
	w.dying = pool(ipam.Pool{Family: ipam.IPv4, SourcePool: w.top.ID})
	w.six = pool(ipam.Pool{Family: ipam.IPv6})
	w.topCIDR = provision(w.top, "10.0.0.0/12")
	w.tokyoCIDR = provision(w.tokyo, "10.0.0.0/16")
	provision(w.tokyo, "10.1.0.0/16")
	provision(w.dying, "10.2.0.0/16")
	provision(w.tokyo, w.gone.String())
	provision(w.six, "fd00::/48")
	provision(w.six, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:0/112") // ends at the last address of the family

	w.allocation, err = allocate(s, w.tokyo, "10.0.0.0/24")
	must(err)
	_, err = allocate(s, w.dying, "10.2.255.0/24")
	must(err)
	_, err = allocate(s, w.six, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")
	must(err)
	must(s.PutShare(ctx, w.tokyo.ID, consumer, func(*ipam.Pool) error { return nil }))
	must(s.PutShare(ctx, w.tokyo.ID, "o-a1b2c3d4e5", func(*ipam.Pool) error { return nil }))
	account = consumer
	w.foreign, err = allocate(s, w.tokyo, "10.0.8.0/24")
	must(err)
	account = owner
	w.released, err = allocate(s, w.tokyo, "10.0.7.0/24")
	must(err)
	must(s.Release(ctx, store.Release{
		Pool: w.tokyo.ID, CIDR: w.released.CIDR, Allocation: w.released.AllocationID,
		May: func(*ipam.Pool, string) error { return nil },
	}))
	for _, cidr := range []netip.Prefix{w.gone, w.tokyoCIDR.CIDR} { // the second has an allocation, so it fails
		_, err = s.Deprovision(ctx, store.Deprovision{Pool: w.tokyo.ID, CIDR: cidr, May: func(*ipam.Pool) error { return nil }})
		must(err)
	}
	_, err = s.ModifyPool(ctx, w.top.ID, ipam.ActModify, func(p *ipam.Pool) error { p.Description = "top"; return nil })
	must(err)
	_, err = s.DeletePool(ctx, w.dying.ID, true, func(*ipam.Pool) error { return nil })
	must(err)
	must(s.PutGrants(ctx, []byte(`{"readers": ["*"]}`)))
	must(s.PutAdministrator(ctx, store.Administrator{Account: owner, Organization: "o-a1b2c3d4e5", Management: consumer}))
	must(s.MarkRestored(ctx, now))
	o.Room = 8 // so that this takes several transactions; only the first gets through
	if _, err = allocate(store.New(&cut{&w.memory, 1}, o), w.six, "fd00::/64"); err == nil {
		t.Fatal("the allocation was not cut off")
	}
	for k, i := range w.memory.All() {
		if kind, ok := i["Kind"].(*types.AttributeValueMemberS); ok && kind.Value == "split" {
			w.splitKey = k
		}
		if k.PK == "WORK" && strings.HasPrefix(k.SK, "split#") {
			w.splitNote = k
		}
	}
	w.work = table.Key{PK: "WORK", SK: "delete-pool#" + w.dying.ID}
	w.watch(t, s)
	w.resolve(t, s)
	if w.splitKey == (table.Key{}) || w.splitNote == (table.Key{}) {
		t.Fatalf("no split was left:\n%s", w.memory.Dump())
	}
	return w
}

// resolve creates a prefix list resolver with a version.
func (w *world) resolve(t *testing.T, s *store.Store) {
	t.Helper()
	o, err := s.CreateResolver(t.Context(), store.Token{Account: owner, Operation: "CreateIpamPrefixListResolver", Digest: "d"}, ipam.PrefixListResolver{IPAM: w.ipam.ID, Family: ipam.IPv4, Rules: []ipam.ResolverRule{
		{Type: ipam.RuleStaticCIDR, CIDR: netip.MustParsePrefix("192.0.2.0/24")},
		{Type: ipam.RulePoolCIDR, Scope: w.ipam.PrivateScope, Conditions: []ipam.RuleCondition{{Operation: ipam.OperationEquals, Pool: w.tokyo.ID}}},
		{Type: ipam.RuleResourceCIDR, Scope: w.ipam.PrivateScope, Resource: ipam.ResourceVPC, Conditions: []ipam.RuleCondition{{Operation: ipam.OperationEquals, ResourceID: w.held.ID}}},
	}}, func(*ipam.IPAM) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, work := range []string{"select#", "version#"} {
		if err := s.RunWork(t.Context(), work+o.ID); err != nil {
			t.Fatal(err)
		}
	}
	w.resolver, w.version, w.cidrs = o.ID, items.VersionKey(o.ID, 1), items.VersionCIDRsKey(o.ID, 1)
	for k := range w.memory.All() {
		if k.PK == "MEMBERS#"+o.ID {
			w.members = append(w.members, k)
		}
	}
	if len(w.members) != 4 {
		t.Fatalf("members %v", w.members)
	}
}

// rows is a table that tests change.
type rows map[table.Key]table.Item

func (w *world) items() rows { return maps.Collect(w.memory.All()) }

func (m rows) all() iter.Seq[map[string]types.AttributeValue] {
	return func(yield func(map[string]types.AttributeValue) bool) {
		for k, i := range m {
			i = maps.Clone(i)
			i["PK"], i["SK"] = str(k.PK), str(k.SK)
			if !yield(i) {
				return
			}
		}
	}
}

func (m rows) check() []fsck.Problem { return fsck.Check(m.all(), now) }

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func (m rows) move(from, to table.Key) {
	if m[from] == nil {
		panic("nothing at " + from.String())
	}
	m[to] = m[from]
	delete(m, from)
}

// set changes an attribute of an existing item.
func (m rows) set(k table.Key, name string, v types.AttributeValue) {
	if m[k] == nil {
		panic("nothing at " + k.String())
	}
	m[k] = maps.Clone(m[k])
	m[k][name] = v
}

// edit changes text in an object's document.
func (m rows) edit(k table.Key, from, to string) {
	doc := m[k]["Object"].(*types.AttributeValueMemberS).Value
	if !strings.Contains(doc, from) {
		panic(from + " is not in " + doc)
	}
	m.set(k, "Object", str(strings.Replace(doc, from, to, 1)))
}

func (m rows) add(k table.Key, name string, n int64) {
	have, err := strconv.ParseInt(m[k][name].(*types.AttributeValueMemberN).Value, 10, 64)
	if err != nil {
		panic(err)
	}
	m.set(k, name, num(have+n))
}

func TestStoreWritesAreClean(t *testing.T) {
	w := newWorld(t)
	fscktest.Clean(t, &w.memory, now)
	if found := w.items().settled(); len(found) > 0 {
		t.Error(found)
	}
}

// mayGo reports whether an item may be absent: items that TTL removes, the
// grants, the administrator, the restores, and items that are only for information.
func (w *world) mayGo(k table.Key, i table.Item) bool {
	return i["Expires"] != nil || k.PK == "GRANTS" || k.PK == "ORGANIZATION" || k.PK == "RESTORES" || optionalItem(k)
}

func TestMissingItem(t *testing.T) {
	w := newWorld(t)
	for k, i := range w.memory.All() {
		m := w.items()
		delete(m, k)
		if found := m.check(); (len(found) == 0) != w.mayGo(k, i) {
			t.Errorf("without %s: %v", k, found)
		}
	}
}

// free are attributes whose value, or whose absence if they are optional, no
// other item depends on.
var (
	free     = []string{"Changes", "Description", "Tags", "Digest", "Since", "Rev", "Expires", "Failure", "Seen", "Sampled", "Attempted", "Succeeded", "OrganizationalUnitId", "FailureCode", "Failures", "Failing", "End", "Percent", "Threshold", "Token", "ClientToken"}
	optional = []string{"Chosen", "Description", "Digest", "Seen", "OrganizationalUnitId", "Token", "ClientToken"}
	past     = []string{"Space", "Owner", "Id", "Source", "AllocationId"} // of an item that is only remembered
	passing  = []string{"Owner", "AllocationId", "Deadline"}              // of a split
)

func TestChangedAttribute(t *testing.T) {
	w := newWorld(t)
	for k, i := range w.memory.All() {
		m := w.items()
		for name, v := range i {
			for what, change := range map[string]types.AttributeValue{
				"another":     another(v),
				"absent":      nil,
				"a wrong one": &types.AttributeValueMemberBOOL{Value: true},
			} {
				m[k] = maps.Clone(i)
				m[k][name] = change
				harmless := what == "another" && (slices.Contains(free, name) ||
					i["Expires"] != nil && slices.Contains(past, name) || k == w.splitKey && slices.Contains(passing, name) || k == w.hold && name == "AllocationId") ||
					what == "absent" && slices.Contains(optional, name) && !strings.HasPrefix(k.PK, "TOKEN")
				if change == nil {
					delete(m[k], name)
				}
				if found := m.check(); (len(found) == 0) != harmless {
					t.Errorf("%s with %s %s: %v", k, name, what, found)
				}
			}
		}
		m[k] = maps.Clone(i)
		m[k]["Colour"] = str("red")
		if found := m.check(); len(found) != 1 || found[0].Invariant != fsck.Form || found[0].Key != k.String() {
			t.Errorf("%s with an unknown attribute: %v", k, found)
		}
	}
}

// A summary, a change or a past state that no scan and no stream can have written is a problem.
func TestSummariesChangesAndPast(t *testing.T) {
	w := newWorld(t)
	s := store.New(&w.memory, store.Options{Region: "us-east-1", Now: func() time.Time { return now }})
	record := ipam.HistoryRecord{Type: ipam.HistoryVPC, ID: "vpc-1", Region: "us-east-1", CIDR: netip.MustParsePrefix("10.0.0.0/16"), Start: 5000}
	for _, err := range []error{
		s.SaveScopeSummary(t.Context(), w.ipam.ID, w.ipam.PrivateScope, ipam.IPv4, now, ipam.ScopeSummary{Resources: 3, Managed: 3, Overlapping: 2, Pools: 1, Urgent: []ipam.PoolSummary{{Pool: "ipam-pool-1", Usage: ipam.Usage{Assigned: 40, Available: 60, Addresses: 256}}}}),
		s.SaveNetworkSummary(t.Context(), w.ipam.ID, now, ipam.NetworkSummary{Accounts: 2, Failing: 1, Failures: []ipam.DiscoveredAccount{{Account: "111122223333", Region: "us-east-1"}}}),
		s.PutChanges(t.Context(), w.ipam.PrivateScope, record),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if found := w.items().check(); len(found) > 0 {
		t.Fatal(found)
	}
	space := ipam.ScopeSpace(w.ipam.PrivateScope, ipam.IPv4)
	block := &items.Past{Rows: items.PastBlocks(space), Row: "0a000000#016", At: now.Unix(), Sequence: "7", Block: &ipam.PastBlock{Kind: ipam.KindCustom, AllocationID: "a"}}
	resource := &items.Past{Rows: items.PastResources(w.ipam.PrivateScope, ipam.IPv4), Row: "0a000000#016#vpc-1#us-east-1", At: now.Unix(), Sequence: "7", Resource: &ipam.ResourceCIDR{Resource: ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", Region: "us-east-1", CIDR: record.CIDR}}}
	cidr := &items.Past{Rows: items.PastCIDRs("ipam-pool-1"), Row: "0a000000#016", At: now.Unix(), Sequence: "7", Block: &ipam.PastBlock{Kind: ipam.KindPool}}
	for _, err := range []error{s.BeginPast(t.Context()), s.PutPast(t.Context(), block), s.PutPast(t.Context(), resource), s.PutPast(t.Context(), cidr), s.PutPast(t.Context(), &items.Past{Rows: items.PastCIDRs("ipam-pool-2"), Row: "0a000000#016", At: now.Unix(), Sequence: "7"})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if found := w.items().check(); len(found) > 0 {
		t.Fatal(found)
	}
	scope, network, change := items.ScopeSummaryKey(w.ipam.ID, w.ipam.PrivateScope, ipam.IPv4), items.NetworkSummaryKey(w.ipam.ID), items.ChangeKey(w.ipam.PrivateScope, &record)
	for _, c := range []struct {
		key      table.Key
		from, to string
	}{
		{scope, `"Resources":3`, `"Resources":2`}, {scope, `"Overlapping":2`, `"Overlapping":4`}, {scope, `"Available":60`, `"Available":61`}, {scope, `"Pools":1`, `"Pools":0`}, {scope, `"Blocks":0`, `"Blocks":-1`},
		{network, `"Failing":1`, `"Failing":0`}, {network, `"Accounts":2`, `"Accounts":0`}, {network, `"ActiveAddresses":0`, `"ActiveAddresses":-1`},
		{items.PastKey(block), `"custom"`, `"split"`}, {items.PastKey(cidr), `"ipam-pool"`, `"custom"`}, {items.PastKey(resource), `vpc-1`, `vpc-2`}, {items.PastKey(resource), `10.0.0.0/16`, `10.1.0.0/16`},
		{change, `vpc-1`, `vpc-2`}, {change, `"vpc"`, `"eni"`}, {change, `10.0.0.0/16`, `10.0.0.1/16`}, {change, `"Start":5000`, `"Start":5001`}, {change, `"End":0`, `"End":7`},
	} {
		m := w.items()
		m.edit(c.key, c.from, c.to)
		if found := m.check(); len(found) == 0 || found[0].Invariant != fsck.Form {
			t.Errorf("%s with %s: %v", c.key, c.to, found)
		}
	}
	for k, to := range map[table.Key]string{scope: "SCOPE#x#5", network: "NETWORKS", change: change.SK + "1", items.PastKey(block): "0a000000#016#7", items.PastKey(resource): items.PastKey(block).SK} {
		m := w.items()
		m.move(k, table.Key{PK: k.PK, SK: to})
		if found := m.check(); len(found) == 0 {
			t.Errorf("%s at %s", k, to)
		}
		m = w.items()
		m.add(k, "Expires", 1)
		if found := m.check(); len(found) == 0 {
			t.Errorf("%s that expires later", k)
		}
	}
}

func another(v types.AttributeValue) types.AttributeValue {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return str(v.Value + "1")
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			panic(err)
		}
		return num(n + 1)
	default:
		return &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"k": str("v")}}
	}
}

func TestMutations(t *testing.T) {
	p := netip.MustParsePrefix
	w := newWorld(t)
	six, tokyo, top := ipam.SpaceID(w.six.ID), ipam.SpaceID(w.tokyo.ID), ipam.SpaceID(w.top.ID)
	private4 := ipam.ScopeSpace(w.ipam.PrivateScope, ipam.IPv4)
	tokyoRoot := str(w.tokyoCIDR.ID + "/16")
	taken := items.TakenKey(tokyo, w.allocation.CIDR)
	record := items.AllocationKey(w.allocation.AllocationID)
	tombstone := items.AllocationKey(w.released.AllocationID)
	half := items.FreeKey(tokyo, p("10.0.128.0/17")) // the largest free block of tokyo's first CIDR
	key := func(pk, sk string) table.Key { return table.Key{PK: pk, SK: sk} }
	foreign := key("FOREIGN#"+consumer+"#"+w.tokyo.ID, "0a000800#024")

	w.run(t, []mutation{
		{"gap at a root's start", fsck.Partition, items.FreeKey(tokyo, p("10.0.1.0/24")), func(m rows) { delete(m, taken) }},
		{"gap at a root's end", fsck.Partition, items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR), func(m rows) { delete(m, half) }},
		{"gap at the end of the family", fsck.Partition, items.CIDRKey(w.six.ID, p("ffff:ffff:ffff:ffff:ffff:ffff:ffff:0/112")),
			func(m rows) { delete(m, items.TakenKey(six, p("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"))) }},
		{"gap that is a whole root", fsck.Partition, items.CIDRKey(w.tokyo.ID, p("10.1.0.0/16")),
			func(m rows) { delete(m, items.FreeKey(tokyo, p("10.1.0.0/16"))) }},
		{"root of a scope missing", fsck.Partition, items.ScopeKey(w.extra.ID),
			func(m rows) { delete(m, items.FreeKey(ipam.ScopeSpace(w.extra.ID, ipam.IPv6), p("::/0"))) }},
		{"free block in a taken one", fsck.Partition, items.FreeKey(tokyo, p("10.0.0.0/25")),
			func(m rows) { m[items.FreeKey(tokyo, p("10.0.0.0/25"))] = table.Item{"Root": tokyoRoot} }},
		{"free block around a taken one", fsck.Partition, taken,
			func(m rows) { m[items.FreeKey(tokyo, p("10.0.0.0/23"))] = table.Item{"Root": tokyoRoot} }},
		{"free block where a taken one is", fsck.Partition, items.FreeKey(tokyo, w.allocation.CIDR),
			func(m rows) { m[items.FreeKey(tokyo, w.allocation.CIDR)] = table.Item{"Root": tokyoRoot} }},
		{"free block past a family's last address", fsck.Partition, items.FreeKey(six, p("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")),
			func(m rows) {
				k := items.TakenKey(six, p("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"))
				m[items.FreeKey(six, p("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"))] = table.Item{"Root": m[k]["Root"]}
			}},
		{"block outside every root", fsck.Partition, items.FreeKey(tokyo, p("10.9.0.0/16")),
			func(m rows) { m[items.FreeKey(tokyo, p("10.9.0.0/16"))] = table.Item{"Root": tokyoRoot} }},
		{"block of the other family", fsck.Partition, items.FreeKey(tokyo, p("fd00::/48")),
			func(m rows) { m[items.FreeKey(tokyo, p("fd00::/48"))] = table.Item{"Root": tokyoRoot} }},
		{"block larger than its root", fsck.Partition, items.FreeKey(tokyo, p("10.0.0.0/15")),
			func(m rows) { m[items.FreeKey(tokyo, p("10.0.0.0/15"))] = table.Item{"Root": tokyoRoot} }},
		{"block of an earlier provisioning", fsck.Partition, half, func(m rows) { m.set(half, "Root", str("ipam-pool-cidr-00/16")) }},
		{"root inside a root", fsck.Partition, items.CIDRKey(w.tokyo.ID, p("10.0.128.0/17")),
			func(m rows) {
				m[items.CIDRKey(w.tokyo.ID, p("10.0.128.0/17"))] = m[items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR)]
			}},
		{"buddies not merged", fsck.Cover, items.FreeKey(tokyo, p("10.0.192.0/18")), func(m rows) {
			delete(m, half)
			m[items.FreeKey(tokyo, p("10.0.128.0/18"))] = table.Item{"Root": tokyoRoot}
			m[items.FreeKey(tokyo, p("10.0.192.0/18"))] = table.Item{"Root": tokyoRoot}
		}},
		{"space of an unknown pool", fsck.Reference, items.FreeKey("ipam-pool-00", p("10.0.0.0/8")),
			func(m rows) { m[items.FreeKey("ipam-pool-00", p("10.0.0.0/8"))] = table.Item{"Root": tokyoRoot} }},
		{"space of an unknown scope", fsck.Reference, items.FreeKey("ipam-scope-00#4", p("0.0.0.0/0")),
			func(m rows) {
				m[items.FreeKey("ipam-scope-00#4", p("0.0.0.0/0"))] = table.Item{"Root": str("ipam-scope-00/0")}
			}},
		{"CIDR of an unknown pool", fsck.Reference, items.CIDRKey("ipam-pool-00", p("10.1.0.0/16")),
			func(m rows) {
				m.move(items.CIDRKey(w.tokyo.ID, p("10.1.0.0/16")), items.CIDRKey("ipam-pool-00", p("10.1.0.0/16")))
			}},
		{"pool of an unknown scope", fsck.Reference, items.PoolKey(w.six.ID), func(m rows) { m.edit(items.PoolKey(w.six.ID), w.six.Scope, "ipam-scope-00") }},
		{"pool with an unknown source", fsck.Reference, items.PoolKey(w.tokyo.ID), func(m rows) { m.edit(items.PoolKey(w.tokyo.ID), w.top.ID, "ipam-pool-00") }},
		{"scope of an unknown IPAM", fsck.Reference, items.ScopeKey(w.extra.ID), func(m rows) { m.edit(items.ScopeKey(w.extra.ID), w.ipam.ID, "ipam-00") }},
		{"IPAM without default scope", fsck.Reference, items.IPAMKey(w.ipam.ID), func(m rows) { m.edit(items.IPAMKey(w.ipam.ID), w.ipam.PublicScope, "ipam-scope-00") }},

		{"child's block of another pool", fsck.Child, items.TakenKey(top, w.tokyoCIDR.CIDR),
			func(m rows) { m.set(items.TakenKey(top, w.tokyoCIDR.CIDR), "ResourceId", str(w.dying.ID)) }},
		{"child's block of another id", fsck.Child, items.TakenKey(top, w.tokyoCIDR.CIDR),
			func(m rows) { m.set(items.TakenKey(top, w.tokyoCIDR.CIDR), "AllocationId", str("ipam-pool-alloc-0")) }},
		{"child's block of another Region", fsck.Child, items.TakenKey(top, w.tokyoCIDR.CIDR),
			func(m rows) { m.set(items.TakenKey(top, w.tokyoCIDR.CIDR), "ResourceRegion", str("us-east-1")) }},
		{"child's root of another source", fsck.Child, items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR),
			func(m rows) {
				m.set(items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR), "Source", str(string(private4)))
			}},
		{"child's block of another source", fsck.Child, items.TakenKey(top, w.tokyoCIDR.CIDR),
			func(m rows) {
				m.set(items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR), "Source", str(string(private4)))
			}},
		{"child's root and its block of another source", fsck.Child, items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR),
			func(m rows) {
				m.set(items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR), "Source", str(string(private4)))
				m.set(items.AllocationKey(w.tokyoCIDR.AllocationID), "Space", str(string(private4)))
				m.move(items.TakenKey(top, w.tokyoCIDR.CIDR), items.TakenKey(private4, w.tokyoCIDR.CIDR))
			}},
		{"child's root without a block", fsck.Child, items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR),
			func(m rows) { m.set(items.TakenKey(top, w.tokyoCIDR.CIDR), "Kind", str("custom")) }},
		{"custom block of a scope", fsck.Child, items.TakenKey(private4, w.topCIDR.CIDR),
			func(m rows) { m.set(items.TakenKey(private4, w.topCIDR.CIDR), "Kind", str("custom")) }},
		{"CIDR that was deprovisioned has a block", fsck.Child, items.TakenKey(top, w.gone), func(m rows) {
			m[items.TakenKey(top, w.gone)] = m[items.TakenKey(top, w.tokyoCIDR.CIDR)]
		}},

		{"restores in another order", fsck.Form, items.RestoresKey(), func(m rows) { m.set(items.RestoresKey(), "Restores", str("[2,1]")) }},
		{"one restore twice", fsck.Form, items.RestoresKey(), func(m rows) { m.set(items.RestoresKey(), "Restores", str("[1,1]")) }},
		{"restore at no time", fsck.Form, items.RestoresKey(), func(m rows) { m.set(items.RestoresKey(), "Restores", str("[0]")) }},
		{"no restore", fsck.Form, items.RestoresKey(), func(m rows) { m.set(items.RestoresKey(), "Restores", str("[]")) }},

		{"by-id item released, block taken", fsck.Record, taken, func(m rows) {
			m.set(record, "State", str("released"))
			m.set(record, "Expires", num(now.Unix()+1))
		}},
		{"by-id item of another CIDR", fsck.Record, taken, func(m rows) { m.set(record, "Cidr", str("10.0.1.0/24")) }},
		{"by-id item of another space", fsck.Record, taken, func(m rows) { m.set(record, "Space", str(string(top))) }},
		{"by-id item of another kind", fsck.Record, taken, func(m rows) { m.set(record, "Kind", str("vpc")) }},
		{"by-id item active, block gone", fsck.Record, record, func(m rows) { delete(m, taken) }},
		{"one id for two blocks", fsck.Record, items.TakenKey(ipam.SpaceID(w.dying.ID), p("10.2.255.0/24")), func(m rows) {
			m.set(items.TakenKey(ipam.SpaceID(w.dying.ID), p("10.2.255.0/24")), "AllocationId", str(w.allocation.AllocationID))
		}},

		{"top-level roots overlap", fsck.TopLevel, items.CIDRKey(w.top.ID, p("10.8.0.0/13")), func(m rows) {
			m[items.CIDRKey(w.top.ID, p("10.8.0.0/13"))] = m[items.CIDRKey(w.top.ID, w.topCIDR.CIDR)]
		}},

		{"top-level pool's depth", fsck.Chain, items.PoolKey(w.six.ID), func(m rows) { m.edit(items.PoolKey(w.six.ID), `"Depth":1`, `"Depth":2`) }},
		{"child's depth", fsck.Chain, items.PoolKey(w.tokyo.ID), func(m rows) { m.edit(items.PoolKey(w.tokyo.ID), `"Depth":2`, `"Depth":3`) }},
		{"child's locale", fsck.Chain, items.PoolKey(w.tokyo.ID), func(m rows) { m.edit(items.PoolKey(w.top.ID), `"Locale":""`, `"Locale":"us-east-1"`) }},
		{"child's family", fsck.Chain, items.PoolKey(w.tokyo.ID), func(m rows) { m.edit(items.PoolKey(w.tokyo.ID), `"ipv4"`, `"ipv6"`) }},
		{"child's scope", fsck.Chain, items.PoolKey(w.tokyo.ID), func(m rows) { m.edit(items.PoolKey(w.tokyo.ID), w.ipam.PrivateScope, w.extra.ID) }},
		{"pool's scope type", fsck.Chain, items.PoolKey(w.six.ID), func(m rows) { m.edit(items.PoolKey(w.six.ID), `"ScopeType":"private"`, `"ScopeType":"public"`) }},
		{"pool's IPAM", fsck.Chain, items.PoolKey(w.six.ID), func(m rows) { m.edit(items.PoolKey(w.six.ID), w.ipam.ID, "ipam-00") }},
		{"CIDR's family", fsck.Chain, items.CIDRKey(w.six.ID, p("10.1.0.0/16")), func(m rows) {
			m.move(items.CIDRKey(w.tokyo.ID, p("10.1.0.0/16")), items.CIDRKey(w.six.ID, p("10.1.0.0/16")))
		}},
		{"CIDR's owner", fsck.Chain, items.CIDRKey(w.tokyo.ID, p("10.1.0.0/16")), func(m rows) { m.set(items.CIDRKey(w.tokyo.ID, p("10.1.0.0/16")), "Owner", str("444455556666")) }},
		{"pool's owner", fsck.Chain, items.PoolKey(w.six.ID), func(m rows) {
			m.edit(items.PoolKey(w.six.ID), owner, "444455556666")
			m.set(items.PoolKey(w.six.ID), "Owner", str("444455556666"))
		}},
		{"default scope's type", fsck.Chain, items.ScopeKey(w.ipam.PublicScope), func(m rows) {
			m.edit(items.ScopeKey(w.ipam.PublicScope), `"Type":"public"`, `"Type":"private"`)
		}},
		{"third default scope", fsck.Chain, items.ScopeKey(w.extra.ID), func(m rows) {
			m.edit(items.ScopeKey(w.extra.ID), `"Default":false`, `"Default":true`)
		}},

		{"count of scopes", fsck.Count, items.IPAMKey(w.ipam.ID), func(m rows) { m.add(items.IPAMKey(w.ipam.ID), "ScopeCount", -1) }},
		{"count of pools", fsck.Count, items.ScopeKey(w.extra.ID), func(m rows) { m.add(items.ScopeKey(w.extra.ID), "PoolCount", 1) }},
		{"count of CIDRs", fsck.Count, items.PoolKey(w.tokyo.ID), func(m rows) { m.add(items.PoolKey(w.tokyo.ID), "CidrCount", 1) }},
		{"count of children", fsck.Count, items.PoolKey(w.top.ID), func(m rows) { m.add(items.PoolKey(w.top.ID), "ChildCount", -1) }},
		{"count of IPAMs", fsck.Count, key("OWNER#"+owner, "META"), func(m rows) { m.add(key("OWNER#"+owner, "META"), "IpamCount", 1) }},
		{"count of IPAMs missing", fsck.Count, key("OWNER#"+owner, "META"), func(m rows) { delete(m, key("OWNER#"+owner, "META")) }},

		{"row of another account", fsck.Listing, key("OWNER#444455556666", "POOL#"+w.six.ID), func(m rows) {
			m.move(key("OWNER#"+owner, "POOL#"+w.six.ID), key("OWNER#444455556666", "POOL#"+w.six.ID))
		}},
		{"row missing", fsck.Listing, key("OWNER#"+owner, "IPAM#"+w.ipam.ID), func(m rows) { delete(m, key("OWNER#"+owner, "IPAM#"+w.ipam.ID)) }},
		{"row of an unknown pool", fsck.Listing, key("OWNER#"+owner, "POOL#ipam-pool-00"), func(m rows) {
			m[key("OWNER#"+owner, "POOL#ipam-pool-00")] = table.Item{"Id": str("ipam-pool-00")}
		}},

		{"share without row", fsck.Share, key("PRINCIPAL#"+consumer, "POOL#"+w.tokyo.ID), func(m rows) { delete(m, key("PRINCIPAL#"+consumer, "POOL#"+w.tokyo.ID)) }},
		{"row without share", fsck.Share, key("PRINCIPAL#"+consumer, "POOL#"+w.tokyo.ID), func(m rows) { m.edit(items.PoolKey(w.tokyo.ID), `"`+consumer+`",`, "") }},
		{"row of another pool", fsck.Share, key("PRINCIPAL#"+consumer, "POOL#"+w.six.ID), func(m rows) {
			m[key("PRINCIPAL#"+consumer, "POOL#"+w.six.ID)] = table.Item{"Id": str(w.six.ID)}
		}},
		{"share with the owner", fsck.Share, items.PoolKey(w.tokyo.ID), func(m rows) {
			m.edit(items.PoolKey(w.tokyo.ID), consumer, owner)
			m.move(key("PRINCIPAL#"+consumer, "POOL#"+w.tokyo.ID), key("PRINCIPAL#"+owner, "POOL#"+w.tokyo.ID))
		}},
		{"share twice", fsck.Share, items.PoolKey(w.tokyo.ID), func(m rows) { m.edit(items.PoolKey(w.tokyo.ID), "o-a1b2c3d4e5", consumer) }},
		{"scope shared", fsck.Form, key("PRINCIPAL#"+consumer, "SCOPE#"+w.extra.ID), func(m rows) {
			m[key("PRINCIPAL#"+consumer, "SCOPE#"+w.extra.ID)] = table.Item{"Id": str(w.extra.ID)}
		}},
		{"another's block without row", fsck.Foreign, foreign, func(m rows) { delete(m, foreign) }},
		{"another's block with another id", fsck.Foreign, foreign, func(m rows) { m.set(foreign, "AllocationId", str(w.allocation.AllocationID)) }},
		{"row of the owner's block", fsck.Foreign, key("FOREIGN#"+owner+"#"+w.tokyo.ID, "0a000000#024"), func(m rows) {
			m[key("FOREIGN#"+owner+"#"+w.tokyo.ID, "0a000000#024")] = table.Item{"AllocationId": str(w.allocation.AllocationID)}
		}},
		{"row of no block", fsck.Foreign, key(foreign.PK, "0a000900#024"), func(m rows) { m[key(foreign.PK, "0a000900#024")] = m[foreign] }},
		{"row of no pool", fsck.Form, key("FOREIGN#"+consumer, foreign.SK), func(m rows) { m.move(foreign, key("FOREIGN#"+consumer, foreign.SK)) }},

		{"split without note", fsck.Work, w.splitNote, func(m rows) { delete(m, w.splitNote) }},
		{"note without split", fsck.Work, key("WORK", "split#"+string(tokyo)+"#10.0.0.0/24"), func(m rows) {
			m[key("WORK", "split#"+string(tokyo)+"#10.0.0.0/24")] = table.Item{"Since": num(1)}
		}},
		{"delete without note", fsck.Work, w.work, func(m rows) { delete(m, w.work) }},
		{"note without delete", fsck.Work, w.work, func(m rows) { m.set(items.PoolKey(w.dying.ID), "State", str("create-complete")) }},
		{"IPAM's delete without note", fsck.Work, key("WORK", "delete-ipam#"+w.ipam.ID), func(m rows) {
			m.set(items.IPAMKey(w.ipam.ID), "State", str("delete-in-progress"))
		}},
		{"split without deadline", fsck.Form, w.splitKey, func(m rows) { m.set(w.splitKey, "Deadline", num(0)) }},
		{"scope being deleted", fsck.Form, items.ScopeKey(w.extra.ID), func(m rows) { m.set(items.ScopeKey(w.extra.ID), "State", str("delete-in-progress")) }},

		{"unknown kind of item", fsck.Form, key("NOTE#1", "META"), func(m rows) { m[key("NOTE#1", "META")] = table.Item{} }},
		{"unknown part of a space", fsck.Form, key("SPACE#"+string(tokyo)+"#HELD", "x"), func(m rows) { m[key("SPACE#"+string(tokyo)+"#HELD", "x")] = table.Item{} }},
		{"unknown kind of object", fsck.Form, key("OWNER#"+owner, "ROUTER#1"), func(m rows) { m[key("OWNER#"+owner, "ROUTER#1")] = table.Item{"Id": str("1")} }},
		{"object at another key", fsck.Form, key("POOL#"+w.six.ID, "OLD"), func(m rows) { m.move(items.PoolKey(w.six.ID), key("POOL#"+w.six.ID, "OLD")) }},
		{"sort key in capitals", fsck.Form, key(half.PK, "111#0A008000"), func(m rows) { m.move(half, key(half.PK, "111#0A008000")) }},
		{"sort key of two digits", fsck.Form, key(taken.PK, "0a000000#24"), func(m rows) { m.move(taken, key(taken.PK, "0a000000#24")) }},
		{"sort key with host bits", fsck.Form, key(taken.PK, "0a000001#024"), func(m rows) { m.move(taken, key(taken.PK, "0a000001#024")) }},
		{"sort key of no length", fsck.Form, key(taken.PK, "0a000000#033"), func(m rows) { m.move(taken, key(taken.PK, "0a000000#033")) }},
		{"by-id item's CIDR with host bits", fsck.Form, record, func(m rows) { m.set(record, "Cidr", str("10.0.0.1/24")) }},
		{"item in use expires", fsck.Form, record, func(m rows) { m.set(record, "Expires", num(now.Unix()+1)) }},
		{"item in use has expired", fsck.Form, items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR), func(m rows) {
			m.set(items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR), "Expires", num(1))
		}},
		{"released allocation without an expiry", fsck.Form, tombstone, func(m rows) { m.set(tombstone, "Expires", nil) }},
		{"failure without reason", fsck.Form, items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR), func(m rows) {
			m.set(items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR), "Failure", str(""))
		}},
		{"count below zero", fsck.Form, items.ScopeKey(w.extra.ID), func(m rows) { m.set(items.ScopeKey(w.extra.ID), "PoolCount", num(-1)) }},
		{"document of another owner", fsck.Form, items.PoolKey(w.six.ID), func(m rows) { m.edit(items.PoolKey(w.six.ID), owner, "444455556666") }},
		{"document of another object", fsck.Form, items.PoolKey(w.six.ID), func(m rows) { m.edit(items.PoolKey(w.six.ID), w.six.ID, w.top.ID) }},
	})
}

// mutation is a change of a world's table that breaks an invariant.
type mutation struct {
	name      string
	invariant string
	at        table.Key
	change    func(rows)
}

func (w *world) run(t *testing.T, mutations []mutation) {
	t.Helper()
	for _, c := range mutations {
		t.Run(c.name, func(t *testing.T) {
			m := w.items()
			c.change(m)
			for k, i := range m {
				for name, v := range i {
					if v == nil {
						delete(m[k], name)
					}
				}
			}
			found := m.check()
			if !slices.ContainsFunc(found, func(p fsck.Problem) bool { return p.Invariant == c.invariant && p.Key == c.at.String() }) {
				t.Errorf("want %s at %s, have %d problems:", c.invariant, c.at, len(found))
			}
			for _, p := range found {
				if t.Failed() || strings.Contains(p.Text, "invalid") { // as netip writes the zero address
					t.Error(p)
				}
			}
		})
	}
}

// An expired item counts as absent although it still exists, and not a second
// earlier. An item in use counts with any expiry.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	m := w.items()
	k := items.AllocationKey(w.released.AllocationID)
	m.set(k, "Space", str("")) // a problem while the item counts
	for expires, want := range map[int64]int{now.Unix() - 1: 0, now.Unix(): 1} {
		m.set(k, "Expires", num(expires))
		if found := m.check(); len(found) != want {
			t.Errorf("expiring at now%+d: %v", expires-now.Unix(), found)
		}
	}
	m = w.items()
	k = items.CIDRKey(w.tokyo.ID, w.tokyoCIDR.CIDR)
	m.set(k, "Expires", num(now.Unix()-1))
	if found := m.check(); len(found) != 1 || found[0].Invariant != fsck.Form || found[0].Key != k.String() {
		t.Errorf("a CIDR in use that expires: %v", found)
	}
}

func TestOrderOfItemsDoesNotMatter(t *testing.T) {
	w := newWorld(t)
	m := w.items()
	delete(m, items.TakenKey(ipam.SpaceID(w.tokyo.ID), w.allocation.CIDR))
	first := m.check()
	for range 20 { // maps yield in another order each time
		if again := m.check(); !slices.Equal(first, again) {
			t.Fatalf("%v, then %v", first, again)
		}
	}
}

// The checker runs after every step of exhaustive tests, on tables of a few
// items, and on live tables of any size.
func BenchmarkCheck(b *testing.B) {
	for _, allocations := range []int{1, 1000, 100_000} {
		b.Run(strconv.Itoa(allocations), func(b *testing.B) {
			table := slices.Collect(fscktest.Items(filled(b, allocations)))
			b.ReportAllocs()
			for b.Loop() {
				if found := fsck.Check(slices.Values(table), now); len(found) > 0 {
					b.Fatal(found[:min(len(found), 5)])
				}
			}
		})
	}
}

// filled is a table with one pool that has so many /32 allocated, about half
// of its space.
func filled(tb testing.TB, allocations int) *tabletest.Memory {
	m := &tabletest.Memory{}
	n := 0
	s := store.New(m, store.Options{Region: "us-east-1", Now: func() time.Time { return now }, NewID: func() string { n++; return strconv.Itoa(n) }})
	token := store.Token{Account: owner, Operation: "fill"}
	o, err := s.CreateIPAM(tb.Context(), token, ipam.IPAM{Meta: ipam.Meta{Owner: owner}})
	if err != nil {
		tb.Fatal(err)
	}
	pool, err := s.CreatePool(tb.Context(), token, ipam.Pool{Scope: o.PrivateScope, Family: ipam.IPv4}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	if err != nil {
		tb.Fatal(err)
	}
	if _, err = s.Provision(tb.Context(), store.Provision{
		Token: token, Pool: pool.ID, CIDR: netip.MustParsePrefix("10.0.0.0/11"),
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil },
	}); err != nil {
		tb.Fatal(err)
	}
	length := 32
	for range allocations {
		if _, err := s.Allocate(tb.Context(), store.Allocate{
			Token: token, Pool: pool.ID, Request: ipam.AllocateRequest{Length: &length}, May: func(*ipam.Pool) error { return nil },
		}); err != nil {
			tb.Fatal(err)
		}
	}
	return m
}
