package store_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"go4.org/netipx"
)

// blockIn returns a block of a family: of IPv4 the block of 10.0.0.0/8 itself, of IPv6 the
// block at the same place in fd80::/40. A /32 is a /64 there.
func blockIn(f ipam.Family, cidr string) netip.Prefix {
	p := netip.MustParsePrefix(cidr)
	if f == ipam.IPv4 {
		return p
	}
	a := p.Addr().As4()
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0x80, 5: a[1], 6: a[2], 7: a[3]}), p.Bits()+32)
}

// unit is the smallest block of a space of a test: an address of IPv4, a /64 of IPv6.
func unit(f ipam.Family) ipam.Addresses {
	if f == ipam.IPv4 {
		return ipam.Addresses{Low: 1}
	}
	return ipam.Addresses{High: 1}
}

// nextUnit returns the first address behind the unit at an address.
func nextUnit(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a.Next()
	}
	return netipx.PrefixLastIP(netip.PrefixFrom(a, 64)).Next()
}

// randomSpace makes pools of a family in 10.0.0.0/16, see blockIn, with allocations, planning
// pools and live resources, by random acts. It returns the pools.
func (l *env) randomSpace(f ipam.Family, r *rand.Rand) []*ipam.Pool {
	l.Helper()
	pools := []*ipam.Pool{l.poolIn(f, "", r.IntN(2) == 0)}
	l.provision(pools[0], blockIn(f, "10.0.0.0/17").String())
	l.provision(pools[0], blockIn(f, "10.0.160.0/19").String())
	block := func(least, most int) string {
		a := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(256)), byte(r.IntN(256))})
		return blockIn(f, netip.PrefixFrom(a, least+r.IntN(most-least+1)).Masked().String()).String()
	}
	longer := blockIn(f, "10.0.0.0/16").Bits() - 16 // than lengths of IPv4
	try := func(p *ipam.Pool, cidr string) {
		_, _ = l.store.Provision(l.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix(cidr), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
	}
	var vpcs []ipam.Resource
	var given []*ipam.Allocation
	for step := range 45 {
		p := pools[r.IntN(len(pools))]
		switch r.IntN(8) {
		case 0:
			v := vpc(fmt.Sprintf("vpc-%d", step), block(18, 26))
			l.observe(v)
			vpcs = append(vpcs, v)
		case 1:
			if len(vpcs) > 0 {
				v := vpcs[r.IntN(len(vpcs))]
				l.observe(subnet(fmt.Sprintf("subnet-%d", step), v.ID, netip.PrefixFrom(v.CIDR.Addr(), min(28+longer, v.CIDR.Bits()+r.IntN(4))).String()))
			}
		case 2:
			if p.Depth < 4 && p.SourceResource == nil {
				child := l.poolIn(f, p.ID, r.IntN(2) == 0)
				try(child, block(18, 22))
				try(child, block(20, 24))
				pools = append(pools, child)
			}
		case 3:
			if len(vpcs) > 0 {
				v := vpcs[r.IntN(len(vpcs))]
				plan := l.planning(pools[0], v.ID, r.IntN(2) == 0)
				try(plan, v.CIDR.String())
				pools = append(pools, plan)
			}
		case 4:
			if len(given) > 0 {
				i := r.IntN(len(given))
				l.release(given[i])
				given = slices.Delete(given, i, i+1)
			}
		default:
			if a, err := l.allocate([]string{ownerAccount, otherAccount}[r.IntN(2)], p, 20+longer+r.IntN(9), ""); err == nil {
				given = append(given, a)
			}
		}
	}
	l.work()
	return pools
}

// stored has the blocks and resources of a scope, read without the code under test.
type stored struct {
	blocks    map[string]netip.Prefix // by all that a map shows of them
	resources map[string]netip.Prefix
	inPool    map[string][]string // the blocks of a pool's map: of the pool and of all pools inside it
	flat      []ipam.SpaceBlock
	rows      []*ipam.ResourceCIDR
}

func blockText(b *ipam.SpaceBlock) string {
	return fmt.Sprintf("%s %s of %q: %s %s %s %s", b.CIDR, b.State, b.Pool, b.Kind, b.AllocationID, b.ResourceID, b.Owner)
}

