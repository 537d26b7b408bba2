package store_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// universe is a set-up of pools in a few addresses of which every state is
// visited.
type universe struct {
	name  string
	pools []member
	// mirrored: of states that are mirror images, as the two halves of a block
	// are swapped, one is visited.
	mirrored bool
	full     size
	short    size // with -short
}

// size is a block, and how many states there are in it, worked out by hand with the
// recurrence of its universe.
type size struct {
	block  string
	states int
}

// member is a pool of a universe. The first is at the top level.
type member struct {
	id, source string
	// longest is the netmask length of the smallest CIDRs that are provisioned
	// to it: ofTheBlock if only the whole block is. With 0 it has the whole block from
	// the beginning to the end.
	longest int
}

const ofTheBlock = -1

// universes lists the spaces that the test covers completely. In each universe
// the test visits every state that allocate, release, provision and deprovision
// can reach (up to mirror images where the name says so), and sends every
// request from that state. In every pool it allocates every length from one
// shorter than the universe to a single address, every CIDR in the universe and
// one outside, and releases every allocation. In every pool whose CIDRs move, it
// also provisions the same lengths and CIDRs, down to the pool's longest, and
// deprovisions every CIDR. Each answer (the block, the state or the error code)
// equals the model's answer, and a refusal writes nothing. After every step the
// table is in order and has the same contents as the model.
//
// Mirror images differ in the order of addresses. This order selects the block
// for a length, and the place of the search for a block that overlaps a CIDR.
// The smaller universes leave no image out, and the core's own test makes every
// choice in all 458,330 states of 16 addresses.
//
// The ways to divide a block of 2ⁿ addresses in one pool are f(0) = 2,
// f(n) = f(n−1)² + 1: 2, 5, 26, 677, 458330; up to mirror images c(0) = 2,
// c(n) = c(n−1)·(c(n−1)+1)/2 + 1: 2, 4, 11, 67, 2279.
var universes = []universe{
	{
		name:     "one pool with the block or nothing, mirrored",
		pools:    []member{{id: "top", longest: ofTheBlock}},
		mirrored: true,
		full:     size{"10.0.0.0/28", 2279 + 1}, // c(4), and no CIDR
		short:    size{"10.0.0.0/30", 11 + 1},
	},
	{
		name:  "one pool with the block or nothing",
		pools: []member{{id: "top", longest: ofTheBlock}},
		full:  size{"10.0.0.0/29", 677 + 1}, // f(3), and no CIDR
		short: size{"10.0.0.0/30", 26 + 1},
	},
	{
		// A block holds roots in its halves, or is one root: g(0) = 3,
		// g(n) = g(n−1)² + f(n): 3, 14, 222.
		name:  "a scope and a pool",
		pools: []member{{id: "top", longest: 32}},
		full:  size{"10.0.0.0/30", 222},
		short: size{"10.0.0.0/31", 14},
	},
	{
		// u(0) = 3, u(n) = u(n−1)·(u(n−1)+1)/2 + c(n): 3, 10, 66, 2278.
		name:     "a scope and a pool, mirrored",
		pools:    []member{{id: "top", longest: 32}},
		mirrored: true,
		full:     size{"10.0.0.0/29", 2278},
		short:    size{"10.0.0.0/30", 66},
	},
	{
		// A block is divided, taken, or, of two addresses and more, a root of
		// the child: p(0) = 2, p(n) = p(n−1)·(p(n−1)+1)/2 + 1 + c(n): 2, 8, 48,
		// 1244.
		name:     "a pool and its child with two addresses and more",
		pools:    []member{{id: "top"}, {id: "child", source: "top", longest: 31}},
		mirrored: true,
		full:     size{"10.0.0.0/29", 1244},
		short:    size{"10.0.0.0/30", 48},
	},
	{
		// w(0) = 6, w(n) = w(n−1)·(w(n−1)+1)/2 + 1 + 2·c(n): 6, 30, 488.
		name:     "a pool and two children",
		pools:    []member{{id: "top"}, {id: "left", source: "top", longest: 32}, {id: "right", source: "top", longest: 32}},
		mirrored: true,
		full:     size{"10.0.0.0/30", 488},
		short:    size{"10.0.0.0/31", 30},
	},
	{
		// With v(n) for the ways to divide a block between a pool and its child,
		// v(0) = 4, v(n) = v(n−1)·(v(n−1)+1)/2 + 1 + c(n): 4, 15, 132;
		// x(0) = 6, x(n) = x(n−1)·(x(n−1)+1)/2 + 1 + v(n): 6, 37, 836.
		name:     "a pool, its child and grandchild",
		pools:    []member{{id: "top"}, {id: "child", source: "top", longest: 32}, {id: "grandchild", source: "child", longest: 32}},
		mirrored: true,
		full:     size{"10.0.0.0/30", 836},
		short:    size{"10.0.0.0/31", 37},
	},
	{
		// The last of all addresses. A block is divided, taken, or a root of the
		// child: h(0) = 4, h(n) = h(n−1)² + 1 + f(n): 4, 22, 511.
		name:  "the end of IPv6, a pool and its child",
		pools: []member{{id: "top"}, {id: "child", source: "top", longest: 128}},
		full:  size{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", 511},
		short: size{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", 22},
	},
}

// act makes a request of both twins; it may need a token.
type act func(w *modelEnv, token string)

// acts are the requests that do not depend on the state.
func acts(pools []member, block netip.Prefix) (all []act) {
	family := ipam.FamilyOf(block)
	cidrs := []netip.Prefix{ipam.Buddy(block)}
	for length := block.Bits(); length <= family.Bits(); length++ {
		for p := range (ipam.Filter{}).Positions(block, length) {
			cidrs = append(cidrs, p)
		}
	}
	for _, m := range pools {
		var filter ipam.Filter
		if m.source == "" {
			filter.Allowed = []netip.Prefix{block} // a scope is larger than the universe
		}
		for length := block.Bits() - 1; length <= family.Bits(); length++ {
			all = append(all, func(w *modelEnv, token string) {
				w.allocate(m.id, named("AllocateIpamPoolCidr", token), "", byLength(length), false)
			})
			if length <= m.longest {
				all = append(all, func(w *modelEnv, token string) {
					w.provision(m.id, named("ProvisionIpamPoolCidr", token), "", netip.Prefix{}, length, filter)
				})
			}
		}
		for i, p := range cidrs {
			all = append(all, func(w *modelEnv, token string) {
				w.allocate(m.id, named("AllocateIpamPoolCidr", token), "", ipam.AllocateRequest{CIDR: p}, false)
			})
			if p.Bits() <= m.longest && (i > 0 || m.source != "") { // the scope has the CIDR outside
				all = append(all, func(w *modelEnv, token string) {
					w.provision(m.id, named("ProvisionIpamPoolCidr", token), "", p, 0, ipam.Filter{})
				})
			}
			if m.longest > 0 {
				all = append(all, func(w *modelEnv, _ string) { w.deprovision(m.id, p) })
			}
		}
	}
	return all
}

func TestEveryStateAndEveryRequest(t *testing.T) {
	for _, u := range universes {
		size := u.full
		if testing.Short() {
			size = u.short
		}
		t.Run(u.name+", "+size.block, func(t *testing.T) {
			t.Parallel()
			block := prefix(size.block)
			start := newModelEnv(t, 0)
			pools := slices.Clone(u.pools)
			for i, m := range pools {
				if m.longest == ofTheBlock {
					pools[i].longest = block.Bits()
				}
			}
			for _, m := range pools {
				start.addPool(m.id, m.source, ipam.FamilyOf(block))
				if m.longest == 0 {
					start.provision(m.id, named("ProvisionIpamPoolCidr", "start"), "", block, 0, ipam.Filter{})
				}
			}
			fixed := acts(pools, block)
			seen := map[string]bool{start.model.Shape(block, u.mirrored): true}
			refusals, steps := 0, 0
			for queue := []*modelEnv{start}; len(queue) > 0; queue = queue[1:] {
				at := queue[0]
				queue[0] = nil
				acts := fixed
				for _, m := range pools {
					for _, a := range at.model.Allocations(m.id) {
						acts = append(acts[:len(acts):len(acts)], func(w *modelEnv, _ string) { w.release(m.id, a.CIDR, a.Name) })
					}
				}
				for _, do := range acts {
					next := at.fork()
					do(next, fmt.Sprint(refusals+steps))
					if !next.table.copied {
						refusals++
						continue
					}
					steps++
					next.check()
					if shape := next.model.Shape(block, u.mirrored); !seen[shape] {
						seen[shape] = true
						queue = append(queue, next)
					}
				}
			}
			if len(seen) != size.states {
				t.Errorf("%d states, want %d", len(seen), size.states)
			}
			t.Logf("%d states, %d steps that changed something, %d requests that did not", len(seen), steps, refusals)
		})
	}
}
