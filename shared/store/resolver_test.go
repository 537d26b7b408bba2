package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func anyIPAM(*ipam.IPAM) error                   { return nil }
func anyResolver(*ipam.PrefixListResolver) error { return nil }

func static(cidr string) ipam.ResolverRule {
	return ipam.ResolverRule{Type: ipam.RuleStaticCIDR, CIDR: netip.MustParsePrefix(cidr)}
}

func (l *env) resources(of ipam.ResourceType, conditions ...ipam.RuleCondition) ipam.ResolverRule {
	return ipam.ResolverRule{Type: ipam.RuleResourceCIDR, Scope: l.ipam.PrivateScope, Resource: of, Conditions: conditions}
}

func (l *env) ofPools(conditions ...ipam.RuleCondition) ipam.ResolverRule {
	return ipam.ResolverRule{Type: ipam.RulePoolCIDR, Scope: l.ipam.PrivateScope, Conditions: conditions}
}

func (l *env) resolver(rules ...ipam.ResolverRule) string {
	l.Helper()
	o, err := l.store.CreateResolver(l.Context(), l.fresh("CreateIpamPrefixListResolver"), ipam.PrefixListResolver{IPAM: l.ipam.ID, Family: ipam.IPv4, Rules: rules}, anyIPAM)
	l.must(err)
	return o.ID
}

func (l *env) setRules(id string, rules ...ipam.ResolverRule) {
	l.Helper()
	_, err := l.store.ModifyResolver(l.Context(), id, ipam.ActModify, func(o *ipam.PrefixListResolver) error {
		o.Rules = rules
		return nil
	})
	l.must(err)
}

// changed notes changed CIDRs as the reader of the stream does.
func (l *env) changed(cidrs ...string) {
	l.Helper()
	resolvers, err := l.store.AllResolvers(l.Context())
	l.must(err)
	var all []store.Member
	for _, o := range resolvers {
		for _, c := range cidrs {
			if p := netip.MustParsePrefix(c); ipam.FamilyOf(p) == o.Family {
				all = append(all, store.Member{Resolver: o.ID, CIDR: p})
			}
		}
	}
	l.must(l.store.NoteMembers(l.Context(), all...))
}

// latest returns the state of a resolver, as "<version> <outcome>: <CIDRs>".
func (l *env) latest(id string) string {
	l.Helper()
	found, err := l.store.Resolvers(l.Context(), []string{id})
	l.must(err)
	if len(found) == 0 {
		return "none"
	}
	v, err := l.store.Version(l.Context(), id, found[0].Latest)
	l.must(err)
	var cidrs []string
	if v != nil {
		for _, p := range v.CIDRs {
			cidrs = append(cidrs, p.String())
		}
	}
	return fmt.Sprintf("%d %s: %s", found[0].Latest, found[0].LastCreation, strings.Join(cidrs, " "))
}

func (l *env) expectLatest(id, want string) {
	l.Helper()
	l.settled()
	if got := l.latest(id); got != want {
		l.Errorf("version %s, want %s", got, want)
	}
}