// readStored reads the items of the scope's and the pools' spaces.
func (l *env) readStored(f ipam.Family, pools []*ipam.Pool) *stored {
	l.Helper()
	s := &stored{blocks: map[string]netip.Prefix{}, resources: map[string]netip.Prefix{}, inPool: map[string][]string{}}
	rows := func(q table.Query) []table.Row {
		var all []table.Row
		for r, err := range table.Rows(l.Context(), l.memory, q) {
			l.must(err)
			all = append(all, r)
		}
		return all
	}
	states := map[ipam.Kind]ipam.SpaceState{ipam.KindPool: "pool", ipam.KindHold: "held", ipam.KindSplit: "changing"}
	byPool := map[string][]ipam.SpaceBlock{}
	for space, pool := range func(yield func(ipam.SpaceID, string) bool) {
		_ = yield(ipam.ScopeSpace(l.ipam.PrivateScope, f), "")
		for _, p := range pools {
			_ = yield(p.Space(), p.ID)
		}
	} {
		for _, r := range rows(items.TakenRows(space)) {
			t, err := items.DecodeTaken(r)
			l.must(err)
			byPool[pool] = append(byPool[pool], ipam.SpaceBlock{Taken: t, Pool: pool, State: cmp.Or(states[t.Kind], "allocated")})
		}
		if pool == "" {
			continue // free space of the scope is in no pool and not in the map
		}
		for _, r := range rows(items.FreeRows(space)) {
			f, err := items.DecodeFree(r)
			l.must(err)
			byPool[pool] = append(byPool[pool], ipam.SpaceBlock{Taken: ipam.Taken{CIDR: f.CIDR}, Pool: pool, State: "free"})
		}
	}
	for pool, blocks := range byPool {
		slices.SortFunc(blocks, func(a, b ipam.SpaceBlock) int { return a.CIDR.Compare(b.CIDR) })
		for i := range blocks {
			text := blockText(&blocks[i])
			if _, twice := s.blocks[text]; twice {
				l.Errorf("%s is there twice", text)
			}
			s.blocks[text] = blocks[i].CIDR
			s.inPool[pool] = append(s.inPool[pool], text)
		}
	}
	// The order of a map: each block before those inside it.
	var walk func(blocks []ipam.SpaceBlock)
	walk = func(blocks []ipam.SpaceBlock) {
		for _, b := range blocks {
			s.flat = append(s.flat, b)
			if child := b.ChildPool(); child != "" {
				var inside []ipam.SpaceBlock
				for _, c := range byPool[child] {
					if ipam.Within(c.CIDR, b.CIDR) {
						inside = append(inside, c)
					}
				}
				walk(inside)
			}
		}
	}
	walk(byPool[""])
	for _, r := range rows(items.ResourceRows(l.ipam.PrivateScope, f, ipam.ResourceVPC)) {
		o, err := items.DecodeResource(r)
		l.must(err)
		s.rows = append(s.rows, o)
		s.resources[fmt.Sprint(o.CIDR, " ", o.ID, " ", o.Status)] = o.CIDR
	}
	return s
}

// descendants returns the blocks of a pool's map.
func (s *stored) descendants(pools []*ipam.Pool, pool *ipam.Pool) (texts []string) {
	for _, b := range s.flat {
		if b.ChildPool() == pool.ID {
			text := blockText(&b)
			if b.Kind != ipam.KindPool { // a planning pool's CIDR is not the VPC's allocation
				text = ""
			}
			if text != "" {
				texts = append(texts, text)
			}
		}
	}
	texts = append(texts, s.inPool[pool.ID]...)
	for _, p := range pools {
		if p.SourcePool == pool.ID {
			texts = append(texts, s.inside(pools, p)...)
		}
	}
	return texts
}

func (s *stored) inside(pools []*ipam.Pool, pool *ipam.Pool) []string {
	texts := slices.Clone(s.inPool[pool.ID])
	for _, p := range pools {
		if p.SourcePool == pool.ID {
			texts = append(texts, s.inside(pools, p)...)
		}
	}
	return texts
}

