package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// cover keeps a space's free blocks in memory, as the table keeps them. It
// answers the two questions of the core: the lowest free block of the tightest
// fit, and whether a block is free. The cost of an answer does not grow. For
// each length it is a bitmap with one bit for each block, and summaries of 64
// bits each above.
type cover struct {
	root   ipam.Root
	base   uint32
	levels [33][][]uint64
}

func newCover(root netip.Prefix, deepest int) *cover {
	a := root.Addr().As4()
	c := &cover{
		root: ipam.Root{ID: "ipam-pool-cidr-0123456789abcdef0123456789abcdef", Bits: root.Bits()},
		base: uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3]),
	}
	for length := root.Bits(); length <= deepest; length++ {
		for n := 1 << (length - root.Bits()); ; n = (n + 63) / 64 {
			c.levels[length] = append(c.levels[length], make([]uint64, (n+63)/64))
			if n <= 64 {
				break
			}
		}
	}
	c.set(root)
	return c
}

func (c *cover) index(p netip.Prefix) int {
	a := p.Addr().As4()
	at := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	return int(uint64(at-c.base) >> (32 - p.Bits()))
}

func (c *cover) block(i, length int) netip.Prefix {
	at := c.base + uint32(uint64(i)<<(32-length))
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), length)
}

func (c *cover) set(p netip.Prefix) {
	i := c.index(p)
	for _, level := range c.levels[p.Bits()] {
		level[i/64] |= 1 << (i % 64)
		i /= 64
	}
}

func (c *cover) unset(p netip.Prefix) {
	i := c.index(p)
	for _, level := range c.levels[p.Bits()] {
		level[i/64] &^= 1 << (i % 64)
		if level[i/64] != 0 {
			return
		}
		i /= 64
	}
}

// at answers like the lookup of a block's key.
func (c *cover) at(p netip.Prefix) (ipam.Free, bool) {
	levels := c.levels[p.Bits()]
	if len(levels) == 0 {
		return ipam.Free{}, false
	}
	i := c.index(p)
	return ipam.Free{CIDR: p, Root: c.root}, levels[0][i/64]&(1<<(i%64)) != 0
}

// fit answers like the query for a length with a limit of 1.
func (c *cover) fit(length int) (ipam.Free, bool) {
	for l := length; l >= c.root.Bits; l-- {
		levels := c.levels[l]
		if levels[len(levels)-1][0] == 0 {
			continue
		}
		i := 0
		for _, level := range slices.Backward(levels) {
			i = i*64 + bits.TrailingZeros64(level[i])
		}
		return ipam.Free{CIDR: c.block(i, l), Root: c.root}, true
	}
	return ipam.Free{}, false
}

func (c *cover) apply(changes []ipam.Change) {
	for _, ch := range changes {
		switch ch.Op {
		case ipam.DropFree:
			c.unset(ch.Free.CIDR)
		case ipam.AddFree:
			c.set(ch.Free.CIDR)
		default: // it does not keep taken blocks
		}
	}
}

// room is the store's limit for the changes of one transaction.
const room = 88

// decideAllocate is the core's part of an allocation by length.
func decideAllocate(pool *ipam.Pool, c *cover, length *int) (ipam.Taken, []ipam.Change, error) {
	want, err := pool.DecideWant(ipam.AllocateRequest{Length: length})
	if err != nil {
		return ipam.Taken{}, nil, err
	}
	candidate, ok := c.fit(want.Length)
	if !ok {
		return ipam.Taken{}, nil, ipam.NoRoom(pool.ID, want, -1, 1, ipam.Occupants{})
	}
	from, chosen, _ := ipam.Choose([]ipam.Free{candidate}, want.Length, want.Filter, 1, func(int) int { return 0 })
	t := ipam.Taken{CIDR: chosen, Root: c.root, AllocationID: "ipam-pool-alloc-0123456789abcdef0123456789abcdef", Kind: ipam.KindCustom, Owner: "111122223333"}
	changes, _ := ipam.Take(from, t, room)
	return t, changes, nil
}