func TestVersionsFollowRulesAndNetwork(t *testing.T) {
	l := newEnv(t)
	top := l.pool("", false)
	l.provision(top, "10.0.0.0/12")
	prod := ipam.RuleCondition{Operation: ipam.OperationEquals, Tag: &ipam.ResourceTag{Key: "env", Value: "prod"}}
	a, b := vpc("vpc-a", "10.0.0.0/16"), vpc("vpc-b", "10.1.0.0/16")
	a.Tags = ipam.Tags{"env": "prod"}
	l.observe(a)
	l.observe(b)
	id := l.resolver()
	if got := l.latest(id); got != "0 pending: " {
		t.Errorf("a new resolver has %s", got)
	}
	l.expectLatest(id, "1 success: ")
	l.setRules(id, static("192.0.2.0/24"), l.resources(ipam.ResourceVPC, prod))
	if got := l.latest(id); got != "1 pending: " {
		t.Errorf("with new rules it has %s", got)
	}
	l.expectLatest(id, "2 success: 10.0.0.0/16 192.0.2.0/24")

	t.Log("a resource gets the tag")
	b.Tags = ipam.Tags{"env": "prod"}
	l.observe(b)
	l.changed("10.1.0.0/16")
	l.expectLatest(id, "3 success: 10.0.0.0/16 10.1.0.0/16 192.0.2.0/24")

	t.Log("two resources have a CIDR, and one goes")
	twin := vpc("vpc-twin", "10.0.0.0/16")
	twin.Tags = a.Tags
	l.observe(twin)
	l.changed("10.0.0.0/16")
	l.forgetFound(a)
	l.changed("10.0.0.0/16")
	l.expectLatest(id, "3 success: 10.0.0.0/16 10.1.0.0/16 192.0.2.0/24")
	l.forgetFound(twin)
	l.changed("10.0.0.0/16")
	l.expectLatest(id, "4 success: 10.1.0.0/16 192.0.2.0/24")

	t.Log("other rules that select the same")
	l.setRules(id, static("192.0.2.0/24"), l.resources(ipam.ResourceVPC))
	l.expectLatest(id, "4 success: 10.1.0.0/16 192.0.2.0/24")

	t.Log("CIDRs of pools")
	l.setRules(id, l.ofPools())
	l.expectLatest(id, "5 success: 10.0.0.0/12")
	l.provision(top, "10.16.0.0/12")
	l.changed("10.16.0.0/12")
	l.expectLatest(id, "6 success: 10.0.0.0/12 10.16.0.0/12")
	l.deprovision(top, "10.16.0.0/12")
	l.changed("10.16.0.0/12")
	l.expectLatest(id, "7 success: 10.0.0.0/12")
	l.setRules(id, l.ofPools(ipam.RuleCondition{Operation: ipam.OperationNotEquals, Pool: top.ID}))
	l.expectLatest(id, "8 success: ")

	t.Log("changes of other attributes make no version")
	_, err := l.store.ModifyResolver(t.Context(), id, ipam.ActModify, func(o *ipam.PrefixListResolver) error { o.Description = "x"; return nil })
	l.must(err)
	l.expectLatest(id, "8 success: ")
}

// Interfaces and subnets of one CIDR, and IPv6, are apart.
func TestVersionsKeepTypesApart(t *testing.T) {
	l := newEnv(t)
	l.observe(subnet("subnet-1", "vpc-1", "10.0.0.0/32"))
	eni := ipam.Resource{Type: ipam.ResourceInterface, ID: "eni-1", VPC: "vpc-1", Subnet: "subnet-1", CIDR: netip.MustParsePrefix("10.0.0.9/32"), Owner: otherAccount, Region: "eu-west-1"}
	l.observe(eni)
	six := vpc("vpc-1", "fd00::/56")
	l.observe(six)
	interfaces, subnets := l.resolver(l.resources(ipam.ResourceInterface)), l.resolver(l.resources(ipam.ResourceSubnet))
	both := l.resolver(l.resources(ipam.ResourceInterface), l.resources(ipam.ResourceSubnet), l.resources(ipam.ResourceVPC))
	v6, err := l.store.CreateResolver(t.Context(), l.fresh("CreateIpamPrefixListResolver"), ipam.PrefixListResolver{IPAM: l.ipam.ID, Family: ipam.IPv6, Rules: []ipam.ResolverRule{l.resources(ipam.ResourceVPC)}}, anyIPAM)
	l.must(err)
	l.expectLatest(interfaces, "1 success: 10.0.0.9/32")
	l.expectLatest(subnets, "1 success: 10.0.0.0/32")
	l.expectLatest(both, "1 success: 10.0.0.0/32 10.0.0.9/32")
	l.expectLatest(v6.ID, "1 success: fd00::/56")
	l.forgetFound(eni)
	l.changed("10.0.0.9/32")
	l.expectLatest(interfaces, "2 success: ")
	l.expectLatest(both, "2 success: 10.0.0.0/32")
}