// totals counts the stored blocks and resources in region unit by unit.
func (s *stored) totals(region netip.Prefix) (t ipam.SpaceTotals) {
	one := unit(ipam.FamilyOf(region))
	for _, b := range s.flat {
		if region.Contains(b.CIDR.Addr()) {
			switch b.State {
			case "allocated":
				t.Allocations++
			case "free":
				t.FreeBlocks++
			}
		}
	}
	for _, r := range s.rows {
		if region.Contains(r.CIDR.Addr()) {
			t.Resources++
		}
	}
	for a := region.Addr(); region.Contains(a); a = nextUnit(a) {
		state := ipam.SpaceState("")
		for i := range s.flat {
			if b := &s.flat[i]; b.CIDR.Contains(a) {
				if state = b.State; state != ipam.SpacePool {
					break
				}
			}
		}
		if state != "" {
			t.Provisioned.Add(one)
		}
		switch state {
		case "allocated":
			t.Allocated.Add(one)
		case "held":
			t.Held.Add(one)
		case "free":
			t.Free.Add(one)
		}
		is := map[string]bool{}
		for _, r := range s.rows {
			if r.CIDR.Contains(a) {
				is[string(r.Status.Overlap)], is[string(r.Status.Compliance)], is["m-"+string(r.Status.Management)] = true, true, true
			}
		}
		for sum, has := range map[*ipam.Addresses]bool{&t.Overlapping: is["overlapping"], &t.Noncompliant: is["noncompliant"], &t.Unmanaged: is["m-unmanaged"]} {
			if has {
				sum.Add(one)
			}
		}
	}
	return t
}

func mapStore(t table.Table, now func() time.Time, live, summed int) *store.Store {
	return store.New(t, store.Options{Region: "eu-west-1", Owner: ownerAccount, Now: now, MapLive: live, MapSummed: summed,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

// For random spaces of both families, the map's blocks and resources are those that the table has: each
// once, in order, with its state, for the whole scope, for every pool, and for any part of
// them. Tiles, of the table or of a scan, add up to the same.
func TestSpaceMapEqualsTheTable(t *testing.T) {
	overlapping, held := 0, 0
	for seed := range uint64(sized(40, 8)) {
		l, f := newEnv(t), []ipam.Family{ipam.IPv4, ipam.IPv6}[seed%2]
		r := rand.New(rand.NewPCG(seed, 2))
		pools := l.randomSpace(f, r)
		want := l.readStored(f, pools)
		longer := blockIn(f, "10.0.0.0/16").Bits() - 16
		l.memory.PageBytes = 2000 // many pages
		now := func() time.Time { return l.now }
		view := store.SpaceView{Scope: l.ipam.PrivateScope, Family: f, Most: 10_000}
		zooms := []netip.Prefix{{}, blockIn(f, "10.0.0.0/16"), blockIn(f, "10.0.0.0/17"), blockIn(f, "10.128.0.0/9")}
		for range 12 {
			a := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(256)), byte(r.IntN(256))})
			zooms = append(zooms, blockIn(f, netip.PrefixFrom(a, 16+r.IntN(17)).Masked().String()))
		}
		exact := mapStore(l.memory, now, 0, 0)
		for _, at := range append([]*ipam.Pool{nil}, pools...) {
			for _, zoom := range zooms {
				v := view
				v.Pool, v.CIDR = at, zoom
				l.sameSpace(fmt.Sprintf("seed %d", seed), exact, v, want, pools)
			}
		}

		// The same in tiles: of the table, then of a scan.
		whole := blockIn(f, "10.0.0.0/16")
		sum, done, err := exact.SumSpace(t.Context(), l.ipam.PrivateScope, f, func() bool { return false })
		l.must(err)
		all := want.totals(whole)
		if all.Overlapping != (ipam.Addresses{}) {
			overlapping++
		}
		if all.Held != (ipam.Addresses{}) {
			held++
		}
		if !done || gocmp.Diff(all, sum.Totals(f.All())) != "" {
			t.Fatalf("seed %d: the scan's totals (-want +got):\n%s", seed, gocmp.Diff(all, sum.Totals(f.All())))
		}
		l.must(mapStore(l.memory, now, 0, 3).SaveSpaceMap(t.Context(), l.ipam.PrivateScope, f, l.now, sum))
		for _, limits := range [][2]int{{0, 0}, {1, 3}} {
			tiled := mapStore(l.memory, now, limits[0], limits[1])
			for _, zoom := range zooms[:10] {
				v := view
				v.Most, v.CIDR = 1, zoom
				m, err := tiled.SpaceMap(t.Context(), v)
				if ipam.CodeOf(err) == ipam.CodeUnavailable && limits[0] == 1 && zoom.IsValid() && zoom.Bits() > 17+longer {
					continue // few blocks by the scan, more than it may read by itself
				}
				l.must(err)
				if m.Exact {
					continue
				}
				if m.Summed != (limits[0] == 1) || m.Blocks != nil {
					t.Fatalf("seed %d, %s with %v: summed %v, blocks %v", seed, zoom, limits, m.Summed, m.Blocks)
				}
				region := whole
				if zoom.IsValid() {
					region = zoom
				}
				var total ipam.SpaceTotals
				for i, tile := range m.Tiles {
					if i > 0 && (m.Tiles[i-1].CIDR.Overlaps(tile.CIDR) || m.Tiles[i-1].CIDR.Compare(tile.CIDR) > 0) {
						t.Fatalf("seed %d: tile %s follows %s", seed, tile.CIDR, m.Tiles[i-1].CIDR)
					}
					total.Add(&tile.SpaceTotals)
				}
				if region.Bits() <= 18+longer || r.IntN(4) == 0 {
					if all := want.totals(region); gocmp.Diff(all, total) != "" || gocmp.Diff(all, m.Totals) != "" {
						t.Fatalf("seed %d, %s with %v, summed %v: tiles (-want +got):\n%s\ntotals:\n%s", seed, region, limits, m.Summed, gocmp.Diff(all, total), gocmp.Diff(all, m.Totals))
					}
				}
			}
		}
		l.settled() // the scan's items are in order too
	}
	if overlapping < 3 || held < 3 {
		t.Errorf("%d spaces have overlaps and %d have held space, too few to say anything", overlapping, held)
	}
}

