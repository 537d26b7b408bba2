package ipam_test

import (
	"math"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"pgregory.net/rapid"
)

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		name              string
		cidrs             []string
		allocated, others []string
		want              ipam.Usage
	}{
		{"no CIDR", nil, nil, nil, ipam.Usage{}},
		{"nothing taken", []string{"10.0.0.0/8"}, nil, nil, ipam.Usage{Available: 100}},
		{"a half, a quarter", []string{"10.0.0.0/8"}, []string{"10.0.0.0/9"}, []string{"10.128.0.0/11", "10.160.0.0/11"}, ipam.Usage{Allocated: 50, Assigned: 25, Available: 25}},
		{"CIDRs of several sizes", []string{"10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/23"}, []string{"10.2.0.0/23"}, []string{"10.1.0.0/24"}, ipam.Usage{Allocated: 50, Assigned: 25, Available: 25}},
		{"all of a family", []string{"::/0"}, []string{"::/1"}, []string{"8000::/1"}, ipam.Usage{Allocated: 50, Assigned: 50}},
		{"one address of 2^64", []string{"fd00::/64"}, nil, []string{"fd00::/128"}, ipam.Usage{Assigned: 100 / math.Exp2(64), Available: 100}},
		{"a third is no round number", []string{"10.0.0.0/31", "10.0.0.2/32"}, []string{"10.0.0.2/32"}, []string{"10.0.0.0/31"}, ipam.Usage{Allocated: 100. / 3, Assigned: 200. / 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tally ipam.Tally
			for _, p := range prefixes(c.cidrs...) {
				tally.Provision(p)
			}
			for _, p := range prefixes(c.allocated...) {
				tally.Take(ipam.Taken{CIDR: p, Kind: ipam.KindPool})
			}
			for i, p := range prefixes(c.others...) {
				tally.Take(ipam.Taken{CIDR: p, Kind: []ipam.Kind{ipam.KindVPC, ipam.KindHold, ipam.KindCustom}[i%3]})
			}
			if c.want.Available+c.want.Taken() > 0 {
				c.want.Blocks = int64(len(c.allocated) + len(c.others))
				for _, p := range prefixes(c.cidrs...) {
					c.want.Addresses += math.Exp2(float64(p.Addr().BitLen() - p.Bits()))
				}
			}
			if got := tally.Usage(); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// For any taken blocks, the shares add up to 100, and nothing is available
// exactly if no block is free.
func TestUsageSumsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := prefix("fd00::/32")
		free := []ipam.Free{{CIDR: root, Root: ipam.Root{Bits: root.Bits()}}}
		var tally ipam.Tally
		tally.Provision(root)
		for range rapid.IntRange(0, 10).Draw(t, "blocks") {
			i := rapid.IntRange(0, len(free)-1).Draw(t, "from")
			from := free[i]
			free = append(free[:i], free[i+1:]...)
			kind := rapid.SampledFrom([]ipam.Kind{ipam.KindPool, ipam.KindCustom}).Draw(t, "kind")
			changes, _ := ipam.Take(from, ipam.Taken{CIDR: ipamtest.Inside(from.CIDR).Draw(t, "block"), Kind: kind}, 200)
			for _, c := range changes {
				switch c.Op {
				case ipam.AddFree:
					free = append(free, c.Free)
				case ipam.AddTaken:
					tally.Take(c.Taken)
				default: // the block that it was taken from
				}
			}
			if u := tally.Usage(); math.Abs(u.Taken()+u.Available-100) > 1e-9 || u.Available < 0 || len(free) == 0 && u.Available > 0 {
				t.Fatalf("%+v with %d blocks free", u, len(free))
			}
			if len(free) == 0 {
				break
			}
		}
	})
}

func TestUsageCrosses(t *testing.T) {
	crossed := false
	for i, step := range []struct {
		taken float64
		want  bool
	}{{0, false}, {79.9, false}, {80, true}, {79, true}, {75.1, true}, {75, false}, {79, false}, {100, true}, {0, false}} {
		if crossed = (ipam.Usage{Allocated: step.taken / 2, Assigned: step.taken / 2}).Crossed(crossed); crossed != step.want {
			t.Errorf("step %d, at %v: %v", i, step.taken, crossed)
		}
	}
}
