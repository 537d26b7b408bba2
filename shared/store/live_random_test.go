package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// Random acts of everybody, one after the other, keep the table in order.
func TestLiveRandomly(t *testing.T) {
	for seed := range uint64(sized(60, 12)) {
		l := newEnv(t)
		l.narrow([]int{0, 5, 6, 9}[seed%4])
		r := rand.New(rand.NewPCG(seed, 1))
		top := l.pool("", r.IntN(2) == 0)
		var child *ipam.Pool
		live, subnets := map[string]ipam.Resource{}, map[string]ipam.Resource{}
		second, secondPool := l.secondScope()
		stands := func(v ipam.Resource) (*ipam.ResourceCIDR, string) { // where, and the other scope
			if at := l.row(v, second.ID); at != nil {
				return at, l.ipam.PrivateScope
			}
			return l.row(v, l.ipam.PrivateScope), second.ID
		}
		lives := func(v ipam.Resource) bool { // where most is taken
			at := l.row(v, l.ipam.PrivateScope)
			return at != nil && at.Live()
		}
		inTheWay := func(of netip.Prefix) string { // the VPC that must not be given away
			for id, v := range live {
				if v.CIDR.Overlaps(of) && lives(v) {
					return fmt.Sprintf("%s is at %s", id, v.CIDR)
				}
			}
			return ""
		}
		one := func(of map[string]ipam.Resource) []ipam.Resource { // one of them, if there are any
			if len(of) == 0 {
				return nil
			}
			return []ipam.Resource{of[slices.Sorted(maps.Keys(of))[r.IntN(len(of))]]}
		}
		var plans []*ipam.Pool
		var given, pending []*ipam.Allocation
		block := func(least, most int) string {
			length := least + r.IntN(most-least+1)
			a := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(256)), 0})
			return netip.PrefixFrom(a, length).Masked().String()
		}
		for step := range 60 {
			switch r.IntN(17) {
			case 13: // a VPC is ignored, or watched again
				for _, v := range one(live) {
					at, _ := stands(v)
					l.monitor(v, at.Ignored, at.Scope, "")
				}
			case 14: // a VPC is moved
				for _, v := range one(live) {
					at, other := stands(v)
					l.monitor(v, true, at.Scope, other)
				}
			case 15: // a VPC is not seen for a while
				for _, v := range one(live) {
					l.forgetFound(v)
					fscktest.Clean(t, l.memory, l.now)
					if r.IntN(2) == 0 {
						l.work()
					}
					l.observe(v)
				}
			case 16: // in the other scope a block is pending, until a VPC is created from it or it is freed
				if a, err := l.store.Allocate(t.Context(), l.leasing(secondPool, 18+r.IntN(7), "")); err == nil {
					pending = append(pending, a)
				}
			case 10: // a subnet comes or goes
				for _, s := range one(subnets) {
					if r.IntN(3) == 0 {
						l.forgetFound(s)
						delete(subnets, s.ID)
					}
				}
				for _, v := range one(live) {
					s := subnet(fmt.Sprintf("subnet-%d", step), v.ID, netip.PrefixFrom(v.CIDR.Addr(), min(28, v.CIDR.Bits()+r.IntN(4))).String())
					l.observe(s)
					subnets[s.ID] = s
				}
			case 11: // a plan is made, and has its VPC's CIDR
				for _, v := range one(live) {
					p := l.planning(top, v.ID, r.IntN(2) == 0)
					_, _ = l.store.Provision(t.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: v.CIDR, May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
					plans = append(plans, p)
				}
			case 12: // a plan gives, or goes
				if len(plans) == 0 {
					continue
				}
				p := plans[r.IntN(len(plans))]
				if r.IntN(2) == 0 {
					if a, err := l.allocate(ownerAccount, p, 24+r.IntN(5), ""); err == nil {
						given = append(given, a)
						for _, s := range subnets {
							if s.CIDR.Overlaps(a.CIDR) && lives(s) {
								t.Fatalf("seed %d, step %d: %s was given, and %s is at %s", seed, step, a.CIDR, s.ID, s.CIDR)
							}
						}
					}
				} else if cidrs, err := l.store.PoolCIDRs(t.Context(), p.ID); err != nil || len(cidrs) > 0 && cidrs[0].State.Holds() {
					l.must(err)
					l.deprovision(p, cidrs[0].CIDR.String())
				}
			case 8:
				length := 18 + r.IntN(7)
				if a, err := l.store.Allocate(t.Context(), l.leasing(top, length, "")); err == nil {
					pending = append(pending, a)
					if by := inTheWay(a.CIDR); by != "" {
						t.Fatalf("seed %d, step %d: %s was pending, and %s", seed, step, a.CIDR, by)
					}
				}
			case 9:
				if len(pending) == 0 {
					continue
				}
				i := r.IntN(len(pending))
				v := vpc(fmt.Sprintf("vpc-%d", step), pending[i].CIDR.String())
				switch r.IntN(5) {
				case 0:
					l.must(l.store.EndPending(t.Context(), pending[i]))
				case 4:
					l.must(l.store.Bind(t.Context(), pending[i], l.answered(v.ID, "")))
					ended, err := l.store.EndDeleted(t.Context(), &store.Pending{Allocation: pending[i].AllocationID, Made: store.Made{ID: v.ID}}, store.DeletedResource)
					l.must(err)
					if ended {
						l.observe(v) // as it was read before
					}
					if l.found(v) != nil {
						t.Fatalf("seed %d, step %d: %s is recorded behind its deletion", seed, step, v.ID)
					}
				case 1:
					l.must(l.store.Bind(t.Context(), pending[i], store.Made{ID: v.ID}))
					fallthrough
				case 2:
					l.observe(v)
					live[v.ID] = v
				case 3:
					l.now = l.now.Add(time.Hour)
					l.looked()
					l.must(l.store.RunWork(t.Context(), "pending#"+pending[i].AllocationID))
				}
				pending = slices.Delete(pending, i, i+1)
			case 0, 1:
				v := vpc(fmt.Sprintf("vpc-%d", step), block(18, 24))
				l.observe(v)
				live[v.ID] = v
			case 2:
				for _, v := range one(live) {
					for _, sid := range slices.Sorted(maps.Keys(subnets)) {
						if s := subnets[sid]; s.VPC == v.ID {
							l.forgetFound(s)
							delete(subnets, sid)
						}
					}
					l.forgetFound(v)
					delete(live, v.ID)
				}
			case 3:
				if step%2 == 0 {
					_, _ = l.store.Provision(t.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: top.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
				} else if child == nil {
					child = l.pool(top.ID, r.IntN(2) == 0)
				} else {
					_, _ = l.store.Provision(t.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: child.ID, CIDR: netip.MustParsePrefix(block(17, 20)), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
				}
			case 4:
				account := []string{ownerAccount, otherAccount}[r.IntN(2)]
				if a, err := l.allocate(account, top, 0, block(18, 24)); err == nil {
					given = append(given, a)
				}
			case 5:
				a, err := l.allocate(ownerAccount, top, 22, "")
				if err != nil {
					continue
				}
				given = append(given, a)
				if by := inTheWay(a.CIDR); by != "" {
					t.Fatalf("seed %d, step %d: %s was given, and %s", seed, step, a.CIDR, by)
				}
			case 6:
				if len(given) > 0 {
					i := r.IntN(len(given))
					l.release(given[i])
					given = slices.Delete(given, i, i+1)
				}
			case 7:
				if child != nil {
					cidrs, err := l.store.PoolCIDRs(t.Context(), child.ID)
					l.must(err)
					for _, c := range cidrs {
						if c.State.Holds() {
							l.deprovision(child, c.CIDR.String())
							break
						}
					}
				}
			}
			fscktest.Clean(t, l.memory, l.now)
		}
		l.settled()
	}
}
