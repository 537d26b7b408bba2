package store

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"go4.org/netipx"
	"golang.org/x/sync/errgroup"
)

// SpaceView selects the part of a space that a map shows.
type SpaceView struct {
	Scope  string // a pool's too
	Family ipam.Family
	Pool   *ipam.Pool   // nil: the scope
	CIDR   netip.Prefix // the zero Prefix: all
	Most   int          // the blocks and resources of an exact map
	At     time.Time    // the zero Time: now; else a time of the past, to the second
	// Shallow leaves out the resources and the blocks inside child pools. So an account
	// sees a pool that is shared with it.
	Shallow bool
}

// SpaceMap is a map of a space: exact, with blocks and resources, or in tiles. It is no
// snapshot: each part is read at its own moment.
type SpaceMap struct {
	Exact     bool
	Summed    bool // the tiles are of the last scan
	AsOf      time.Time
	Blocks    []ipam.SpaceBlock    // in the order of [netip.Prefix.Compare], of equal ones the outer one first; with those around the view's CIDR
	Resources []*ipam.ResourceCIDR // in the same order, with those around the view's CIDR
	Tiles     []ipam.SpaceTile
	Totals    ipam.SpaceTotals
}

// maxSpaceTiles is the number of tiles of a map. Such a map has less than 200 KB in JSON.
const maxSpaceTiles = 600

// SpaceMap returns the map of a space. It is exact if it has at most v.Most blocks and
// resources. The tiles of a larger one come from the last scan, or from the table itself
// for a part with few thousand blocks. So it takes about as many reads with a million
// allocations as with some thousands.
//
// A map of the past is read as the present one, and then the changes since its time are
// undone. It has no scan's tiles.
func (s *Store) SpaceMap(ctx context.Context, v SpaceView) (*SpaceMap, error) {
	regions, roots, err := s.viewed(ctx, v)
	if errors.Is(err, errLargeSpace) {
		return nil, s.tooMuchPast()
	}
	if err != nil || len(regions) == 0 {
		return &SpaceMap{Exact: true, AsOf: v.asOf(s)}, err
	}
	var summed *SpaceMap
	if !v.Shallow && v.At.IsZero() {
		if summed, err = s.summedMap(ctx, v, regions); err != nil {
			return nil, err
		}
		if summed != nil && entriesOf(summed.Tiles) > int64(s.o.MapSummed) {
			return summed.coarser(), nil
		}
	}
	live, err := s.liveMap(ctx, v, regions, roots, s.o.MapLive)
	switch {
	case !errors.Is(err, errLargeSpace):
		return live, err
	case summed != nil: // it has grown since the scan
		return summed.coarser(), nil
	case !v.At.IsZero():
		return nil, s.tooMuchPast()
	}
	return nil, ipam.Errorf(ipam.CodeUnavailable, "There are more than %d blocks and resources to show, and the last %s have no scan's map of them. Ask for the map of a smaller Cidr, or wait for the next scan.", s.o.MapLive, items.SpaceMapRetention)
}

// tooMuchPast returns the error of a map of the past for which too much would be read.
func (s *Store) tooMuchPast() error {
	return ipam.Errorf(ipam.CodeUnavailable, "There are more than %d blocks, resources and changes to read for the map of that time. Ask for the map of a smaller Cidr, or of one pool.", s.o.MapLive)
}

// asOf returns the time of a map that is read now.
func (v *SpaceView) asOf(s *Store) time.Time {
	if v.At.IsZero() {
		return s.o.Now()
	}
	return v.At
}

func (m *SpaceMap) coarser() *SpaceMap {
	m.Tiles = ipam.CoarserTiles(m.Tiles, maxSpaceTiles)
	return m
}

func entriesOf(tiles []ipam.SpaceTile) (n int64) {
	for i := range tiles {
		n += tiles[i].Entries
	}
	return n
}

// viewed returns the blocks that a view shows, disjoint and ascending: all of a scope's
// family, the CIDRs of a pool, or the view's CIDR. roots are the pool's CIDRs that overlap
// it.
func (s *Store) viewed(ctx context.Context, v SpaceView) (regions []netip.Prefix, roots []*ipam.PoolCIDR, err error) {
	if v.Pool == nil {
		if v.CIDR.IsValid() {
			return []netip.Prefix{v.CIDR}, nil, nil
		}
		return []netip.Prefix{v.Family.All()}, nil, nil
	}
	cidrs, err := s.cidrsOf(ctx, v)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range cidrs {
		if !c.State.Holds() || v.CIDR.IsValid() && !c.CIDR.Overlaps(v.CIDR) {
			continue
		}
		roots = append(roots, c)
		if v.CIDR.IsValid() && ipam.Within(v.CIDR, c.CIDR) {
			regions = append(regions, v.CIDR)
		} else {
			regions = append(regions, c.CIDR)
		}
	}
	return regions, roots, nil
}