// sameSpace compares an exact map with the stored blocks and resources.
func (l *env) sameSpace(when string, s *store.Store, v store.SpaceView, have *stored, pools []*ipam.Pool) {
	l.Helper()
	m, err := s.SpaceMap(l.Context(), v)
	l.must(err)
	on := fmt.Sprintf("%s, the map of %s", when, v.CIDR)
	if v.Pool != nil {
		on += " in " + v.Pool.ID
	}
	if !m.Exact || m.Summed || m.Tiles != nil {
		l.Fatalf("%s: exact %v, summed %v", on, m.Exact, m.Summed)
	}
	wantBlocks := slices.Collect(maps.Keys(have.blocks))
	var roots []netip.Prefix
	if v.Pool != nil {
		wantBlocks = have.descendants(pools, v.Pool)
		cidrs, err := s.PoolCIDRs(l.Context(), v.Pool.ID)
		l.must(err)
		for _, c := range cidrs {
			if !c.State.Holds() {
				continue
			}
			roots = append(roots, c.CIDR)
			if v.Pool.SourceResource != nil {
				b := ipam.SpaceBlock{Taken: ipam.Taken{CIDR: c.CIDR, Kind: ipam.KindPool, AllocationID: c.AllocationID, ResourceID: v.Pool.ID, Owner: v.Pool.Owner}, Pool: v.Pool.SourcePool, State: "pool"}
				wantBlocks = append(wantBlocks, blockText(&b))
				have.blocks[blockText(&b)] = c.CIDR
				defer delete(have.blocks, blockText(&b))
			}
		}
	}
	sees := func(p netip.Prefix) bool {
		return (!v.CIDR.IsValid() || p.Overlaps(v.CIDR)) && (v.Pool == nil || slices.ContainsFunc(roots, func(root netip.Prefix) bool { return root.Overlaps(p) && (!v.CIDR.IsValid() || root.Overlaps(v.CIDR)) }))
	}
	wantBlocks = slices.DeleteFunc(wantBlocks, func(text string) bool { return !sees(have.blocks[text]) })
	var got []string
	for i := range m.Blocks {
		got = append(got, blockText(&m.Blocks[i]))
		if i > 0 && m.Blocks[i-1].CIDR.Compare(m.Blocks[i].CIDR) > 0 {
			l.Fatalf("%s: %s follows %s", on, got[i], got[i-1])
		}
	}
	slices.Sort(got)
	slices.Sort(wantBlocks)
	if d := gocmp.Diff(wantBlocks, got, cmpopts.EquateEmpty()); d != "" {
		l.Fatalf("%s: blocks (-want +got):\n%s", on, d)
	}
	var wantResources, resources []string
	for text, p := range have.resources {
		if sees(p) {
			wantResources = append(wantResources, text)
		}
	}
	for i, o := range m.Resources {
		resources = append(resources, fmt.Sprint(o.CIDR, " ", o.ID, " ", o.Status))
		if i > 0 && m.Resources[i-1].CIDR.Compare(o.CIDR) > 0 {
			l.Fatalf("%s: %s follows %s", on, resources[i], resources[i-1])
		}
	}
	slices.Sort(wantResources)
	slices.Sort(resources)
	if d := gocmp.Diff(wantResources, resources, cmpopts.EquateEmpty()); d != "" {
		l.Fatalf("%s: resources (-want +got):\n%s", on, d)
	}
}

