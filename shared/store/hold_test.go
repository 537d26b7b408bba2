package store_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
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

// nestedEnv is an env with nested CIDRs: a pool with
// 10.0.0.0/16, a child of it with the second quarter; VPCs of one account that
// nest, over the border of the child too, one with a subnet, one that is ignored;
// an allocation with a VPC in it.
type nestedEnv struct {
	*env
	top, child       *ipam.Pool
	second           *ipam.Scope
	outer, inner     ipam.Resource // 10.0.0.0/17, 10.0.0.0/20
	low, ignored     ipam.Resource // in the child 10.0.64.0/20, and 10.0.80.0/20
	given            *ipam.Allocation
	inGiven, arrives ipam.Resource // 10.0.130.0/24 in 10.0.128.0/20, 10.0.129.0/24
	own              ipam.Resource // 10.0.160.0/20
}

func newNestedEnv(t *testing.T) *nestedEnv {
	c := &nestedEnv{
		env:   newEnv(t),
		outer: vpc("vpc-outer", "10.0.0.0/17"), inner: vpc("vpc-inner", "10.0.0.0/20"),
		low: vpc("vpc-low", "10.0.64.0/20"), ignored: vpc("vpc-ignored", "10.0.80.0/20"),
		inGiven: vpc("vpc-given", "10.0.130.0/24"), arrives: vpc("vpc-arrives", "10.0.129.0/24"),
		own: vpc("vpc-own", "10.0.160.0/20"),
	}
	c.top = c.pool("", false)
	c.provision(c.top, "10.0.0.0/16")
	c.child = c.pool(c.top.ID, false)
	c.provision(c.child, "10.0.64.0/18")
	second, err := c.store.CreateScope(t.Context(), c.fresh("CreateIpamScope"), ipam.Scope{IPAM: c.ipam.ID}, func(*ipam.IPAM) error { return nil })
	c.must(err)
	c.second = second
	c.given, err = c.allocate(ownerAccount, c.top, 0, "10.0.128.0/20")
	c.must(err)
	for _, r := range []ipam.Resource{c.outer, c.inner, c.low, c.ignored, c.inGiven, c.own, subnet("subnet-low", "vpc-low", "10.0.64.0/24")} {
		c.observe(r)
	}
	c.monitor(c.ignored, false, "")
	c.settled()
	return c
}

func (c *nestedEnv) monitor(r ipam.Resource, monitored bool, destination string) error {
	_, err := c.store.ModifyResourceCIDR(c.Context(), store.ModifyResourceCIDR{
		Scope: c.ipam.PrivateScope, ResourceID: r.ID, CIDR: r.CIDR, Region: r.Region, Monitored: monitored, Destination: destination,
		May: func(_, _ *ipam.Scope) error { return nil },
	})
	return err
}

// deed is an action on a quarter; its error may be a refusal.
type deed struct {
	name string
	do   func(*nestedEnv) error
}

