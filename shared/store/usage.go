package store

import (
	"context"
	"math"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Usage adds up the taken blocks of a pool's CIDRs. It reads all of them, which is no
// snapshot: a block that is taken or released meanwhile may count or not. Blocks of CIDRs
// that are provisioned meanwhile do not count.
func (s *Store) Usage(ctx context.Context, pool string) (ipam.Usage, error) {
	var tally ipam.Tally
	cidrs, err := s.PoolCIDRs(ctx, pool)
	if err != nil {
		return ipam.Usage{}, err
	}
	for _, c := range cidrs {
		if !c.State.Holds() && c.State != ipam.CIDRPendingProvision {
			continue
		}
		tally.Provision(c.CIDR)
		for t, err := range s.takenIn(ctx, ipam.SpaceID(pool), c.CIDR, c.CIDR.Addr()) {
			if err != nil {
				return ipam.Usage{}, err
			}
			if ipam.Within(t.CIDR, c.CIDR) {
				tally.Take(t)
			}
		}
	}
	return tally.Usage(), nil
}

// SaveUsage saves whether a pool's usage is above ipam.UsageThreshold, in an item of its
// own that it writes only when this changes. It reports whether it is above. It saves
// nothing for a deleted pool.
func (s *Store) SaveUsage(ctx context.Context, pool string, u ipam.Usage) (crossed bool, err error) {
	k := items.UsageKey(pool)
	err = s.commit(ctx, "save the usage of "+pool, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k, items.PoolKey(pool)})
		if err != nil || read[items.PoolKey(pool)] == nil {
			return nil, err
		}
		before := table.Cond{Absent: true}
		if i, ok := read[k]; ok {
			before = table.Cond{Equal: table.Item{items.AttrCrossed: i[items.AttrCrossed]}}
		}
		was := read[k].Num(items.AttrCrossed) == 1
		if crossed = u.Crossed(was); crossed == was {
			return nil, nil
		}
		now := table.Item{
			items.AttrPercent:   &types.AttributeValueMemberN{Value: strconv.FormatFloat(math.Round(100*u.Taken())/100, 'f', -1, 64)},
			items.AttrThreshold: table.Num(ipam.UsageThreshold),
			items.AttrCrossed:   table.Num(0),
		}
		if crossed {
			now[items.AttrCrossed] = table.Num(1)
		}
		return []table.Write{{Op: table.OpPut, Key: k, Item: now, If: before}, {Op: table.OpCheck, Key: items.PoolKey(pool), If: table.Cond{Present: true}}}, nil
	})
	return crossed, err
}