// The last ten versions stay, and older ones for a week.
func TestOldVersionsEnd(t *testing.T) {
	l := newEnv(t)
	id := l.resolver()
	numbers := func() (all []int64) {
		for after := int64(-1); after != 0; {
			versions, next, err := l.store.VersionsAfter(t.Context(), id, max(after, 0), 3)
			l.must(err)
			for _, v := range versions {
				all = append(all, v.Number)
			}
			after = next
		}
		return all
	}
	for n := range 12 {
		l.setRules(id, static(fmt.Sprintf("10.0.0.%d/32", n)))
		l.settled()
	}
	if got := numbers(); !slices.Equal(got, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}) {
		t.Errorf("versions %v", got)
	}
	l.now = l.now.Add(ipam.OldVersionLife + time.Second)
	if got := numbers(); !slices.Equal(got, []int64{3, 4, 5, 6, 7, 8, 9, 10, 11, 12}) {
		t.Errorf("after a week: %v", got)
	}
	if v, err := l.store.Version(t.Context(), id, 2); v != nil || err != nil {
		t.Errorf("version 2 is %v, %v", v, err)
	}
	fscktest.Clean(t, l.memory, l.now)
}

// Rules that select too many CIDRs make no version. When they select fewer, they do again,
// also if the members were not all known.
func TestTooManyCIDRsMakeNoVersion(t *testing.T) {
	for _, n := range []int{4, 6, 7, 20} { // 6 are known
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			l := newEnv(t)
			q := ipam.DefaultQuotas()
			q.EntriesPerVersion = 3
			l.quotas = &q
			l.narrow(5)
			id := l.resolver(static("10.0.0.0/24"), l.resources(ipam.ResourceVPC))
			l.expectLatest(id, "1 success: 10.0.0.0/24")
			var all []ipam.Resource
			for i := range n - 1 {
				all = append(all, vpc(fmt.Sprintf("vpc-%d", i), fmt.Sprintf("10.1.%d.0/24", i)))
				l.observe(all[i])
				l.changed(all[i].CIDR.String())
				l.work()
			}
			o, err := l.store.Resolvers(t.Context(), []string{id})
			if l.must(err); o[0].LastCreation != ipam.CreationFailure || o[0].Latest != 3 || !strings.Contains(o[0].Failure, "more than 3 CIDRs") || !strings.Contains(o[0].Failure, "Version 3 stays") {
				t.Errorf("%+v", o[0])
			}
			l.setRules(id, l.resources(ipam.ResourceVPC)) // all are selected again
			l.settled()
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for _, r := range all[min(3, len(all)):] {
				l.forgetFound(r)
				l.changed(r.CIDR.String())
				l.work()
			}
			var left []string
			for _, r := range all[:min(3, len(all))] {
				left = append(left, r.CIDR.String())
			}
			slices.SortFunc(left, func(a, b string) int { return netip.MustParsePrefix(a).Compare(netip.MustParsePrefix(b)) })
			l.expectLatest(id, "4 success: "+strings.Join(left, " "))
		})
	}
}

