package modelcheck

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// stranger is an account that makes no request.
const stranger = "444455556666"

// The times of observations, in Unix milliseconds.
const (
	morning = 1_800_000_000_000 + iota*1000
	noon
	evening
)

// vpc returns a VPC of stranger.
func vpc(id, at string) ipam.Resource {
	return ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: cidr(at), Owner: stranger, Region: region}
}

// own returns a VPC of the account of all requests.
func own(id, at string) ipam.Resource {
	o := vpc(id, at)
	o.Owner = Account
	return o
}

// live observes a resource before the start.
func (e *env) live(o ipam.Resource) ipam.Resource {
	e.Helper()
	ok(e.store.Observe(e.Context(), e.discovery, []*ipam.IPAM{e.ipam}, o, morning))(e.T)
	return o
}

// imports turns on the AutoImport of a pool without CIDRs.
func (e *env) imports(pool string) {
	e.Helper()
	ok(e.store.ModifyPool(e.Context(), pool, ipam.ActModify, func(p *ipam.Pool) error {
		p.Locale, p.AutoImport = region, true
		return nil
	}))(e.T)
}

func observe(o ipam.Resource) act {
	return func(ctx context.Context, c *Client) { c.Observe(ctx, o, noon) }
}

func forgetFound(o ipam.Resource) act {
	return func(ctx context.Context, c *Client) { c.Forget(ctx, o, evening) }
}

// left does an act whose process stops as soon as it has written a work note. The work is
// done after all processes have ended.
func left(do act) act {
	return func(ctx context.Context, c *Client) {
		c.tape.brief = true
		do(ctx, c)
		c.tape.brief = false
	}
}

func (e *env) provisionTop(token, at string) act {
	return func(ctx context.Context, c *Client) { c.ProvisionTop(ctx, token, e.top, cidr(at)) }
}