// A map of a pool that is shared shows the pool's own blocks, and no resources.
func TestSpaceMapOfASharedPool(t *testing.T) {
	l := newEnv(t)
	top := l.pool("", false)
	l.provision(top, "10.0.0.0/16")
	child := l.pool(top.ID, false)
	l.provision(child, "10.0.0.0/24")
	_, err := l.allocate(ownerAccount, child, 28, "")
	l.must(err)
	l.observe(vpc("vpc-1", "10.0.8.0/24"))
	m, err := l.store.SpaceMap(t.Context(), store.SpaceView{Scope: l.ipam.PrivateScope, Family: ipam.IPv4, Pool: top, Most: 100, Shallow: true})
	l.must(err)
	var got []string
	for _, b := range m.Blocks {
		got = append(got, fmt.Sprint(b.CIDR, " ", b.State))
	}
	want := []string{"10.0.0.0/16 pool", "10.0.0.0/24 pool", "10.0.1.0/24 free", "10.0.2.0/23 free", "10.0.4.0/22 free", "10.0.8.0/24 held", "10.0.9.0/24 free", "10.0.10.0/23 free", "10.0.12.0/22 free", "10.0.16.0/20 free", "10.0.32.0/19 free", "10.0.64.0/18 free", "10.0.128.0/17 free"}
	if !slices.Equal(got, want) || m.Resources != nil {
		t.Errorf("%q, want %q; resources %v", got, want, m.Resources)
	}
}

// bigSpace puts a pool with many allocations of /28 into the table, and a VPC for each 16th.
func (l *env) bigSpace(many int) {
	l.Helper()
	pool := l.pool("", false)
	l.provision(pool, "10.0.0.0/8")
	var writes []table.Write
	put := func(w table.Write) {
		if writes = append(writes, w); len(writes) == 100 {
			l.must(l.memory.Transact(l.Context(), writes))
			writes = nil
		}
	}
	var root ipam.Root
	for r, err := range table.Rows(l.Context(), l.memory, items.FreeRows(pool.Space())) {
		l.must(err)
		f, err := items.DecodeFree(r)
		l.must(err)
		root = f.Root
		put(table.Write{Op: table.OpDelete, Key: r.Key})
	}
	for i := range many {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 12), byte(i >> 4), byte(i << 4)}), 28)
		a := ipam.Taken{CIDR: p, Root: root, AllocationID: fmt.Sprintf("ipam-pool-alloc-%032x", i), Kind: ipam.KindCustom, Owner: ownerAccount, Description: "vpc-prod-osaka-payments", Tags: ipam.Tags{"Name": "payments", "CostCenter": "4711"}}
		put(table.Write{Op: table.OpPut, Key: items.TakenKey(pool.Space(), p), Item: items.EncodeTaken(a)})
		if i%16 == 0 {
			row := items.EncodeResource(&ipam.ResourceCIDR{Resource: vpc(fmt.Sprintf("vpc-%017x", i), p.String()), Scope: l.ipam.PrivateScope, Rev: 1})
			put(table.Write{Op: table.OpPut, Key: row.Key, Item: row.Item})
		}
	}
	if len(writes) > 0 {
		l.must(l.memory.Transact(l.Context(), writes))
	}
}

