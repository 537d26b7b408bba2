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

// Usage adds up what is taken of a pool's CIDRs, reading all its taken blocks.
// It is no snapshot: what is taken or released meanwhile may count or not, and
// blocks of CIDRs that were not there when it began do not.
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

// SaveUsage keeps whether a pool's usage stands above ipam.UsageThreshold, in
// an item of its own, which is written when that changes and only then. It
// reports how it stands. Of a pool that is gone it keeps nothing.
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