// The scenarios of live resources without an allocation.
var liveScenarios = []scenario{
	{name: "a resource appears where nothing is", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/31"))}, {allocate("a", e.top, of(31))}}
	}},
	{name: "a resource appears where a block is released", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		a := e.taken(e.top, "10.0.0.0/30")
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/31"))}, {left(release(a))}}
	}},
	{name: "a resource appears where a block is released and taken again", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		a := e.taken(e.top, "10.0.0.0/29")
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/29"))}, {left(release(a))}, {allocate("b", e.top, of(29))}}
	}},
	{name: "a resource appears around a block that is released", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		a := e.taken(e.top, "10.0.0.0/31")
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/29"))}, {left(release(a))}}
	}},
	{name: "a resource appears where another goes", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		o := e.live(vpc("vpc-1", "10.0.0.0/30"))
		return [][]act{{observe(vpc("vpc-2", "10.0.0.0/31"))}, {left(forgetFound(o))}}
	}},
	{name: "a resource appears in the place of another that goes", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		o := e.live(vpc("vpc-1", "10.0.0.0/31"))
		return [][]act{{left(observe(vpc("vpc-2", "10.0.0.0/31")))}, {forgetFound(o)}}
	}},
	{name: "a resource goes while another appears in its place", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		o := e.live(vpc("vpc-1", "10.0.0.0/29"))
		return [][]act{{observe(vpc("vpc-2", "10.0.0.0/29"))}, {forgetFound(o)}}
	}},
	{name: "a resource goes while its space is taken", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		o := vpc("vpc-1", "10.0.0.0/31")
		return [][]act{{observe(o)}, {forgetFound(o)}}
	}},
	{name: "two resources with one CIDR go", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		a, b := e.live(vpc("vpc-1", "10.0.0.0/30")), e.live(vpc("vpc-2", "10.0.0.0/30"))
		return [][]act{{forgetFound(a)}, {forgetFound(b)}}
	}},
	{name: "all of three resources with one CIDR go", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		a, b, c := e.live(vpc("vpc-1", "10.0.0.0/30")), e.live(vpc("vpc-2", "10.0.0.0/30")), e.live(vpc("vpc-3", "10.0.0.0/30"))
		return [][]act{{forgetFound(a)}, {left(forgetFound(b)), left(forgetFound(c))}}
	}},
	{name: "two of three resources with one CIDR go while their space is taken", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		a, b := e.live(vpc("vpc-1", "10.0.0.0/31")), e.live(vpc("vpc-2", "10.0.0.0/31"))
		e.live(vpc("vpc-3", "10.0.0.0/31"))
		return [][]act{{forgetFound(a), left(forgetFound(b))}, {allocate("a", e.top, at("10.0.0.0/30"))}}
	}},
	{name: "a resource goes from among three with the allocation of another", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		e.imports(e.right)
		e.has(e.right, "10.0.0.0/30")
		a, b := e.live(vpc("vpc-1", "10.0.0.0/31")), e.live(vpc("vpc-2", "10.0.0.0/31"))
		e.live(vpc("vpc-3", "10.0.0.0/31"))
		return [][]act{{left(forgetFound(a))}, {forgetFound(b)}}
	}},
	{name: "a resource goes with one that is in it", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		a, b := e.live(vpc("vpc-1", "10.0.0.0/30")), e.live(vpc("vpc-2", "10.0.0.0/31"))
		return [][]act{{forgetFound(a)}, {forgetFound(b)}}
	}},
	{name: "two appear in one place", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/30"))}, {left(observe(vpc("vpc-2", "10.0.0.0/31")))}}
	}},
	{name: "a resource goes while it is imported", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		e.imports(e.right)
		e.has(e.right, "10.0.0.0/30")
		o := vpc("vpc-1", "10.0.0.0/31")
		return [][]act{{observe(o)}, {forgetFound(o)}}
	}},
	{name: "a resource appears where a pool gets its first CIDR", faults: 1, begin: func(e *env) [][]act {
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/31"))}, {left(e.provisionTop("a", "10.0.0.0/29"))}}
	}},
	{name: "a pool gets its first CIDR where a resource appears", faults: 1, begin: func(e *env) [][]act {
		return [][]act{{left(observe(vpc("vpc-1", "10.0.0.0/31")))}, {e.provisionTop("a", "10.0.0.0/29")}}
	}},
	{name: "a pool gets its first CIDR where a resource is live", faults: 1, begin: func(e *env) [][]act {
		e.live(vpc("vpc-1", "10.0.0.0/31"))
		return [][]act{{e.provisionTop("a", "10.0.0.0/29")}, {allocate("b", e.top, of(31))}}
	}},
	{name: "a resource appears where a child gets its CIDR", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/31"))}, {left(e.provision("a", e.left, "10.0.0.0/30"))}}
	}},
	{name: "a child gets its CIDR where a resource goes", begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		o := e.live(vpc("vpc-1", "10.0.0.0/31"))
		return [][]act{{forgetFound(o)}, {e.provision("a", e.left, "10.0.0.0/30")}}
	}},
	{name: "a child's CIDR goes away over a resource", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		e.has(e.left, "10.0.0.0/30")
		e.taken(e.top, "10.0.0.4/30")
		e.live(vpc("vpc-1", "10.0.0.0/31"))
		return [][]act{{deprovision(e.left, "10.0.0.0/30")}, {allocate("a", e.top, of(31))}}
	}},
	{name: "a resource appears where a child's CIDR goes away", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		e.has(e.left, "10.0.0.0/30")
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/31"))}, {left(deprovision(e.left, "10.0.0.0/30"))}}
	}},
	{name: "another account's resource appears where a CIDR is requested", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		return [][]act{{observe(vpc("vpc-1", "10.0.0.0/31"))}, {allocate("a", e.top, at("10.0.0.0/30"))}}
	}},
	{name: "a CIDR is requested where another account's resource is live", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		e.live(vpc("vpc-1", "10.0.0.0/31"))
		return [][]act{{allocate("a", e.top, at("10.0.0.0/30"))}, {allocate("b", e.top, of(31))}}
	}},
	{name: "a CIDR is requested where a resource of the account is live", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		o := e.live(own("vpc-1", "10.0.0.0/31"))
		return [][]act{{forgetFound(o)}, {allocate("a", e.top, at("10.0.0.0/30"))}}
	}},
	{name: "a CIDR is requested where two accounts' resources are live", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		e.live(own("vpc-1", "10.0.0.0/30"))
		return [][]act{{observe(vpc("vpc-2", "10.0.0.0/31"))}, {allocate("a", e.top, at("10.0.0.0/30"))}}
	}},
	{name: "a pending block ends where its resource appears", faults: 1, begin: func(e *env) [][]act {
		a := e.pending("10.0.0.0/31")
		return [][]act{{observe(own("vpc-1", "10.0.0.0/31"))}, {left(endPending(a))}}
	}},
	{name: "a pending block ends where another's resource appears", faults: 1, begin: func(e *env) [][]act {
		a := e.pending("10.0.0.0/31")
		return [][]act{{left(observe(vpc("vpc-1", "10.0.0.0/31")))}, {endPending(a)}}
	}},
	{name: "a pending block is given up where its resource appears", past: "B", begin: func(e *env) [][]act {
		e.pending("10.0.0.0/31")
		return [][]act{{observe(own("vpc-1", "10.0.0.0/31"))}, {reconcileAll()}}
	}},
	{name: "a pending block ends twice and its space is taken", faults: 1, begin: func(e *env) [][]act {
		a := e.pending("10.0.0.0/31")
		return [][]act{{endPending(a)}, {endPending(a), allocate("b", e.right, at("10.0.0.0/30"))}}
	}},
	{name: "a VPC is deleted while it is first observed", begin: func(e *env) [][]act {
		v := own("vpc-1", "10.0.0.0/31")
		p := e.made(v)
		return [][]act{{observe(v)}, {endDeleted(p, store.DeletedResource), forgetFound(v)}}
	}},
	{name: "a VPC that is deleted unseen leaves its space to another", begin: func(e *env) [][]act {
		v := own("vpc-1", "10.0.0.0/31")
		p := e.made(v)
		return [][]act{{left(observe(v))}, {endDeleted(p, store.DeletedResource), forgetFound(v)}, {allocate("a", e.right, at("10.0.0.0/31"))}}
	}},
	{name: "a VPC's deletion is reported twice and its space is taken", faults: 1, begin: func(e *env) [][]act {
		p := e.made(own("vpc-1", "10.0.0.0/31"))
		return [][]act{{endDeleted(p, store.DeletedResource)}, {endDeleted(p, store.ReportedDeleted), allocate("a", e.right, at("10.0.0.0/30"))}}
	}},
	{name: "a CIDR is associated again while its end is reported", begin: func(e *env) [][]act {
		v := own("vpc-1", "10.0.0.0/31")
		p := e.made(v)
		return [][]act{{observe(v)}, {left(endDeleted(p, store.DeletedAssociation))}}
	}},
	{name: "a subnet appears where the pool over its VPC gives", faults: 1, begin: func(e *env) [][]act {
		e.planned()
		return [][]act{{observe(subnet("10.0.0.0/31"))}, {allocate("a", e.plan, of(31))}}
	}},
	{name: "a VPC goes while the pool over it gives", faults: 1, begin: func(e *env) [][]act {
		v := e.planned()
		return [][]act{{forgetFound(v)}, {allocate("a", e.plan, of(31))}}
	}},
	{name: "a VPC goes while the pool over it gives it back", faults: 1, begin: func(e *env) [][]act {
		v := e.planned()
		return [][]act{{left(forgetFound(v))}, {deprovision(e.plan, "10.0.0.0/30")}, {allocate("a", e.top, of(30)), allocate("b", e.top, of(30))}}
	}},
	{name: "a VPC comes back while the pool over it gives it back", faults: 1, begin: func(e *env) [][]act {
		v := e.planned()
		e.goes(v)
		return [][]act{{observe(v)}, {deprovision(e.plan, "10.0.0.0/30"), allocate("a", e.top, at("10.0.0.0/31"))}}
	}},
	{name: "a VPC comes back while the pool over it gives", faults: 1, begin: func(e *env) [][]act {
		v := e.planned()
		e.goes(v)
		return [][]act{{observe(v)}, {allocate("a", e.plan, of(31))}}
	}},
	{name: "another's resource appears where the pool over a VPC gives", faults: 1, begin: func(e *env) [][]act {
		e.planned()
		return [][]act{{observe(vpc("vpc-2", "10.0.0.0/31"))}, {allocate("a", e.plan, of(31))}}
	}},
	{name: "work that was left is taken up while a resource goes", past: "B", faults: 1, begin: func(e *env) [][]act {
		e.has(e.top, "10.0.0.0/29")
		o := e.live(vpc("vpc-1", "10.0.0.0/31"))
		return [][]act{{forgetFound(o)}, {reconcileAll()}}
	}},
}