// The first picture of a space takes as few reads with many allocations as with few, and so
// does each zoom: a small part is read from its blocks, a large part from the scan's map. The
// scan reads each block and resource once, and writes few items.
func TestCostOfSpaceMaps(t *testing.T) {
	for _, c := range []struct {
		many    int
		picture tabletest.Cost // at most
		save    int            // items that the scan writes at most
	}{
		{500, tabletest.Cost{BatchGets: 1, Queries: 5, Rows: 600}, 0},
		{sized(30_000, 25_000), tabletest.Cost{BatchGets: 1, Queries: 1, Rows: 80}, 70},
		{sized(300_000, 60_000), tabletest.Cost{BatchGets: 1, Queries: 1, Rows: 80}, 150},
	} {
		l := newEnv(t)
		l.bigSpace(c.many)
		counter := &tabletest.Counter{Table: l.memory}
		s := l.on(counter)
		v := store.SpaceView{Scope: l.ipam.PrivateScope, Family: ipam.IPv4, Most: 2000}
		scan := func() {
			sum, _, err := s.SumSpace(t.Context(), v.Scope, v.Family, func() bool { return false })
			l.must(err)
			cost := counter.Take()
			t.Logf("%d allocations: the scan reads %+v", c.many, cost)
			if cost.Rows > c.many+c.many/16+20 || cost.Transactions > 0 {
				t.Errorf("%d allocations: the scan reads %+v", c.many, cost)
			}
			l.must(s.SaveSpaceMap(t.Context(), v.Scope, v.Family, l.now, sum))
			cost = counter.Take()
			t.Logf("%d allocations: the scan writes %+v", c.many, cost)
			if cost.Writes > c.save || cost.WriteUnits > 90*c.save {
				t.Errorf("%d allocations: the scan writes %+v, want at most %d items", c.many, cost, c.save)
			}
		}
		counter.Take()
		scan()
		for _, zoom := range []string{"", "10.0.0.0/8", "10.0.0.0/10", "10.0.0.0/16", "10.0.16.0/20", "10.0.16.0/28", "10.0.16.1/32", "10.255.0.0/24", "192.168.0.0/16"} {
			v.CIDR = netip.Prefix{}
			if zoom != "" {
				v.CIDR = netip.MustParsePrefix(zoom)
			}
			start := time.Now()
			m, err := s.SpaceMap(t.Context(), v)
			l.must(err)
			cost := counter.Take()
			t.Logf("%d allocations, %q: summed %v, exact %v, %d blocks, %d tiles, %s, %+v", c.many, zoom, m.Summed, m.Exact, len(m.Blocks), len(m.Tiles), time.Since(start).Round(time.Millisecond), cost)
			if zoom == "" && (cost.BatchGets > c.picture.BatchGets || cost.Queries > c.picture.Queries || cost.Rows > c.picture.Rows) {
				t.Errorf("%d allocations: the picture costs %+v, want at most %+v", c.many, cost, c.picture)
			}
			if cost.Queries+cost.BatchGets > 70 || cost.Rows > 22_000 {
				t.Errorf("%d allocations: the map of %q costs %+v", c.many, zoom, cost)
			}
			if len(m.Tiles) > 600 || len(m.Blocks)+len(m.Resources) > v.Most {
				t.Errorf("%d allocations: the map of %q has %d tiles, %d blocks and %d resources", c.many, zoom, len(m.Tiles), len(m.Blocks), len(m.Resources))
			}
		}
	}
}

// A space that no scan has added up is read up to a limit. From then on the answer names
// the next step; a small part of it has its map.
func TestSpaceMapBeforeTheFirstScan(t *testing.T) {
	l := newEnv(t)
	l.bigSpace(400)
	s := mapStore(l.memory, func() time.Time { return l.now }, 300, 100)
	v := store.SpaceView{Scope: l.ipam.PrivateScope, Family: ipam.IPv4, Most: 50}
	if _, err := s.SpaceMap(t.Context(), v); ipam.CodeOf(err) != ipam.CodeUnavailable {
		t.Errorf("%v, want Unavailable", err)
	}
	v.CIDR = netip.MustParsePrefix("10.0.0.0/24")
	if m, err := s.SpaceMap(t.Context(), v); err != nil || !m.Exact || len(m.Blocks) != 17 {
		t.Errorf("%+v, %v", m, err)
	}
	// A scan's map is not used after its time.
	sum, _, err := s.SumSpace(t.Context(), v.Scope, v.Family, func() bool { return false })
	l.must(err)
	l.must(s.SaveSpaceMap(t.Context(), v.Scope, v.Family, l.now, sum))
	v.CIDR = netip.Prefix{}
	m, err := s.SpaceMap(t.Context(), v)
	l.must(err)
	if !m.Summed || !m.AsOf.Equal(l.now) || m.Totals.Allocations != 400 {
		t.Errorf("%+v", m)
	}
	l.now = l.now.Add(items.SpaceMapRetention + 2*time.Second)
	if _, err := s.SpaceMap(t.Context(), v); ipam.CodeOf(err) != ipam.CodeUnavailable {
		t.Errorf("%v, want Unavailable", err)
	}
	// Nor is the map of a space that has become small.
	l.must(s.SaveSpaceMap(t.Context(), v.Scope, v.Family, l.now, sum))
	l.must(s.SaveSpaceMap(t.Context(), v.Scope, v.Family, l.now, new(ipam.SpaceSum)))
	if _, err := s.SpaceMap(t.Context(), v); ipam.CodeOf(err) != ipam.CodeUnavailable {
		t.Errorf("%v, want Unavailable", err)
	}
}