var deeds = []deed{
	{"observe", func(c *nestedEnv) error {
		_, err := c.store.Observe(c.Context(), c.disco, []*ipam.IPAM{c.ipam}, c.arrives, c.now.UnixMilli())
		return err
	}},
	{"forget the outer", func(c *nestedEnv) error {
		_, err := c.store.Forget(c.Context(), c.found(c.outer), c.now.UnixMilli()+1)
		return err
	}},
	{"forget the one in the child", func(c *nestedEnv) error {
		_, err := c.store.Forget(c.Context(), c.found(c.low), c.now.UnixMilli()+1)
		return err
	}},
	{"ignore the outer", func(c *nestedEnv) error { return c.monitor(c.outer, false, "") }},
	{"monitor the ignored", func(c *nestedEnv) error { return c.monitor(c.ignored, true, "") }},
	{"move the outer", func(c *nestedEnv) error { return c.monitor(c.outer, true, c.second.ID) }},
	{"release", func(c *nestedEnv) error {
		return c.store.Release(c.Context(), store.Release{Pool: c.top.ID, CIDR: c.given.CIDR, Allocation: c.given.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
	}},
	{"allocate the inner's", func(c *nestedEnv) error { _, err := c.allocate(otherAccount, c.top, 0, "10.0.0.0/20"); return err }},
	{"allocate around the one in the child", func(c *nestedEnv) error { _, err := c.allocate(otherAccount, c.child, 0, "10.0.64.0/19"); return err }},
	{"allocate around one's own", func(c *nestedEnv) error { _, err := c.allocate(otherAccount, c.top, 0, "10.0.160.0/19"); return err }},
	{"forget one's own", func(c *nestedEnv) error {
		_, err := c.store.Forget(c.Context(), c.found(c.own), c.now.UnixMilli()+1)
		return err
	}},
	{"allocate some", func(c *nestedEnv) error { _, err := c.allocate(ownerAccount, c.top, 20, ""); return err }},
	{"provision over the inner", func(c *nestedEnv) error {
		_, err := c.store.Provision(c.Context(), store.Provision{Token: c.fresh("ProvisionIpamPoolCidr"), Pool: c.child.ID, CIDR: netip.MustParsePrefix("10.0.0.0/19"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
		return err
	}},
	{"provision around one's own", func(c *nestedEnv) error {
		_, err := c.store.Provision(c.Context(), store.Provision{Token: c.fresh("ProvisionIpamPoolCidr"), Pool: c.child.ID, CIDR: netip.MustParsePrefix("10.0.160.0/19"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
		return err
	}},
	{"deprovision the child", func(c *nestedEnv) error {
		_, err := c.store.Deprovision(c.Context(), store.Deprovision{Pool: c.child.ID, CIDR: netip.MustParsePrefix("10.0.64.0/18"), May: anyone})
		return err
	}},
	{"import", func(c *nestedEnv) error {
		_, err := c.store.ModifyPool(c.Context(), c.top.ID, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = true; return nil })
		c.must(err)
		return c.store.RunWork(c.Context(), "import#"+c.top.ID)
	}},
}

// Any deed may run between two calls of any other deed. In the end no block is
// free where a resource exists, and none is held where no resource exists.
func TestLiveBetweenTwoCalls(t *testing.T) {
	base := newNestedEnv(t)
	for i, one := range deeds {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			runs := 0
			for j, other := range deeds {
				if other.name == one.name {
					continue
				}
				first, every := callsTried(i + j)
				for at, done := first, false; !done; at += every {
					c := base.copy(t)
					n := 0
					done = true
					c.faulty.Inject = func(tabletest.Call) *tabletest.Fault {
						if n++; n-1 == at {
							done = false
							c.faulty.Inject = nil
							attempt(t, other, c)
						}
						return nil
					}
					attempt(t, one, c)
					c.faulty.Inject = nil
					runs++
					c.work()
					if problems := fsck.Check(fscktest.Items(c.memory), c.now); len(problems) > 0 || t.Failed() {
						t.Fatalf("%s before call %d of %s: %v", other.name, at, one.name, problems)
					}
				}
			}
			t.Logf("%d runs", runs)
		})
	}
}

// attempt does a deed and admits that it is refused.
func attempt(t *testing.T, d deed, c *nestedEnv) {
	t.Helper()
	switch err := d.do(c); ipam.CodeOf(err) {
	case "", ipam.CodeInvalidParameterValue, ipam.CodeIncorrectState, ipam.CodeConcurrentMutationLimitExceeded:
	default:
		t.Errorf("%s: %v", d.name, err)
	}
}

// copy is the quarter on a table of its own.
func (c *nestedEnv) copy(t *testing.T) *nestedEnv {
	l := *c.env
	l.T, l.memory = t, c.memory.Clone()
	l.faulty = &tabletest.Faulty{Table: l.memory}
	l.store = l.on(l.faulty)
	d := *c
	d.env = &l
	return &d
}

// Who shrinks a hold in parts ends the notes of the parts that are its own: one that
// somebody else puts meanwhile asks for more than that, and stays.
func TestShrinkLeavesTheNotesOfOthers(t *testing.T) {
	l := newEnv(t)
	l.narrow(5)
	for i := range 4 {
		l.observe(vpc(fmt.Sprintf("vpc-%d", i), fmt.Sprintf("10.%d.0.0/24", 80*i)))
	}
	l.settled()
	pool := l.pool("", false)
	other := table.Write{Op: table.OpPut, Key: table.Key{PK: items.WorkPK, SK: "live#" + l.ipam.PrivateScope + "#10.0.0.0/9"}, Item: table.Item{
		"Since": &types.AttributeValueMemberN{Value: "1"}, "Token": &types.AttributeValueMemberS{Value: "other"},
	}}
	put := false
	l.memory.OnCommit = func(ctx context.Context, writes []table.Write) {
		if !put && slices.ContainsFunc(writes, func(w table.Write) bool { return w.Key == other.Key }) {
			put = true
			l.must(l.memory.Transact(ctx, []table.Write{other}))
		}
	}
	l.provision(pool, "10.0.0.0/8")
	l.memory.OnCommit = nil
	work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour))
	l.must(err)
	if !put || !slices.Contains(work, other.Key.SK) {
		t.Errorf("put %t; %q is left to be done", put, work)
	}
	l.settled()
}
