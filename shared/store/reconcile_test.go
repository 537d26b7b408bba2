package store_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// takenRow is a taken block as the table has it.
type takenRow struct {
	key            table.Key
	cidr           netip.Prefix
	kind, resource string
}

func (l *env) taken(pool string) (all []takenRow) {
	for k, i := range l.memory.All() {
		if k.PK != items.TakenKey(ipam.SpaceID(pool), netip.MustParsePrefix("10.0.0.0/8")).PK {
			continue
		}
		address, length, _ := strings.Cut(k.SK, "#")
		b, err := hex.DecodeString(address)
		l.must(err)
		n, err := strconv.Atoi(length)
		l.must(err)
		a, _ := netip.AddrFromSlice(b)
		text := func(name string) string {
			if s, ok := i[name].(*types.AttributeValueMemberS); ok {
				return s.Value
			}
			return ""
		}
		all = append(all, takenRow{k, netip.PrefixFrom(a, n), text("Kind"), text("ResourceId")})
	}
	return all
}

// covers marks the addresses of 10.0.0.0/24 that something takes in a pool, or
// in those below it.
func (l *env) covers(pool string, in netip.Prefix, marked *[256]bool) {
	for _, b := range l.taken(pool) {
		switch {
		case !b.cidr.Overlaps(in):
		case b.kind == "ipam-pool":
			l.covers(b.resource, b.cidr, marked)
		default:
			for i := range marked {
				if b.cidr.Contains(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})) {
					marked[i] = true
				}
			}
		}
	}
}

// The scan of a scope reports the same live CIDRs as partly free as a check of every
// address, from each point where the scan can go on. The second look, Exposed,
// reports the same.
func TestExposedAgainstEveryAddress(t *testing.T) {
	free := 0
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := newEnv(t)
		top := l.pool("", false)
		l.provision(top, "10.0.0.0/24")
		child := l.pool(top.ID, false)
		l.provision(child, "10.0.0.128/26")
		deep := l.pool(child.ID, true)
		l.provision(deep, "10.0.0.160/27")
		random := func(least int) string {
			length := least + rng.IntN(31-least)
			p, err := netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(256))}).Prefix(length)
			l.must(err)
			return p.String()
		}
		for i := range 12 {
			_, err := l.allocate(ownerAccount, []*ipam.Pool{top, child, deep}[i%3], 0, random(27))
			if err != nil && ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
				t.Fatal(err)
			}
			l.observe(vpc(fmt.Sprintf("vpc-%d", i), random(22)))
		}
		for _, pool := range []*ipam.Pool{top, child, deep} {
			for _, b := range l.taken(pool.ID) {
				if b.kind == "hold" && rng.IntN(2) == 0 {
					l.must(l.memory.Transact(t.Context(), []table.Write{{Op: table.OpDelete, Key: b.key}}))
				}
			}
		}
		var marked [256]bool
		l.covers(top.ID, netip.MustParsePrefix("10.0.0.0/24"), &marked)
		is := func(p netip.Prefix) bool {
			for i := range marked {
				if p.Contains(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})) && !marked[i] {
					return true
				}
			}
			return false
		}
		for after, rounds := (netip.Prefix{}), 0; rounds < 50; rounds++ {
			begin := after
			for v, err := range l.store.EvaluateAll(t.Context(), l.ipam.PrivateScope, ipam.IPv4, begin) {
				l.must(err)
				want := is(v.Resource.CIDR)
				if want {
					free++
				}
				if v.Exposed != want {
					t.Errorf("seed %d, from %v: %s is said to be free: %t", seed, begin, v.Resource.CIDR, v.Exposed)
				}
				if got, err := l.store.Exposed(t.Context(), v.Resource); err != nil || got != want {
					t.Errorf("seed %d: the second look at %s: %t, %v", seed, v.Resource.CIDR, got, err)
				}
				if after == begin && v.After.IsValid() {
					after = v.After
				}
			}
			if after == begin {
				break
			}
		}
	}
	if free < 100 {
		t.Errorf("%d CIDRs were free, which shows little", free)
	}
}