// pending returns a pending block for a VPC of the account of all requests. Discovery of the
// account succeeds later than every deadline.
func (e *env) pending(c string) *ipam.Allocation {
	e.Helper()
	e.has(e.top, "10.0.0.0/29")
	if err := e.store.SaveDiscoveredAccount(e.Context(), &ipam.DiscoveredAccount{Discovery: e.discovery.ID, Region: region, Account: Account, Attempted: 1 << 50, Succeeded: 1 << 50}); err != nil {
		e.Fatal(err)
	}
	ok(e.store.ModifyPool(e.Context(), e.right, ipam.ActModify, func(p *ipam.Pool) error {
		p.Locale = region
		return nil
	}))(e.T)
	e.has(e.right, "10.0.0.0/30")
	return ok(e.store.Allocate(e.Context(), store.Allocate{
		Token: token("CreateVpc", c), Pool: e.right, Request: at(c), May: func(*ipam.Pool) error { return nil },
		For: &ipam.Resource{Type: ipam.ResourceVPC, Region: region},
	}))(e.T)
}

// made returns a pending block for a VPC that EC2 has created.
func (e *env) made(v ipam.Resource) *store.Pending {
	e.Helper()
	m := store.Made{ID: v.ID, At: e.now.Unix()}
	a := e.pending(v.CIDR.String())
	if err := e.store.Bind(e.Context(), a, m); err != nil {
		e.Fatal(err)
	}
	return &store.Pending{Allocation: a.AllocationID, Resource: v, Made: m}
}