// selectedNow returns the CIDRs that rules select, by reading all rows of the table.
func (l *env) selectedNow(o *ipam.PrefixListResolver) []netip.Prefix {
	var all []netip.Prefix
	for _, r := range o.Rules {
		if r.Type == ipam.RuleStaticCIDR {
			all = append(all, r.CIDR)
		}
	}
	for k, i := range l.memory.All() {
		m, err := items.DecodeImage(k, i)
		l.must(err)
		if m.Resource != nil && o.SelectsResource(m.Resource) {
			all = append(all, m.Resource.CIDR)
		}
		if m.PoolCIDR != nil && o.SelectsPoolCIDR(l.ipam.PrivateScope, m.PoolCIDR) {
			all = append(all, m.PoolCIDR.CIDR)
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}

// Random changes of the network and of the rules, with works that race and fail at any
// call, end with a version of exactly the CIDRs that the rules select.
func TestVersionsAfterRandomChanges(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			l := newEnv(t)
			q := ipam.DefaultQuotas()
			q.EntriesPerVersion = 6
			l.quotas = &q
			l.narrow(5)
			top := l.pool("", false)
			ids := []string{l.resolver(), l.resolver(l.resources(ipam.ResourceVPC), l.ofPools())}
			there := map[string]ipam.Resource{}
			inPool := map[string]bool{}
			work := func(s *store.Store) {
				notes, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour))
				l.must(err)
				random.Shuffle(len(notes), func(i, j int) { notes[i], notes[j] = notes[j], notes[i] })
				for _, sk := range notes[:random.IntN(len(notes)+1)] {
					_ = s.RunWork(t.Context(), sk) // it may be cut off
				}
			}
			for range 60 {
				switch random.IntN(6) {
				case 0, 1:
					cidr := fmt.Sprintf("10.0.%d.0/24", random.IntN(12))
					id := fmt.Sprintf("vpc-%d", random.IntN(2))
					if r, ok := there[id+cidr]; ok {
						l.forgetFound(r)
						delete(there, id+cidr)
					} else {
						r = vpc(id, cidr)
						r.Tags = ipam.Tags{"n": fmt.Sprint(random.IntN(2))}
						l.observe(r)
						there[id+cidr] = r
					}
					l.changed(cidr)
				case 2:
					rules := []ipam.ResolverRule{static("10.0.3.0/24"), l.resources(ipam.ResourceVPC), l.ofPools(), l.resources(ipam.ResourceVPC, ipam.RuleCondition{Operation: ipam.OperationNotEquals, Tag: &ipam.ResourceTag{Key: "n", Value: "1"}})}
					random.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
					l.setRules(ids[random.IntN(2)], rules[:random.IntN(3)]...)
				case 3:
					cidr := fmt.Sprintf("10.1.%d.0/24", random.IntN(3))
					if inPool[cidr] {
						l.deprovision(top, cidr)
					} else {
						l.provision(top, cidr)
					}
					inPool[cidr] = !inPool[cidr]
					l.changed(cidr)
				default:
					// One run of the work is stopped at a call, before or after it has effect, or
					// another run is done before the call.
					calls, how := random.IntN(20), random.IntN(3)
					work(l.on(&tabletest.Faulty{Table: l.memory, Inject: func(tabletest.Call) *tabletest.Fault {
						if calls--; calls > 0 {
							return nil
						}
						if how == 2 {
							if calls == 0 {
								work(l.store)
							}
							return nil
						}
						return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: calls == 0 && how == 1}
					}}))
				}
			}
			l.settled()
			found, err := l.store.Resolvers(t.Context(), ids)
			l.must(err)
			for _, o := range found {
				want := l.selectedNow(o)
				if tooMany := len(want) > 6; tooMany != (o.LastCreation == ipam.CreationFailure) || o.LastCreation == ipam.CreationPending {
					t.Errorf("%d CIDRs are selected, and the outcome is %s", len(want), o.LastCreation)
				} else if v, err := l.store.Version(t.Context(), o.ID, o.Latest); !tooMany && (err != nil || !slices.Equal(v.CIDRs, want)) {
					t.Errorf("version %v, %v, want %v", v, err, want)
				}
			}
		})
	}
}

// A change costs the same in a scope of any size, and reads nothing but the rows of its
// CIDR, the pools and the members.
func TestCostOfAChange(t *testing.T) {
	costs := map[int][2]tabletest.Cost{}
	for _, n := range []int{20, 2000} {
		l := newEnv(t)
		l.pool("", false)
		var writes []table.Write
		for i := range n { // most of them are not selected
			r := vpc(fmt.Sprintf("vpc-%d", i), fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255))
			row := items.EncodeResource(&ipam.ResourceCIDR{Resource: r, Scope: l.ipam.PrivateScope, Discovery: l.disco.ID, Sampled: 1, Since: 1, Rev: 1})
			writes = append(writes, table.Write{Op: table.OpPut, Key: row.Key, Item: row.Item})
		}
		for some := range slices.Chunk(writes, table.MaxWrites) {
			l.must(l.memory.Transact(t.Context(), some))
		}
		id := l.resolver(l.ofPools(), l.resources(ipam.ResourceVPC, ipam.RuleCondition{Operation: ipam.OperationSubnetOf, CIDR: netip.MustParsePrefix("10.0.0.0/29")}), l.resources(ipam.ResourceVPC, ipam.RuleCondition{Operation: ipam.OperationEquals, Region: "us-east-1"}))
		l.work()
		added := vpc("vpc-new", "10.200.0.0/24")
		added.Region = "us-east-1"
		l.must(l.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "us-east-1", Account: otherAccount, Attempted: 1, Succeeded: 1}))
		l.observe(added)
		l.changed("10.200.0.0/24")
		counter := &tabletest.Counter{Table: l.memory}
		s := l.on(counter)
		l.must(s.RunWork(t.Context(), "member#"+id+"#10.200.0.0/24"))
		member := counter.Take()
		l.must(s.RunWork(t.Context(), "version#"+id))
		costs[n] = [2]tabletest.Cost{member, counter.Take()}
		if got := l.latest(id); got != "2 success: 10.200.0.0/24" {
			t.Errorf("version %s", got)
		}
	}
	t.Logf("%+v", costs)
	if costs[20] != costs[2000] {
		t.Errorf("in a scope of 20 and of 2,000: %+v", costs)
	}
	if member := costs[2000][0]; member.Queries != 4 || member.BatchGets != 3 || member.Transactions != 1 || member.Writes != 4 {
		t.Errorf("selecting a CIDR costs %+v", member)
	}
	if version := costs[2000][1]; version.Queries != 1 || version.BatchGets != 3 || version.Transactions != 1 || version.Writes != 5 {
		t.Errorf("making a version costs %+v", version)
	}
}