// meter adds up the cost of batches of an operation. It reads memory statistics
// at every 64th batch only, because that stops the world, and does not count
// that time.
type meter struct {
	batches, ops  int
	spent         time.Duration
	bytes, allocs uint64
	counted       int // operations counted in bytes and allocs
}

func (m *meter) measure(part []ipam.Taken, do func([]ipam.Taken) error) error {
	m.batches++
	if m.batches%64 != 1 {
		start := time.Now()
		err := do(part)
		m.spent += time.Since(start)
		m.ops += len(part)
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := do(part)
	runtime.ReadMemStats(&after)
	m.bytes += after.TotalAlloc - before.TotalAlloc
	m.allocs += after.Mallocs - before.Mallocs
	m.counted += len(part)
	return err
}

func (m *meter) ns() float64          { return float64(m.spent.Nanoseconds()) / float64(m.ops) }
func (m *meter) bytesPerOp() float64  { return float64(m.bytes) / float64(m.counted) }
func (m *meter) allocsPerOp() float64 { return float64(m.allocs) / float64(m.counted) }

// core measures the decisions of allocate and release while 10 to a million
// /29s are held in a /8, at random places: of twice as many, half were
// released.
func core(_ context.Context, _ *settings) error {
	title("The core: one decision, its changes applied in memory")
	fmt.Printf("%12s  %14s %8s %10s  %14s %8s %10s\n", "held", "allocate ns/op", "B/op", "allocs/op", "release ns/op", "B/op", "allocs/op")
	var allocating, releasing []float64
	for _, held := range []int{10, 100, 1000, 10_000, 100_000, 1_000_000} {
		pool := &ipam.Pool{Meta: ipam.Meta{ID: "ipam-pool-0123456789abcdef0", State: ipam.StateCreateComplete}, Family: ipam.IPv4, CIDRCount: 1}
		length := 29
		c := newCover(netip.MustParsePrefix("10.0.0.0/8"), length)
		random := rand.New(rand.NewPCG(1, uint64(held)))
		var taken []ipam.Taken
		for range 2 * held {
			t, changes, err := decideAllocate(pool, c, &length)
			if err != nil {
				return err
			}
			c.apply(changes)
			taken = append(taken, t)
		}
		random.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
		release := func(t ipam.Taken) error {
			changes, rest, err := ipam.Give(t, c.at, room, 0)
			if err == nil && rest != nil {
				err = errors.New("it takes more than one transaction")
			}
			if err != nil {
				return fmt.Errorf("release %s: %w", t.CIDR, err)
			}
			c.apply(changes)
			return nil
		}
		for _, t := range taken[held:] {
			if err := release(t); err != nil {
				return err
			}
		}
		taken = taken[:held]
		next := 0
		turn := func(n int) (part []ipam.Taken) { // the next n blocks, at random places because taken was shuffled
			if next+n > len(taken) {
				next = 0
			}
			next += n
			return taken[next-n : next]
		}
		releaseAll := func(part []ipam.Taken) error {
			for _, t := range part {
				if err := release(t); err != nil {
					return err
				}
			}
			return nil
		}
		allocateAll := func(part []ipam.Taken) error {
			for i := range part {
				t, changes, err := decideAllocate(pool, c, &length)
				if err != nil {
					return err
				}
				c.apply(changes)
				part[i] = t
			}
			return nil
		}
		// Batches of releases and allocations alternate, so that the number
		// held stays the row's number.
		var a, r meter
		for n := min(1024, held/2); a.spent < 500*time.Millisecond; {
			part := turn(n)
			if err := errors.Join(r.measure(part, releaseAll), a.measure(part, allocateAll)); err != nil {
				return err
			}
		}
		fmt.Printf("%12s  %14.0f %8.0f %10.1f  %14.0f %8.0f %10.1f\n", thousands(held), a.ns(), a.bytesPerOp(), a.allocsPerOp(), r.ns(), r.bytesPerOp(), r.allocsPerOp())
		allocating, releasing = append(allocating, a.ns()), append(releasing, r.ns())
	}
	return errors.Join(flat("allocate", 3, allocating), flat("release", 3, releasing))
}