// planned returns an imported VPC of the account of all requests, and creates a planning
// pool for it.
func (e *env) planned() ipam.Resource {
	e.Helper()
	for _, pool := range []string{e.left, e.right, e.top} { // of one locale
		e.imports(pool)
	}
	e.has(e.top, "10.0.0.0/29")
	v := e.live(own("vpc-1", "10.0.0.0/30"))
	e.plan = ok(e.store.CreatePool(e.Context(), token("CreateIpamPool", "plan"), ipam.Pool{
		Scope: e.ipam.PrivateScope, SourcePool: e.top, Family: ipam.IPv4, Locale: region,
		SourceResource: &ipam.SourceResource{ID: v.ID, Owner: v.Owner, Region: v.Region},
	}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(e.T).ID
	e.has(e.plan, "10.0.0.0/30")
	return v
}

// subnet returns a subnet of the VPC of planned.
func subnet(at string) ipam.Resource {
	return ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", VPC: "vpc-1", Subnet: "subnet-1", CIDR: cidr(at), Owner: Account, Region: region}
}

// goes forgets a resource before the start.
func (e *env) goes(o ipam.Resource) {
	e.Helper()
	ok(e.store.Forget(e.Context(), &ipam.Found{Resource: o, Discovery: e.discovery.ID, Rev: 1}, noon-1))(e.T)
}

func endPending(a *ipam.Allocation) act {
	return func(ctx context.Context, c *Client) { c.EndPending(ctx, a) }
}

func endDeleted(p *store.Pending, why store.Deleted) act {
	return func(ctx context.Context, c *Client) { c.EndDeleted(ctx, p, why) }
}

func isLive(k table.Key) bool { return strings.HasPrefix(k.PK, "LIVE#") }

// unmarked breaks the rule that a block of a kind is freed only if no resource was found in
// it since it was read.
func unmarked(kind string) *broken {
	return each(func(w *table.Write) {
		if isTaken(w.Key) && text(w.If.Equal, "Kind") == kind {
			w.If.Equal, w.If.Missing = but(w.If.Equal, "Seen"), nil
		}
	})
}

// late delays the write of a resource's row until the rest of the request is done. Before
// that only its own process sees the row.
func late() *broken {
	back := map[table.Key]table.Item{} // the row, and the item of discovery for it
	b := &broken{}
	b.write = func(writes []table.Write) []table.Write {
		rest := slices.DeleteFunc(writes, func(w table.Write) bool {
			if !isLive(w.Key) && !strings.HasPrefix(w.Key.PK, "FOUND#") {
				return false
			}
			switch w.Op {
			case table.OpPut:
				back[w.Key] = w.Item
			case table.OpUpdate:
				maps.Copy(back[w.Key], w.Set)
			case table.OpDelete, table.OpCheck:
			}
			return true
		})
		if len(rest) > 0 && rest[0].Op == table.OpDelete && rest[0].Key.PK == items.WorkPK {
			for k, i := range back {
				rest = append(rest, table.Write{Op: table.OpPut, Key: k, Item: i})
			}
		}
		return rest
	}
	b.get = func(items map[table.Key]table.Item) { maps.Copy(items, back) }
	b.query = func(q table.Query) (rows []table.Row, answer bool) {
		for k, i := range back {
			if q.PK == k.PK && !q.Descending && q.After == "" {
				rows = append(rows, table.Row{Key: k, Item: i})
			}
		}
		return rows, len(rows) > 0
	}
	return b
}

var liveRules = []rule{
	{
		name:     "a release demands that nobody has found a resource in the block",
		scenario: "a resource appears where a block is released",
		finds:    "is free, and vpc vpc-1",
		broken:   func() *broken { return unmarked("custom") },
	},
	{
		name:     "a pending block goes only if nobody has found a resource in the block",
		scenario: "a pending block ends where its resource appears",
		finds:    "is free, and vpc vpc-1",
		broken:   func() *broken { return unmarked("vpc") },
	},
	{
		name:     "a VPC that was deleted unseen is not recorded",
		scenario: "a VPC is deleted while it is first observed",
		finds:    "vpc-1 (10.0.0.0/31) was ended, and is there",
		broken: func() *broken {
			return without(func(w table.Write) bool { return strings.HasPrefix(w.Key.PK, "DELETED#") })
		},
	},
	{
		name:     "a pending resource is recorded only while its row is there",
		scenario: "a VPC is deleted while it is first observed",
		finds:    "vpc-1 (10.0.0.0/31) was ended, and is there",
		broken: func() *broken {
			return without(func(w table.Write) bool { return w.Op == table.OpCheck && strings.HasPrefix(w.Key.PK, "PENDING#") })
		},
	},
	{
		name:     "a block that was made goes only if nobody has found a resource in it",
		scenario: "a CIDR is associated again while its end is reported",
		finds:    "is free, and vpc vpc-1",
		broken:   func() *broken { return unmarked("vpc") },
	},
	{
		name:     "a hold goes only if nobody has found a resource in it",
		scenario: "a resource goes while another appears in its place",
		finds:    "is free, and vpc vpc-2",
		broken:   func() *broken { return unmarked("hold") },
	},
	{
		name:     "a resource's row is written before the blocks are read",
		scenario: "a resource appears around a block that is released",
		finds:    "is free, and vpc vpc-1",
		broken:   late,
	},
	{
		name:     "a pool at the top gets its CIDR in two steps",
		scenario: "a pool gets its first CIDR where a resource is live",
		finds:    "is free, and vpc vpc-1",
		broken: func() *broken {
			return &broken{write: func(writes []table.Write) []table.Write {
				if !slices.ContainsFunc(writes, func(w table.Write) bool { return text(w.Item, "State") == "pending-provision" }) {
					return writes
				}
				for i, w := range writes {
					switch {
					case text(w.Item, "State") == "pending-provision":
						writes[i].Item = but(w.Item, "State")
						writes[i].Item["State"] = &types.AttributeValueMemberS{Value: "provisioned"}
					case text(w.Item, "Kind") == "hold":
						writes[i].Key, writes[i].Item = freeKey(spaceOf(w.Key), cidr("10.0.0.0/29")), table.Item{"Root": w.Item["Root"]}
					}
				}
				return slices.DeleteFunc(writes, func(w table.Write) bool { return w.Key.PK == items.WorkPK })
			}}
		},
	},
	{
		name:     "a deprovisioning leaves the holds of live resources to the source",
		scenario: "a child's CIDR goes away over a resource",
		finds:    "is allocated, but vpc-1 is live at",
		broken: func() *broken {
			return &broken{write: func(writes []table.Write) []table.Write {
				if !slices.ContainsFunc(writes, func(w table.Write) bool { return text(w.Item, "State") == "deprovisioned" }) {
					return writes
				}
				for i, w := range writes {
					if w.Op == table.OpPut && text(w.Item, "Kind") == "hold" {
						writes[i] = table.Write{Op: table.OpDelete, Key: w.Key, If: w.If}
						writes = append(writes, table.Write{Op: table.OpPut, Key: freeKey(spaceOf(w.Key), cidr("10.0.0.0/30")), Item: table.Item{"Root": w.Item["Root"]}})
					}
				}
				return slices.DeleteFunc(writes, func(w table.Write) bool { return w.Key.PK == items.WorkPK })
			}}
		},
	},
	{
		name:     "a CIDR is given only to the account of its live resources",
		scenario: "a CIDR is requested where another account's resource is live",
		finds:    "is allocated, but vpc-1 is live at",
		broken: func() *broken {
			return &broken{rows: func(rows []table.Row) {
				for i, r := range rows {
					if isLive(r.Key) {
						rows[i].Item = but(r.Item, "Object")
						rows[i].Item["Object"] = &types.AttributeValueMemberS{Value: strings.ReplaceAll(text(r.Item, "Object"), stranger, Account)}
					}
				}
			}}
		},
	},
	{
		name:     "space is held only while the resource is there",
		scenario: "a resource goes while its space is taken",
		finds:    "is held, and nothing is live",
		broken: func() *broken {
			return without(func(w table.Write) bool { return w.Op == table.OpCheck && isLive(w.Key) })
		},
	},
	{
		name:     "a note ends only as it was when its work began",
		scenario: "a resource appears in the place of another that goes",
		finds:    "is free, and vpc vpc-2",
		broken: func() *broken {
			return each(func(w *table.Write) { // the writer keeps the note as it is written
				if w.Key.PK == items.WorkPK && w.Op == table.OpPut {
					w.Item[items.AttrToken] = table.Str("the same")
				}
			})
		},
	},
}