// A scan that is stopped saves nothing.
func TestSumSpaceStops(t *testing.T) {
	l := newEnv(t)
	l.bigSpace(3000)
	asked := 0
	sum, done, err := l.store.SumSpace(t.Context(), l.ipam.PrivateScope, ipam.IPv4, func() bool { asked++; return asked == 2 })
	if sum != nil || done || err != nil || asked != 2 {
		t.Errorf("%v, done %v, %v, asked %d times", sum, done, err, asked)
	}
}

// A call that fails while a map is saved, carried out or not, leaves the map before it or
// the new one, and the scan after it saves its own.
func TestSaveSpaceMapWithFaults(t *testing.T) {
	l := newEnv(t)
	l.bigSpace(300)
	before, faulty := l.memory.Clone(), &tabletest.Faulty{}
	now := func() time.Time { return l.now }
	sum, _, err := mapStore(l.memory, now, 10, 5).SumSpace(t.Context(), l.ipam.PrivateScope, ipam.IPv4, func() bool { return false })
	l.must(err)
	save := func(on table.Table) error {
		return mapStore(on, now, 10, 5).SaveSpaceMap(t.Context(), l.ipam.PrivateScope, ipam.IPv4, l.now, sum)
	}
	faulty.Table = before.Clone()
	l.must(save(faulty))
	trace := faulty.Trace()
	if len(trace) < 2 {
		t.Fatalf("the trace is %v", trace)
	}
	for _, c := range trace {
		for _, applied := range []bool{false, true} {
			l.memory = before.Clone()
			l.must(save(l.memory)) // the map before
			was := l.now
			l.now = l.now.Add(time.Minute)
			failed := false
			err := save(&tabletest.Faulty{Table: l.memory, Inject: func(at tabletest.Call) *tabletest.Fault {
				if failed || at.Kind != c.Kind || at.N != c.N {
					return nil
				}
				failed = true
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
			}})
			if !failed {
				t.Fatalf("%s does not fail", c)
			}
			m, err2 := mapStore(l.memory, now, 10, 5).SpaceMap(t.Context(), store.SpaceView{Scope: l.ipam.PrivateScope, Family: ipam.IPv4, Most: 1})
			l.must(err2)
			if m.Totals.Allocations != 300 || !m.AsOf.Equal(l.now) && (err == nil || !m.AsOf.Equal(was)) {
				t.Errorf("%s, applied %v: %v, and the map is of %s with %d allocations", c, applied, err, m.AsOf, m.Totals.Allocations)
			}
		}
	}
}

// A scan makes the map of a large space once an hour, and removes that of a space that has
// become small.
func TestSpaceMapDue(t *testing.T) {
	l := newEnv(t)
	l.bigSpace(300)
	s := mapStore(l.memory, func() time.Time { return l.now }, 10, 100)
	due := func(entries int64, want bool) {
		t.Helper()
		got, err := s.SpaceMapDue(t.Context(), l.ipam.PrivateScope, ipam.IPv4, entries)
		if l.must(err); got != want {
			t.Errorf("with %d entries: due %v, want %v", entries, got, want)
		}
	}
	due(100, false)
	due(101, true)
	sum, _, err := s.SumSpace(t.Context(), l.ipam.PrivateScope, ipam.IPv4, func() bool { return false })
	l.must(err)
	l.must(s.SaveSpaceMap(t.Context(), l.ipam.PrivateScope, ipam.IPv4, l.now, sum))
	due(300, false)
	l.now = l.now.Add(time.Hour)
	due(300, true)
	due(50, false)
	l.now = l.now.Add(-time.Hour)
	due(300, true)
}