// A CIDR that is ignored, or gone, or noted is not exposed, and one look that sees
// it covered is enough.
func TestExposedIsCertain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*env, *ipam.ResourceCIDR)
		want   bool
	}{
		"free": {func(*env, *ipam.ResourceCIDR) {}, true},
		"ignored": {func(l *env, r *ipam.ResourceCIDR) {
			_, err := l.store.ModifyResourceCIDR(l.Context(), store.ModifyResourceCIDR{Scope: r.Scope, ResourceID: r.ID, CIDR: r.CIDR, Region: r.Region, May: func(*ipam.Scope, *ipam.Scope) error { return nil }})
			l.must(err)
		}, false},
		"gone": {func(l *env, _ *ipam.ResourceCIDR) {
			found, _, err := l.store.Found(l.Context(), l.disco.ID, "eu-west-1", otherAccount, "", 0)
			l.must(err)
			_, err = l.store.Forget(l.Context(), found[0], math.MaxInt64)
			l.must(err)
		}, false},
		"noted": {func(l *env, _ *ipam.ResourceCIDR) {
			k := table.Key{PK: items.WorkPK, SK: "live#" + l.ipam.PrivateScope + "#10.0.0.0/25"}
			l.must(l.memory.Transact(l.Context(), []table.Write{{Op: table.OpPut, Key: k, Item: table.Item{"Since": &types.AttributeValueMemberN{Value: "1"}}}}))
		}, false},
		"held between the looks": {func(l *env, r *ipam.ResourceCIDR) {
			looks := 0
			l.faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
				if c.Kind != tabletest.BatchGet {
					return nil
				}
				if looks++; looks == 2 {
					l.must(l.on(l.memory).Reconcile(l.Context(), r.Scope, r.CIDR))
				}
				return nil
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newEnv(t)
			pool := l.pool("", false)
			l.provision(pool, "10.0.0.0/24")
			l.observe(vpc("vpc-1", "10.0.0.0/26"))
			rows, _, err := l.store.Resources(t.Context(), l.ipam.PrivateScope, ipam.IPv4, "", 0)
			l.must(err)
			hold := l.taken(pool.ID)[0]
			read, err := l.memory.BatchGet(t.Context(), []table.Key{hold.key})
			l.must(err)
			if is, err := l.store.Exposed(t.Context(), rows[0]); is || err != nil {
				t.Errorf("held: %t, %v", is, err)
			}
			l.must(l.memory.Transact(t.Context(), []table.Write{
				{Op: table.OpDelete, Key: hold.key},
				{Op: table.OpPut, Key: items.FreeKey(pool.Space(), hold.cidr), Item: table.Item{"Root": read[hold.key]["Root"]}},
			}))
			c.change(l, rows[0])
			if is, err := l.store.Exposed(t.Context(), rows[0]); is != c.want || err != nil {
				t.Errorf("%t, %v; want %t", is, err, c.want)
			}
		})
	}
}

// In a planning pool a VPC's subnets must be taken. The VPC itself, whose space the
// pool plans, need not be.
func TestExposedInAPlanningPool(t *testing.T) {
	l := newEnv(t)
	_, plan, _, subnets := planned(l, false)
	exposed := func() (all []string) {
		for v, err := range l.store.EvaluateAll(t.Context(), l.ipam.PrivateScope, ipam.IPv4, netip.Prefix{}) {
			l.must(err)
			second, err := l.store.Exposed(t.Context(), v.Resource)
			l.must(err)
			if v.Exposed != second {
				t.Errorf("%s: at first %t, then %t", v.Resource.ID, v.Exposed, second)
			}
			if second {
				all = append(all, v.Resource.ID)
			}
		}
		return all
	}
	if got := exposed(); got != nil {
		t.Errorf("all is held, and exposed are %q", got)
	}
	for _, b := range l.taken(plan.ID) {
		if b.cidr == subnets[1].CIDR {
			l.must(l.memory.Transact(t.Context(), []table.Write{{Op: table.OpDelete, Key: b.key}}))
		}
	}
	if got := exposed(); len(got) != 1 || got[0] != subnets[1].ID {
		t.Errorf("exposed are %q, want %s", got, subnets[1].ID)
	}
}
