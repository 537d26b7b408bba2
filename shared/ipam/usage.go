package ipam

import (
	"math/big"
	"net/netip"
)

// Usage is the use of a pool's CIDRs in percent of their addresses, 0 to 100.
// The three shares add up to 100, or to 0 for a pool without CIDRs. The VPC
// IPAM User Guide, "View IPAM pool details", defines them.
type Usage struct {
	Allocated float64 // to child pools
	Assigned  float64 // to resources and custom allocations, or held for resources
	Available float64
	Blocks    int64   // the number of taken blocks, with the CIDRs of child pools
	Addresses float64 // of the pool's CIDRs, rounded if there are more than 2^53
}

// Taken returns the share that is not available.
func (u Usage) Taken() float64 { return u.Allocated + u.Assigned }

// Tally counts the blocks of a space of one family. The zero Tally is empty. It
// counts blocks by length, so sums of more than 2^64 addresses are exact.
type Tally struct {
	bits                           int
	blocks                         int64
	provisioned, allocated, others [129]int64
}

// Provision counts a CIDR of the space.
func (t *Tally) Provision(p netip.Prefix) {
	t.bits = p.Addr().BitLen()
	t.provisioned[p.Bits()]++
}

// Take counts a taken block in one of the CIDRs.
func (t *Tally) Take(b Taken) {
	t.blocks++
	if b.Kind == KindPool {
		t.allocated[b.CIDR.Bits()]++
	} else {
		t.others[b.CIDR.Bits()]++
	}
}

// Usage returns the shares of the counted blocks.
func (t *Tally) Usage() Usage {
	addresses := func(count *[129]int64) *big.Int {
		sum := new(big.Int)
		for length, n := range count {
			if n > 0 {
				sum.Add(sum, new(big.Int).Lsh(big.NewInt(n), uint(t.bits-length)))
			}
		}
		return sum
	}
	all := addresses(&t.provisioned)
	if all.Sign() == 0 {
		return Usage{}
	}
	percent := func(part *big.Int) float64 {
		f, _ := new(big.Rat).SetFrac(new(big.Int).Mul(part, big.NewInt(100)), all).Float64()
		return f
	}
	allocated, assigned := addresses(&t.allocated), addresses(&t.others)
	u := Usage{Allocated: percent(allocated), Assigned: percent(assigned), Blocks: t.blocks}
	u.Addresses, _ = new(big.Float).SetInt(all).Float64()
	if all.Cmp(new(big.Int).Add(allocated, assigned)) > 0 { // otherwise rounding could leave a little space that does not exist
		u.Available = max(0, 100-u.Allocated-u.Assigned)
	}
	return u
}

// The threshold of a pool's usage, in percent. Usage crosses it when at least
// UsageThreshold is taken, and falls below it again when UsageSlack less is
// taken. So usage near the threshold does not cross it again and again.
const (
	UsageThreshold = 80
	UsageSlack     = 5
)

// Crossed reports whether the usage is above the threshold. before is the
// earlier answer.
func (u Usage) Crossed(before bool) bool {
	if before {
		return u.Taken() > UsageThreshold-UsageSlack
	}
	return u.Taken() >= UsageThreshold
}