// cidrsOf returns the CIDRs of the pool of a view.
func (s *Store) cidrsOf(ctx context.Context, v SpaceView) ([]*ipam.PoolCIDR, error) {
	if v.At.IsZero() {
		return s.PoolCIDRs(ctx, v.Pool.ID)
	}
	return s.newSpaceReader(v, s.o.MapLive).past().cidrsAt(ctx, v.Pool.ID)
}

// liveMap reads the blocks and resources in regions, at most most of them, else it returns
// errLargeSpace.
func (s *Store) liveMap(ctx context.Context, v SpaceView, regions []netip.Prefix, roots []*ipam.PoolCIDR, most int) (*SpaceMap, error) {
	m := &SpaceMap{AsOf: v.asOf(s)}
	r := s.newSpaceReader(v, most)
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		m.Blocks, err = r.blocks(inner, regions, roots)
		return err
	})
	if !v.Shallow {
		g.Go(func() (err error) {
			m.Resources, err = r.resources(inner, regions)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var sum ipam.SpaceSum
	for i := range m.Blocks {
		sum.AddBlock(&m.Blocks[i])
	}
	for _, r := range m.Resources {
		sum.AddResource(r)
	}
	for _, region := range regions {
		totals := sum.Totals(region)
		m.Totals.Add(&totals)
	}
	if m.Exact = sum.Len() <= v.Most; m.Exact {
		return m, nil
	}
	for _, region := range regions {
		m.Tiles = append(m.Tiles, sum.Tiles(region, 1+sum.Len()/(2*maxSpaceTiles))...)
	}
	m.Blocks, m.Resources = nil, nil
	return m.coarser(), nil
}

// SpaceAround returns the blocks and resources around v.CIDR or equal to it, and those
// inside it if there are at most v.Most in all; complete is false if there are more. For a
// single address the resources include the interfaces that have it.
func (s *Store) SpaceAround(ctx context.Context, v SpaceView) (m *SpaceMap, complete bool, err error) {
	m, err = s.liveMap(ctx, v, []netip.Prefix{v.CIDR}, nil, v.Most)
	if complete = !errors.Is(err, errLargeSpace); !complete {
		at := v
		at.CIDR, at.Most = netip.PrefixFrom(v.CIDR.Addr(), v.CIDR.Addr().BitLen()), s.o.MapLive
		if m, err = s.liveMap(ctx, at, []netip.Prefix{at.CIDR}, nil, at.Most); errors.Is(err, errLargeSpace) {
			return &SpaceMap{AsOf: s.o.Now()}, false, nil
		}
	}
	if err != nil {
		return nil, false, err
	}
	if !complete {
		m.Blocks = slices.DeleteFunc(m.Blocks, func(b ipam.SpaceBlock) bool { return !ipam.Within(v.CIDR, b.CIDR) })
		m.Resources = slices.DeleteFunc(m.Resources, func(r *ipam.ResourceCIDR) bool { return !ipam.Within(v.CIDR, r.CIDR) })
	}
	if v.CIDR.IsSingleIP() {
		interfaces, err := collect(decoded(table.Rows(ctx, s.table, items.InterfaceRowsOf(v.Scope, v.CIDR)), items.DecodeResource))
		if err != nil {
			return nil, false, err
		}
		m.Resources = append(m.Resources, interfaces...)
	}
	return m, complete, nil
}

// spaceReader reads the blocks and resources of a view.
type spaceReader struct {
	s    *Store
	view SpaceView
	*budget
}

func (s *Store) newSpaceReader(v SpaceView, most int) *spaceReader {
	return &spaceReader{s, v, newBudget(most)}
}

// past returns a reader of the time of the view.
func (r *spaceReader) past() *pastReader { return &pastReader{r.s, r.view.At, r.budget} }

// spaceNode is a block with the blocks inside it.
type spaceNode struct {
	block  ipam.SpaceBlock
	inside []*spaceNode
}

// spaceRead is a part of a space to read.
type spaceRead struct {
	space  ipam.SpaceID
	root   netip.Prefix // of the pool that has the space; the zero Prefix for a scope
	region netip.Prefix // in the root
	into   *[]*spaceNode
}

// blocks reads the blocks that overlap regions: level by level, the pools of a level at
// once.
func (r *spaceReader) blocks(ctx context.Context, regions []netip.Prefix, roots []*ipam.PoolCIDR) ([]ipam.SpaceBlock, error) {
	var top []*spaceNode
	var reads []spaceRead
	if v := r.view; v.Pool == nil {
		reads = []spaceRead{{space: ipam.ScopeSpace(v.Scope, v.Family), region: regions[0], into: &top}}
	} else {
		if err := r.count(len(roots)); err != nil {
			return nil, err
		}
		for i, c := range roots {
			n := &spaceNode{block: ipam.SpaceBlock{
				Taken: ipam.Taken{CIDR: c.CIDR, Kind: ipam.KindPool, AllocationID: c.AllocationID, ResourceID: v.Pool.ID, Owner: v.Pool.Owner},
				Pool:  v.Pool.SourcePool, State: ipam.SpacePool,
			}}
			top = append(top, n)
			reads = append(reads, spaceRead{space: v.Pool.Space(), root: c.CIDR, region: regions[i], into: &n.inside})
		}
	}
	for len(reads) > 0 {
		var mu sync.Mutex
		var deeper []spaceRead
		g, inner := errgroup.WithContext(ctx)
		g.SetLimit(spaceReads)
		for _, q := range reads {
			g.Go(func() error {
				more, err := r.read(inner, q)
				mu.Lock()
				defer mu.Unlock()
				deeper = append(deeper, more...)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		reads = deeper
	}
	return flatten(nil, top), nil
}

func flatten(blocks []ipam.SpaceBlock, nodes []*spaceNode) []ipam.SpaceBlock {
	for _, n := range nodes {
		blocks = flatten(append(blocks, n.block), n.inside)
	}
	return blocks
}

// read reads the blocks of one space, and returns the reads for the pools inside it.
func (r *spaceReader) read(ctx context.Context, q spaceRead) (deeper []spaceRead, err error) {
	pool := ""
	if q.root.IsValid() {
		pool = string(q.space)
	}
	next := q.region.Addr()
	add := func(b ipam.SpaceBlock) (*spaceNode, error) {
		n := &spaceNode{block: b}
		*q.into = append(*q.into, n)
		return n, r.count(1)
	}
	addFree := func(p netip.Prefix) error {
		_, err := add(ipam.SpaceBlock{Taken: ipam.Taken{CIDR: p}, Pool: pool, State: ipam.SpaceFree})
		return err
	}
	gap := func(last netip.Addr) error {
		if pool == "" || !next.IsValid() || last.Less(next) {
			return nil
		}
		for _, p := range netipx.IPRangeFrom(next, last).Prefixes() {
			if p == q.region && p != q.root {
				return r.freeAround(ctx, q, addFree)
			}
			if err := addFree(p); err != nil {
				return err
			}
		}
		return nil
	}
	for t, err := range r.taken(ctx, q) {
		if err != nil {
			return nil, err
		}
		if q.region.Addr().Less(t.CIDR.Addr()) {
			if err := gap(t.CIDR.Addr().Prev()); err != nil {
				return nil, err
			}
		}
		next = netipx.PrefixLastIP(t.CIDR).Next()
		n, err := add(ipam.SpaceBlock{Taken: t, Pool: pool, State: ipam.SpaceStateOf(t.Kind)})
		if err != nil {
			return nil, err
		}
		if child := t.ChildPool(); child != "" && !r.view.Shallow {
			in := t.CIDR
			if ipam.Within(q.region, in) {
				in = q.region
			}
			deeper = append(deeper, spaceRead{space: ipam.SpaceID(child), root: t.CIDR, region: in, into: &n.inside})
		}
	}
	return deeper, gap(netipx.PrefixLastIP(q.region))
}

// taken yields the taken blocks that overlap the region of q, in address order.
func (r *spaceReader) taken(ctx context.Context, q spaceRead) iter.Seq2[ipam.Taken, error] {
	switch {
	case !r.view.At.IsZero():
		root := q.root
		if !root.IsValid() {
			root = r.view.Family.All()
		}
		return func(yield func(ipam.Taken, error) bool) {
			taken, err := r.past().takenAt(ctx, q.space, root, q.region)
			if err != nil {
				yield(ipam.Taken{}, err)
				return
			}
			for _, t := range taken {
				if !yield(t, nil) {
					return
				}
			}
		}
	case q.region == q.root: // no block reaches into a root from before it
		return decoded(table.Rows(ctx, r.s.table, items.TakenRowsIn(q.space, q.root, q.root.Addr())), items.DecodeTaken)
	default:
		return r.s.takenIn(ctx, q.space, q.region, q.region.Addr())
	}
}

// freeAround adds the free block that contains a region in which no block is taken. A free
// block is in the region or contains it.
func (r *spaceReader) freeAround(ctx context.Context, q spaceRead, add func(netip.Prefix) error) error {
	if !r.view.At.IsZero() {
		free, err := r.past().freeAt(ctx, q.space, q.root, q.region)
		if err != nil {
			return err
		}
		return add(free)
	}
	f, ok, err := r.s.holder(ctx, q.space, q.region, nil)
	if err != nil {
		return err
	}
	if !ok { // the space has changed since its taken blocks were read
		return add(q.region)
	}
	return add(f.CIDR)
}

// resources reads the resources' CIDRs that overlap regions.
func (r *spaceReader) resources(ctx context.Context, regions []netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	parts := make([][]*ipam.ResourceCIDR, len(regions))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(spaceReads)
	for i, region := range regions {
		g.Go(func() error {
			around, err := r.s.containers(ctx, r.view.Scope, region)
			if err != nil {
				return err
			}
			slices.Reverse(around)
			parts[i] = around
			if err := r.count(len(around)); err != nil {
				return err
			}
			for row, err := range r.s.rowsIn(ctx, r.view.Scope, region, netip.Prefix{}) {
				if err != nil {
					return err
				}
				parts[i] = append(parts[i], row)
				if err := r.count(1); err != nil {
					return err
				}
			}
			if r.view.At.IsZero() {
				return nil
			}
			parts[i], err = r.past().resourcesAt(ctx, r.view.Scope, region, parts[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(parts...)
	if len(regions) == 1 {
		return all, nil
	}
	// A resource may be around two of the regions.
	slices.SortFunc(all, compareResources)
	return slices.CompactFunc(all, func(a, b *ipam.ResourceCIDR) bool { return items.ResourceAfter(a) == items.ResourceAfter(b) }), nil
}

// summedMap returns the tiles of the last scan in regions. It returns nil if there is no
// scan's map that is not too old, if the whole scope is small, or if a region is smaller
// than its tile.
func (s *Store) summedMap(ctx context.Context, v SpaceView, regions []netip.Prefix) (*SpaceMap, error) {
	k := items.SpaceMapKey(v.Scope, v.Family)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil || read[k] == nil || table.Expired(read[k], s.now()) {
		return nil, err
	}
	head, err := items.DecodeSpaceMapHead(read[k])
	if err != nil || head.Entries <= int64(s.o.MapSummed) {
		return nil, err
	}
	m := &SpaceMap{Summed: true, AsOf: time.UnixMilli(head.AsOf).UTC()}
	first, last := regions[0].Addr(), netipx.PrefixLastIP(regions[len(regions)-1])
	// The row with the last tile that begins at or before first may have tiles behind it.
	if i, found := slices.BinarySearchFunc(head.Starts, first, netip.Addr.Compare); !found && i > 0 {
		first = head.Starts[i-1]
	}
	for r, err := range table.Rows(ctx, s.table, items.SpaceMapRows(v.Scope, v.Family, head.AsOf, first, last)) {
		if err != nil {
			return nil, err
		}
		tiles, err := items.DecodeSpaceMapRow(r)
		if err != nil {
			return nil, err
		}
		for i := range tiles {
			region := slices.IndexFunc(regions, tiles[i].CIDR.Overlaps)
			if region >= 0 && tiles[i].CIDR.Bits() < regions[region].Bits() {
				return nil, nil
			}
			if region >= 0 {
				m.Tiles = append(m.Tiles, tiles[i])
				m.Totals.Add(&tiles[i].SpaceTotals)
			}
		}
	}
	return m, nil
}

// spaceMapInterval is the time between two maps of the scans. It is a little less than an
// hour, so that a scan an hour later finds the next map due.
const spaceMapInterval = 55 * time.Minute

// SpaceMapDue reports whether a scan should make the map of one family of a scope. entries
// is the number of its blocks and resources, as far as the scan knows. A space that is
// small, and so needs no map of a scan, loses the map that it had.
func (s *Store) SpaceMapDue(ctx context.Context, scope string, f ipam.Family, entries int64) (bool, error) {
	if entries <= int64(s.o.MapSummed) {
		return false, s.SaveSpaceMap(ctx, scope, f, s.o.Now(), new(ipam.SpaceSum))
	}
	k := items.SpaceMapKey(scope, f)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil || read[k] == nil {
		return err == nil, err
	}
	head, err := items.DecodeSpaceMapHead(read[k])
	return s.o.Now().Sub(time.UnixMilli(head.AsOf)) >= spaceMapInterval, err
}

// SumSpace adds up the blocks and the resources of one family of a scope. Blocks that are
// taken or given back meanwhile may count or not. It takes about 40 bytes of memory for
// each. It stops early, with done false, when stop returns true; it calls stop now and
// then.
func (s *Store) SumSpace(ctx context.Context, scope string, f ipam.Family, stop func() bool) (sum *ipam.SpaceSum, done bool, err error) {
	sum = new(ipam.SpaceSum)
	n := 0
	goOn := func() bool { n++; return n%1000 != 0 || !stop() }
	add := func(b ipam.SpaceBlock) bool {
		sum.AddBlock(&b)
		return goOn()
	}
	err = s.visitFrom(ctx, position{space: ipam.ScopeSpace(scope, f)}, f.All(), f.All().Addr(), visitor{
		pool: func(b poolBlock) bool {
			pool := string(b.space)
			if b.space.OfScope() {
				pool = ""
			}
			return add(ipam.SpaceBlock{Taken: b.Taken, Pool: pool, State: ipam.SpacePool})
		},
		visit: func(b poolBlock) bool {
			return add(ipam.SpaceBlock{Taken: b.Taken, Pool: string(b.space), State: ipam.SpaceStateOf(b.Kind)})
		},
		free: func(g gap) {
			for _, p := range netipx.IPRangeFrom(g.first, g.last).Prefixes() {
				add(ipam.SpaceBlock{Taken: ipam.Taken{CIDR: p}, State: ipam.SpaceFree})
			}
		},
	})
	if errors.Is(err, errStopVisit) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for r, err := range s.rowsIn(ctx, scope, f.All(), netip.Prefix{}) {
		if err != nil {
			return nil, false, err
		}
		if sum.AddResource(r); !goOn() {
			return nil, false, nil
		}
	}
	return sum, true, nil
}

const (
	// maxSummedTiles is about the number of tiles of a scan's map.
	maxSummedTiles = 16_000
	// tilesPerRow is the number of tiles of an item, which then has at most 40 KB.
	tilesPerRow = 256
	// rowsAtOnce is the number of rows that one transaction writes.
	rowsAtOnce = 25
)

// SaveSpaceMap saves the map of one family of a scope, which a scan has added up since
// asOf. For a small scope it saves only that there is no map. It reads and writes as
// often with a million allocations as with some ten thousands.
func (s *Store) SaveSpaceMap(ctx context.Context, scope string, f ipam.Family, asOf time.Time, sum *ipam.SpaceSum) error {
	k := items.SpaceMapKey(scope, f)
	head := items.SpaceMapHead{AsOf: asOf.UnixMilli(), Entries: int64(sum.Len()), Starts: []netip.Addr{}}
	if sum.Len() <= s.o.MapSummed {
		return s.commit(ctx, "forget the map of "+scope, nil, func(attempt) ([]table.Write, error) {
			read, err := s.table.BatchGet(ctx, []table.Key{k})
			if err != nil || read[k] == nil {
				return nil, err
			}
			return []table.Write{{Op: table.OpDelete, Key: k}}, nil
		})
	}
	tiles := sum.Tiles(f.All(), 1+2*sum.Len()/maxSummedTiles)
	var rows []table.Write
	for part := range slices.Chunk(tiles, tilesPerRow) {
		start := part[0].CIDR.Addr()
		head.Starts = append(head.Starts, start)
		rows = append(rows, table.Write{Op: table.OpPut, Key: items.SpaceMapRowKey(scope, f, head.AsOf, start), Item: items.EncodeSpaceMapRow(head.AsOf, part)})
	}
	for some := range slices.Chunk(rows, rowsAtOnce) {
		if err := s.commit(ctx, "save the map of "+scope, nil, func(attempt) ([]table.Write, error) { return some, nil }); err != nil {
			return err
		}
	}
	return s.commit(ctx, "save the map of "+scope, nil, func(attempt) ([]table.Write, error) {
		return []table.Write{{Op: table.OpPut, Key: k, Item: items.EncodeSpaceMapHead(head)}}, nil
	})
}