func TestDeletedResolversLeaveNothing(t *testing.T) {
	l := newEnv(t)
	l.narrow(5)
	id := l.resolver(static("10.0.0.0/24"), static("10.0.1.0/24"), static("10.0.2.0/24"))
	l.settled()
	l.changed("10.0.0.0/24", "10.0.9.0/24")
	if _, err := l.store.DeleteIPAM(t.Context(), l.ipam.ID, false, func(*ipam.IPAM, []*ipam.Pool) error { return nil }); ipam.CodeOf(err) != ipam.CodeDependencyViolation || !strings.Contains(err.Error(), "1 prefix list resolvers") {
		t.Errorf("an IPAM with a resolver is deleted: %v", err)
	}
	gone, err := l.store.DeleteResolver(t.Context(), id, anyResolver)
	if l.must(err); gone.State != ipam.StateDeleteComplete {
		t.Errorf("it is %s", gone.State)
	}
	fscktest.Clean(t, l.memory, l.now)
	l.changed("10.0.0.0/24")
	l.must(l.store.NoteMembers(t.Context(), store.Member{Resolver: id, CIDR: netip.MustParsePrefix("10.0.0.0/24")})) // by a reader that is late
	l.settled()
	if rest := strings.Count(l.memory.Dump(), id); rest > 1 { // the answer to the token
		t.Errorf("%d items name the resolver:\n%s", rest, l.memory.Dump())
	}
	if _, err := l.store.DeleteResolver(t.Context(), id, anyResolver); ipam.CodeOf(err) != ipam.CodeInvalidResolverIDNotFound {
		t.Errorf("a second time: %v", err)
	}
	other := l.resolver(static("10.0.0.0/24"))
	l.work()
	_, err = l.store.DeleteIPAM(t.Context(), l.ipam.ID, true, func(*ipam.IPAM, []*ipam.Pool) error { return nil })
	l.must(err)
	l.settled()
	if got := l.latest(other); got != "none" {
		t.Errorf("the resolver of a deleted IPAM has %s", got)
	}
}

func TestResolversHaveQuotas(t *testing.T) {
	l := newEnv(t)
	q := ipam.DefaultQuotas()
	q.ResolversPerIPAM = 2
	l.quotas = &q
	l.narrow(0)
	l.resolver()
	l.resolver()
	_, err := l.store.CreateResolver(t.Context(), l.fresh("CreateIpamPrefixListResolver"), ipam.PrefixListResolver{IPAM: l.ipam.ID, Family: ipam.IPv4}, anyIPAM)
	if ipam.CodeOf(err) != ipam.CodeResourceLimitExceeded || !strings.Contains(err.Error(), l.ipam.ID) {
		t.Error(err)
	}
	refused := errors.New("refused")
	if _, err := l.store.CreateResolver(context.Background(), l.fresh("CreateIpamPrefixListResolver"), ipam.PrefixListResolver{IPAM: l.ipam.ID, Family: ipam.IPv4}, func(*ipam.IPAM) error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
}
